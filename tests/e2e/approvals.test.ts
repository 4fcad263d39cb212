/**
 * Approvals with real processes: whoever asks, over stdio, HTTP and the command line, only the owner's yes for exactly this signal
 * ends the process, once. The one who asks finds no way to decide; a person at a terminal is asked.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { orphans, stat } from '../host/orphans.ts';
import { type AnyClient, launcher, overHttp, overStdio, type Place, place, run, serve } from './product.ts';

if (!existsSync(join(launcher, '../../dist')))
  throw new Error('dist/ is missing: run `npm run build` (npm test does).');

const uid = process.geteuid?.() ?? 0;

function house(extra: Record<string, string> = {}) {
  const at = place({ DECKHAND_TOOLSETS: 'all', ...extra });
  const wild = orphans();
  onTestFinished(() => {
    wild[Symbol.dispose]();
    at[Symbol.dispose]();
  });
  return { at, wild };
}

/** A process of nobody's, and how it is named to the tool. */
async function victim(wild: ReturnType<typeof orphans>) {
  const pid = wild.start('exec sleep 4711');
  await vi.waitFor(() => expect(stat(pid)?.name).toBe('sleep'));
  const args = (signal = 'TERM') => ({ pid, start: stat(pid)?.start ?? 0, name: 'sleep', signal });
  return { pid, args, alive: () => stat(pid) !== null && stat(pid)?.state !== 'Z' };
}

