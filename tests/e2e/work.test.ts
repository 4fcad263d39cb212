/** Long work from its first answer to its end, on the product's own processes: both eras, both transports, several processes, stops. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type Client,
  COMBINATIONS,
  type Era,
  type Over,
  overHttp,
  overStdio,
  type Result,
  type Server,
  type Stage,
  serve,
  stageAt,
  start,
  tokenOf,
  until,
} from './work_client.ts';
import { wordOf } from './work_tools.ts';

/** Both eras over HTTP; a process for each client, too, where time is no matter. */
const all = process.env.DECKHAND_REAL === '1';
const SOME = COMBINATIONS.filter(([, over]) => all || over !== 'stdio');
if (!all) process.stderr.write('SKIPPED stdio in most of tests/e2e/work: it needs DECKHAND_REAL=1.\n');

// Processes are started, and a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let at: Stage;
let server: Server;
let other: string;
let names = 0;
const fresh = () => `w${++names}`;
beforeAll(async () => {
  at = stageAt();
  server = await serve(at);
  other = await tokenOf(at, 'other');
});
afterAll(async () => {
  server.child.kill('SIGTERM');
  expect([await server.exit, server.err()]).toEqual([0, '']);
  at[Symbol.dispose]();
});

const connect = (era: Era, over: Over, where = { at, server }): Promise<Client> =>
  over === 'stdio' ? overStdio(where.at, era) : overHttp(where.server, where.server.token, era);
const reached = (what: string, name: string, on = at) =>
  until(() => on.log().includes(`${what} ${name}`), `${what} ${name}`);
const ask = async (client: Client, args: object): Promise<Result['structuredContent']> =>
  (await client.call('result_query', args).result).structuredContent;
async function begun(client: Client, tool: string, name: string): Promise<string> {
  const { structuredContent: c } = await client.call(tool, { name, wait_s: 0 }).result;
  expect(c).toMatchObject({ state: 'running', handle: expect.stringMatching(/^w_/), next: expect.any(String) });
  return c.handle;
}

