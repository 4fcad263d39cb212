/** Limits of the HTTP face: sessions, addresses, connections, slow senders, streams, the port; over real sockets where it matters. */

import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { addressKey } from '../../src/edge/limits.ts';
import { byToken } from '../../src/policy/authenticate.ts';
import { legacy, modern, type Web, web } from './fixture-http.ts';
import { stage } from './fixture-tools.ts';

let open: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  stage.finish = Promise.resolve();
  stage.started = () => {};
  for (const close of open.reverse()) await close();
  open = [];
});

async function start(over: Parameters<typeof web>[0] = {}): Promise<Web & { url: string; port: number }> {
  const w = web(over);
  open.push(() => w.face.close());
  const { url } = await w.face.listen();
  return { ...w, url, port: Number(new URL(url).port) };
}

/** A socket that writes what it is told and collects what comes. */
function raw(port: number, text = ''): { socket: Socket; seen(): string; closed: Promise<void> } {
  const socket = connect(port, '127.0.0.1');
  let got = '';
  socket.on('data', (d) => {
    got += d;
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  if (text) socket.write(text);
  open.push(() => socket.destroy());
  return { socket, seen: () => got, closed };
}

const INIT = legacy('initialize', {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'x', version: '1' },
});
const SESSION = { enabled: true, max: 2, idleMinutes: 30 };

describe('sessions', () => {
  const init = async (w: Web, token = 'full') => {
    const response = await w.post(INIT, { authorization: `Bearer ${token}` });
    await response.text();
    return response.headers.get('mcp-session-id') as string;
  };
  const list = async (w: Web, id: string, token = 'full') => {
    const headers = { 'mcp-session-id': id, authorization: `Bearer ${token}`, 'mcp-protocol-version': '2025-11-25' };
    const response = await w.post(legacy('tools/list'), headers);
    return { status: response.status, text: await response.text() };
  };

  test('belong to whom opened them: to anybody else they do not exist, and that is on record', async () => {
    const w = web();
    const id = await init(w);
    expect((await list(w, id)).status).toBe(200);
    const hijacked = await list(w, id, 'other');
    const unknown = await list(w, 'no-such-session', 'other');
    expect(hijacked.status).toBe(404);
    const strip = (text: string) => text.replace(/"call":"\w+"/, '');
    expect(strip(hijacked.text)).toBe(strip(unknown.text));
    expect(hijacked.text).toContain('"code":-32001');
    expect(w.records.map((r) => `${r.event} ${r.who} ${r.code}`)).toEqual([
      'refused token:other not_found',
      'refused token:other not_found',
    ]);
    expect(
      (await w.post(legacy('tools/list'), { 'mcp-session-id': id, authorization: '' })).status,
      'an id is no token',
    ).toBe(401);
    expect((await list(w, id)).status).toBe(200);
  });

  test('one that ended is gone for whatever is asked in it, also for what makes no sense', async () => {
    const w = web();
    const id = await init(w);
    const headers = { 'mcp-session-id': id, authorization: 'Bearer full', 'mcp-protocol-version': '2025-11-25' };
    const ended = await w.face.app.request('/mcp', { method: 'DELETE', headers });
    expect(ended.status).toBe(200);
    for (const body of [
      legacy('tools/list'),
      legacy('tools/lust'),
      legacy('tools/call', {}),
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 1, result: {} },
    ]) {
      const response = await w.post(body, headers);
      expect([response.status, await response.text()], JSON.stringify(body)).toEqual([
        404,
        expect.stringContaining('"code":-32001'),
      ]);
    }
  });

  test('at the cap the longest idle one goes, and nobody is refused', async () => {
    let now = 1_000;
    const w = web({ now: () => now++, http: { sessions: SESSION } });
    const [a, b] = [await init(w), await init(w)];
    expect((await list(w, a)).status).toBe(200);
    const c = await init(w);
    expect((await list(w, b)).status, 'idle for longest').toBe(404);
    expect((await list(w, a)).status).toBe(200);
    expect((await list(w, c)).status).toBe(200);
  });

  test('end when idle, and when told to', async () => {
    let now = 1_000;
    const w = web({ now: () => now, http: { sessions: SESSION } });
    const a = await init(w);
    now += 31 * 60_000;
    expect((await list(w, a)).status).toBe(404);
    const b = await init(w);
    const headers = { 'mcp-session-id': b, authorization: 'Bearer full' };
    expect((await w.face.app.request('/mcp', { method: 'DELETE', headers })).status).toBe(200);
    expect((await list(w, b)).status).toBe(404);
  });

  test('can be switched off: then none is made, and none is asked for', async () => {
    const w = web({ http: { sessions: { ...SESSION, enabled: false } } });
    const response = await w.post(INIT);
    expect([response.status, response.headers.get('mcp-session-id')]).toEqual([200, null]);
    await response.text();
    expect((await list(w, 'whatever')).status).toBe(200);
    const headers = { authorization: 'Bearer full', accept: 'text/event-stream' };
    const get = await w.face.app.request('/mcp', { headers });
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
  });

  test('a 2026 request ignores the id', async () => {
    const w = web();
    const m = modern('tools/list');
    const response = await w.post(m.body, { ...m.headers, 'mcp-session-id': 'x' });
    expect([response.status, response.headers.get('mcp-session-id')]).toEqual([200, null]);
  });

  test('a stream of one is held open, and ends with the server at once', async () => {
    const w = await start({ drainMs: 60_000 });
    const id = await init(w);
    const headers = { 'mcp-session-id': id, authorization: 'Bearer full', accept: 'text/event-stream' };
    const stream = await fetch(w.url, { headers });
    expect(stream.headers.get('x-accel-buffering')).toBe('no');
    const text = stream.text();
    await w.face.close();
    expect(await text).toBe('');
  });
});

