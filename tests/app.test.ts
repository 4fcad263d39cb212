/** The house put together: the door over the real store, with fixture tools. Two apps on one state are two processes to it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type App, createApp } from '../src/app.ts';
import { loadConfig } from '../src/config/load.ts';
import type { Call, Outcome } from '../src/core/call.ts';
import { readKey } from '../src/store/audit_key.ts';
import { verifyAudit } from '../src/store/audit_verify.ts';
import { openDb } from '../src/store/db.ts';
import { openReceipts } from '../src/store/receipts.ts';
import { resultQuery } from '../src/tools/result_query.ts';
import { callOf, quiet, who } from './fakes/policy.ts';
import { deaf, fixtureTools, stage, untilAborted } from './fakes/tools.ts';

let dir: string;
let apps: App[];
beforeEach(() => {
  stage.reset();
  dir = mkdtempSync(join(tmpdir(), 'deckhand-app-'));
  apps = [];
});
afterEach(async () => {
  for (const app of apps) await app.close();
  rmSync(dir, { recursive: true, force: true });
});

async function app(env: Record<string, string> = {}): Promise<App> {
  const loaded = await loadConfig({
    env: {
      HOME: dir,
      DECKHAND_STATE_DIR: join(dir, 'state'),
      DECKHAND_MODE: 'full',
      DECKHAND_AUDIT_HEADS: 'off',
      ...env,
    },
    defaultFile: join(dir, 'none.yaml'),
  });
  const catalog = { tools: [...fixtureTools, resultQuery], resources: [], prompts: [] };
  const made = await createApp({ loaded, log: quiet, role: 'cli', version: 'test', catalog });
  apps.push(made);
  return made;
}
const alice = who('token:alice', ['system:write', 'files:write', 'logs:read']);
const bob = who('token:bob', ['admin']);
const by = (principal: Call['principal'], tool: string, args: unknown) => callOf(tool, args, { principal });
const data = (out: Outcome) => {
  if (out.status === 'failed') throw out.error;
  return out.data as Record<string, never>;
};
const ask = async (a: App, principal: Call['principal'], handle: unknown, more: object = {}) =>
  a.door.run(by(principal, 'result_query', { handle, wait_s: 0, ...more }));

test('long work goes on, is waited for from another process, and serves only its principal', async () => {
  const [here, there] = [await app(), await app()];
  const d = deaf();
  stage.behave = d.wait;
  stage.lines = ['one', 'two'];
  const first = await here.door.run(by(alice, 'fixture_long', { wait_s: 0 }));
  expect(first.status).toBe('running');
  const { handle } = data(first);
  expect(data(await ask(there, alice, handle))).toMatchObject({ state: 'running', tool: 'fixture_long' });
  expect(await ask(there, bob, handle)).toMatchObject({ status: 'failed', error: { code: 'not_found' } });

  const waiting = ask(there, alice, handle, { wait_s: 20 });
  d.end();
  expect(data(await waiting)).toMatchObject({ state: 'done', total: 2, items: ['one', 'two'] });
  expect(data(await ask(here, alice, handle, { grep: 'TWO' }))).toMatchObject({ matched: 1, items: ['two'] });
  // The rights of the call that made it still count.
  const less = who(alice.id, ['logs:read']);
  expect(await ask(here, less, handle)).toMatchObject({ status: 'failed', error: { code: 'not_found' } });
});

test('long work is cancelled from another process', async () => {
  const [here, there] = [await app(), await app()];
  stage.behave = untilAborted;
  const { handle } = data(await here.door.run(by(alice, 'fixture_long', { wait_s: 0 })));
  await ask(there, alice, handle, { cancel: true });
  expect(data(await ask(there, alice, handle, { wait_s: 10 }))).toMatchObject({ state: 'cancelled' });
});

test('a change leaves intent, outcome and a receipt that outlives its process; its lock holds across processes', async () => {
  const [here, there] = [await app(), await app()];
  const d = deaf();
  stage.afterCommit = d.wait;
  const running = here.door.run(by(alice, 'fixture_rename', { to: 'new' }));
  await expect.poll(() => stage.applied).toBe(1);
  expect(await there.door.run(by(bob, 'fixture_rename', { to: 'other' }))).toMatchObject({
    status: 'failed',
    error: { code: 'conflict' },
  });
  d.end();
  const done = data(await running) as { receipt?: string };
  expect(done).toMatchObject({ state: 'done', before: { word: 'old' }, after: { word: 'new' } });
  await here.close();
  apps = apps.filter((a) => a !== here);

  const db = openDb(there.state, quiet);
  const receipt = openReceipts(there.state, db).get(done.receipt ?? '');
  expect(receipt).toMatchObject({ principal: 'token:alice', tool: 'fixture_rename', input: { to: 'new' } });
  expect(Buffer.from(receipt?.blob('word') ?? []).toString()).toBe('old');
  db.close();
  await there.close();
  apps = [];
  const check = verifyAudit(there.state.audit, readKey(there.state.auditKey));
  expect(check).toMatchObject({ ok: true, problems: [] });
});

test('the limits of config hold across processes', async () => {
  const env = { DECKHAND_LIMITS_CALLS_PER_MINUTE: '10', DECKHAND_LIMITS_CHANGES_PER_HOUR: '2' };
  const [here, there] = [await app(env), await app(env)];
  const outs = [];
  for (let i = 0; i < 30; i++)
    outs.push(await (i % 2 ? here : there).door.run(by(alice, 'fixture_look', { limit: i + 1 })));
  const done = outs.filter((o) => o.status === 'done').length;
  // A minute may turn within the test: then the window opens once more.
  expect(done).toBeGreaterThanOrEqual(10);
  expect(done).toBeLessThanOrEqual(20);
  expect(outs.find((o) => o.status === 'failed')).toMatchObject({
    error: { code: 'limit', details: { retryAfterMs: expect.any(Number) } },
  });
});

test('config switches tools off, with the setting that switches them on', async () => {
  const off = await app({ DECKHAND_TOOLS_DENY: 'fixture_long' });
  expect(await off.door.run(by(alice, 'fixture_long', {}))).toMatchObject({
    error: { code: 'unavailable', details: { hint: expect.stringContaining('tools.deny') } },
  });
  expect(off.door.visible(alice, undefined).map((t) => t.name)).not.toContain('fixture_long');
  const only = await app({ DECKHAND_TOOLS_ALLOW: 'fixture_look' });
  expect(only.door.visible(alice, undefined).map((t) => t.name)).toEqual(['fixture_look']);
  const sets = await app({ DECKHAND_TOOLSETS: 'docker' });
  expect(sets.door.visible(alice, undefined)).toEqual([]);
});

test('one record for each call, with the mode and a keyed digest of its arguments', async () => {
  const a = await app({ DECKHAND_MODE: 'read-only' });
  await a.door.run(by(alice, 'fixture_rename', { to: 'new' }));
  await a.close();
  apps = [];
  const check = verifyAudit(a.state.audit, readKey(a.state.auditKey));
  expect(check.ok).toBe(true);
  const text = readdirSync(a.state.audit)
    .filter((f) => f.endsWith('.jsonl') && f !== 'index.jsonl')
    .map((f) => readFileSync(join(a.state.audit, f), 'utf8'))
    .join('');
  const calls = text
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l))
    .filter((r) => r.event === 'call');
  expect(calls).toHaveLength(1);
  expect(calls[0]).toMatchObject({
    who: 'token:alice',
    tool: 'fixture_rename',
    outcome: 'permission',
    mode: 'read-only',
    argsDigest: expect.stringMatching(/^[0-9a-f]{16,}$/),
  });
});

test('old receipts go by the hour in a process that stays, and not in a command', async () => {
  const hours: (() => void)[] = [];
  let stopped = 0;
  const everyHour = (work: () => void) => {
    hours.push(work);
    return () => void stopped++;
  };
  const loaded = await loadConfig({
    env: { HOME: dir, DECKHAND_STATE_DIR: join(dir, 'state'), DECKHAND_MODE: 'full' },
    defaultFile: join(dir, 'none.yaml'),
  });
  const warned: unknown[] = [];
  const log = { ...quiet, warn: (fields: object) => void warned.push(fields) };
  const catalog = { tools: fixtureTools, resources: [], prompts: [] };
  const opened = (role: 'cli' | 'stdio') => createApp({ loaded, log, role, version: 'test', catalog, everyHour });
  await (await opened('cli')).close();
  expect([hours.length, stopped]).toEqual([0, 0]);
  const here = await opened('stdio');
  data(await here.door.run(by(alice, 'fixture_rename', { to: 'new' })));
  const db = openDb(here.state, quiet);
  db.tx((sql) => sql.run('UPDATE receipts SET created = 0'));
  hours[0]?.();
  expect(db.read((sql) => sql.all('SELECT id FROM receipts'))).toEqual([]);
  db.close();
  rmSync(here.state.blobs, { recursive: true });
  writeFileSync(here.state.blobs, 'in the way');
  hours[0]?.();
  expect(warned).toHaveLength(1);
  await here.close();
  expect(stopped).toBe(1);
});
