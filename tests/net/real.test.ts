/**
 * Faults of a network, made for real in namespaces of their own, each beside a healthy twin: the finding is there, and only for the
 * fault. Only with DECKHAND_REAL=1, as root.
 */
import { describe, expect, test } from 'vitest';
import type { NetConnectionsAnswer } from '../../src/tools/net_connections.ts';
import type { NetOverviewAnswer } from '../../src/tools/net_overview.ts';
import { inNamespace, lacking } from './namespace.ts';

const missing = process.env.DECKHAND_REAL === '1' ? lacking() : ['DECKHAND_REAL=1'];
if (missing.length > 0)
  process.stderr.write(
    `\nSKIPPED: faults of a real network (tests/net/real.test.ts), lacking ${missing.join(', ')}.\n`,
  );

interface Pair {
  id: string;
  what: string;
  fault: string;
  twin: string;
}

const NOTHING = ':';
const PAIRS: Pair[] = [
  { id: 'no_default_route', what: 'no route', fault: 'ip route del default', twin: NOTHING },
  {
    id: 'no_default_route',
    what: 'no route; the twin has one in a table of its own',
    fault: 'ip route del default; ip rule add from 10.9.0.1 table 52',
    twin: 'ip route del default; ip rule add from 10.9.0.1 table 52; ip route add default via 10.9.0.254 table 52',
  },
  {
    id: 'duplicate_address',
    what: 'an address on two interfaces',
    fault: 'second 10.9.0.1/24',
    twin: 'second 10.10.0.1/24',
  },
  {
    id: 'duplicate_address',
    what: 'an IPv6 address that another host has',
    fault: `router ip addr add fd00:9::1/64 dev up0 nodad; ip addr add fd00:9::1/64 dev eth0
      until ip -6 addr show dev eth0 | grep -q dadfailed; do sleep 0.1; done`,
    twin: `router ip addr add fd00:9::2/64 dev up0 nodad; ip addr add fd00:9::1/64 dev eth0
      until ! ip -6 addr show dev eth0 | grep -q tentative; do sleep 0.1; done`,
  },
  {
    id: 'listener_address_gone',
    what: 'a listener on the wrong address',
    fault: 'allow 8080; ip addr add 10.9.0.77/24 dev eth0; listens 10.9.0.77 8080; ip addr del 10.9.0.77/24 dev eth0',
    twin: 'allow 8080; ip addr add 10.9.0.77/24 dev eth0; listens 10.9.0.77 8080',
  },
  {
    id: 'mtu_mismatch',
    what: 'a bridge larger than its member',
    fault:
      'ip link add br0 type bridge; ip link add m0 type veth peer name m1 netns $ROUTER; nsenter -t $ROUTER -n ip link set m1 up; ip link set m0 master br0 up; carries m0; ip link set br0 mtu 9000 up',
    twin: 'ip link add br0 type bridge; ip link add m0 type veth peer name m1 netns $ROUTER; nsenter -t $ROUTER -n ip link set m1 up; ip link set m0 master br0 up; carries m0; ip link set br0 mtu 1500 up',
  },
  {
    id: 'tunnel_mtu_large',
    what: 'a tunnel that does not fit',
    fault: 'ip link add vx0 type vxlan id 9 remote 10.9.0.254 dstport 4789; ip link set vx0 mtu 1500 up',
    twin: 'ip link add vx0 type vxlan id 9 remote 10.9.0.254 dstport 4789; ip link set vx0 mtu 1450 up',
  },
  {
    id: 'interface_down',
    what: 'no carrier',
    fault:
      'second 10.10.0.1/24; router ip link set up1 down; until ip link show eth1 | grep -q NO-CARRIER; do sleep 0.05; done',
    twin: 'second 10.10.0.1/24',
  },
  {
    id: 'interface_down',
    what: 'switched off',
    fault: 'second 10.10.0.1/24; ip link set eth1 down',
    twin: 'ip link add d0 type veth peer name d1',
  },
  {
    id: 'default_route_down',
    what: 'the default route on a dead link',
    fault: 'router ip link set up0 down; until ip link show eth0 | grep -q NO-CARRIER; do sleep 0.05; done',
    twin: NOTHING,
  },
  {
    id: 'gateway_silent',
    what: 'a gateway that is not there',
    fault:
      'ip route replace default via 10.9.0.99; echo x > /dev/udp/10.200.0.1/9; until ip neigh show 10.9.0.99 | grep -q FAILED; do sleep 0.1; done',
    twin: 'echo x > /dev/udp/10.9.0.254/9; until ip neigh show 10.9.0.254 | grep -q REACHABLE; do sleep 0.1; done',
  },
  {
    id: 'subnets_overlap',
    what: 'two interfaces in one network',
    fault: 'second 10.9.0.2/24',
    twin: 'second 10.9.1.2/24',
  },
  {
    id: 'ipv6_no_route',
    what: 'IPv6 without a way out',
    fault: 'ip addr add 2a00:1450::1/64 dev eth0 nodad',
    twin: 'ip addr add 2a00:1450::1/64 dev eth0 nodad; ip -6 route add default via 2a00:1450::fe',
  },
  { id: 'dns_no_server', what: 'no server for names', fault: ': > /etc/resolv.conf', twin: NOTHING },
  {
    id: 'dns_stub_dead',
    what: 'a stub that does not run',
    fault: 'echo nameserver 127.0.0.53 > /etc/resolv.conf',
    twin: `echo nameserver 127.0.0.53 > /etc/resolv.conf
      "$NODE" -e 'require("dgram").createSocket("udp4").bind(53, "127.0.0.53", () => console.log("up"))' > "$AT/dns" &
      until grep -q up "$AT/dns"; do :; done`,
  },
  {
    id: 'dns_server_no_route',
    what: 'a server for names to which nothing leads',
    fault: 'echo nameserver fd00:77::53 > /etc/resolv.conf',
    twin: 'ip addr add fd00:77::1/64 dev eth0 nodad; echo nameserver fd00:77::53 > /etc/resolv.conf',
  },
  {
    id: 'services_open_private',
    what: 'a service without a firewall',
    fault: 'nft flush ruleset; listens 0.0.0.0 8080',
    twin: 'listens 0.0.0.0 8080',
  },
  {
    id: 'services_open_private',
    what: 'a service without a firewall; the twin is on loopback',
    fault: 'nft flush ruleset; listens :: 8080',
    twin: 'nft flush ruleset; listens 127.0.0.1 8080',
  },
  {
    id: 'services_open_public',
    what: 'the same with a public address',
    fault: 'nft flush ruleset; ip addr add 9.9.0.1/24 dev eth0; listens 0.0.0.0 8080',
    twin: 'ip addr add 9.9.0.1/24 dev eth0; allow 8080; listens 0.0.0.0 8080',
  },
  {
    id: 'data_open',
    what: 'Redis for everybody',
    fault: 'allow 6379; listens 0.0.0.0 6379',
    twin: 'listens 0.0.0.0 6379',
  },
  {
    id: 'published_past_firewall',
    what: 'a published port past the firewall',
    fault: `nft add table ip nat; nft add chain ip nat pre '{ type nat hook prerouting priority -100; }'
      nft add rule ip nat pre fib daddr type local tcp dport 8080 dnat to 172.17.0.2:80; listens 0.0.0.0 8080`,
    twin: 'listens 0.0.0.0 8080',
  },
  {
    id: 'close_wait_many',
    what: 'connections that are never closed',
    fault: halfClosed('120'),
    twin: halfClosed('20'),
  },
];

