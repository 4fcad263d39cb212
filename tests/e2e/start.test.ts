/**
 * What a client's start may count on now that the first answers come before the rest is loaded: nothing is answered without a state folder
 * that can be used, nothing in it is opened before them, what is broken in it is said, and every process leaves its records.
 */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { launcher, type Place, place } from './product.ts';

let at: Place;
let state: string;
beforeEach(() => {
  at = place();
  state = at.env.DECKHAND_STATE_DIR as string;
});
afterEach(() => at[Symbol.dispose]());

function start(args: string[] = []) {
  const child = spawn(process.execPath, [launcher, ...args, 'stdio'], { env: at.env, stdio: 'pipe' });
  let out = '';
  let err = '';
  child.stdout.on('data', (d) => {
    out += d;
  });
  child.stderr.on('data', (d) => {
    err += d;
  });
  child.stdin.on('error', () => {});
  return {
    child,
    say: (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`),
    heard: () =>
      out
        .split('\n')
        .filter(Boolean)
        .map((l) => JSON.parse(l)),
    err: () => err,
    end: new Promise<number | null>((resolve) => child.once('close', resolve)),
  };
}

const hello = {
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'e2e', version: '1' } },
};
const ready = { method: 'notifications/initialized' };
const list = { id: 1, method: 'tools/list' };
const call = { id: 2, method: 'tools/call', params: { name: 'system_overview', arguments: {} } };

const events = () =>
  readdirSync(join(state, 'audit'))
    .filter((f) => f.endsWith('.jsonl') && f !== 'index.jsonl')
    .flatMap((f) =>
      readFileSync(join(state, 'audit', f), 'utf8')
        .trim()
        .split('\n'),
    )
    .map((l) => JSON.parse(l).event as string);

test('the greeting is answered before any file of the state folder is there', async () => {
  const p = start();
  p.say(hello);
  // The rest is loaded a second later, or when the list has been given.
  while (p.heard().length === 0) await new Promise((r) => p.child.stdout.once('data', r));
  const found = existsSync(state) ? readdirSync(state, { recursive: true }) : ['no folder'];
  expect(found.sort()).toEqual(['audit', 'blobs', 'leases']);
  p.child.stdin.end();
  expect(await p.end).toBe(0);
  expect(events()).toEqual(['start', 'stop']);
});

describe('every process leaves its records', () => {
  test.each([
    ['that lists', [hello, ready, list], ['start', 'stop']],
    ['that says nothing', [], ['start', 'stop']],
    ['that calls', [hello, ready, list, call], ['start', 'call', 'stop']],
    ['that calls at once', [call], ['start', 'call', 'stop']],
    ['that says what nobody knows', [hello, { id: 5, method: 'tools/lust' }], ['start', 'refused', 'stop']],
  ])('one %s', async (_name, said, expected) => {
    const p = start();
    for (const message of said) p.say(message);
    p.child.stdin.end();
    expect(await p.end).toBe(0);
    expect(events()).toEqual(expected);
    expect(p.heard().length).toBe(said.filter((m) => 'id' in m).length);
  });

  test('one that is stopped by a signal, with a call waiting for the rest', async () => {
    const p = start();
    p.say(hello);
    while (p.heard().length === 0) await new Promise((r) => p.child.stdout.once('data', r));
    p.say(call);
    p.child.kill('SIGTERM');
    expect(await p.end).toBe(0);
    expect(events()[0]).toBe('start');
    expect(events().at(-1)).toBe('stop');
  });

  test('a client that waits is served by the whole a second later', async () => {
    const p = start();
    await expect.poll(() => existsSync(join(state, 'audit')) && events(), { timeout: 10_000 }).toEqual(['start']);
    p.say(hello);
    p.say(list);
    await expect.poll(() => p.heard().length).toBe(2);
    p.child.stdin.end();
    expect(await p.end).toBe(0);
  });
});

describe('a state folder that cannot be used', () => {
  test('as a folder: nothing is answered, and what to do is said', async () => {
    mkdirSync(state, { mode: 0o755 });
    chmodSync(state, 0o755);
    const p = start();
    p.say(hello);
    p.say(list);
    expect(await p.end).not.toBe(0);
    expect(p.heard()).toEqual([]);
    expect(p.err()).toContain(`chmod 700 ${state}`);
  });

  test('for what lies in it: who waits for an answer is told, and so is stderr', async () => {
    mkdirSync(state, { mode: 0o700 });
    const db = new DatabaseSync(join(state, 'deckhand.db'));
    db.exec('PRAGMA user_version = 9999');
    db.close();
    chmodSync(join(state, 'deckhand.db'), 0o600);
    const p = start();
    p.say(hello);
    p.say(ready);
    p.say(call);
    expect(await p.end).toBe(5);
    expect(p.heard().map((m) => m.id)).toEqual([0, 2]);
    expect(p.heard()[1].error.message).toMatch(/newer Deckhand.*Start the newer version/);
    expect(p.err()).toMatch(/conflict: The state was written by a newer Deckhand/);
  });

  test('and a client that has only listed does not go on with it', async () => {
    mkdirSync(join(state, 'audit'), { recursive: true, mode: 0o700 });
    chmodSync(state, 0o700);
    writeFileSync(join(state, 'audit.key'), 'x', { mode: 0o644 });
    const p = start();
    p.say(hello);
    p.say(ready);
    p.say(list);
    expect(await p.end).not.toBe(0);
    expect(p.heard().map((m) => m.id)).toEqual([0, 1]);
    expect(p.err()).toContain('audit.key');
  });
});

test('a setting that is wrong ends the start before anything is answered', async () => {
  at.env.DECKHAND_MODE = 'asks';
  const p = start();
  p.say(hello);
  expect(await p.end).not.toBe(0);
  expect(p.heard()).toEqual([]);
  expect(p.err()).toMatch(/DECKHAND_MODE.*expected one of read-only, ask, full/);
});

test('settings narrow the first list as they narrow the server’s', async () => {
  at.env.DECKHAND_TOOLS_DENY = 'process_list';
  const p = start(['--stdio-role', 'viewer']);
  p.say(hello);
  p.say(ready);
  p.say(list);
  p.say({ id: 2, method: 'no/such' });
  p.say({ id: 3, method: 'tools/list' });
  await expect.poll(() => p.heard().length).toBe(4);
  const [, first, , second] = p.heard();
  expect(first.result).toEqual(second.result);
  expect(first.result.tools.map((t: { name: string }) => t.name)).toEqual([
    'system_overview',
    'system_metrics',
    'log_query',
    'log_digest',
    'file_list',
    'file_read',
    'file_search',
    'net_overview',
    'net_probe',
    'diagnose',
    'result_query',
  ]);
  expect(p.err()).not.toContain('differ');
  p.child.stdin.end();
  expect(await p.end).toBe(0);
});
