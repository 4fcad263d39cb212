/** The socket for `tailscale serve`: made for owner and group alone, taken over only from the dead; and what stands in requests through it. */

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as later } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { peerOf, reachedAt, tailnetSocket } from '../../src/edge/tailnet_socket.ts';
import type { Shown } from '../../src/policy/credentials.ts';
import { modern, TOKENS, web } from './fixture-http.ts';

let dir: string;
let path: string;
let open: (() => Promise<unknown>)[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-tailnet-'));
  path = join(dir, 'mcp.sock');
  open = [];
});
afterEach(async () => {
  for (const close of open.reverse()) await close();
  rmSync(dir, { recursive: true, force: true });
});

const held = { now: 0 };
const lease = () => {
  held.now++;
  return {
    sure: true,
    [Symbol.dispose]() {
      held.now--;
    },
  };
};
const on = async (server: Server, at = path, by: Parameters<typeof tailnetSocket>[0]['lease'] = lease) => {
  await tailnetSocket({ path: at, lease: by })(server);
  open.push(() => closed(server));
};
const closed = (server: Server) =>
  new Promise<void>((ok) => {
    if (!server.listening) return ok();
    server.close(() => ok());
    server.closeAllConnections();
  });
beforeEach(() => {
  held.now = 0;
});

/** A socket file whose server died without a word. */
function dead(at: string): void {
  const made = spawnSync(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(at)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ]);
  expect([made.signal, existsSync(at)]).toEqual(['SIGKILL', true]);
}

describe('the file', () => {
  test('is for owner and group, whatever the umask; kept-open connections outlast those of tailscaled', async () => {
    const before = process.umask(0);
    try {
      const server = createServer();
      await on(server);
      const { mode, uid, gid } = lstatSync(path);
      expect([(mode & 0o7777).toString(8), uid, gid]).toEqual(['660', process.getuid?.(), process.getgid?.()]);
      expect(process.umask(), 'as it was').toBe(0);
      expect(server.keepAliveTimeout).toBeGreaterThan(90_000);
      const naive = createServer();
      await new Promise<void>((ok) => naive.listen(join(dir, 'naive.sock'), ok));
      expect(lstatSync(join(dir, 'naive.sock')).mode & 0o007, 'the control: open to everybody').not.toBe(0);
      await closed(naive);
    } finally {
      process.umask(before);
    }
  });
  test('of one that died is replaced, and gone when closed', async () => {
    dead(path);
    const server = createServer((_, response) => response.end('new'));
    await on(server);
    expect([lstatSync(path).isSocket(), held.now]).toEqual([true, 1]);
    expect((await raw(path)).text).toBe('new');
    await closed(server);
    expect([existsSync(path), held.now]).toEqual([false, 0]);
  });
  test('of one that lives is left alone: a second server is refused, by the lease and without it', async () => {
    await on(createServer((_, response) => response.end('first')));
    const second = createServer();
    await expect(on(second, path, () => null)).rejects.toMatchObject({
      code: 'conflict',
      details: { hint: expect.stringContaining('tailnet.socket') },
    });
    await expect(on(second)).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('already') });
    expect([(await raw(path)).text, held.now, second.listening]).toEqual(['first', 1, false]);
  });
  test.each<[string, (at: string) => void, string]>([
    ['a file', (at) => writeFileSync(at, 'precious'), 'conflict'],
    ['a folder', (at) => mkdirSync(at), 'conflict'],
    ['a link', (at) => symlinkSync('/nonexistent', at), 'conflict'],
  ])('%s in its place is not touched', async (_, make, code) => {
    make(path);
    await expect(on(createServer())).rejects.toMatchObject({ code });
    expect([lstatSync(path, { throwIfNoEntry: false }) !== undefined, held.now]).toEqual([true, 0]);
  });
  test('needs a folder in which nobody else can put another one', async () => {
    await expect(on(createServer(), join(dir, 'none', 'mcp.sock'))).rejects.toMatchObject({
      code: 'not_found',
      details: { hint: expect.stringContaining('install -d') },
    });
    const common = join(dir, 'common');
    mkdirSync(common);
    chmodSync(common, 0o777);
    await expect(on(createServer(), join(common, 'mcp.sock'))).rejects.toMatchObject({ code: 'permission' });
    chmodSync(common, 0o1777);
    await on(createServer(), join(common, 'mcp.sock'));
    await expect(on(createServer(), `/${'x'.repeat(107)}`)).rejects.toMatchObject({ code: 'validation' });
    expect(statSync(join(common, 'mcp.sock')).isSocket()).toBe(true);
  });
});

