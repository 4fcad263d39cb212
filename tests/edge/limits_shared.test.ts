/** Counting with other instances: one contract for a fake and for a real server, and what holds while that server is away or slow. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { askShared, openRedis } from '../../src/edge/limits_redis.ts';
import { createShared, type Shared, type SharedStore } from '../../src/edge/limits_shared.ts';
import { createWindow } from '../../src/edge/limits_window.ts';
import { byToken } from '../../src/policy/authenticate.ts';
import { quiet } from './fixture-door.ts';
import { legacy, TOKENS, web } from './fixture-http.ts';

const SERVER = ['/usr/bin/redis-server', '/usr/bin/valkey-server', '/usr/local/bin/redis-server'].find(existsSync);
const REAL = process.env.DECKHAND_REAL === '1' && SERVER !== undefined;
const WHY = REAL ? '' : ' (SKIPPED: needs DECKHAND_REAL=1 and redis-server or valkey-server)';
if (!REAL) process.stderr.write(`tests/edge/limits_shared.test.ts: the real server is left out${WHY}\n`);

let undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.reverse()) await step();
  undo = [];
});

/** What all instances see, in one process. */
function fake() {
  const counts = createWindow({ perMinute: 1, now: Date.now });
  const state = { mode: 'well' as 'well' | 'away' | 'deaf', asked: 0 };
  const store: SharedStore = {
    async take(key, limit) {
      state.asked++;
      if (state.mode === 'away') throw new Error('connection refused');
      if (state.mode === 'deaf') return new Promise(() => {});
      return counts.take(key, limit);
    },
    async close() {},
  };
  return { state, store };
}

/** A server of its own on a Unix socket, without a disk. */
async function server(password?: string): Promise<{ url: string; stop(): Promise<void>; start(): Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-valkey-'));
  const path = join(dir, 's');
  let child: ChildProcess | null = null;
  const url = `unix:${path}`;
  const start = async () => {
    const args = ['--port', '0', '--unixsocket', path, '--save', '', '--appendonly', 'no', '--dir', dir];
    child = spawn(SERVER as string, [...args, ...(password ? ['--requirepass', password] : [])], { stdio: 'ignore' });
    await vi.waitFor(() => askShared({ url, password: password ?? null }), { timeout: 20_000, interval: 50 });
  };
  const stop = async () => {
    const gone = child;
    child = null;
    if (!gone || gone.exitCode !== null) return;
    const end = new Promise((resolve) => gone.once('exit', resolve));
    gone.kill('SIGKILL');
    await end;
    rmSync(path, { force: true });
  };
  undo.push(async () => {
    await stop();
    rmSync(dir, { recursive: true, force: true });
  });
  await start();
  return { url, start, stop };
}

interface Pair {
  a: SharedStore;
  b: SharedStore;
}

function contract(pair: () => Promise<Pair>) {
  const passed = async (store: SharedStore, n: number, key: string, limit: number) => {
    let ok = 0;
    for (let i = 0; i < n; i++) if ((await store.take(key, limit)).ok) ok++;
    return ok;
  };

  test('two instances share one count, and what is left is told', async () => {
    const { a, b } = await pair();
    expect(await a.take('x', 5)).toMatchObject({ ok: true, left: 4 });
    expect(await passed(b, 3, 'x', 5)).toBe(3);
    expect(await a.take('x', 5)).toMatchObject({ ok: true, left: 0 });
    for (const store of [a, b]) {
      const refused = await store.take('x', 5);
      expect(refused).toMatchObject({ ok: false, left: 0 });
      expect(refused.resetMs).toBeGreaterThan(50_000);
      expect(refused.resetMs).toBeLessThanOrEqual(65_000);
    }
    expect(await passed(b, 7, 'y', 5)).toBe(5);
  });

  test('asked at once by both, exactly the limit passes', async () => {
    const { a, b } = await pair();
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => (i % 2 ? a : b).take('z', 30)));
    expect(all.filter((t) => t.ok)).toHaveLength(30);
  });

  test('each key may have its own limit', async () => {
    const { a, b } = await pair();
    expect(await passed(a, 9, 'small', 2)).toBe(2);
    expect(await passed(b, 9, 'large', 8)).toBe(8);
  });
}

describe('the fake', () => {
  contract(async () => {
    const { store } = fake();
    return { a: store, b: store };
  });
});