const records = (at: Place) => {
  const audit = join(at.env.DECKHAND_STATE_DIR ?? '', 'audit');
  return readdirSync(audit)
    .filter((f) => f.endsWith('.jsonl') && f !== 'index.jsonl')
    .flatMap((f) => readFileSync(join(audit, f), 'utf8').trim().split('\n'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
};

interface Answer {
  state: string;
  handle: string;
  text: string;
}
type Asks = (args: object) => Promise<Answer>;

const over =
  (client: AnyClient): Asks =>
  async (args) => {
    const result = await client.callTool({ name: 'process_signal', arguments: args as Record<string, unknown> });
    const data = (result.structuredContent ?? {}) as { state?: string; handle?: string };
    const text = (result.content as { text: string }[])[0]?.text ?? '';
    return { state: data.state ?? 'failed', handle: data.handle ?? '', text };
  };

/** Each way to ask, by the same host's owner. */
const WAYS: Record<string, (at: Place) => Promise<Asks>> = {
  async stdio(at) {
    const client = await overStdio('2026-07-28', at);
    onTestFinished(() => client.close());
    return over(client);
  },
  async 'stdio of 2025'(at) {
    const client = await overStdio('sdk 1.x', at);
    onTestFinished(() => client.close());
    return over(client);
  },
  async http(at) {
    const served = await serve(at);
    const client = await overHttp('2026-07-28', served.url, served.token);
    onTestFinished(async () => {
      await client.close();
      await served.stop();
    });
    return over(client);
  },
  async 'the command line'(at) {
    return async (args) => {
      const words = Object.entries(args).flatMap(([k, v]) => [`--${k}`, String(v)]);
      const { out, err } = await run(at, ['call', 'process_signal', ...words, '--json']);
      const data = out ? (JSON.parse(out) as { state: string; handle: string }) : { state: 'failed', handle: '' };
      return { ...data, text: out + err };
    };
  },
};

describe.each(Object.keys(WAYS).filter((w) => w !== 'the command line'))('asked over %s', (way) => {
  test('waits, runs on the owner’s yes, and not on a yes for something else', async () => {
    const { at, wild } = house();
    const ask = await (WAYS[way] as (at: Place) => Promise<Asks>)(at);
    const { args, alive } = await victim(wild);

    const first = await ask(args('CONT'));
    expect(first).toMatchObject({ state: 'pending' });
    expect(first.text).toContain(`deckhand approve ${first.handle}`);
    const listed = await run(at, ['approvals']);
    expect(listed.out).toContain(first.handle);
    const shown = await run(at, ['approvals', first.handle]);
    expect(shown.out).toMatch(/│ signal: "CONT"/);
    expect(await run(at, ['approve', first.handle])).toMatchObject({ code: 0 });

    // One argument changed: another question.
    expect(await ask(args('TERM'))).toMatchObject({ state: 'pending' });
    expect(alive()).toBe(true);
    // The very call runs, once.
    expect(await ask(args('CONT'))).toMatchObject({ state: 'done' });
    const again = await ask(args('CONT'));
    expect(again).toMatchObject({ state: 'pending' });
    expect(again.handle).not.toBe(first.handle);

    // No: refused, and no use in asking again.
    expect(await run(at, ['deny', again.handle, '--because', 'enough'])).toMatchObject({ code: 0 });
    expect((await ask(args('CONT'))).text).toMatch(new RegExp(`cli:${uid} said no at .*: enough`));

    // Late, as after ten minutes.
    const term = await ask(args('TERM'));
    await run(at, ['approve', term.handle]);
    const db = new DatabaseSync(join(at.env.DECKHAND_STATE_DIR ?? '', 'deckhand.db'));
    db.prepare('UPDATE approvals SET expires = 1 WHERE id = ?').run(term.handle);
    db.close();
    const late = await ask(args('TERM'));
    expect(late).toMatchObject({ state: 'pending' });
    expect(alive()).toBe(true);

    await run(at, ['approve', late.handle]);
    expect(await ask(args('TERM'))).toMatchObject({ state: 'done' });
    await vi.waitFor(() => expect(alive()).toBe(false));

    const log = records(at);
    expect(log.filter((r) => r.event === 'intent').map((r) => r.approval)).toEqual([
      expect.stringMatching(new RegExp(`^mode: ask; ${first.handle} by cli:${uid}$`)),
      expect.stringMatching(new RegExp(`^mode: ask; ${late.handle} by cli:${uid}$`)),
    ]);
    const states = log.filter((r) => r.event === 'approval').map((r) => r.state);
    for (const state of ['asked', 'granted', 'used', 'refused', 'expired']) expect(states).toContain(state);
  });
});

test('the command line without a terminal waits, and its owner is told to sit down', async () => {
  const { at, wild } = house();
  const ask = await (WAYS['the command line'] as (at: Place) => Promise<Asks>)(at);
  const { args, alive } = await victim(wild);
  const { state, handle } = await ask(args());
  expect(state).toBe('pending');
  const own = await run(at, ['approve', handle]);
  expect(own.code).toBe(3);
  expect(own.err).toContain('on a terminal');
  expect((await ask(args())).handle).toBe(handle);
  expect(alive()).toBe(true);
});

test('asked of one server, decided without any, run by the next', async () => {
  const { at, wild } = house();
  const { args, alive } = await victim(wild);
  const first = await serve(at);
  const socket = join(at.env.DECKHAND_STATE_DIR ?? '', 'control.sock');
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  const one = await overHttp('2026-07-28', first.url, first.token);
  const { handle } = await over(one)(args());
  await one.close();
  // Killed: the socket stays, and is taken over.
  await first.stop('SIGKILL');
  expect(existsSync(socket)).toBe(true);
  expect(await run(at, ['approve', handle])).toMatchObject({ code: 0 });
  const second = await serve(at);
  const client = await overHttp('2026-07-28', second.url, first.token);
  onTestFinished(async () => {
    await client.close();
    await second.stop();
  });
  const state = (await client.callTool({ name: 'result_query', arguments: { handle } })).structuredContent;
  expect(state).toMatchObject({ state: 'granted', whole: { decided: { by: `cli:${uid}` } } });
  expect(await over(client)(args())).toMatchObject({ state: 'done' });
  await vi.waitFor(() => expect(alive()).toBe(false));
  // And through the new server's socket.
  const other = await victim(wild);
  const { handle: next } = await over(client)(other.args());
  expect(await run(at, ['approve', next])).toMatchObject({ code: 0 });
  const decided = records(at).find((r) => r.event === 'approval' && r.id === next && r.state === 'granted');
  expect(decided).toMatchObject({ approver: `cli:${uid}` });
});

test('whoever asks finds no way to decide', async () => {
  const { at, wild } = house();
  const { args, alive } = await victim(wild);
  const served = await serve(at);
  const second = (await run(at, ['token', 'add', 'second', '--role', 'admin'])).out.trim().split('\n').at(-1) ?? '';
  const stdio = await overStdio('2025-11-25', at);
  const http = await overHttp('2026-07-28', served.url, served.token);
  const admin = await overHttp('2026-07-28', served.url, second);
  onTestFinished(async () => {
    for (const c of [stdio, http, admin]) await c.close();
    await served.stop();
  });
  const { handle } = await over(http)(args());

  // No tool decides, for nobody.
  for (const client of [stdio, http, admin])
    for (const { name } of (await client.listTools()).tools) expect(name).not.toMatch(/appro|deny|grant|confirm/);
  // No route does, with any token.
  const root = served.url.replace(/\/mcp$/, '');
  for (const token of [served.token, second])
    for (const path of [
      `/approvals/${handle}`,
      '/approvals',
      `/mcp/approvals/${handle}`,
      `/control/approvals/${handle}`,
    ]) {
      const response = await fetch(`${root}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: '{"granted":true}',
      });
      expect([path, response.status]).toEqual([path, 404]);
    }
  // An argument is no yes, and the handle serves nobody else.
  for (const more of [{ confirm: true }, { approval: handle }, { approved: true }])
    expect(await over(http)({ ...args(), ...more })).toMatchObject({ state: 'failed' });
  for (const client of [stdio, admin]) {
    const asked = await client.callTool({ name: 'result_query', arguments: { handle } });
    expect(asked.isError).toBe(true);
  }
  await run(at, ['approve', handle]);
  for (const client of [stdio, admin]) expect(await over(client)(args())).toMatchObject({ state: 'pending' });
  expect(alive()).toBe(true);
  expect(await over(http)(args())).toMatchObject({ state: 'done' });
});

describe('a person at a terminal', () => {
  const python = spawnSync('python3', ['-c', 'import pty']).status === 0;
  if (!python) process.stderr.write('SKIPPED: python3 with its module pty is missing: no terminal to ask at\n');
  const helper = fileURLToPath(new URL('./terminal.py', import.meta.url));
  const typed = (at: Place, answer: string, words: string[], early = '') => {
    const command = [process.execPath, launcher, ...words];
    const { status, stdout } = spawnSync('python3', [helper, '[y/N]', early, answer, ...command], {
      env: at.env,
      encoding: 'utf8',
      timeout: 30_000,
    });
    return { code: status, shown: stdout };
  };
  const words = (a: object) => ['call', 'process_signal', ...Object.entries(a).flatMap(([k, v]) => [`--${k}`, `${v}`])];

  test.skipIf(!python).each([
    ['y\\n', 0, false],
    ['\\n', 3, true],
    ['n\\n', 3, true],
    ['\\x04', 3, true],
    ['\\x03', 130, true],
  ])('who types %j', async (answer, code, lives) => {
    const { at, wild } = house();
    const { args, alive } = await victim(wild);
    const done = typed(at, answer, words(args('KILL')));
    expect(done.shown).toContain('Do it now? [y/N]');
    expect(done.code).toBe(code);
    await vi.waitFor(() => expect(alive()).toBe(lives));
    const intents = records(at).filter((r) => r.event === 'intent');
    expect(intents.map((r) => r.approval)).toEqual(lives ? [] : [expect.stringMatching(new RegExp(`by tty:${uid}$`))]);
  });

  test.skipIf(!python).each(['y\\n', 'y'])('is not taken at %j typed before the question', async (early) => {
    const { at, wild } = house();
    const { args, alive } = await victim(wild);
    const done = typed(at, '\\n', words(args()), early);
    expect(done.code).toBe(3);
    expect(alive()).toBe(true);
  });

  test.skipIf(!python)('is shown what an approval is for', async () => {
    const { at, wild } = house();
    const ask = await (WAYS.stdio as (at: Place) => Promise<Asks>)(at);
    const { args } = await victim(wild);
    const { handle } = await ask(args('CONT'));
    expect(typed(at, 'n\\n', ['approve', handle]).shown).toMatch(/signal: "CONT"[\s\S]*it still waits/);
    expect((await ask(args('CONT'))).state).toBe('pending');
    expect(typed(at, 'y\\n', ['approve', handle]).code).toBe(0);
    expect((await ask(args('CONT'))).state).toBe('done');
  });
});
