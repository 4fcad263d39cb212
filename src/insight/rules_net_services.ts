/** Findings on what listens and what is connected: who may reach it, and what runs out. */
import { reachOf } from '../core/ip.ts';
import type { Socket } from '../core/net.ts';
import { percent } from '../core/text.ts';
import { hitOf, type Rule, rule } from './facts.ts';
import { linksIn, mainDefault, type NetFacts, routesIn } from './net_facts.ts';
import type { Listener } from './net_listeners.ts';
import { inTailnet } from './net_names.ts';
import { filtersNothing, pastInput } from './net_reach.ts';

const named = (l: Listener): string =>
  `${l.port}/${l.protocol}${l.container !== null ? ` ${l.container}` : l.owner ? ` ${l.owner.name}` : ''}`;
const hits = (found: readonly Listener[]) => hitOf(found.map((l) => ({ evidence: named(l) })));

/** Meant for everybody who can reach a host, or answers nobody beyond its link: SSH, DHCP and multicast names, WireGuard, tailscale. */
const EXPECTED = new Set(['22/tcp', '68/udp', '546/udp', '5353/udp', '5355/udp', '5355/tcp', '51820/udp', '41641/udp']);
/** What keeps data and by itself asks for no password, or is asked for one by the whole internet. */
const DATA: Record<number, string> = {
  1433: 'SQL Server',
  2375: 'Docker API',
  2379: 'etcd',
  3306: 'MySQL',
  5432: 'PostgreSQL',
  5984: 'CouchDB',
  6379: 'Redis',
  9042: 'Cassandra',
  9200: 'Elasticsearch',
  11211: 'memcached',
  27017: 'MongoDB',
};

const outDevice = (f: NetFacts) => mainDefault(routesIn(f))?.hops[0]?.device ?? null;

function unfiltered(f: NetFacts): boolean {
  const { value } = f.firewall;
  return value !== null && value.unread.length === 0 && filtersNothing(value, 4, outDevice(f));
}
const hasPublic = (f: NetFacts): boolean =>
  linksIn(f).some((l) => l.up !== false && l.addresses.some((a) => reachOf(a.address) === 'public'));
const exposed = (f: NetFacts): Listener[] =>
  f.listeners.filter(
    (l) =>
      (l.scope === 'all' || l.scope === 'public') &&
      (l.reaches === 'open' || l.reaches === 'forwarded') &&
      !EXPECTED.has(`${l.port}/${l.protocol}`),
  );

/** Ports of docker that answer although the rules for programs of this host would not let them. */
function pastFirewall(f: NetFacts): Listener[] {
  const { value } = f.firewall;
  if (value === null) return [];
  const device = outDevice(f);
  return f.listeners.filter(
    (l) =>
      l.reaches === 'forwarded' &&
      l.scope !== 'loopback' &&
      pastInput(value, { family: 4, protocol: l.protocol, port: l.port, destination: null, device }) === 'closed',
  );
}

function addressGone(f: NetFacts): Listener[] {
  if (f.links.value === null || f.links.value.notRead > 0) return [];
  const ours = new Set(linksIn(f).flatMap((l) => l.addresses.map((a) => a.address)));
  return f.listeners.filter(
    (l) =>
      !l.byRulesOnly &&
      l.protocol === 'tcp' &&
      l.addresses.every((a) => ['public', 'private'].includes(reachOf(a) ?? '') && !ours.has(a)),
  );
}

function busiestPeer(sockets: readonly Socket[], from: number): { peer: string; n: number } | null {
  const count = new Map<string, number>();
  let most: { peer: string; n: number } | null = null;
  for (const s of sockets) {
    if (s.kind !== 'tcp' || s.state === 'LISTEN' || s.port < from) continue;
    const peer = `${s.address} to ${s.peer} port ${s.peerPort}`;
    const n = (count.get(peer) ?? 0) + 1;
    count.set(peer, n);
    if (most === null || n > most.n) most = { peer, n };
  }
  return most;
}