describe.concurrent.each(SOME)('%s over %s', (era, over) => {
  test('a read: running, its progress, then the whole answer by pages', async () => {
    const client = await connect(era, over);
    const name = fresh();
    const handle = await begun(client, 'work_read_long', name);
    const seen: number[] = [];
    await until(async () => {
      const r = await ask(client, { handle, wait_s: 0 });
      if (r.progress) seen.push(r.progress.done);
      return new Set(seen).size >= 2;
    }, 'progress');
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    const waiting = ask(client, { handle, wait_s: 40 });
    at.let('end', name);
    expect(await waiting).toMatchObject({ state: 'done', tool: 'work_read_long', list: 'lines', total: 300 });
    expect(await ask(client, { handle, offset: 290 })).toMatchObject({ items: { length: 10 }, nextOffset: null });
    await client.close();
  });

  test('a change: running, then its verdict', async () => {
    const client = await connect(era, over);
    const name = fresh();
    const handle = await begun(client, 'work_change_long', name);
    at.let('effect', name);
    await reached('effect', name);
    expect((await ask(client, { handle, wait_s: 0 })).state).toBe('running');
    at.let('verdict', name);
    const end = await ask(client, { handle, wait_s: 20 });
    expect(end).toMatchObject({ state: 'done', whole: { state: 'done', summary: 'Renamed old to new.' } });
    await client.close();
  });

  test('what ends within its wait is answered as ever, and 41 seconds are too many', async () => {
    const client = await connect(era, over);
    const name = fresh();
    const call = client.call('work_read_long', { name, wait_s: 40 });
    await reached('begun', name);
    at.let('end', name);
    expect((await call.result).structuredContent).toMatchObject({ name, lines: { length: 300 } });
    const refused = await client.call('work_read_long', { name, wait_s: 41 }).result;
    expect([refused.isError, refused.content[0]?.text]).toEqual([true, expect.stringContaining('validation')]);
    await client.close();
  });

  test('cancelled: a read stops, a change before its first effect too; after it the verdict comes', async () => {
    const client = await connect(era, over);
    const [read, before, after] = [fresh(), fresh(), fresh()];
    for (const [tool, name] of [
      ['work_read_long', read],
      ['work_change_long', before],
    ] as const) {
      const handle = await begun(client, tool, name);
      await reached('begun', name);
      expect(await ask(client, { handle, cancel: true, wait_s: 20 })).toMatchObject({
        state: 'cancelled',
        note: expect.stringContaining('Asked to stop'),
      });
      await reached('stopped', name);
    }
    expect(wordOf(at.stage, before)).toBe('old');
    const handle = await begun(client, 'work_change_long', after);
    at.let('effect', after);
    await reached('effect', after);
    const told = await ask(client, { handle, cancel: true, wait_s: 1 });
    expect([told.state, told.note]).toEqual(['running', expect.stringContaining('runs to its end')]);
    at.let('verdict', after);
    expect((await ask(client, { handle, wait_s: 20 })).state).toBe('done');
    expect(at.log()).not.toContain(`stopped ${after}`);
    await client.close();
  });

  test('progress: only with a token, rising, at most two a second, and nothing after the answer', async () => {
    const client = await connect(era, over);
    const name = fresh();
    const from = performance.now();
    const call = client.call('work_read_long', { name, wait_s: 2 }, { progress: true });
    expect((await call.result).structuredContent.state).toBe('running');
    const most = Math.ceil((performance.now() - from) / 500) + 1;
    const told = call.seen
      .filter((m) => m.method === 'notifications/progress')
      .map((m) => m.params?.progress as number);
    expect(told.length).toBeGreaterThan(1);
    expect(told.length).toBeLessThanOrEqual(most);
    expect(told).toEqual([...new Set(told)].toSorted((a, b) => a - b));
    // Its work goes on and reports: to whoever asks by its handle.
    const { handle } = (await call.result).structuredContent;
    const before = (await ask(client, { handle, wait_s: 0 })).progress?.done ?? 0;
    await until(async () => {
      const r = await ask(client, { handle, wait_s: 0 });
      if ((r.progress?.done ?? 0) > before + 30) at.let('end', name);
      return r.state === 'done';
    }, 'more progress');
    expect(call.seen.at(-1)?.method).toBeUndefined();
    if (over === 'http') {
      expect(call.headers()).toMatchObject({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
      const plain = client.call('result_query', { handle, wait_s: 0 });
      await plain.result;
      expect(plain.headers()['content-type']).toMatch(/^application\/json/);
    }
    await client.close();
  });

  test('an answer that takes long, without a token: no progress; over HTTP a stream that is kept alive', async () => {
    const client = await connect(era, over);
    const name = fresh();
    const call = client.call('work_read', { name });
    if (over === 'http') await until(() => call.raw() !== '', 'the first of a stream');
    else await reached('begun', name);
    at.let('end', name);
    expect((await call.result).structuredContent).toMatchObject({ name });
    expect(call.seen.length).toBe(1);
    if (over === 'http') {
      expect(call.raw()).toMatch(/^: /);
      expect(call.headers()).toMatchObject({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
    }
    await client.close();
  });

  test('the handle is its principal’s alone, whoever else knows it', async () => {
    const client = await connect(era, over);
    const name = fresh();
    const handle = await begun(client, 'work_read_long', name);
    const stranger = over === 'http' ? await overHttp(server, other, era) : await overHttp(server, server.token, era);
    for (const args of [{}, { cancel: true }, { wait_s: 1 }]) {
      const { isError, content } = await stranger.call('result_query', { handle, ...args }).result;
      expect([isError, content[0]?.text]).toEqual([true, expect.stringMatching(/^not_found/)]);
    }
    expect((await ask(client, { handle, wait_s: 0 })).state).toBe('running');
    await ask(client, { handle, cancel: true });
    await client.close();
    await stranger.close();
  });
});

test('over HTTP long work outlives the connection: a new one of the same principal gets the answer', async () => {
  for (const [era, later] of [
    ['2026-07-28', '2025-11-25'],
    ['2025-11-25', '2026-07-28'],
  ] as [Era, Era][]) {
    const [read, change] = [fresh(), fresh()];
    const first = await connect(era, 'http');
    const handles = [await begun(first, 'work_read_long', read), await begun(first, 'work_change_long', change)];
    await first.close();
    const second = await connect(later, 'http');
    for (const [step, name] of [
      ['end', read],
      ['effect', change],
      ['verdict', change],
    ] as const)
      at.let(step, name);
    for (const handle of handles) expect((await ask(second, { handle, wait_s: 20 })).state).toBe('done');
    await second.close();
  }
});

test('over stdio a read ends with its process, and says so; a change that has begun ends first', async () => {
  for (const era of ['2026-07-28', '2025-11-25'] as const) {
    const [read, before, after] = [fresh(), fresh(), fresh()];
    const first = await overStdio(at, era);
    const handles = [
      await begun(first, 'work_read_long', read),
      await begun(first, 'work_change_long', before),
      await begun(first, 'work_change_long', after),
    ];
    at.let('effect', after);
    await reached('effect', after);
    const closed = first.close();
    await reached('stopped', read);
    await reached('stopped', before);
    at.let('verdict', after);
    await closed;
    expect([await first.process.exit, first.process.err()]).toEqual([0, '']);
    expect([wordOf(at.stage, before), wordOf(at.stage, after)]).toEqual(['old', 'new']);
    const second = await overStdio(at, era);
    const ends = await Promise.all(handles.map((handle) => ask(second, { handle, wait_s: 0 })));
    expect(ends.map((e) => [e.state, e.error?.code])).toEqual([
      ['cancelled', 'unavailable'],
      ['cancelled', 'unavailable'],
      ['done', undefined],
    ]);
    await second.close();
  }
});

test('two processes of one principal: what one began the other sees, waits for, and stops', async () => {
  const [one, two] = [await overStdio(at, '2025-11-25'), await overStdio(at, '2026-07-28')];
  const [a, b] = [fresh(), fresh()];
  const handles = [await begun(one, 'work_read_long', a), await begun(one, 'work_read_long', b)];
  await until(() => at.log().includes(`begun ${b}`), 'both');
  expect((await ask(two, { handle: handles[0], wait_s: 0 })).state).toBe('running');
  const waiting = ask(two, { handle: handles[0], wait_s: 20 });
  at.let('end', a);
  expect(await waiting).toMatchObject({ state: 'done', total: 300 });
  expect((await ask(two, { handle: handles[1], cancel: true, wait_s: 20 })).state).toBe('cancelled');
  await reached('stopped', b);
  await one.close();
  await two.close();
});

test('too much running at once is refused, and what it would have done is stopped', async () => {
  const client = await connect('2026-07-28', 'http');
  const nine = Array.from({ length: 9 }, fresh);
  const handles: string[] = [];
  for (const name of nine.slice(0, 8)) handles.push(await begun(client, 'work_read_long', name));
  const last = await client.call('work_change_long', { name: nine[8], wait_s: 0 }).result;
  expect([last.isError, last.content[0]?.text]).toEqual([true, expect.stringMatching(/^limit: Too much is running/)]);
  await reached('stopped', nine[8] as string);
  expect(wordOf(at.stage, nine[8] as string)).toBe('old');
  await Promise.all(handles.map((handle) => ask(client, { handle, cancel: true, wait_s: 20 })));
  const again = fresh();
  await ask(client, { handle: await begun(client, 'work_read_long', again), cancel: true, wait_s: 20 });
  await client.close();
});

describe('a server that ends in the middle of long work', () => {
  async function midway() {
    const where = { at: stageAt() } as { at: Stage; server: Server };
    where.server = await serve(where.at);
    const client = await connect('2026-07-28', 'http', where);
    const handles: Record<string, string> = {};
    for (const [name, tool] of [
      ['read', 'work_read_long'],
      ['before', 'work_change_long'],
      ['after', 'work_change_long'],
    ] as const) {
      handles[name] = await begun(client, tool, name);
      if (name === 'after') where.at.let('effect', name);
      await reached(name === 'after' ? 'effect' : 'begun', name, where.at);
    }
    return { ...where, handles };
  }
  async function afterwards(o: Awaited<ReturnType<typeof midway>>) {
    const again = await serve(o.at);
    const client = await overHttp(again, o.server.token, '2025-11-25');
    const ends: Record<string, Result['structuredContent']> = {};
    for (const [name, handle] of Object.entries(o.handles)) ends[name] = await ask(client, { handle, wait_s: 0 });
    await client.close();
    again.child.kill('SIGTERM');
    await again.exit;
    return ends;
  }

  test('SIGKILL: it is lost, and the next process says so', async () => {
    const o = await midway();
    o.server.child.kill('SIGKILL');
    await o.server.exit;
    const ends = await afterwards(o);
    for (const name of ['read', 'before', 'after'])
      expect(ends[name], name).toMatchObject({ state: 'lost', note: expect.stringContaining('not known') });
    o.at[Symbol.dispose]();
  });

  test('SIGTERM: reads and what has not begun are stopped, a change runs to its verdict first', async () => {
    const o = await midway();
    o.server.child.kill('SIGTERM');
    for (const name of ['read', 'before']) await reached('stopped', name, o.at);
    expect(o.server.child.exitCode).toBeNull();
    o.at.let('verdict', 'after');
    expect([await o.server.exit, o.server.err()]).toEqual([0, '']);
    const ends = await afterwards(o);
    expect(ends.read).toMatchObject({ state: 'cancelled', error: { code: 'unavailable' } });
    expect(ends.before).toMatchObject({ state: 'cancelled', error: { code: 'unavailable' } });
    expect(ends.after).toMatchObject({ state: 'done', whole: { summary: 'Renamed old to new.' } });
    expect(wordOf(o.at.stage, 'before')).toBe('old');
    const work = o.at.records().filter((r) => r.event === 'work');
    expect(work.map((r) => r.outcome).toSorted()).toEqual(['cancelled', 'cancelled', 'done']);
    o.at[Symbol.dispose]();
  });
});

describe('deckhand call', () => {
  test('waits for the end of long work, whatever it is told to wait', async () => {
    const name = fresh();
    const process = start(at, ['call', 'work_change_long', '--name', name, '--wait-s', '0']);
    at.let('effect', name);
    await reached('effect', name);
    at.let('verdict', name);
    expect(await process.exit).toBe(0);
    expect(JSON.parse(process.out())).toMatchObject({ state: 'done', summary: 'Renamed old to new.' });
  });

  test.each([
    ['work_read_long', 'begun', 130],
    ['work_change_long', 'begun', 130],
    ['work_change_long', 'effect', 0],
  ])('%s that has %s, and SIGINT', async (tool, step, code) => {
    const name = fresh();
    const process = start(at, ['call', tool, '--name', name]);
    if (step === 'effect') at.let('effect', name);
    await reached(step, name);
    process.child.kill('SIGINT');
    if (step === 'effect') {
      await until(() => process.err().includes('runs to its end'), 'a word about it');
      at.let('verdict', name);
    }
    expect(await process.exit).toBe(code);
    expect(at.log().includes(`stopped ${name}`)).toBe(code !== 0);
    expect(wordOf(at.stage, name)).toBe(code === 0 ? 'new' : 'old');
    expect(at.closing(name)).toMatchObject({ outcome: code === 0 ? 'done' : 'timeout', face: 'cli' });
  });
});
