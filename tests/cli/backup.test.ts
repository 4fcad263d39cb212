/** Backups on the command line: what is printed where, exit codes, and that nothing happens without a yes. */
import { appendFileSync, existsSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { create, list, restore, verify } from '../../src/cli/backup.ts';
import type { Run } from '../../src/cli/commands.ts';
import { loadConfig } from '../../src/config/load.ts';
import { openState } from '../../src/store/state.ts';
import { openTokens } from '../../src/store/tokens.ts';
import { runOf, screen } from './screen.ts';

let dir: string;
const quiet = () => {};
const tokens = () =>
  openTokens(openState(join(dir, 'state')), { debug: quiet, info: quiet, warn: quiet, error: quiet });
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'deckhand-cli-backup-')));
  tokens().add({ name: 'laptop', role: 'viewer' });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** What one command printed, and its exit code or the error that it ended with. */
async function ran(command: (r: Run) => Promise<number>, over: Partial<Run> = {}, answer?: string) {
  const io = screen(answer === undefined ? {} : { inTty: true, ask: async () => answer });
  const load = () =>
    loadConfig({ env: { DECKHAND_STATE_DIR: join(dir, 'state') }, defaultFile: join(dir, 'config.yaml') });
  const end = await command(runOf(io, {}, { load, ...over })).catch((error) => error);
  return { end, out: io.stdout.trim(), err: io.stderr };
}

test('create prints the folder alone on standard output; list and verify find it', async () => {
  expect((await ran(list)).err).toContain('There is no backup');
  const made = await ran(create);
  expect(made.end).toBe(0);
  expect(made.out).toMatch(new RegExp(`^${dir}/state/backups/\\d{8}T\\d{6}Z-[0-9a-f]{4}$`));
  expect(made.err).toMatch(/verified\. SHA-256 [0-9a-f]{64}/);
  const json = JSON.parse((await ran(create, { own: { json: true, to: join(dir, 'other') } })).out);
  expect(json).toMatchObject({ verified: true, removed: [], path: expect.stringContaining('/other/') });
  const listed = JSON.parse((await ran(list, { own: { json: true } })).out);
  expect(listed).toMatchObject({ backups: [{ path: made.out, thisHost: true }], putAside: [] });
  expect((await ran(list)).out).toContain(listed.backups[0].name);
  expect(await ran(verify)).toMatchObject({ end: 0, out: expect.stringMatching(/^good/) });
  appendFileSync(join(made.out, 'tokens.json'), ' ');
  expect(await ran(verify)).toMatchObject({ end: 1, out: expect.stringContaining('tokens.json') });
  expect(JSON.parse((await ran(verify, { own: { json: true, all: true } })).out)).toMatchObject([{ ok: false }]);
});

test('--keep, and words that mean nothing', async () => {
  for (let i = 0; i < 3; i++) await ran(create, { own: { keep: '2' } });
  expect(JSON.parse((await ran(list, { own: { json: true } })).out).backups).toHaveLength(2);
  for (const keep of ['0', '-1', 'x', '1001'])
    expect((await ran(create, { own: { keep } })).end).toMatchObject({ code: 'validation' });
  expect((await ran(verify, { own: { all: true }, positionals: ['x'] })).end).toMatchObject({ code: 'validation' });
  expect((await ran(verify, { positionals: ['x'] })).end).toMatchObject({ code: 'not_found' });
});

test('the config comes along when asked for', async () => {
  writeFileSync(join(dir, 'config.yaml'), 'mode: ask\n', { mode: 0o600 });
  const plain = JSON.parse((await ran(create, { own: { json: true } })).out);
  const more = JSON.parse((await ran(create, { own: { json: true, 'with-config': true } })).out);
  const copy = (path: string) => join(path, 'config', dir, 'config.yaml');
  expect([plain, more].map((b) => existsSync(copy(b.path)))).toEqual([false, true]);
  expect(statSync(copy(more.path)).mode & 0o777).toBe(0o600);
});

test('a restore asks, names tokens that hold again, and does nothing without a yes', async () => {
  const name = (await ran(create)).out.split('/').at(-1) as string;
  tokens().revoke('laptop');
  const given = { positionals: [name] };
  expect((await ran(restore, given)).end).toMatchObject({ code: 'validation' });
  expect(await ran(restore, given, 'n')).toMatchObject({ end: 1, err: expect.stringContaining('Nothing was changed') });
  const dry = await ran(restore, { ...given, own: { 'dry-run': true } });
  expect(dry).toMatchObject({ end: 0, err: expect.stringContaining('Tokens that hold again: laptop') });
  expect(tokens().list()).toEqual([]);
  const done = await ran(restore, given, 'y');
  expect(done).toMatchObject({ end: 0, err: expect.stringContaining('Back to what was') });
  expect(tokens().list()).toHaveLength(1);
  const [aside] = JSON.parse((await ran(list, { own: { json: true } })).out).putAside;
  const back = JSON.parse((await ran(restore, { positionals: [aside], own: { yes: true, json: true } })).out);
  expect(back).toMatchObject({ restored: true, tokens: { come: [], go: ['laptop'] } });
  expect(tokens().list()).toEqual([]);
});
