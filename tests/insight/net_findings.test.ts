import { describe, expect, it } from 'vitest';
import type { Firewall, Link, Socket } from '../../src/core/net.ts';
import { SEVERITIES } from '../../src/insight/facts.ts';
import { netFindingsOf } from '../../src/insight/findings.ts';
import type { NetFacts } from '../../src/insight/net_facts.ts';
import { NET_RULES } from '../../src/insight/rules_net.ts';
import { catalog } from '../../src/tools/index.ts';
import { at, fakeLink, fakeRoute, fakeSocket } from '../fakes/net.ts';
import { eth0, heard, route, wellNet } from './net_facts.ts';

type Spoil = (f: NetFacts) => void;
/** For each finding: what is like it and no fault, and what is one. */
interface Case {
  well: Spoil[];
  bad: Spoil[];
}

const links =
  (...more: Partial<Link>[]): Spoil =>
  (f) => {
    f.links.value?.links.push(
      ...more.map((over, i) => fakeLink({ name: `eth${i + 1}`, index: 3 + i, addresses: [], ...over })),
    );
  };
const first =
  (over: Partial<Link>): Spoil =>
  (f) =>
    void Object.assign(eth0(f), over);
const all =
  (...spoils: Spoil[]): Spoil =>
  (f) => {
    for (const s of spoils) s(f);
  };
const noRoutes: Spoil = (f) => {
  if (f.routes.value) f.routes.value.routes = f.routes.value.routes.filter((r) => r.to !== 'default');
};
const gateway =
  (state: string): Spoil =>
  (f) =>
    void Object.assign(f.neighbours.value?.[0] ?? {}, { state });
const resolv =
  (...servers: string[]): Spoil =>
  (f) => {
    if (f.dns.file.value) f.dns.file.value.servers = servers;
  };
const hosts =
  (...words: string[]): Spoil =>
  (f) => {
    f.dns.hosts = { value: words };
  };
const socket =
  (...over: Partial<Socket>[]): Spoil =>
  (f) => {
    f.sockets.sockets.push(...over.map((o) => fakeSocket(o)));
    heard(f);
  };
const firewall =
  (value: Firewall | null): Spoil =>
  (f) => {
    f.firewall = value === null ? { value: null, why: 'root’s' } : { value };
    heard(f);
  };
const NONE: Firewall = { sources: ['nftables'], chains: [], unread: [] };
const open = (port: number): Spoil => all(firewall(NONE), socket({ port, inode: 9 }));
const publicly = first({ addresses: [at('8.8.4.4', 24)] });
const dns = { kind: 'udp', state: 'UNCONN', port: 53 } as const;
const dnat: Spoil = (f) => {
  f.firewall.value?.chains.push({
    family: 'ip',
    table: 'nat',
    name: 'PREROUTING',
    hook: 'prerouting',
    type: 'nat',
    priority: -100,
    policy: 'accept',
    rules: [
      {
        protocols: { not: false, of: ['tcp'] },
        ports: {
          not: false,
          of: [
            [8_080, 8_080],
            [443, 443],
          ],
        },
        other: false,
        verdict: { kind: 'translate', address: '172.17.0.2', port: 80 },
      },
    ],
  });
  heard(f);
};
const many =
  (n: number, over: (i: number) => Partial<Socket>): Spoil =>
  (f) => {
    f.sockets.sockets.push(...Array.from({ length: n }, (_, i) => fakeSocket({ inode: 0, ...over(i) })));
  };
const out = (i: number): Partial<Socket> => ({
  state: 'TIME-WAIT',
  address: '192.168.1.10',
  port: 32_768 + i,
  peer: '9.9.9.9',
  peerPort: 443,
});