function halfClosed(n: string): string {
  const program = `const net = require('net'); let left = ${n};
    const s = net.createServer({ allowHalfOpen: true }, (c) => c.resume().on('end', () => --left || console.log('up')));
    s.listen(7000, '127.0.0.1', () => { for (let i = 0; i < ${n}; i++) net.connect({ port: 7000, host: '127.0.0.1', allowHalfOpen: true }).end(); });`;
  return `"$NODE" -e "${program.replaceAll('"', '\\"')}" > "$AT/half" & until grep -q up "$AT/half"; do :; done`;
}

describe.skipIf(missing.length > 0)('a real network', () => {
  test('that is well has no findings', { timeout: 60_000 }, async () => {
    const { answer, text } = await inNamespace<NetOverviewAnswer>('listens 0.0.0.0 22', 'net_overview');
    expect(answer.findings, text).toEqual([]);
    expect(answer.unknown).toEqual([]);
    expect(answer.interfaces).toMatchObject([
      { name: 'eth0', role: 'lan', kind: 'veth', state: 'up', addresses: ['10.9.0.1/24'], mtu: 1500 },
    ]);
    expect(answer.routes.defaults).toMatchObject([{ to: 'default', via: '10.9.0.254', device: 'eth0', table: 'main' }]);
    expect(answer.dns.servers).toEqual(['10.9.0.254']);
    expect(answer.listeners).toMatchObject([
      { port: 22, protocol: 'tcp', scope: 'all', outside: 'open', process: 'node' },
    ]);
    expect(answer.firewall).toMatchObject({ filters: true, inputPolicy: 'drop', rules: 4 });
  });

  test.each(PAIRS)('$id: $what', { timeout: 90_000 }, async ({ id, fault, twin }) => {
    const bad = await inNamespace<NetOverviewAnswer>(fault, 'net_overview');
    expect(
      bad.answer.findings.map((f) => f.id),
      bad.text,
    ).toContain(id);
    const well = await inNamespace<NetOverviewAnswer>(twin, 'net_overview');
    expect(
      well.answer.findings.map((f) => f.id),
      well.text,
    ).not.toContain(id);
    // Twins of what lets something in on purpose are not without any remark.
    if (!['services_open_private', 'listener_address_gone'].includes(id))
      expect(well.answer.findings, well.text).toEqual([]);
  });

  test('sockets, as `ss` has them', { timeout: 60_000 }, async () => {
    const script = `listens 127.0.0.1 7001
      "$NODE" -e 'const net = require("net"); let n = 0; for (let i = 0; i < 30; i++) net.connect(7001, "127.0.0.1", () => ++n === 30 && console.log("up"))' > "$AT/c" &
      until grep -q up "$AT/c"; do :; done`;
    const { answer, text } = await inNamespace<NetConnectionsAnswer>(script, 'net_connections', { detail: true });
    expect(answer.byState, text).toEqual({ LISTEN: 1, ESTAB: 60 });
    // Of equal size: which of the two comes first nobody promises.
    expect(answer.groups.map((g) => [g.direction, g.port, g.sockets, g.process]).toSorted()).toEqual([
      ['in', 7001, 30, 'node'],
      ['listen', 7001, 1, 'node'],
      ['out', 7001, 30, 'node'],
    ]);
    expect(answer.groups[0]?.rttMs).toBeGreaterThanOrEqual(0);
    expect(new Set(answer.groups.slice(0, 2).map((g) => g.pid)).size).toBe(2);
  });
});