export const NET_SERVICES: Rule<NetFacts>[] = [
  rule({
    id: 'services_open_public',
    severity: 'high',
    title: 'Services open to the internet',
    limits: {},
    when: () =>
      'the host has a public address, no rule filters what comes in, and services other than SSH and VPN listen on all addresses',
    sentence: 'No firewall stands before these services, and this host has a public address.',
    next: 'net_overview {"all":true}',
    test: (f: NetFacts) => (hasPublic(f) && unfiltered(f) ? hits(exposed(f)) : null),
  }),
  rule({
    id: 'services_open_private',
    severity: 'low',
    title: 'Services open to the network',
    limits: {},
    when: () => 'as above, but all addresses are private; not in a container, before which its host stands',
    sentence: 'Everybody on the networks of this host reaches these services: no firewall stands before them.',
    next: 'net_overview {"all":true}',
    test: (f: NetFacts) => (!f.container && !hasPublic(f) && unfiltered(f) ? hits(exposed(f)) : null),
  }),
  rule({
    id: 'data_open',
    severity: 'medium',
    title: 'Database open',
    limits: {},
    when: () =>
      `a usual port of a database or of Docker’s API (${Object.keys(DATA).join(', ')}) can be reached from outside`,
    sentence: 'A service that often trusts whoever reaches it can be reached from outside.',
    next: 'ss -tlpn',
    test: (f: NetFacts) =>
      hitOf(
        f.listeners
          .filter((l) => l.protocol === 'tcp' && DATA[l.port] !== undefined)
          .filter((l) => (l.reaches === 'open' || l.reaches === 'forwarded') && !l.addresses.every(inTailnet))
          .map((l) => ({ evidence: `${named(l)} (${DATA[l.port]})` })),
      ),
  }),
  rule({
    id: 'published_past_firewall',
    severity: 'medium',
    title: 'Published past the firewall',
    limits: {},
    when: () =>
      'the rules for incoming packets refuse a port, but a container’s port is published on it before they are asked',
    sentence: 'Published ports of containers are rewritten before the firewall’s input rules: these do not hold.',
    next: 'iptables -S DOCKER-USER',
    test: (f: NetFacts) => hits(pastFirewall(f)),
  }),
  rule({
    id: 'listener_address_gone',
    severity: 'medium',
    title: 'Listens on a foreign address',
    limits: {},
    when: () => 'a TCP service listens only on addresses that no interface of this host has',
    sentence: 'A service listens where nobody can reach it: this host does not have that address.',
    next: 'ip address show',
    test: (f: NetFacts) =>
      hitOf(addressGone(f).map((l) => ({ evidence: `${named(l)} on ${l.addresses.slice(0, 2).join(', ')}` }))),
  }),
  rule({
    id: 'accept_queue_long',
    severity: 'medium',
    title: 'Connections wait to be accepted',
    limits: { waiting: 100 },
    when: (l) => `${l.waiting} or more connections wait at a listening socket`,
    sentence: 'A program does not take its new connections: it hangs or is too slow.',
    next: 'ss -tlpn',
    test: (f: NetFacts, l) =>
      hitOf(
        f.listeners
          .filter((x) => x.waiting >= l.waiting)
          .map((x) => ({ evidence: `${named(x)} has ${x.waiting} waiting` })),
      ),
  }),
  rule({
    id: 'close_wait_many',
    severity: 'medium',
    title: 'Connections never closed',
    limits: { sockets: 100 },
    when: (l) => `${l.sockets} or more TCP sockets in CLOSE-WAIT`,
    sentence: 'Peers have closed, and a program here does not: it leaks connections.',
    next: 'net_connections {"state":"CLOSE-WAIT"}',
    test: (f: NetFacts, l) => {
      const n = f.sockets.sockets.reduce((sum, s) => sum + Number(s.state === 'CLOSE-WAIT'), 0);
      return n >= l.sockets ? { evidence: `${n} sockets` } : null;
    },
  }),
  rule({
    id: 'conntrack_full',
    severity: 'high',
    title: 'Connection table full',
    limits: { percent: 90 },
    when: (l) => `${l.percent} % or more of nf_conntrack_max used`,
    sentence: 'The table of tracked connections is almost full; then new ones are dropped.',
    next: 'sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max',
    test: (f: NetFacts, l) => {
      const c = f.counters.conntrack.value;
      if (c === null || c.max <= 0 || (100 * c.used) / c.max < l.percent) return null;
      return { evidence: `${c.used} of ${c.max}` };
    },
  }),
  rule({
    id: 'ports_used_up',
    severity: 'high',
    title: 'Local ports used up',
    limits: { percent: 80 },
    when: (l) => `${l.percent} % or more of the local ports in use from one address to one peer and port`,
    sentence: 'Hardly a local port is left for new connections to this peer.',
    next: 'net_connections {"by":"peer"}',
    test: (f: NetFacts, l) => {
      const range = f.counters.ephemeralPorts.value;
      if (range === null) return null;
      const most = busiestPeer(f.sockets.sockets, range.from);
      const all = range.to - range.from + 1;
      return most !== null && (100 * most.n) / all >= l.percent
        ? { evidence: `${most.n} of ${all} ports from ${most.peer}` }
        : null;
    },
  }),
  rule({
    id: 'retransmits_many',
    severity: 'low',
    title: 'Many retransmits',
    limits: { percent: 5, segments: 10_000 },
    when: (l) => `${l.percent} % or more of at least ${l.segments} TCP segments since boot were sent again`,
    sentence: 'A path loses packets.',
    next: 'nstat -az TcpRetransSegs TcpOutSegs',
    test: (f: NetFacts, l) => {
      const t = f.counters.tcp.value;
      if (t === null || t.segmentsOut < l.segments) return null;
      const share = (100 * t.retransmitted) / t.segmentsOut;
      return share >= l.percent ? { evidence: `${percent(share)} since boot` } : null;
    },
  }),
];
