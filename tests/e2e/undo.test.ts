/** From a change to the file as it was, byte for byte, over processes: the receipt outlives who made it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { App } from '../../src/app.ts';
import { run as cliRun, list, show } from '../../src/cli/undo.ts';
import type { Call, Principal } from '../../src/core/call.ts';
import { runOf, screen } from '../cli/screen.ts';
import { argsOf, NEW, OLD, openAt } from '../kill/place.ts';

let dir: string;
let app: App;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-undo-'));
  writeFileSync(join(dir, 'target'), OLD, { mode: 0o640 });
  app = await openAt(dir, 'full');
});
afterEach(async () => {
  await app.close();
  rmSync(dir, { recursive: true, force: true });
});

const file = () => readFileSync(join(dir, 'target'));
const by = (principal: Principal, tool: string, args: object, a = app) => {
  const call: Call = {
    id: crypto.randomUUID(),
    face: 'mcp-http',
    tool,
    args,
    principal,
    signal: new AbortController().signal,
  };
  return a.door.run(call);
};
const stdio = () => app.principals.stdio();
const codeOf = (out: Awaited<ReturnType<typeof by>>) => (out.status === 'failed' ? out.error.code : out.status);
async function changed(principal = stdio(), args: object = argsOf('change', dir)): Promise<string> {
  const out = await by(principal, 'fixture_file', args);
  if (out.status !== 'done') throw new Error(JSON.stringify(out));
  return String(out.data.receipt);
}

test('a change of a process that is gone is undone from another one', async () => {
  const asking = await openAt(dir, 'ask');
  const asked = await by(asking.principals.stdio(), 'fixture_file', argsOf('change', dir), asking);
  asking.deciding.decide(String(asked.status === 'pending' && asked.data.handle), { approver: 'cli:0', granted: true });
  await asking.close();
  const child = fileURLToPath(new URL('../kill/child.ts', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [child, 'change', dir], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  expect(file().equals(NEW)).toBe(true);
  const [receipt] = app.receipts(stdio()).list(9);
  expect(codeOf(await by(stdio(), 'undo', { receipt: receipt?.receipt }))).toBe('done');
  expect(file().equals(OLD)).toBe(true);
});

test('a file that was not there before is gone after', async () => {
  const receipt = await changed(stdio(), { name: 'fresh', text: 'x' });
  expect(readFileSync(join(dir, 'fresh'), 'utf8')).toBe('x');
  expect(codeOf(await by(stdio(), 'undo', { receipt }))).toBe('done');
  expect(() => readFileSync(join(dir, 'fresh'))).toThrow('ENOENT');
});

test('what moved on is left alone, and said; two undo at once and one wins; a third hears of it', async () => {
  const receipt = await changed();
  writeFileSync(join(dir, 'target'), 'theirs');
  expect(await by(stdio(), 'undo', { receipt })).toMatchObject({
    error: { code: 'conflict', message: expect.stringMatching(/target has moved on: it has 6 bytes/) },
  });
  expect(file().toString()).toBe('theirs');
  writeFileSync(join(dir, 'target'), NEW);
  const other = await openAt(dir, 'full');
  const outs = await Promise.all([app, other].map((a) => by(stdio(), 'undo', { receipt }, a)));
  expect(outs.map(codeOf).sort()).toEqual(['conflict', 'done']);
  expect(codeOf(await by(stdio(), 'undo', { receipt }, other))).toBe('conflict');
  await other.close();
  expect(file().equals(OLD)).toBe(true);
});

test('a token that was revoked, or another one, undoes nothing', async () => {
  const bearer = (name: string) => {
    const { secret } = app.tokens.add({ name, role: 'operator', scopes: [], expiresAtMs: null });
    const principal = app.principals.bearer(secret);
    if (!principal) throw new Error('no principal');
    return principal;
  };
  const [laptop, phone] = [bearer('laptop'), bearer('phone')];
  const receipt = await changed(laptop);
  expect(codeOf(await by(phone, 'undo', { receipt }))).toBe('not_found');
  app.tokens.revoke('laptop');
  expect(codeOf(await by(laptop, 'undo', { receipt }))).toBe('permission');
  expect(file().equals(NEW)).toBe(true);
});

test('the owner lists, looks and undoes at the terminal; a secret in the file is put back and never shown', async () => {
  writeFileSync(join(dir, 'target'), 'password=hunter2hunter2\n');
  const receipt = await changed(stdio(), { name: 'target', text: 'password=correcthorse1\n' });
  const at = (does: typeof list, positionals: string[] = [], own: Record<string, string | boolean> = {}) => {
    const io = screen();
    const lent = { ...app, close: async () => {} };
    return does(runOf(io, lent, { positionals, own })).then((code) => ({ code, io }));
  };
  const listed = await at(list);
  expect(listed.io.stdout).toContain(receipt);
  const shown = await at(show, [receipt]);
  expect(shown.io.stdout).toContain('path:/folder/target');
  const dry = await at(cliRun, [receipt], { 'dry-run': true });
  expect([dry.code, dry.io.stdout]).toEqual([0, expect.stringContaining('dry_run: Put target back as it was.')]);
  const done = await at(cliRun, [receipt], { json: true });
  expect(JSON.parse(done.io.stdout)).toMatchObject({ state: 'done', summary: 'target is as it was.' });
  for (const { io } of [listed, shown, dry, done]) expect(io.stdout + io.stderr).not.toMatch(/hunter2|correcthorse/);
  expect(file().toString()).toBe('password=hunter2hunter2\n');
  expect((await at(cliRun, [receipt])).code).toBe(5);
});
