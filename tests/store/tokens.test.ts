import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { scopesOf } from '../../src/core/scopes.ts';
import { openTokens, readTokens } from '../../src/store/tokens.ts';
import { clock, memoryLog, newState, thrownBy } from './bench.ts';

const MOST = 500;

function instead(path: string, make: (path: string) => void): void {
  rmSync(path);
  make(path);
}

function two() {
  const state = newState();
  const time = clock();
  const log = memoryLog();
  let ms = 0;
  const open = () => openTokens(state, log, time.now, () => ++ms);
  return { state, time, log, cli: open(), server: open() };
}

describe('tokens', () => {
  it('are shown once, kept as hashes only, and found', () => {
    const { state, cli } = two();
    const { secret, record } = cli.add({ name: 'laptop', role: 'viewer', scopes: ['audit:read'] });
    expect(secret).toMatch(/^dh_[A-Za-z0-9_-]{43}$/);
    expect(record.scopes).toEqual([...scopesOf('viewer'), 'audit:read']);
    const text = readFileSync(state.tokens, 'utf8');
    expect(text).not.toContain(secret.slice(3, 20));
    expect(statSync(state.tokens).mode & 0o777).toBe(0o600);
    expect(cli.find(secret)).toEqual(record);
    // By who has hashed it already.
    expect(cli.find(secret, createHash('sha256').update(secret).digest('hex'))).toEqual(record);
    expect(cli.find(secret, createHash('sha256').update('another').digest('hex'))).toBeNull();
    for (const wrong of [
      '',
      'dh_',
      `${secret}x`,
      secret.toUpperCase(),
      `dh_${'A'.repeat(43)}`,
      record.fingerprint,
      JSON.parse(text).tokens[0].hash,
    ])
      expect(cli.find(wrong)).toBeNull();
    expect(readdirSync(state.dir).filter((n) => n.endsWith('.tmp'))).toEqual([]);
  });

  it('added or revoked by another process hold at once', () => {
    const { cli, server } = two();
    expect(server.list()).toEqual([]);
    const one = cli.add({ name: 'a', role: 'viewer' });
    expect(server.find(one.secret)?.name).toBe('a');
    cli.revoke('a');
    expect(server.find(one.secret)).toBeNull();
    expect(server.holds(one.record)).toBe(false);
    const again = cli.add({ name: 'a', role: 'viewer' });
    expect(server.holds(again.record)).toBe(true);
    // The same name, another token: a session of the old one stays refused.
    expect(server.holds(one.record)).toBe(false);
  });

  it('what was seen is believed for less than a millisecond, by others only', () => {
    const { state, log, time, cli } = two();
    let ms = 10;
    const server = openTokens(state, log, time.now, () => ms);
    const { secret } = cli.add({ name: 'a', role: 'viewer' });
    expect(server.find(secret)).not.toBeNull();
    cli.revoke('a');
    ms += 0.9;
    expect(server.find(secret)).not.toBeNull();
    ms += 0.1;
    expect(server.find(secret)).toBeNull();
    // Its own change is seen at once.
    const own = server.add({ name: 'b', role: 'viewer' });
    expect(server.find(own.secret)).not.toBeNull();
    server.revoke('b');
    expect(server.find(own.secret)).toBeNull();
  });

  it('a file of the same length and time is still seen as another', () => {
    const { state, cli, server } = two();
    const { secret } = cli.add({ name: 'a', role: 'viewer' });
    expect(server.find(secret)).not.toBeNull();
    const { atime, mtime } = statSync(state.tokens);
    cli.revoke('a');
    cli.add({ name: 'a', role: 'viewer' });
    utimesSync(state.tokens, atime, mtime);
    expect(server.find(secret)).toBeNull();
  });

  it('expire', () => {
    const { cli, time } = two();
    const { secret, record } = cli.add({ name: 'a', role: 'admin', expiresAtMs: time.now() + 1_000 });
    expect(cli.holds(record)).toBe(true);
    time.move(1_000);
    expect(cli.find(secret)).toBeNull();
    expect(cli.holds(record)).toBe(false);
    expect(thrownBy(() => cli.add({ name: 'b', role: 'admin', expiresAtMs: time.now() }))).toMatchObject({
      code: 'validation',
    });
  });

  it('take plain names, once; an unknown one is answered with the near ones', () => {
    const { cli } = two();
    for (const name of ['', 'A', '-a', 'a b', 'ä', 'a'.repeat(33), '__proto__/x'])
      expect(
        thrownBy(() => cli.add({ name, role: 'viewer' })),
        name,
      ).toMatchObject({ code: 'validation' });
    cli.add({ name: 'laptop', role: 'viewer' });
    cli.add({ name: 'backup', role: 'viewer' });
    expect(thrownBy(() => cli.add({ name: 'laptop', role: 'viewer' }))).toMatchObject({ code: 'conflict' });
    try {
      cli.revoke('lap');
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'not_found', details: { candidates: ['laptop', 'backup'] } });
    }
  });

  it('take a role of a plain name only, and no more of them than can be looked through at each request', () => {
    const { state, cli } = two();
    for (const role of ['', 'Admin', 'a b', '../x'])
      expect(
        thrownBy(() => cli.add({ name: 'a', role })),
        role,
      ).toMatchObject({ code: 'validation', hint: expect.stringContaining('viewer, operator, admin') });
    expect(cli.list()).toEqual([]);
    cli.add({ name: 'first', role: 'viewer' });
    const file = JSON.parse(readFileSync(state.tokens, 'utf8'));
    const [one] = file.tokens;
    file.tokens = Array.from({ length: MOST - 1 }, (_, i) => ({ ...one, name: `t${i}` }));
    writeFileSync(state.tokens, JSON.stringify(file));
    cli.add({ name: 'last', role: 'viewer' });
    expect(thrownBy(() => cli.add({ name: 'more', role: 'viewer' }))).toMatchObject({
      code: 'limit',
      hint: expect.stringContaining('token list'),
    });
    expect(cli.list()).toHaveLength(MOST);
  });

  it('of a backup are read without one of them becoming valid; damaged ones are said to be, and nothing of them', () => {
    const { state, cli } = two();
    cli.add({ name: 'a', role: 'viewer', scopes: ['audit:read'] });
    cli.add({ name: 'b', role: 'web' });
    const { tokens, problem } = readTokens(readFileSync(state.tokens, 'utf8'));
    expect([tokens, problem]).toEqual([cli.list(), null]);
    for (const text of ['', '{"version":1,"tokens":[{"name":"dh_secret"', '{"version":9,"tokens":[]}', 'null'])
      expect(readTokens(text)).toEqual({ tokens: [], problem: 'is damaged' });
  });

  it.each<[string, (path: string) => void, string]>([
    ['damaged', (p) => writeFileSync(p, '{"version":1,"tokens":[{"name":"root"'), 'damaged'],
    ['of an unknown kind', (p) => writeFileSync(p, '{"version":2,"tokens":[]}'), 'damaged'],
    ['readable by the group', (p) => chmodSync(p, 0o640), 'chmod 600'],
    ['writable by all', (p) => chmodSync(p, 0o602), 'chmod 600'],
    ['a folder', (p) => instead(p, mkdirSync), 'rm -r'],
  ])('a file that is %s refuses all of them, with the command that mends it', (_, spoil, hint) => {
    const { state, cli, server, log } = two();
    const { secret, record } = cli.add({ name: 'a', role: 'viewer' });
    spoil(state.tokens);
    expect(server.find(secret)).toBeNull();
    expect(server.find(secret)).toBeNull();
    expect(server.holds(record)).toBe(false);
    expect(server.problem()?.details.hint).toContain(hint);
    for (const work of [() => server.list(), () => cli.add({ name: 'b', role: 'viewer' }), () => cli.revoke('a')])
      expect(thrownBy(work)).toMatchObject({ code: 'unavailable', hint: expect.stringContaining(hint) });
    // Once for each of the two that looked, not once a call.
    expect(log.lines.filter((l) => l.level === 'error')).toHaveLength(2);
  });

  it('a file that cannot be looked at refuses all of them too', () => {
    const { state, cli, server } = two();
    const { secret } = cli.add({ name: 'a', role: 'viewer' });
    instead(state.tokens, (p) => symlinkSync(p, p));
    expect(server.find(secret)).toBeNull();
    expect(thrownBy(() => server.list())).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ELOOP'),
      hint: expect.stringContaining('ls -l'),
    });
    expect(thrownBy(() => cli.add({ name: 'b', role: 'viewer' }))).toMatchObject({ code: 'unavailable' });
  });

  it.each([
    ['ours', 40],
    ['naive', 'fewer'],
  ])('added by four processes at once are all there (%s: %s)', async (way, expected) => {
    const { state, cli } = two();
    cli.revoke(cli.add({ name: 'first', role: 'viewer' }).record.name);
    const child = join(import.meta.dirname, 'token_child.ts');
    const ends = await Promise.allSettled(
      ['a', 'b', 'c', 'd'].map((prefix) => promisify(execFile)(process.execPath, [child, state.dir, prefix, way])),
    );
    if (way === 'ours') {
      expect(ends.map((e) => e.status)).toEqual(Array(4).fill('fulfilled'));
      expect(cli.list()).toHaveLength(expected as number);
    } else expect(tokensIn(readFileSync(state.tokens, 'utf8'))).toBeLessThan(40);
  });
});

/** None, where two wrote into each other's text. */
function tokensIn(text: string): number {
  try {
    return (JSON.parse(text) as { tokens: object[] }).tokens.length;
  } catch {
    return 0;
  }
}
