/** Findings on the way out: default routes, gateways, and the names that everything begins with. */
import { parseIp, reachOf } from '../core/ip.ts';
import { hitOf, type Rule, rule } from './facts.ts';
import {
  defaultRoutes,
  globalAddresses,
  isDefault,
  isWithAddress,
  linksIn,
  type NetFacts,
  routesIn,
  routeTo,
} from './net_facts.ts';
import { roleOf } from './net_names.ts';

const DEAD = new Set(['FAILED', 'INCOMPLETE']);

function downDefaults(f: NetFacts) {
  const named = new Map(linksIn(f).map((l) => [l.name, l]));
  return routesIn(f)
    .filter(isDefault)
    .flatMap((r) => {
      const device = r.hops[0]?.device ?? '?';
      const link = named.get(device);
      const down =
        r.flags.some((x) => x === 'dead' || x === 'linkdown') || link?.up === false || link?.carrier === false;
      return down ? [{ evidence: `${r.to} by ${device}, which is down`, subject: device }] : [];
    });
}

function silentGateways(f: NetFacts) {
  const neighbours = f.neighbours.value ?? [];
  return routesIn(f)
    .filter((r) => r.to === 'default' && isDefault(r))
    .flatMap((r) => r.hops)
    .flatMap(({ gateway, device }) => {
      const n = neighbours.find((x) => x.address === gateway && x.device === device);
      return n && DEAD.has(n.state) ? [{ evidence: `${gateway} on ${device} (${n.state})` }] : [];
    });
}

/** nss-resolve asks systemd-resolved and not the servers of resolv.conf. */
const pastFile = (f: NetFacts): boolean =>
  f.dns.resolved.value !== null && (f.dns.hosts.value ?? []).includes('resolve');
/** Without a hosts line glibc asks DNS too. */
const asksDns = (f: NetFacts): boolean => f.dns.hosts.value === null || f.dns.hosts.value.includes('dns');

/** Does anything here take questions at this address? Docker's own resolver has another port behind a rule. */
function isServed(f: NetFacts, address: string): boolean {
  const udp = f.sockets.sockets.filter((s) => s.kind === 'udp');
  if (udp.length === 0 && f.sockets.unread.some((u) => u.what.startsWith('udp'))) return true;
  if (address === '127.0.0.11') return udp.some((s) => s.address === address);
  return udp.some((s) => s.port === 53 && (s.address === address || s.address === '0.0.0.0' || s.address === '::'));
}

const isLoopback = (address: string): boolean => reachOf(address) === 'loopback';

function withoutServer(f: NetFacts): string | null {
  if (!asksDns(f) || pastFile(f)) return null;
  const file = f.dns.file;
  if (file.value === null) return /is not there/.test(file.why) && !isServed(f, '127.0.0.1') ? file.why : null;
  if (file.value.servers.length === 0)
    return isServed(f, '127.0.0.1') ? null : '/etc/resolv.conf has no line with a nameserver';
  const resolved = f.dns.resolved.value;
  const stub = file.value.servers.every((s) => s === '127.0.0.53');
  return stub && resolved?.links && resolved.servers.length === 0 ? 'systemd-resolved has no server to ask' : null;
}

function deadStubs(f: NetFacts) {
  const servers = f.dns.file.value?.servers ?? [];
  if (!asksDns(f) || pastFile(f) || servers.length === 0) return [];
  const dead = servers.filter((s) => isLoopback(s) && !isServed(f, s));
  // With a live one behind it each question is a little slower, no more.
  return dead.length === servers.length ? dead.map((s) => ({ evidence: `nothing listens on ${s} port 53` })) : [];
}

function unroutedServers(f: NetFacts) {
  const routes = routesIn(f);
  if (defaultRoutes(routes).length === 0 || pastFile(f) || !asksDns(f)) return [];
  const ours = new Set(linksIn(f).flatMap((l) => l.addresses.map((a) => a.address)));
  return (f.dns.file.value?.servers ?? [])
    .filter((s) => parseIp(s) !== null && !isLoopback(s) && reachOf(s) !== 'link' && !ours.has(s))
    .filter((s) => (routeTo(routes, s)?.type ?? 'none') !== 'unicast')
    .map((s) => ({ evidence: s, subject: s }));
}