describe('addresses', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('%s counts as %s', (address, key) => expect(addressKey(address)).toBe(key));

  test('a flood is refused before any token is looked at, and each of it is told to be counted', async () => {
    let asked = 0;
    const w = web({
      now: () => 1_000,
      http: { requestsPerMinutePerAddress: 3 },
      authenticate: byToken(() => {
        asked++;
        return null;
      }),
    });
    const statuses = [];
    for (let i = 0; i < 10; i++) statuses.push((await w.post(legacy('tools/list'))).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429, 429, 429, 429, 429, 429]);
    expect(asked).toBe(3);
    expect(w.records.map((r) => r.code)).toEqual([...Array(3).fill('permission'), ...Array(7).fill('limit')]);
    const refused = await w.post(legacy('tools/list'));
    expect(refused.headers.get('retry-after')).toBe('64');
    expect((await w.face.app.request('/healthz')).status, 'health is not counted').toBe(200);
  });

  test('strangers at the gate take nothing from those inside', async () => {
    const w = web({ now: () => 1_000, http: { requestsPerMinutePerAddress: 5 } });
    for (let i = 0; i < 50; i++)
      expect((await w.post(legacy('tools/list'), { origin: 'https://evil.example' })).status).toBe(403);
    expect(w.records.length).toBe(50);
    expect((await w.post(legacy('tools/list'))).status).toBe(200);
  });
});

describe('sockets', () => {
  test('one address opens so many and no more', async () => {
    const w = await start({ http: { connectionsPerAddress: 2 } });
    const [a] = [raw(w.port), raw(w.port)];
    await expect.poll(() => a?.socket.readyState).toBe('open');
    const c = raw(w.port);
    await c.closed;
    expect(c.seen()).toContain('429 Too Many Requests');
    expect(c.seen()).toContain('http.connectionsPerAddress');
    expect(w.records).toMatchObject([{ event: 'refused', what: 'a connection', code: 'limit', address: '127.0.0.1' }]);
  });

  test('a trickle of headers is cut off', { timeout: 15_000 }, async () => {
    const w = await start();
    const began = performance.now();
    const slow = raw(w.port, 'POST /mcp HTTP/1.1\r\nHost: localhost\r\n');
    const drip = setInterval(() => slow.socket.write('X-A: b\r\n'), 300);
    await slow.closed;
    clearInterval(drip);
    expect(performance.now() - began).toBeLessThan(8_000);
    expect(slow.seen()).toContain('408 Request Timeout');
  });

  test.each([
    ['no HTTP', 'hello\r\n\r\n', '400 Bad Request'],
    [
      'headers without end',
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      '431 Request Header',
    ],
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n', '400 Bad Request'],
    [
      'two lengths',
      'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      '400 Bad Request',
    ],
    [
      'length and chunks',
      'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      '400 Bad Request',
    ],
    ['a Host that is no name', 'GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', '400 Bad Request'],
  ])('%s', async (_name, text, status) => {
    const w = await start();
    const r = raw(w.port, text);
    await r.closed;
    expect(r.seen()).toContain(status);
    expect((await fetch(w.url.replace('/mcp', '/healthz'))).status).toBe(200);
  });

  test('a long body is refused while it is still being sent', async () => {
    const w = await start();
    const r = raw(
      w.port,
      'POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer full\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const more = setInterval(() => r.socket.write(`1000\r\n${'x'.repeat(4096)}\r\n`), 5);
    await expect.poll(r.seen).toContain('413 Payload Too Large');
    await r.closed;
    clearInterval(more);
    expect(w.records.map((x) => x.code)).toEqual(['limit']);
  });

  test('a port in use names the port, who may hold it and the setting', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    open.push(() => holder.close());
    const { port } = holder.address() as { port: number };
    const w = web({ http: { port } });
    await expect(w.face.listen()).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(String(port)),
      details: { hint: expect.stringMatching(/ss -ltnp .*http\.port/) },
    });
    await w.face.close();
  });
});