describe.skipIf(!REAL)(`a real server${WHY}`, () => {
  let at: Awaited<ReturnType<typeof server>>;
  const kept: (() => unknown)[] = [];
  beforeAll(async () => {
    at = await server('s3cret');
    // One server for all of these.
    kept.push(...undo);
    undo = [];
  }, 60_000);
  afterAll(async () => {
    for (const step of kept.reverse()) await step();
  });
  const ready = async (url = at.url, password: string | null = 's3cret') => {
    const store = openRedis({ url, password });
    undo.push(() => store.close());
    await expect
      .poll(() => store.take(`ready${Math.random()}`, 9).then(() => true, String), { timeout: 20_000 })
      .toBe(true);
    return store;
  };
  let n = 0;
  contract(async () => {
    const prefix = `${n++}:`;
    const named = (s: SharedStore): SharedStore => ({ ...s, take: (key, limit) => s.take(prefix + key, limit) });
    return { a: named(await ready()), b: named(await ready()) };
  });

  test('a wrong password, or none, is told and counts nobody', async () => {
    await expect(askShared({ url: at.url, password: 'wrong' })).rejects.toThrow(/WRONGPASS|invalid/i);
    await expect(askShared({ url: at.url, password: null })).rejects.toThrow(/NOAUTH/);
    const said = await askShared({ url: at.url, password: 's3cret' });
    expect(said.server).toMatch(/^(redis|valkey) \d/);
  });

  test('killed, the insurance holds; back again, they count together again', { timeout: 60_000 }, async () => {
    const own = await server();
    const faces = [0, 1].map(() => {
      const store = openRedis({ url: own.url, password: null });
      const shared = createShared({ store, log: quiet, now: () => performance.now(), pauseMs: 50 });
      undo.push(() => shared.close());
      const w = web({
        shared,
        http: { requestsPerMinutePerAddress: 20 },
        authenticate: byToken((s) => TOKENS[s] ?? null),
      });
      return { w, shared };
    });
    const from = (i: number, address: string) => ask(faces[i]?.w as never, address);
    await expect
      .poll(async () => Promise.all(faces.map(async (f) => (await f.shared.take('warm', 1_000)) !== null)), {
        timeout: 20_000,
      })
      .toEqual([true, true]);
    const together = [];
    for (let i = 0; i < 30; i++) together.push(await from(i % 2, '10.0.0.1'));
    expect(together.filter((s) => s === 200)).toHaveLength(20);

    await own.stop();
    const alone = [];
    for (let i = 0; i < 60; i++) alone.push(await from(i % 2, '10.0.0.2'));
    expect(
      alone.filter((s) => s === 200),
      'each its own limit',
    ).toHaveLength(40);
    expect(faces[0]?.shared.trouble()).not.toBeNull();

    await own.start();
    await expect
      .poll(async () => Promise.all(faces.map(async (f) => (await f.shared.take('warm', 1_000)) !== null)), {
        timeout: 20_000,
      })
      .toEqual([true, true]);
    const again = [];
    for (let i = 0; i < 30; i++) again.push(await from(i % 2, '10.0.0.3'));
    expect(again.filter((s) => s === 200)).toHaveLength(20);
  });

  test('who has used up his tries at one instance has used them up at the other', { timeout: 30_000 }, async () => {
    const faces = [await ready(), await ready()].map((store) => {
      const shared = createShared({ store, log: quiet, now: () => performance.now() });
      return web({ shared, http: { requestsPerMinutePerAddress: 10_000 } });
    });
    const seen: number[] = [];
    for (let i = 0; i < 10; i++) seen.push(await ask(faces[0] as never, '10.7.7.7', `guess${i}`));
    expect(seen).toEqual(Array(10).fill(401));
    expect(await ask(faces[0] as never, '10.7.7.7', 'guess')).toBe(429);
    // One more there, which tells it; control: alone it would look at ten.
    expect(await ask(faces[1] as never, '10.7.7.7', 'guess')).toBe(401);
    await expect.poll(() => ask(faces[1] as never, '10.7.7.7', 'guess')).toBe(429);
  });
});

