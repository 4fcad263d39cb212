/** Sockets that cost: too many of one address, too many in all, and those that ask and do not read. Over loopback, which has many addresses. */
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import type { OpsError } from '../../src/core/errors.ts';
import { createNodeServer } from '../../src/edge/node_server.ts';
import type { Visit } from '../../src/edge/refusals.ts';
import { createSlowReaders } from '../../src/edge/slow_readers.ts';

let undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.reverse()) await step();
  undo = [];
});

async function server(over: Partial<Parameters<typeof createNodeServer>[0]> = {}) {
  const records: { what: string; code: string; address: string | undefined }[] = [];
  const node = createNodeServer({
    fetch: () => new Response('x'.repeat(24 * 1024 * 1024)),
    fast: () => false,
    connections: { perAddress: 64, inAll: 64 },
    refusals: {
      record(visit: Visit, what: string, error: OpsError) {
        if (!visit.recorded) records.push({ what, code: error.code, address: visit.address });
        return 'id';
      },
      answer: () => new Response(null),
    },
    newId: () => 'id',
    ...over,
  });
  const { port } = await node.listen({ host: '127.0.0.1', port: 0 });
  undo.push(() => node.close(0, async () => {}));
  return { port, records };
}

function open(port: number, from = '127.0.0.1', text = '') {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  let seen = '';
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  if (text) socket.write(text);
  undo.push(() => socket.destroy());
  return {
    socket,
    closed,
    seen: () => seen,
    hear() {
      socket.on('data', (d) => {
        seen += d.toString('latin1').slice(0, 2_000);
      });
    },
  };
}

const ASK = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
const connected = (socket: Socket) => new Promise<void>((resolve) => socket.once('connect', () => resolve()));

test('a crowd takes what all may share; the last quarter stays for who holds few, and who is too late is told when to come', async () => {
  const { port, records } = await server({ connections: { perAddress: 64, inAll: 16 } });
  const crowd = Array.from({ length: 30 }, () => open(port, '127.0.0.2'));
  for (const c of crowd) c.hear();
  await Promise.all(crowd.map((c) => connected(c.socket)));
  await expect.poll(() => records.length).toBe(30 - 12);
  await expect.poll(() => crowd.filter((c) => c.seen().startsWith('HTTP/1.1 503')).length).toBe(18);
  expect(crowd.find((c) => c.seen())?.seen()).toMatch(/retry-after: 5\r\n/);
  const newcomer = open(port, '127.0.0.3', ASK);
  newcomer.hear();
  await expect.poll(() => newcomer.seen()).toContain('HTTP/1.1 200');
  expect(new Set(records.map((r) => `${r.what} ${r.code} ${r.address}`))).toEqual(
    new Set(['a connection limit 127.0.0.2']),
  );
});

test('each connection that was refused is told to be counted, and what was given back can be had again', async () => {
  const { port, records } = await server({ connections: { perAddress: 3, inAll: 64 } });
  const first = Array.from({ length: 3 }, () => open(port));
  await Promise.all(first.map((c) => connected(c.socket)));
  for (let i = 0; i < 40; i++) {
    const refused = open(port);
    refused.hear();
    await refused.closed;
  }
  expect(records).toHaveLength(40);
  first[0]?.socket.destroy();
  await expect
    .poll(async () => {
      const again = open(port, '127.0.0.1', ASK);
      again.hear();
      await Promise.race([again.closed, expect.poll(() => again.seen()).toContain('HTTP')]);
      return again.seen().slice(0, 12);
    })
    .toBe('HTTP/1.1 200');
});

test('what came along with a connection that is refused is never a request', async () => {
  let served = 0;
  const { port } = await server({
    connections: { perAddress: 1, inAll: 64 },
    fetch: () => {
      served++;
      return new Response('done');
    },
  });
  const first = open(port);
  await connected(first.socket);
  for (let i = 0; i < 20; i++) {
    const refused = open(port, '127.0.0.1', ASK);
    refused.hear();
    await refused.closed;
    expect(refused.seen()).not.toContain('done');
  }
  first.socket.write(ASK);
  first.hear();
  await expect.poll(() => first.seen()).toContain('done');
  expect(served).toBe(1);
});

test('a proxy that is trusted carries many', async () => {
  const { port, records } = await server({
    connections: { perAddress: 1, inAll: 64 },
    manyBehind: (address) => address === '127.0.0.9',
  });
  const proxied = Array.from({ length: 10 }, () => open(port, '127.0.0.9'));
  await Promise.all(proxied.map((c) => connected(c.socket)));
  const asking = open(port, '127.0.0.9', ASK);
  asking.hear();
  await expect.poll(() => asking.seen()).toContain('HTTP/1.1 200');
  expect(records).toEqual([]);
});

test('who asks and reads nothing loses his connection; who reads slowly does not', { timeout: 90_000 }, async () => {
  const { port, records } = await server({ readsWithinMs: 4_000 });
  const slow = open(port, '127.0.0.2', ASK);
  slow.socket.pause();
  const steady = open(port, '127.0.0.3', ASK);
  let bytes = 0;
  steady.socket.on('data', (d) => {
    bytes += d.length;
    if (records.length > 0) return;
    steady.socket.pause();
    setTimeout(() => steady.socket.resume(), 2);
  });
  await expect
    .poll(() => records, { timeout: 60_000 })
    .toEqual([{ what: 'an answer that nobody reads', code: 'limit', address: '127.0.0.2' }]);
  // What the kernel still holds comes, and then the end in the middle of it.
  let got = 0;
  slow.socket.on('data', (d) => {
    got += d.length;
  });
  slow.socket.resume();
  await slow.closed;
  expect(got).toBeLessThan(24 * 1024 * 1024);
  await expect.poll(() => bytes, { timeout: 60_000 }).toBeGreaterThan(24 * 1024 * 1024);
  expect(records).toHaveLength(1);
});

test('who is owed nothing, or takes what he is owed, or is looked after by others, is left alone', () => {
  vi.useFakeTimers();
  undo.push(() => vi.useRealTimers());
  const cut: string[] = [];
  const make = (name: string, o: { bytesWritten: number; writableLength: number }) => ({
    name,
    destroyed: false,
    ...o,
  });
  const waits = make('waits for its answer', { bytesWritten: 100, writableLength: 0 });
  const takes = make('takes a byte now and then', { bytesWritten: 1_000, writableLength: 900 });
  const deaf = make('takes nothing', { bytesWritten: 1_000, writableLength: 900 });
  const moved = make('moves a file', { bytesWritten: 1_000, writableLength: 900 });
  const left = make('has left', { bytesWritten: 1_000, writableLength: 900 });
  const readers = createSlowReaders({
    cutOff: (socket) => void cut.push((socket as unknown as typeof deaf).name),
    patient: (socket) => (socket as unknown) === moved,
    withinMs: 10_000,
  });
  for (const socket of [waits, takes, deaf, moved, left, deaf]) readers.watch(socket as unknown as Socket);
  expect(readers.size()).toBe(5);
  left.destroyed = true;
  for (let s = 0; s < 60; s++) {
    vi.advanceTimersByTime(1_000);
    if (s % 8 === 0) takes.writableLength--;
  }
  expect(cut).toEqual(['takes nothing']);
  expect(readers.size()).toBe(3);
  for (const socket of [waits, takes, moved]) socket.destroyed = true;
  vi.advanceTimersByTime(2_000);
  expect([readers.size(), vi.getTimerCount()]).toEqual([0, 0]);
  readers.close();
});