describe('streams', () => {
  const slowCall = (accept: string) => ({
    method: 'POST',
    headers: {
      authorization: 'Bearer full',
      'content-type': 'application/json',
      accept,
      ...modern('tools/call', { name: 'fixture_slow' }).headers,
    },
    body: JSON.stringify(modern('tools/call', { name: 'fixture_slow', arguments: {} }).body),
  });

  test('an answer that takes its time becomes a stream with comments, whole at the end', async () => {
    const w = await start({ streamAfterMs: 10 });
    const { promise, resolve } = Promise.withResolvers<void>();
    stage.finish = promise;
    const response = await fetch(w.url, slowCall('application/json, text/event-stream'));
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    resolve();
    const text = await response.text();
    expect(text).toMatch(/^: working\n\nevent: message\ndata: \{.*"steps":3.*\}\n\n$/);
    expect(w.records.map((r) => r.code)).toEqual(['done']);
  });

  test('leaving the stream cancels the work', async () => {
    const w = await start({ streamAfterMs: 10 });
    stage.aborted = 0;
    stage.finish = new Promise(() => {});
    const stop = new AbortController();
    const response = await fetch(w.url, { ...slowCall('application/json, text/event-stream'), signal: stop.signal });
    expect(response.status).toBe(200);
    stop.abort();
    await expect.poll(() => stage.aborted).toBe(1);
    await expect.poll(() => w.records.length).toBe(1);
  });

  test('a client that reads no streams gets its JSON late', async () => {
    const w = await start({ streamAfterMs: 1 });
    const { promise, resolve } = Promise.withResolvers<void>();
    stage.finish = promise;
    stage.started = () => void setImmediate(() => setImmediate(resolve));
    const response = await fetch(w.url, slowCall('application/json'));
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toMatchObject({ result: { structuredContent: { steps: 3 } } });
  });

  test('a stop does not wait for a subscription', async () => {
    const w = await start({ drainMs: 60_000 });
    const m = modern('subscriptions/listen', { notifications: {} });
    const headers = { authorization: 'Bearer full', 'content-type': 'application/json', ...m.headers };
    const response = await fetch(w.url, { method: 'POST', headers, body: JSON.stringify(m.body) });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const text = response.text();
    await w.face.close();
    expect(await text).toContain('acknowledged');
  });

  test('one principal holds so many open; another one finds some, and what ends is free again', async () => {
    const w = await start({ http: { sessions: { enabled: true, max: 64, idleMinutes: 30 } } });
    const held: AbortController[] = [];
    // What nobody refers to is closed by fetch itself.
    const answers: Response[] = [];
    open.push(() => held.forEach((h) => void h.abort()));
    const listen = async (token: string) => {
      const began = await w.post(INIT, { authorization: `Bearer ${token}` });
      await began.text();
      const headers = {
        'mcp-session-id': began.headers.get('mcp-session-id') as string,
        authorization: `Bearer ${token}`,
        accept: 'text/event-stream',
      };
      const stop = new AbortController();
      held.push(stop);
      const response = await fetch(w.url, { headers, signal: stop.signal });
      answers.push(response);
      return response.status;
    };
    for (let i = 0; i < 16; i++) expect(await listen('full')).toBe(200);
    expect(await listen('full')).toBe(429);
    expect(await listen('other')).toBe(200);
    expect(w.records.filter((r) => r.code === 'limit')).toHaveLength(1);
    held[3]?.abort();
    await expect.poll(() => listen('full')).toBe(200);
  });

  test('a stop does not wait for ever for a call', async () => {
    const w = await start({ drainMs: 50 });
    stage.aborted = 0;
    stage.finish = new Promise(() => {});
    const started = new Promise<void>((resolve) => {
      stage.started = resolve;
    });
    const call = fetch(w.url, slowCall('application/json')).then(
      (r) => r.status,
      () => 'closed',
    );
    await started;
    await w.face.close();
    expect(['closed', 499, 503]).toContain(await call);
    await expect.poll(() => stage.aborted).toBe(1);
  });
});