const CASES: Record<string, Case> = {
  interface_down: {
    well: [
      links({ up: false, carrier: null }),
      links({ name: 'docker0', kind: 'bridge', carrier: false, addresses: [at('172.17.0.1', 16)] }),
      links({ kind: 'bridge', name: 'vmbr1', carrier: false, addresses: [at('10.0.9.1', 24)] }),
      links({ carrier: false }),
      first({ carrier: null }),
    ],
    bad: [
      links({ carrier: false, addresses: [at('10.0.9.1', 24)] }),
      links({ up: false, carrier: null, addresses: [at('10.0.9.1', 24)] }),
      links(
        { kind: 'bridge', name: 'vmbr1', carrier: false, addresses: [at('10.0.9.1', 24)] },
        { master: 'vmbr1', carrier: false },
      ),
    ],
  },
  bond_degraded: {
    well: [links({ master: 'bond0', memberState: 'up' })],
    bad: [links({ master: 'bond0', memberState: 'down' }), links({ master: null, memberState: 'going down' })],
  },
  duplicate_address: {
    well: [
      links({ addresses: [at('192.168.1.11', 32)] }),
      links({ kind: 'dummy', addresses: [at('192.168.1.10', 24)] }),
      links({ addresses: [at('192.168.1.10', 32, { peer: '10.0.0.1' })] }),
      links({ addresses: [at('fe80::5054:ff:fe12:3456', 64, { scope: 'link' })] }),
    ],
    bad: [
      links({ addresses: [at('192.168.1.10', 24)] }),
      links({ addresses: [at('fd00::1', 64, { flags: ['dadfailed', 'tentative'] })] }),
      links({ addresses: [at('fe80::1', 64, { scope: 'link', flags: ['dadfailed'] })] }),
    ],
  },
  mtu_mismatch: {
    well: [
      links({ name: 'br0', kind: 'bridge' }, { master: 'br0', mtu: 9_000 }),
      links({ name: 'br0', kind: 'bridge', mtu: 9_000, up: false }, { master: 'br0' }),
      links({ kind: 'vlan', parent: 'eth0', mtu: 1_500 }),
      links({ kind: 'veth', name: 'a', parent: 'b' }, { kind: 'veth', name: 'b', parent: 'a' }),
    ],
    bad: [
      links({ name: 'br0', kind: 'bridge', mtu: 9_000 }, { master: 'br0' }),
      links({ kind: 'vlan', parent: 'eth0', mtu: 1_504 }),
      links({ kind: 'veth', name: 'a', parent: 'b', mtu: 1_400 }, { kind: 'veth', name: 'b', parent: 'a' }),
    ],
  },
  tunnel_mtu_large: {
    well: [
      links({ name: 'wg0', kind: 'wireguard', mtu: 1_440 }),
      links({ kind: 'vxlan', parent: 'eth0', mtu: 1_450 }),
      links({ name: 'tun0', kind: 'tun' }),
    ],
    bad: [links({ name: 'wg0', kind: 'wireguard', mtu: 1_441 }), links({ kind: 'vxlan', parent: 'eth0', mtu: 1_451 })],
  },
  subnets_overlap: {
    well: [
      links({ addresses: [at('192.168.2.10', 24)] }),
      links({ addresses: [at('192.168.1.11', 32)] }),
      links({ up: false, addresses: [at('192.168.1.11', 24)] }),
    ],
    bad: [
      links({ addresses: [at('192.168.1.11', 24)] }),
      links({ name: 'docker0', kind: 'bridge', addresses: [at('192.168.0.1', 16)] }),
    ],
  },
  half_duplex: {
    well: [first({ duplex: null }), first({ duplex: 'half', carrier: false })],
    bad: [first({ duplex: 'half', speedMbit: 100 }), first({ duplex: 'half', speedMbit: null })],
  },
  no_default_route: {
    well: [
      (f) => void Object.assign(route(f), { table: '52' }),
      (f) => void Object.assign(f, { routes: { value: null, why: 'no' } }),
      all(noRoutes, first({ addresses: [at('fe80::1', 64, { scope: 'link' })] })),
      all(
        noRoutes,
        (f) => void f.routes.value?.routes.push(fakeRoute({ to: '0.0.0.0/1' }), fakeRoute({ to: '128.0.0.0/1' })),
      ),
    ],
    bad: [noRoutes, (f) => void Object.assign(route(f), { type: 'unreachable' })],
  },
  default_route_down: {
    well: [(f) => void Object.assign(route(f), { flags: ['onlink'] })],
    bad: [
      (f) => void Object.assign(route(f), { flags: ['linkdown'] }),
      first({ carrier: false }),
      first({ up: false }),
    ],
  },
  gateway_silent: {
    well: [gateway('STALE'), gateway('DELAY'), (f) => void Object.assign(f, { neighbours: { value: [] } })],
    bad: [gateway('FAILED'), gateway('INCOMPLETE')],
  },
  ipv6_no_route: {
    well: [first({ addresses: [at('192.168.1.10', 24), at('fd00::1', 64)] })],
    bad: [first({ addresses: [at('192.168.1.10', 24), at('2a00:1450::1', 64)] })],
  },
  dns_no_server: {
    well: [
      all(resolv(), hosts('files')),
      all(resolv(), socket({ ...dns, address: '127.0.0.1' })),
      all(
        resolv(),
        hosts('files', 'resolve', 'dns'),
        (f) =>
          void Object.assign(f.dns, { resolved: { value: { servers: ['9.9.9.9'], links: [], source: 'resolvectl' } } }),
      ),
      (f) => void Object.assign(f.dns, { file: { value: null, why: 'This user may not read /etc/resolv.conf.' } }),
    ],
    bad: [
      resolv(),
      (f) =>
        void Object.assign(f.dns, {
          file: { value: null, why: '/etc/resolv.conf leads to ../x, and /etc/resolv.conf is not there.' },
        }),
      all(
        resolv('127.0.0.53'),
        socket({ ...dns, address: '127.0.0.53' }),
        (f) => void Object.assign(f.dns, { resolved: { value: { servers: [], links: [], source: 'resolvectl' } } }),
      ),
    ],
  },
  dns_stub_dead: {
    well: [
      all(resolv('127.0.0.53'), socket({ ...dns, address: '127.0.0.53' })),
      all(resolv('127.0.0.1'), socket({ ...dns, address: '0.0.0.0' })),
      all(resolv('127.0.0.11'), socket({ ...dns, port: 41_000, address: '127.0.0.11' })),
      resolv('127.0.0.53', '192.168.1.1'),
      all(resolv('127.0.0.53'), hosts('files')),
    ],
    bad: [resolv('127.0.0.53'), resolv('::1', '127.0.0.1'), resolv('127.0.0.11')],
  },
  dns_server_no_route: {
    well: [resolv('8.8.8.8'), resolv('192.168.1.10'), resolv('fe80::1%eth0'), all(resolv('fd00::1'), noRoutes)],
    bad: [resolv('192.168.1.1', 'fd00::53')],
  },
  dns_servers_ignored: {
    well: [resolv('1.1.1.1', '1.0.0.1', '9.9.9.9')],
    bad: [resolv('1.1.1.1', '1.0.0.1', '9.9.9.9', '8.8.8.8')],
  },
  services_open_public: {
    well: [
      all(publicly, socket({ port: 8_080, inode: 9 })),
      open(8_080),
      all(
        publicly,
        firewall(NONE),
        (f) => void Object.assign(f, { listeners: f.listeners.filter((l) => l.port !== 443) }),
      ),
    ],
    bad: [all(publicly, open(8_080))],
  },
  services_open_private: {
    well: [
      socket({ port: 8_080, inode: 9 }),
      all(open(8_080), publicly),
      all(open(8_080), (f) => void Object.assign(f, { container: true })),
      all(open(8_080), firewall({ ...NONE, unread: ['ip filter: made by iptables'] })),
      all(firewall(null), socket({ port: 8_080, inode: 9 })),
    ],
    bad: [open(8_080)],
  },
  data_open: {
    well: [
      socket({ port: 6_379, inode: 9 }),
      all(firewall(NONE), socket({ port: 6_379, address: '127.0.0.1', inode: 9 })),
      all(firewall(NONE), socket({ port: 6_379, address: '100.64.0.3', inode: 9 })),
    ],
    bad: [open(6_379), all(firewall(NONE), socket({ port: 2_375, address: '192.168.1.10', inode: 9 }))],
  },
  published_past_firewall: {
    well: [socket({ port: 8_080, inode: 9 }), dnat],
    bad: [all(dnat, socket({ port: 8_080, inode: 9 }))],
  },
  listener_address_gone: {
    well: [
      socket({ port: 8_080, address: '192.168.1.10', inode: 9 }),
      socket({ port: 8_080, address: '127.0.0.9', inode: 9 }),
    ],
    bad: [socket({ port: 8_080, address: '192.168.1.77', inode: 9 })],
  },
  accept_queue_long: {
    well: [socket({ port: 81, receiveQueue: 99, inode: 9 })],
    bad: [socket({ port: 81, receiveQueue: 100, inode: 9 })],
  },
  close_wait_many: {
    well: [many(99, () => ({ state: 'CLOSE-WAIT' }))],
    bad: [many(100, () => ({ state: 'CLOSE-WAIT' }))],
  },
  conntrack_full: {
    well: [
      (f) => void Object.assign(f.counters, { conntrack: { value: { used: 899, max: 1_000 } } }),
      (f) => void Object.assign(f.counters, { conntrack: { value: { used: 0, max: 0 } } }),
    ],
    bad: [(f) => void Object.assign(f.counters, { conntrack: { value: { used: 900, max: 1_000 } } })],
  },
  ports_used_up: {
    well: [
      many(22_584, out),
      many(30_000, (i) => ({ ...out(i % 28_000), peer: `9.9.9.${i % 2}` })),
      all(many(30_000, out), (f) => void Object.assign(f.counters, { ephemeralPorts: { value: null, why: 'no' } })),
    ],
    bad: [many(22_585, out)],
  },
  retransmits_many: {
    well: [
      (f) =>
        void Object.assign(f.counters, {
          tcp: {
            value: { segmentsOut: 9_999, retransmitted: 9_000, listenOverflows: null, resetsSent: null },
          },
        }),
      (f) =>
        void Object.assign(f.counters, {
          tcp: {
            value: { segmentsOut: 100_000, retransmitted: 4_999, listenOverflows: null, resetsSent: null },
          },
        }),
    ],
    bad: [
      (f) =>
        void Object.assign(f.counters, {
          tcp: {
            value: { segmentsOut: 100_000, retransmitted: 5_000, listenOverflows: null, resetsSent: null },
          },
        }),
    ],
  },
};