/** One request over the socket. */
function raw(
  at: string | { port: string },
  headers: Record<string, string> = {},
  o: { method?: string; path?: string; body?: unknown } = {},
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
  const body = o.body === undefined ? undefined : JSON.stringify(o.body);
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...(typeof at === 'string' ? { socketPath: at } : at),
        method: o.method ?? (body ? 'POST' : 'GET'),
        path: o.path ?? '/mcp',
        agent: false,
        headers: {
          host: 'localhost',
          ...(body ? { 'content-type': 'application/json', accept: 'application/json, text/event-stream' } : {}),
          ...headers,
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status: response.statusCode as number, headers: response.headers, text }));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('requests through it', () => {
  const call = modern('tools/call', { name: 'system_overview', arguments: {} });
  async function faced(over: Parameters<typeof web>[0] = {}) {
    const seen: Shown[] = [];
    const w = web({
      authenticate(shown) {
        seen.push(shown);
        const principal = TOKENS.full;
        return principal ? { principal } : { refused: new OpsError('permission', 'no'), status: 403, sent: false };
      },
      ...over,
    });
    const { url } = await w.face.listen();
    await w.face.beside('tailnet', tailnetSocket({ path, lease }));
    open.push(() => w.face.close());
    return { ...w, seen, url };
  }

  test('are of the address that serve forwards, for limits and records; on any other listener that header is nobody’s', async () => {
    const w = await faced();
    const sent = { ...call.headers, 'x-forwarded-for': '100.64.0.20' };
    expect((await raw(path, sent, call)).status).toBe(200);
    expect(w.seen.map((s) => [s.listener, s.address])).toEqual([['tailnet', '100.64.0.20']]);
    expect(w.records.at(-1)?.address).toBe('100.64.0.20');
    const tcp = await fetch(w.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...sent },
      body: JSON.stringify(call.body),
    });
    expect(tcp.status).toBe(200);
    expect(w.seen.at(-1)).toMatchObject({ listener: 'tcp', address: '127.0.0.1' });
  });
  test('each peer has a limit of its own; those without one address share one', async () => {
    const w = await faced({ http: { requestsPerMinutePerAddress: 2 } });
    const status = (xff: string) => raw(path, { ...call.headers, 'x-forwarded-for': xff }, call).then((r) => r.status);
    expect([await status('100.64.0.20'), await status('100.64.0.20'), await status('100.64.0.20')]).toEqual([
      200, 200, 429,
    ]);
    expect(await status('100.64.0.30')).toBe(200);
    expect([await status('100.64.0.1, 1.1.1.1'), await status('x'), await status('100.64.0.2, 1.1.1.1')]).toEqual([
      200, 200, 429,
    ]);
    expect(w.seen.at(-1)?.address).toBeUndefined();
  });
  test('a page of the caller’s own http://localhost is not ours, although the Host says localhost', async () => {
    const w = await faced({
      http: { allowedOrigins: ['https://app.example.org'], url: 'https://ops.tail-fake.ts.net' },
    });
    const from = (origin: string) =>
      raw(
        path,
        { ...call.headers, 'x-forwarded-for': '100.64.0.20', 'x-forwarded-host': 'localhost', origin },
        call,
      ).then((r) => r.status);
    for (const origin of ['http://localhost', 'https://localhost', 'http://evil.example'])
      expect(await from(origin), origin).toBe(403);
    expect(w.seen).toEqual([]);
    for (const origin of ['https://app.example.org', 'https://ops.tail-fake.ts.net'])
      expect(await from(origin), origin).toBe(200);
    // The control: where a browser reached us as localhost, and a token is needed, the same page is our own.
    const plain = web();
    const { url } = await plain.face.listen();
    open.push(() => plain.face.close());
    const { port } = new URL(url);
    const sent = { ...call.headers, origin: 'http://localhost', authorization: 'Bearer full' };
    expect((await raw({ port }, sent, call)).status).toBe(200);
  });
  test('Host: only localhost and our own names; X-Forwarded-Host opens nothing', async () => {
    const w = await faced();
    const sent = { ...call.headers, 'x-forwarded-for': '100.64.0.20' };
    expect((await raw(path, { ...sent, host: 'evil.example', 'x-forwarded-host': 'localhost' }, call)).status).toBe(
      403,
    );
    expect((await raw(path, { ...sent, 'x-forwarded-host': 'evil.example' }, call)).status).toBe(200);
    expect(w.seen).toHaveLength(1);
  });
  test('the URL of a file serves nobody who is not let in at all', async () => {
    const found = vi.fn(() => null);
    const no = (status: 401 | 403 | 503) => () => ({ refused: new OpsError('permission', 'no'), status, sent: false });
    for (const status of [403, 503, 401] as const) {
      const w = web({ authenticate: no(status), transfers: { find: found, servedAt() {} } as never });
      await w.face.listen();
      const at = join(dir, `${status}.sock`);
      await w.face.beside('tailnet', tailnetSocket({ path: at, lease }));
      open.push(() => w.face.close());
      found.mockClear();
      const answer = await raw(at, { 'x-forwarded-for': '203.0.113.50' }, { path: `/transfers/d_${'a'.repeat(26)}` });
      expect([answer.status, found.mock.calls.length]).toEqual([status, status === 401 ? 1 : 0]);
    }
  });
  test('who has to wait hears how long', async () => {
    await faced({
      authenticate: async () => {
        await later(1);
        return { refused: new OpsError('unavailable', 'away', { retryAfterMs: 2_000 }), status: 503, sent: false };
      },
    });
    const answer = await raw(path, { ...call.headers, 'x-forwarded-for': '100.64.0.20' }, call);
    expect([answer.status, answer.headers['retry-after'], answer.headers['www-authenticate']]).toEqual([
      503,
      '2',
      undefined,
    ]);
  });
  test('ends when the face does, and leaves no file', async () => {
    const w = await faced();
    await w.face.close();
    expect([existsSync(path), held.now]).toEqual([false, 0]);
  });
});

test('how somebody reached us is a name and nothing else', () => {
  const at = (host?: string | string[], proto?: string) =>
    reachedAt({ headers: { 'x-forwarded-host': host, 'x-forwarded-proto': proto } } as never);
  expect([at('ops.tail-fake.ts.net'), at('ops.ts.net:8443', 'https'), at('ops', 'http'), at('100.64.0.10')]).toEqual([
    'https://ops.tail-fake.ts.net',
    'https://ops.ts.net:8443',
    'http://ops',
    'https://100.64.0.10',
  ]);
  for (const odd of [
    undefined,
    '',
    'a, b',
    'a/b',
    'a@b',
    'a b',
    'a?x',
    '-a',
    'a-',
    'a:b',
    `${'a'.repeat(261)}`,
    'é.ts.net',
  ])
    expect(at(odd), odd).toBeUndefined();
  expect([peerOf(undefined), peerOf({ headers: {} } as never)]).toEqual([undefined, undefined]);
});
