import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import type { ToolContext } from '../../src/core/call.ts';
import type { ContainerDetail } from '../../src/core/docker.ts';
import type { OpsError } from '../../src/core/errors.ts';
import type { NetHost } from '../../src/core/net.ts';
import { type NetConnectionsAnswer, netConnections } from '../../src/tools/net_connections.ts';
import { fakeContainer } from '../fakes/docker_parts.ts';
import { fakeNet, fakeOwner, fakeSocket } from '../fakes/net.ts';
import { ask, context } from './context.ts';

function on(over: Partial<NetHost> = {}, also: Partial<ToolContext> = {}): ToolContext {
  const ctx = context({}, also);
  ctx.host.net = fakeNet(over);
  return ctx;
}
const connections = (args: unknown = {}, ctx = on()) => ask<NetConnectionsAnswer>(netConnections, args, ctx);

describe('net_connections', () => {
  it('groups by who holds them and what for', async () => {
    const { data, text } = await connections();
    expect(data).toMatchObject({
      total: 10,
      matched: 10,
      by: 'process',
      byState: { LISTEN: 4, ESTAB: 4, 'TIME-WAIT': 1 },
      list: [],
    });
    expect(data.groups[0]).toEqual({
      kind: 'tcp',
      process: 'nginx',
      pid: 311,
      user: 'www-data',
      container: null,
      direction: 'in',
      port: 443,
      peer: null,
      peers: 3,
      state: null,
      sockets: 3,
      states: { ESTAB: 3 },
      receiveQueue: 0,
      sendQueue: 4_096,
      retransmits: 2,
    });
    expect(text).toMatchInlineSnapshot(`
      "10 sockets (9 tcp, 1 udp); TCP: 4 LISTEN, 4 ESTAB, 1 TIME-WAIT
      retransmitted since boot: 1200 of 1000000 segments (0.1%)
      sockets  kind  way     port  peer          states      unsent  retrans now  held by
            3  tcp   in       443  3 peers       ESTAB      4.0 KiB            2  nginx (311)
            2  tcp   listen    22  -             LISTEN           -            -  sshd (200)
            1  udp   bound    323  -             UNCONN           -            -  chronyd (150)
            1  tcp   listen   443  -             LISTEN           -            -  nginx (310)
            1  tcp   in       443  192.168.1.30  TIME-WAIT        -            -  -
            1  tcp   out      443  9.9.9.9       ESTAB            -            -  crunch (v2) x (900)
            1  tcp   listen  5432  -             LISTEN           -            -  postgres (420)"
    `);
    expect(encode(text).length).toBeLessThanOrEqual(400);
  });

  it('groups by the other end, by port and by state without looking for holders', async () => {
    const ctx = on({
      owners: async () => {
        throw new Error('not to be asked');
      },
    });
    expect((await connections({ by: 'peer', state: 'ESTAB' }, ctx)).data.groups.map((g) => g.peer)).toEqual([
      '192.168.1.20',
      '192.168.1.21',
      '192.168.1.22',
      '9.9.9.9',
    ]);
    expect(
      (await connections({ by: 'port', kind: 'tcp' }, ctx)).data.groups.map((g) => [g.direction, g.port, g.sockets]),
    ).toEqual([
      ['in', 443, 4],
      ['listen', 22, 2],
      ['listen', 443, 1],
      ['out', 443, 1],
      ['listen', 5432, 1],
    ]);
    expect((await connections({ by: 'state' }, ctx)).data.groups.map((g) => [g.state, g.sockets])).toEqual([
      ['LISTEN', 4],
      ['ESTAB', 4],
      ['TIME-WAIT', 1],
      ['UNCONN', 1],
    ]);
  });

  it('lists single sockets, filtered and sorted, with what the kernel counts of each on request', async () => {
    const { data, text } = await connections({
      list: true,
      state: 'ESTAB',
      peer: '192.168.0.0/16',
      sort: 'retransmits',
      limit: 2,
    });
    expect(data.list.map((s) => [s.peer, s.process, s.retransmits, s.retransmitted, s.rttMs])).toEqual([
      ['192.168.1.21:50001', 'nginx', 2, 1, 1.5],
      ['192.168.1.22:50002', 'nginx', 0, 2, 2.5],
      ['192.168.1.20:50000', 'nginx', 0, 0, 0.5],
    ]);
    expect(text).toContain('rtt ms');
    expect((await connections({ list: true, process: '900' })).data.list).toMatchObject([
      { local: '192.168.1.10:40000', peer: '9.9.9.9:443', user: 'ana' },
    ]);
    expect((await connections({ list: true, process: 'POSTGRES' })).data.matched).toBe(1);
    expect((await connections({ list: true, port: 443 })).data.matched).toBe(6);
    expect((await connections({ list: true, sort: 'queue' })).data.list[0]?.sendQueue).toBe(4_096);
    expect((await connections({ list: true, sort: 'port', kind: 'tcp' })).data.list[0]?.local).toBe('0.0.0.0:22');
  });

  it('tells unix sockets by path', async () => {
    const { data, text } = await connections({ kind: 'unix' });
    expect(data.groups.map((g) => [g.path, g.direction, g.process])).toEqual([
      ['/run/postgresql/.s.PGSQL.5432', 'listen', 'postgres'],
      ['', 'out', null],
    ]);
    expect(text).toContain('/run/postgresql/.s.PGSQL.5432');
  });

  it('reads IPv4 peers of sockets of both families', async () => {
    const ctx = on({
      sockets: async () => ({
        sockets: [
          fakeSocket({
            family: 6,
            state: 'ESTAB',
            address: '::ffff:10.0.0.1',
            port: 80,
            peer: '::ffff:10.0.0.2',
            peerPort: 9,
          }),
        ],
        notRead: 5,
        unread: [{ what: 'udp sockets', why: 'no' }],
      }),
    });
    const { data } = await connections({ list: true, peer: '10.0.0.0/8' }, ctx);
    expect(data.list).toMatchObject([{ local: '[::ffff:10.0.0.1]:80', peer: '[::ffff:10.0.0.2]:9' }]);
    expect(data.total).toBe(6);
    expect(data.unknown.map((u) => u.what)).toEqual(['udp sockets', '5 sockets']);
  });

  it('refuses what is no address, and says when nothing can be read', async () => {
    await expect(connections({ peer: 'example.org' })).rejects.toMatchObject({ code: 'validation' });
    const ctx = on({
      sockets: async () => ({ sockets: [], notRead: 0, unread: [{ what: 'tcp sockets', why: 'EACCES' }] }),
    });
    await expect(connections({}, ctx)).rejects.toMatchObject({ code: 'unavailable' });
    const refused = (await connections({ container: 'web' }).catch((e: OpsError) => e)) as OpsError;
    expect([refused.code, refused.details.hint]).toEqual([
      'unavailable',
      'Leave `container` out and name a `process`.',
    ]);
  });

  it('looks into a container’s own network; of one in the host’s it shows what it holds', async () => {
    expect(netConnections.scopes.of?.({ container: 'web' } as never)).toEqual(['docker:read']);
    let asked: number | undefined;
    const ctx = on(
      {
        sockets: async (_want, o) => {
          asked = o?.pid;
          return {
            sockets: [fakeSocket({ port: 80, inode: 1 }), fakeSocket({ port: 81, inode: 2 })],
            notRead: 0,
            unread: [],
          };
        },
        owners: async () => ({
          byInode: new Map([
            [1, fakeOwner({ pid: 8, name: 'app', home: { kind: 'container', name: 'abababababab' } })],
          ]),
          hidden: 0,
          why: null,
        }),
      },
      { offers: () => true },
    );
    const detail = (over: object) =>
      ({
        ...fakeContainer('web', { id: 'abababababab'.padEnd(64, '0') }),
        pid: 777,
        networkMode: 'bridge',
        ...over,
      }) as ContainerDetail;
    ctx.host.docker.containers.inspect = async () => detail({});
    const own = await connections({ container: 'web', detail: true }, ctx);
    expect(asked).toBe(777);
    expect(own.data.groups.map((g) => [g.port, g.container])).toEqual([
      [80, 'web'],
      [81, null],
    ]);
    expect(own.data.unknown).toMatchObject([{ what: 'round trips and retransmits' }]);
    expect(own.data.segmentsOut).toBeNull();
    ctx.host.docker.containers.inspect = async () => detail({ networkMode: 'host' });
    expect((await connections({ container: 'web' }, ctx)).data.groups.map((g) => g.port)).toEqual([80]);
    expect(asked).toBeUndefined();
    ctx.host.docker.containers.inspect = async () => detail({ pid: 0 });
    await expect(connections({ container: 'web' }, ctx)).rejects.toMatchObject({ code: 'conflict' });
  });
});