const found = async (spoil: Spoil, id: string) => {
  const f = await wellNet();
  spoil(f);
  return netFindingsOf(f).find((x) => x.id === id);
};

describe('findings on the network', () => {
  it('each have a case here, an own id, and words that fit a line', () => {
    expect(Object.keys(CASES).toSorted()).toEqual(NET_RULES.map((r) => r.id).toSorted());
    for (const r of NET_RULES) {
      expect(r.id).toMatch(/^[a-z][a-z0-9]*(_[a-z]+)*$/);
      expect(SEVERITIES).toContain(r.severity);
      expect(r.sentence.length, r.id).toBeLessThanOrEqual(120);
      expect(r.sentence, r.id).toMatch(/\.$/);
      const call = r.next.match(/^([a-z]+_[a-z]+) (\{.*\})$/);
      const tool = catalog.tools.find((t) => t.name === call?.[1]);
      if (call) expect(tool?.input.safeParse(JSON.parse(call[2] as string)).success, r.next).toBe(true);
      else expect(r.next).toMatch(/^[a-z]/);
    }
  });

  it('are none on a network that is well, nor where nothing can be read', async () => {
    const f = await wellNet();
    expect(netFindingsOf(f)).toEqual([]);
    const no = { value: null, why: 'EACCES' } as const;
    Object.assign(f, {
      links: no,
      routes: no,
      neighbours: no,
      firewall: no,
      listeners: [],
      dns: { file: no, hosts: no, resolved: no },
    });
    f.sockets = { sockets: [], notRead: 0, unread: [{ what: 'udp sockets', why: 'EACCES' }] };
    f.counters = { atMs: 0, tcp: no, udp: no, conntrack: no, ephemeralPorts: no, timeWait: no };
    expect(netFindingsOf(f)).toEqual([]);
  });

  for (const [id, { well, bad }] of Object.entries(CASES))
    it(`${id}: for the fault, and not for what is like it`, async () => {
      for (const [n, spoil] of well.entries()) expect(await found(spoil, id), `well ${n}`).toBeUndefined();
      for (const [n, spoil] of bad.entries()) {
        const f = await found(spoil, id);
        expect(f, `bad ${n}`).toBeDefined();
        expect(f?.evidence.length).toBeGreaterThan(0);
        expect(`${f?.evidence} ${f?.next}`).not.toMatch(/NaN|undefined|null|\{[A-Z]/);
      }
    });

  it('take over those on rates, worst first', async () => {
    const f = await wellNet();
    const rate = f.rates.networks.value?.[1];
    if (rate) Object.assign(rate, { errorsPerSecond: 900 });
    noRoutes(f);
    expect(netFindingsOf(f).map((x) => x.id)).toEqual(['no_default_route', 'network_errors']);
  });
});
