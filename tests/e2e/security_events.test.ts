/**
 * What the owner hears of: over real HTTP, from two addresses of this machine, with a webhook that somebody listens at. Somebody new, a
 * new address, a flood that is told once, rules that changed between two starts, and when each token was here last.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { modern } from '../edge/fixture-http.ts';
import { raw } from '../edge/raw.ts';
import { type Place, place, run, serve } from './product.ts';

const records = (at: Place) => {
  const audit = join(at.env.DECKHAND_STATE_DIR ?? '', 'audit');
  return readdirSync(audit)
    .filter((f) => f.endsWith('.jsonl') && f !== 'index.jsonl')
    .sort()
    .flatMap((f) => readFileSync(join(audit, f), 'utf8').trim().split('\n'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
};
const events = (at: Place, kind: string) => records(at).filter((r) => r.event === 'security' && r.kind === kind);

async function hook() {
  const heard: Record<string, unknown>[] = [];
  const server = createServer((incoming, outgoing) => {
    let text = '';
    incoming.on('data', (part) => {
      text += part;
    });
    incoming.on('end', () => {
      heard.push(JSON.parse(text) as Record<string, unknown>);
      outgoing.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/deckhand`,
    of: (kind: string) => heard.filter((h) => (h.facts as { kind?: string } | undefined)?.kind === kind),
    heard,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

async function list(port: number, token: string, from = '127.0.0.1', extra = ''): Promise<number | undefined> {
  const { body, headers } = modern('tools/list');
  const text = JSON.stringify(body);
  const lines = Object.entries({
    host: `127.0.0.1:${port}`,
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'content-length': String(text.length),
    connection: 'close',
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  const [answer] = await raw(port, `POST /mcp HTTP/1.1\r\n${lines.join('')}${extra}\r\n${text}`, { from });
  return answer?.status;
}

const WAIT = { timeout: 20_000 };

test('somebody new, a new address, a flood, changed rules: on record, told once, and in the list of tokens', {
  timeout: 180_000,
}, async () => {
  using at = place();
  const told = await hook();
  const write = (name: string, text: string) => {
    writeFileSync(join(at.dir, name), text, { mode: 0o600 });
    return join(at.dir, name);
  };
  const channel = {
    name: 'hook',
    kind: 'webhook',
    url: told.url,
    plain: true,
    secretFile: write('hook.key', 'a-key-of-more-than-thirty-two-letters'),
  };
  const config = { notify: { channels: [{ ...channel, about: ['security'] }] }, mode: 'ask' };
  at.env.DECKHAND_CONFIG = write('deckhand.yaml', JSON.stringify(config));
  let server = await serve(at);
  try {
    const added = await run(at, ['token', 'add', 'phone', '--role', 'viewer']);
    const phone = /dh_\S+/.exec(added.out)?.[0] ?? '';
    await run(at, ['token', 'add', 'unused', '--role', 'viewer']);
    const port = Number(new URL(server.url).port);

    // Both, the one from two addresses; then again, which is nothing new.
    for (let i = 0; i < 2; i++) {
      expect(await list(port, server.token)).toBe(200);
      expect(await list(port, phone)).toBe(200);
      expect(await list(port, phone, '127.0.0.2')).toBe(200);
    }
    expect(events(at, 'new_principal').map((r) => `${r.who} ${r.address} ${r.listener}`)).toEqual([
      'token:first 127.0.0.1 tcp',
      'token:phone 127.0.0.1 tcp',
    ]);
    expect(events(at, 'new_address').map((r) => `${r.who} ${r.address}`)).toEqual(['token:phone 127.0.0.2']);
    expect(events(at, 'new_principal')[1]?.credential).toEqual({
      fingerprint: expect.stringMatching(/^[0-9a-f]{12}$/),
    });
    await expect.poll(() => told.of('new_principal').length, WAIT).toBe(2);

    // When they were here last: of a server that runs, beside it.
    const tokens = JSON.parse((await run(at, ['token', 'list', '--json'])).out) as Record<string, unknown>[];
    expect(tokens.map((t) => [t.name, t.lastUsedAt === null, t.lastAddress])).toEqual([
      ['first', false, '127.0.0.1'],
      ['phone', false, '127.0.0.2'],
      ['unused', true, null],
    ]);
    const table = await run(at, ['token', 'list']);
    expect(table.out).toMatch(/^phone .* 127\.0\.0\.2$/m);
    expect(table.out).toMatch(/^unused .* never +-$/m);

    // Somebody writes a header that only tailscaled may set: it is on record, and makes nobody of them.
    expect(await list(port, 'nonsense', '127.0.0.1', 'Tailscale-User-Login: owner@example.com\r\n')).toBe(401);
    expect(events(at, 'forged')).toMatchObject([{ address: '127.0.0.1', headers: ['tailscale-user-login'] }]);

    // A flood of wrong tokens: one notice, however many there are.
    for (let i = 0; i < 6; i++)
      await Promise.all(Array.from({ length: 25 }, (_, n) => list(port, `wrong${i}x${n}`, '127.0.0.3')));
    await expect.poll(() => told.of('burst').length, WAIT).toBe(1);
    expect(told.of('burst')[0]?.facts).toMatchObject({ state: 'begun', address: '127.0.0.3' });
    expect(events(at, 'burst')).toMatchObject([{ state: 'begun', address: '127.0.0.3', count: 20 }]);
    // Those inside are served as before.
    expect(await list(port, phone)).toBe(200);
    expect(await server.stop()).toBe(0);
    expect(events(at, 'burst').map((r) => [r.state, r.count])).toEqual([
      ['begun', 20],
      ['over', 150],
    ]);
    const turned = records(at).filter((r) => r.event === 'refused' && r.address === '127.0.0.3');
    expect(turned.reduce((sum, r) => sum + Number(r.count ?? 1), 0)).toBe(150);
    expect(told.of('burst')).toHaveLength(1);

    // The same rules again are no change; other ones are told by name alone.
    const again = await serve(at);
    expect(await again.stop()).toBe(0);
    expect(events(at, 'policy_changed')).toEqual([]);
    write('deckhand.yaml', JSON.stringify({ ...config, mode: 'read-only', tools: { deny: ['process_signal'] } }));
    server = await serve(at);
    expect(events(at, 'policy_changed')).toMatchObject([{ role: 'serve', settings: ['mode', 'tools.deny'] }]);
    const starts = records(at).filter((r) => r.event === 'start');
    expect(new Set(starts.map((r) => r.policy)).size).toBe(2);

    // Tokens leave a record when they come and go; a new one of an old name is somebody new.
    await run(at, ['token', 'revoke', 'phone']);
    const anew = /dh_\S+/.exec((await run(at, ['token', 'add', 'phone', '--role', 'viewer'])).out)?.[0] ?? '';
    expect(await list(Number(new URL(server.url).port), anew)).toBe(200);
    expect(events(at, 'new_principal').map((r) => r.who)).toEqual(['token:first', 'token:phone', 'token:phone']);
    const uid = process.getuid?.();
    expect(
      records(at)
        .filter((r) => r.event === 'token')
        .map((r) => `${r.who} ${r.token} ${r.what}`)
        .sort(),
    ).toEqual([
      `cli:${uid} phone A token was added.`,
      `cli:${uid} phone A token was added.`,
      `cli:${uid} phone A token was revoked.`,
      `cli:${uid} unused A token was added.`,
      `serve:${uid} first A token was added.`,
    ]);

    // All of it is found by its name, and the chain is whole.
    const found = await run(at, ['audit', 'search', '--event', 'security', '--text', 'new_address', '--json']);
    expect(found.out.trim().split('\n')).toHaveLength(1);
    expect(JSON.stringify(records(at))).not.toContain(anew);
    expect(JSON.stringify(told.heard)).not.toMatch(/dh_/);
  } finally {
    await server.stop();
    await told.close();
  }
  expect((await run(at, ['audit', 'verify'])).code).toBe(0);
});
