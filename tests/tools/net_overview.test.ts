import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import type { ToolContext } from '../../src/core/call.ts';
import { compileForeign, fence, shape } from '../../src/core/foreign.ts';
import type { NetHost } from '../../src/core/net.ts';
import { type NetOverviewAnswer, netOverview } from '../../src/tools/net_overview.ts';
import { fakeContainer } from '../fakes/docker_parts.ts';
import { at, fakeLink, fakeNet, fakeOwner, fakeRoute, fakeSocket } from '../fakes/net.ts';
import { ask, context, view } from './context.ts';

function on(over: Partial<NetHost> = {}, also: Partial<ToolContext> = {}): ToolContext {
  const ctx = context({}, also);
  ctx.host.net = fakeNet(over);
  return ctx;
}
const overview = (ctx = on(), args: unknown = {}) => ask<NetOverviewAnswer>(netOverview, args, ctx);

describe('net_overview', () => {
  it('tells the network of a host on a page', async () => {
    const { data, text } = await overview();
    expect(data.findings).toEqual([]);
    expect(data.unknown).toEqual([]);
    expect(data.interfaces).toHaveLength(1);
    expect(data.listeners[0]).toEqual({
      port: 22,
      protocol: 'tcp',
      scope: 'all',
      addresses: ['0.0.0.0', '::'],
      process: 'sshd',
      pid: 200,
      user: 'root',
      unit: 'ssh.service',
      container: null,
      outside: 'open',
    });
    expect(text).toMatchInlineSnapshot(`
      "Network: no findings; 4 services listen, 2 of those shown not on loopback alone; 2026-11-20T12:00:01Z
      interface  role  state   mtu  Mbit/s         in        out  addresses
      eth0       lan   up     1500    1000  3.0 MiB/s  195 KiB/s  192.168.1.10/24
      routes   default via 192.168.1.1 dev eth0 metric 100; 2 in all
      dns      192.168.1.1
      firewall nftables: input drop, filters; 3 rules in 1 chains
      sockets  9 TCP (4 established, 1 in TIME-WAIT), 1 UDP; not shown: interfaces 1 (all: true)
          port  listens on  from outside  held by
        22/tcp  all         open          sshd (200)
       443/tcp  all         open          nginx (310)
      5432/tcp  127.0.0.1   -             postgres (420)
       323/udp  127.0.0.1   -             chronyd (150)
      names    search lan"
    `);
    expect(encode(text).length).toBeLessThanOrEqual(500);
  });

  it('says why what cannot be read is unknown, and finds nothing in it', async () => {
    const no = { value: null, why: 'This user may not.' } as const;
    const { data, text } = await overview(
      on({
        links: async () => no,
        routes: async () => no,
        firewall: async () => no,
        neighbours: async () => {
          throw new Error('x');
        },
        dns: async () => ({ file: no, hosts: no, resolved: no }),
        sockets: async () => ({
          sockets: [],
          notRead: 9,
          unread: [{ what: 'tcp sockets', why: 'This user may not.' }],
        }),
      }),
    );
    expect(data.firewall).toBeNull();
    expect(data.routes.total).toBeNull();
    expect(data.unknown.map((u) => u.what)).toEqual([
      'interfaces',
      'routes',
      'firewall',
      'tcp sockets',
      '9 sockets',
      'dns.servers',
    ]);
    expect(data.findings).toEqual([]);
    expect(text).toContain('no findings in what could be read');
    expect(text).toContain('firewall unknown');
  });

  it('names containers behind ports, by proxy, by rules only and by cgroup', async () => {
    const web = fakeContainer('web', {
      id: 'abababababab'.padEnd(64, '0'),
      ports: [{ containerPort: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080 }],
    });
    const dns = fakeContainer('dns', {
      ports: [{ containerPort: 53, protocol: 'udp', hostIp: '0.0.0.0', hostPort: 5353 }],
    });
    const ctx = on(
      {
        sockets: async () => ({
          sockets: [fakeSocket({ port: 8080, inode: 1 }), fakeSocket({ port: 9000, inode: 2 })],
          notRead: 0,
          unread: [],
        }),
        owners: async () => ({
          byInode: new Map([
            [
              1,
              fakeOwner({
                pid: 7,
                name: 'docker-proxy',
                home: { kind: 'unit', name: 'docker.service', service: null },
              }),
            ],
            [2, fakeOwner({ pid: 8, name: 'app', home: { kind: 'container', name: 'abababababab' } })],
          ]),
          hidden: 0,
          why: null,
        }),
      },
      { offers: () => true },
    );
    ctx.host.docker.containers.list = async () => [web, dns];
    const { data } = await overview(ctx);
    expect(data.listeners.map((l) => [l.port, l.protocol, l.container, l.process, l.outside])).toEqual([
      [8080, 'tcp', 'web', 'docker-proxy', 'closed'],
      [9000, 'tcp', 'web', 'app', 'closed'],
      [5353, 'udp', 'dns', null, 'forwarded'],
    ]);
    expect(data.unknown).toEqual([]);
  });

  it('says that a holder is not to be seen, and whose the socket is', async () => {
    const { data, text } = await overview(
      on({ owners: async () => ({ byInode: new Map(), hidden: 40, why: 'root’s to see' }) }),
    );
    expect(data.unknown).toEqual([{ what: 'process of 4 services', why: 'root’s to see' }]);
    expect(text).toContain('user 110');
  });

  it('shows VPNs as such, leaves the ends of containers out, and has them all on request', async () => {
    const links = async () => ({
      value: {
        links: [
          fakeLink(),
          fakeLink({
            name: 'tailscale0',
            kind: 'tun',
            speedMbit: null,
            mtu: 1_280,
            addresses: [at('100.101.1.2', 32)],
          }),
          fakeLink({ name: 'wg0', kind: 'wireguard', mtu: 1_420, addresses: [at('10.6.0.1', 24)] }),
          fakeLink({ name: 'docker0', kind: 'bridge', carrier: false, addresses: [at('172.17.0.1', 16)] }),
          ...Array.from({ length: 40 }, (_, i) =>
            fakeLink({
              name: `veth${i}`,
              kind: 'veth',
              elsewhere: true,
              master: 'docker0',
              addresses: [at('fe80::1', 64, { scope: 'link' as const })],
            }),
          ),
        ],
        source: 'ip',
        notRead: 0,
      },
    });
    const few = (await overview(on({ links }))).data;
    expect(few.interfaces.map((n) => [n.name, n.role])).toEqual([
      ['eth0', 'lan'],
      ['tailscale0', 'tailnet'],
      ['wg0', 'wireguard'],
    ]);
    expect(few.leftOut.interfaces).toBe(41);
    const { data, text } = await overview(on({ links }), { all: true });
    expect(data.interfaces).toHaveLength(44);
    expect(data.interfaces[3]).toMatchObject({ role: 'containers', state: 'no carrier' });
    expect(data.routes.others).toHaveLength(1);
    expect(data.firewall?.tables).toEqual([{ name: 'inet filter', chains: 1, rules: 3, madeBy: null }]);
    expect(text).toContain('table inet filter: 1 chains, 3 rules');
  });

  it('stays within 1,000 tokens on a host with everything', async () => {
    const sockets = Array.from({ length: 60 }, (_, i) => fakeSocket({ port: 1_000 + i, inode: 5_000 + i }));
    const owners = new Map(sockets.map((s) => [s.inode, fakeOwner({ pid: s.inode, name: `service-${s.port}` })]));
    const ctx = on({
      sockets: async () => ({ sockets, notRead: 0, unread: [] }),
      owners: async () => ({ byInode: owners, hidden: 0, why: null }),
      routes: async () => ({
        value: {
          routes: Array.from({ length: 30 }, (_, i) =>
            fakeRoute({ to: i === 0 ? 'default' : `10.${i}.0.0/16`, table: i > 20 ? '52' : 'main' }),
          ),
          rules: Array.from({ length: 20 }, (_, i) => ({
            family: 4 as const,
            priority: 5_210 + i,
            selector: 'fwmark 0x80000/0xff0000',
            action: '52',
          })),
          source: 'ip',
          partial: null,
          notRead: 0,
        },
      }),
    });
    const { data, text } = await overview(ctx);
    expect(data.leftOut.listeners).toBe(35);
    expect(data.routes.rules).toHaveLength(8);
    expect(encode(text).length).toBeLessThanOrEqual(1_000);
  });

  it('puts what others can name behind one fence, and none of our advice', async () => {
    const ctx = on({
      neighbours: async () => ({
        value: [{ address: '192.168.1.1', family: 4, device: 'eth0', mac: null, state: 'FAILED' }],
      }),
    });
    const raw = netOverview.output.parse(await netOverview.handler?.(netOverview.input.parse({}), ctx));
    const compiled = compileForeign(netOverview.output);
    const { marked } = shape(raw, compiled, { text: (s: string) => s, deep: <T>(v: T) => v });
    const text = fence(netOverview.text(marked as never, view), 'abcd1234', compiled.sources);
    expect(text.match(/⟦untrusted abcd1234/g)).toHaveLength(1);
    const outside = text.replace(/⟦untrusted[\s\S]*⟦\/untrusted abcd1234⟧/, '');
    expect(outside).toContain('gateway_silent');
    expect(outside).not.toContain('nginx');
  });
});