/** glibc reads no more. */
const READ_SERVERS = 3;

export const NET_ROUTES: Rule<NetFacts>[] = [
  rule({
    id: 'no_default_route',
    severity: 'high',
    title: 'No default route',
    limits: {},
    when: () => 'an interface has an address, and no table of either family has a default route',
    sentence: 'There is no way to anything beyond the networks of this host.',
    next: 'ip route show table all',
    test: (f: NetFacts) => {
      const addressed = linksIn(f).filter((l) => l.up !== false && isWithAddress(l) && roleOf(l) === 'lan');
      if (f.routes.value === null || defaultRoutes(f.routes.value.routes).length > 0) return null;
      return hitOf(
        addressed.map((l) => ({ evidence: `${l.name} ${globalAddresses(l)[0]?.address}`, subject: l.name })),
      );
    },
  }),
  rule({
    id: 'default_route_down',
    severity: 'high',
    title: 'Default route down',
    limits: {},
    when: () => 'a default route leads over an interface that is off or has no carrier',
    sentence: 'Traffic for the outside goes to an interface that is down.',
    next: 'ip -d link show dev {INTERFACE}',
    test: (f: NetFacts) => hitOf(downDefaults(f)),
  }),
  rule({
    id: 'gateway_silent',
    severity: 'high',
    title: 'Gateway does not answer',
    limits: {},
    when: () => 'the neighbour entry of a default gateway is FAILED or INCOMPLETE',
    sentence: 'A default gateway does not answer on its own network.',
    next: 'ip neighbour show',
    test: (f: NetFacts) => hitOf(silentGateways(f)),
  }),
  rule({
    id: 'ipv6_no_route',
    severity: 'low',
    title: 'IPv6 without a route',
    limits: {},
    when: () => 'a public IPv6 address, and no default route for IPv6',
    sentence: 'Programs try IPv6 first, and wait in vain.',
    next: 'ip -6 route show',
    test: (f: NetFacts) => {
      if (f.routes.value === null || defaultRoutes(f.routes.value.routes, 6).length > 0) return null;
      return hitOf(
        linksIn(f).flatMap((l) =>
          l.addresses
            .filter((a) => a.family === 6 && reachOf(a.address) === 'public')
            .map((a) => ({ evidence: `${a.address} on ${l.name}` })),
        ),
      );
    },
  }),
  rule({
    id: 'dns_no_server',
    severity: 'high',
    title: 'No DNS server',
    limits: {},
    when: () => 'names are to be asked of DNS, and there is no server to ask',
    sentence: 'Names cannot be resolved: no server is set.',
    next: 'ls -l /etc/resolv.conf',
    test: (f: NetFacts) => {
      const why = withoutServer(f);
      return why === null ? null : { evidence: why };
    },
  }),
  rule({
    id: 'dns_stub_dead',
    severity: 'high',
    title: 'DNS stub dead',
    limits: {},
    when: () => 'all servers of resolv.conf are addresses of loopback on which nothing listens',
    sentence: 'Names are asked of a resolver on this host that does not run.',
    next: 'systemctl status systemd-resolved.service',
    test: (f: NetFacts) => hitOf(deadStubs(f)),
  }),
  rule({
    id: 'dns_server_no_route',
    severity: 'medium',
    title: 'DNS server without a route',
    limits: {},
    when: () => 'a server of resolv.conf to which no route leads, although others do have one',
    sentence: 'A DNS server cannot be reached from here; each lookup may wait for it.',
    next: 'ip route get {SERVER}',
    test: (f: NetFacts) => hitOf(unroutedServers(f)),
  }),
  rule({
    id: 'dns_servers_ignored',
    severity: 'info',
    title: 'DNS servers ignored',
    limits: { servers: READ_SERVERS },
    when: (l) => `more than ${l.servers} servers in resolv.conf`,
    sentence: 'The C library asks the first three servers only.',
    next: 'cat /etc/resolv.conf',
    test: (f: NetFacts, l) => {
      const servers = f.dns.file.value?.servers ?? [];
      return servers.length > l.servers ? { evidence: servers.slice(l.servers).join(', ') } : null;
    },
  }),
];
