/** The readers on this very machine, with `ip` and without; what others may not see; bounds. */

import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { NetHost } from '../../src/core/net.ts';
import { createHost } from '../../src/host/index.ts';
import { netHost } from '../../src/host/net/index.ts';
import { socketReader } from '../../src/host/net/sockets.ts';
import { rootAt } from '../../src/host/system/files.ts';
import { fakeNet } from '../fakes/net.ts';
import { quietLog } from '../host/contract.ts';
import { netContract } from './contract.ts';

const host = createHost({ log: quietLog });
afterAll(() => host.close());
const never = async () => {
  throw new Error('no command is to be run');
};
const bare: NetHost = netHost(rootAt('/'), { exec: never, has: () => false, monotonic: () => performance.now() });

netContract('the fake', () => fakeNet());
netContract('this machine', () => host.net);
netContract('this machine without ip, ss and nft', () => bare);

test('with and without ip the same interfaces and IPv4 addresses are found', async () => {
  const of = async (net: NetHost) =>
    ((await net.links()).value?.links ?? [])
      .map(
        (l) =>
          `${l.name} ${l.mtu} ${l.up} ${l.addresses
            .map((a) => `${a.address}/${a.prefix}`)
            .toSorted()
            .join(' ')}`,
      )
      .toSorted();
  const { value } = await host.net.links();
  if (value?.source !== 'ip') return process.stderr.write('\nNOT COMPARED: there is no `ip` on this machine.\n');
  expect(await of(bare)).toEqual(await of(host.net));
  expect((await bare.routes()).value?.partial).toContain('not installed');
});

test('a listener and its connection are seen, with this very process behind them', async () => {
  const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const client = connect(port, '127.0.0.1');
  await Promise.all([once(client, 'connect'), once(server, 'connection')]);
  try {
    const { sockets } = await host.net.sockets(['tcp']);
    const ours = sockets.filter((s) => s.port === port || s.peerPort === port);
    expect(ours.map((s) => s.state).toSorted()).toEqual(['ESTAB', 'ESTAB', 'LISTEN']);
    const { byInode } = await host.net.owners(new Set(ours.map((s) => s.inode)));
    expect(ours.map((s) => byInode.get(s.inode)?.pid)).toEqual([process.pid, process.pid, process.pid]);
    // The same by way of our own pid: our namespace is ours.
    const again = await host.net.sockets(['tcp'], { pid: process.pid });
    expect(again.sockets.filter((s) => s.port === port)).toHaveLength(2);
  } finally {
    client.destroy();
    server.close();
  }
});

describe('below another root', () => {
  const folder = mkdtempSync(join(tmpdir(), 'deckhand-net-root-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const write = (path: string, text: string) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  const line = (n: number, inode: number) =>
    `${String(n).padStart(4)}: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0`;
  write('proc/net/tcp', `heading\n${Array.from({ length: 50 }, (_, i) => line(i, 100 + i)).join('\n')}`);
  write('proc/700/stat', '700 (a b) S 1 700 700 0 -1 4194304 0 0 0 0 1 1 0 0 20 0 1 0 5 0 1');
  write('proc/700/cmdline', '/opt/x\0--y\0');
  write('proc/700/cgroup', `0::/system.slice/docker-${'ab'.repeat(32)}.scope\n`);
  mkdirSync(join(folder, 'proc/700/fd'), { recursive: true });
  symlinkSync('socket:[105]', join(folder, 'proc/700/fd/3'));
  write('proc/650/stat', '650 (elder) S 1 650 650 0 -1 4194304 0 0 0 0 1 1 0 0 20 0 1 0 5 0 1');
  mkdirSync(join(folder, 'proc/650/fd'), { recursive: true });
  symlinkSync('socket:[105]', join(folder, 'proc/650/fd/9'));
  write('etc/nsswitch.conf', 'hosts: files\n');
  mkdirSync(join(folder, 'run/systemd/resolve'), { recursive: true });
  symlinkSync('/run/systemd/resolve/stub-resolv.conf', join(folder, 'etc/resolv.conf'));
  const net = netHost(rootAt(folder), { exec: never, has: () => true, monotonic: () => 1 });

  test('no command is run, and what needs one says why', async () => {
    for (const read of [await net.firewall(), await net.tcpDetails(), await net.links()])
      expect(read.why).toContain('mounted host');
  });

  test('the eldest of several holders is named, with the others counted and its container', async () => {
    const { byInode } = await net.owners(new Set([105, 999]));
    expect([...byInode.keys()]).toEqual([105]);
    expect(byInode.get(105)).toMatchObject({ pid: 650, name: 'elder', shared: 1, home: null });
    rmSync(join(folder, 'proc/650'), { recursive: true });
    expect((await net.owners(new Set([105]))).byInode.get(105)).toMatchObject({
      pid: 700,
      name: 'a b',
      command: '/opt/x --y',
      home: { kind: 'container', name: 'abababababab' },
    });
  });

  test('more sockets than are taken are counted; a last line without its end is read', async () => {
    const read = socketReader(rootAt(folder), (name) => `/proc/net/${name}`);
    const few = await read(['tcp'], { most: 20 });
    expect([few.sockets.length, few.notRead]).toEqual([20, 30]);
    expect((await read(['tcp'])).sockets).toHaveLength(50);
    expect((await read(['udp'])).unread).toEqual([{ what: 'udp sockets', why: '/proc/net/udp is not there.' }]);
  });

  test('a link to a resolver that does not run, and one that does', async () => {
    expect((await net.dns()).file.why).toBe(
      '/etc/resolv.conf leads to /run/systemd/resolve/stub-resolv.conf, and /run/systemd/resolve/stub-resolv.conf is not there.',
    );
    write('run/systemd/resolve/stub-resolv.conf', '# managed by man:systemd-resolved(8)\nnameserver 127.0.0.53\n');
    write('run/systemd/resolve/resolv.conf', 'nameserver 192.168.1.1\n');
    const dns = await net.dns();
    expect(dns.file.value).toMatchObject({ servers: ['127.0.0.53'], writtenBy: 'systemd-resolved' });
    expect(dns.resolved.value).toEqual({
      servers: ['192.168.1.1'],
      links: null,
      source: '/run/systemd/resolve/resolv.conf',
    });
    expect(dns.hosts.value).toEqual(['files']);
  });
});