async function ask(w: ReturnType<typeof web>, address: string, token = 'full'): Promise<number> {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    host: 'localhost',
    authorization: `Bearer ${token}`,
  };
  const incoming = { socket: { remoteAddress: address }, headers, rawHeaders: [] };
  const init = { method: 'POST', headers, body: JSON.stringify(legacy('tools/list')) };
  const response = await w.face.app.request('/mcp', init, { incoming } as never);
  await response.text();
  return response.status;
}

describe('while it is away', () => {
  const face = (shared: Shared) => web({ shared, http: { requestsPerMinutePerAddress: 3 } });

  test('each counts for itself; it is said once, and once that it is back', async () => {
    const { state, store } = fake();
    let t = 0;
    const said: string[] = [];
    const log = {
      ...quiet,
      warn: (_: object, m: string) => said.push(m),
      info: (_: object, m: string) => said.push(m),
    };
    const shared = createShared({ store, log, now: () => t, withinMs: 1_000 });
    const [a, b] = [face(shared), face(shared)];
    state.mode = 'away';
    const seen = [];
    for (let i = 0; i < 5; i++) seen.push(await ask(a, '10.0.0.1'), await ask(b, '10.0.0.1'));
    expect(seen.filter((s) => s === 200)).toHaveLength(6);
    expect([state.asked, said.length]).toEqual([1, 1]);
    expect(shared.trouble()).toBe('connection refused');
    state.mode = 'well';
    t += 5_000;
    expect(await ask(a, '10.0.0.2')).toBe(200);
    expect([shared.trouble(), said.length]).toEqual([null, 2]);
    const again = [await ask(b, '10.0.0.2'), await ask(a, '10.0.0.2'), await ask(b, '10.0.0.2')];
    expect(again).toEqual([200, 200, 429]);
  });

  test('one that does not answer holds three requests, briefly, and then none until it is tried again', async () => {
    const { state, store } = fake();
    let t = 0;
    const shared = createShared({ store, log: quiet, now: () => t, withinMs: 5 });
    state.mode = 'deaf';
    expect(await shared.take('x', 1)).toBeNull();
    for (let i = 0; i < 100; i++) expect(await shared.take('x', 1)).toBeNull();
    expect(state.asked).toBe(3);
    t += 5_000;
    await Promise.all(Array.from({ length: 50 }, () => shared.take('x', 1)));
    expect(state.asked, 'one tries for all').toBe(4);
    // One late answer among good ones is none of its faults.
    state.mode = 'well';
    t += 5_000;
    expect(await shared.take('x', 9)).not.toBeNull();
    state.mode = 'deaf';
    expect(await shared.take('x', 9)).toBeNull();
    state.mode = 'well';
    expect(await shared.take('x', 9)).not.toBeNull();
    expect(shared.trouble()).toBeNull();
  });

  test('a real connection to who never answers: no request waits longer than told', { timeout: 20_000 }, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'deckhand-deaf-'));
    const sockets: Socket[] = [];
    const deaf = createServer((s) => void sockets.push(s));
    await new Promise<void>((resolve) => deaf.listen(join(dir, 's'), resolve));
    const store = openRedis({ url: `unix:${join(dir, 's')}`, password: null });
    const shared = createShared({ store, log: quiet, now: () => performance.now() });
    undo.push(
      () => rmSync(dir, { recursive: true, force: true }),
      () => deaf.close(),
      () => sockets.forEach((s) => void s.destroy()),
      () => shared.close(),
    );
    const w = face(shared);
    const seen = [];
    for (let i = 0; i < 5; i++) seen.push(await ask(w, '10.0.0.1'));
    expect(seen).toEqual([200, 200, 200, 429, 429]);
    expect(shared.trouble()).not.toBeNull();
  });

  test('what this one alone knows to be too much is refused without asking', async () => {
    const { state, store } = fake();
    const shared = createShared({ store, log: quiet, now: () => 0 });
    const w = face(shared);
    for (let i = 0; i < 50; i++) await ask(w, '10.0.0.1');
    expect(state.asked).toBe(3);
  });

  test('a refusal of the others refuses here, and says when', async () => {
    const { store } = fake();
    const shared = createShared({ store, log: quiet, now: () => 0 });
    for (let i = 0; i < 3; i++) await store.take('address:10.0.0.1', 3);
    const w = face(shared);
    expect(await ask(w, '10.0.0.1')).toBe(429);
    expect(w.records.map((r) => r.code)).toEqual(['limit']);
  });
});
