/** Sockets that were passed: what they are is read from the kernel's tables, and what the settings say of them is not guessed. */

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { passedSockets } from '../../src/config/env.ts';
import type { OpsError } from '../../src/core/errors.ts';
import { inheritedAddress, inheritedOf, inheritedTailnet, type Look } from '../../src/edge/activation.ts';

let undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.reverse()) await step();
  undo = [];
});

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1B9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:1B9E 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:1B9E 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1 0 100 0 0 10 0
   1: B80D0120000000000000000001000000:1B9E 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15 1 0 100 0 0 10 0`;
const UNIX = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01    21 /run/deckhand/mcp.sock
0000000000000000: 00000003 00000000 00000000 0001 03    22 /run/deckhand/mcp.sock
0000000000000000: 00000002 00000000 00010000 0005 01    23 /run/udev/control`;
const tables = (inodes: Record<number, number>): Look => ({
  link: (path) => {
    const inode = inodes[Number(path.split('/').at(-1))];
    if (inode === undefined) throw new Error('ENOENT');
    return inode === 0 ? 'pipe:[7]' : `socket:[${inode}]`;
  },
  read: (path) => ({ tcp: TCP, tcp6: TCP6, unix: UNIX })[path.split('/').at(-1) as string] ?? '',
});
const of = (name: string, inode: number) => inheritedOf([{ fd: 3, name }], tables({ 3: inode }));
const http = {
  host: '127.0.0.1',
  port: 7070,
  behindProxy: false,
  trustedProxies: [],
  tls: { certFile: null, keyFile: null },
};
const CHOSEN = { host: true, port: true };
const DEFAULT = { host: false, port: false };

test('what was passed is told once, and only to whom it was meant', () => {
  const env: Record<string, string | undefined> = {
    ...{ LISTEN_FDS: '2', LISTEN_PID: String(process.pid), LISTEN_FDNAMES: 'http:tailnet', OTHER: 'x' },
  };
  expect(passedSockets(env)).toEqual([
    { fd: 3, name: 'http' },
    { fd: 4, name: 'tailnet' },
  ]);
  expect(env).toEqual({ OTHER: 'x' });
  expect(passedSockets(env)).toEqual([]);
  expect(passedSockets({ LISTEN_FDS: '1', LISTEN_PID: '1' })).toEqual([]);
  expect(passedSockets({ LISTEN_FDS: '1', LISTEN_PID: String(process.pid) })).toEqual([{ fd: 3, name: '' }]);
});

test('an address is what the kernel says it is', () => {
  expect(of('http', 11).http).toEqual({ fd: 3, host: '127.0.0.1', port: 7070 });
  expect(of('deckhand.socket', 13).http).toEqual({ fd: 3, host: '0.0.0.0', port: 80 });
  expect(of('', 14).http).toEqual({ fd: 3, host: '::1', port: 7070 });
  expect(of('', 15).http).toEqual({ fd: 3, host: '2001:db8::1', port: 7070 });
  expect(of('tailnet', 21)).toEqual({ http: null, tailnet: { fd: 3, path: '/run/deckhand/mcp.sock' } });
});

test.each([
  ['a connection', 'http', 12],
  ['a pipe', 'http', 0],
  ['a Unix socket of another name', 'http', 21],
  ['a connection of a Unix socket', 'tailnet', 22],
  ['datagrams', 'tailnet', 23],
  ['a port that is called tailnet', 'tailnet', 11],
])('%s is refused', (_, name, inode) => {
  expect(() => of(name, inode)).toThrowError(expect.objectContaining({ code: 'validation' }));
});

test('a second address is refused, with what clears the list', () => {
  const both = [
    { fd: 3, name: 'http' },
    { fd: 4, name: 'http' },
  ];
  expect(() => inheritedOf(both, tables({ 3: 11, 4: 14 }))).toThrowError(/second address, \[::1\]:7070/);
});

test('by the real tables: a port and a Unix socket of this process', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-activation-'));
  undo.push(() => rmSync(dir, { recursive: true, force: true }));
  const tcp = createServer();
  const unix = createSocketServer();
  const path = join(dir, 's');
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => unix.listen(path, resolve));
  undo.push(
    () => tcp.close(),
    () => unix.close(),
  );
  const fd = (server: object) => (server as { _handle: { fd: number } })._handle.fd;
  const found = inheritedOf([
    { fd: fd(tcp), name: 'http' },
    { fd: fd(unix), name: 'tailnet' },
  ]);
  expect(found.http).toMatchObject({ host: '127.0.0.1', port: (tcp.address() as AddressInfo).port });
  expect(found.tailnet).toMatchObject({ path });
});

describe('the settings beside it', () => {
  const own = { fd: 3, host: '127.0.0.1', port: 8080 };
  const refused = async (...args: Parameters<typeof inheritedAddress>) =>
    inheritedAddress(...args).then(
      () => null,
      (thrown: OpsError) => thrown,
    );

  test('left at their defaults, or at port 0: the one that was passed counts', async () => {
    expect(await inheritedAddress(own, http, DEFAULT)).toEqual({ ...own, address: '127.0.0.1' });
    expect(await inheritedAddress(own, { ...http, port: 0 }, CHOSEN)).toMatchObject({ port: 8080 });
    expect(await inheritedAddress(own, { ...http, port: 8080 }, CHOSEN)).toMatchObject({ port: 8080 });
  });

  test('set to something else: refused, with both ways out', async () => {
    const port = await refused(own, http, { host: false, port: true });
    expect(port?.message).toBe('deckhand.socket listens on 127.0.0.1:8080, and the settings say 127.0.0.1:7070.');
    expect(port?.details.hint).toMatch(
      /take `http.host` and `http.port` out.*ListenStream=127.0.0.1:7070.*disable --now/s,
    );
    const host = await refused(own, { ...http, host: '::1' }, { host: true, port: false });
    expect(host).toMatchObject({ code: 'conflict', message: expect.stringContaining('[::1]:8080') });
  });

  test('beyond loopback the same rule holds as for a setting: TLS here, or the owner’s word for a proxy', async () => {
    const wide = { fd: 3, host: '0.0.0.0', port: 7070 };
    const thrown = await refused(wide, http, DEFAULT);
    expect(thrown).toMatchObject({
      code: 'permission',
      message: expect.stringContaining('deckhand.socket listens on 0.0.0.0:7070'),
    });
    expect(thrown?.details.hint).toContain('ListenStream=127.0.0.1:7070');
    expect(await inheritedAddress(wide, { ...http, behindProxy: true }, DEFAULT)).toMatchObject({ address: '0.0.0.0' });
    const tls = { certFile: '/c', keyFile: '/k' };
    expect(await inheritedAddress(wide, { ...http, tls }, DEFAULT)).toMatchObject({ address: '0.0.0.0' });
  });

  test('the tailnet’s socket is the one that the settings name', () => {
    const passed = { fd: 4, path: '/run/deckhand/mcp.sock' };
    expect(inheritedTailnet(passed, '/run/deckhand/mcp.sock')).toEqual({ fd: 4 });
    for (const setting of [null, '/run/other.sock'])
      expect(() => inheritedTailnet(passed, setting)).toThrowError(expect.objectContaining({ code: 'conflict' }));
  });
});
