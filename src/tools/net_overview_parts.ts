/** The parts of net_overview: which interfaces, routes and services are worth a line, and how each is told. */
import type { Dns, Link, Route, Socket } from '../core/net.ts';
import { defaultRoutes, linksIn, type NetFacts, routesIn } from '../insight/net_facts.ts';
import type { Listener } from '../insight/net_listeners.ts';
import { madeBy, roleOf } from '../insight/net_names.ts';
import { filtersNothing } from '../insight/net_reach.ts';
import { interfaceName, one, whole } from './figures.ts';
import type { InterfaceRow, ListenerRow, NetOverviewAnswer } from './net_overview.ts';

const MOST = { interfaces: 12, listeners: 25, addresses: 4, rules: 8 };

/** A thousand containers have a thousand ends here, and none of them says anything about the host. */
function isWorthShowing(l: Link): boolean {
  const role = roleOf(l);
  if (role === 'loopback') return false;
  if (role === 'lan' || role === 'tailnet' || role === 'wireguard' || role === 'vpn')
    return l.up !== false || l.addresses.length > 0;
  return l.kind === 'bridge' && l.carrier === true && l.addresses.some((a) => a.scope !== 'link');
}

const isMoved = (l: Link): boolean => l.up !== false && l.carrier !== false;

export function interfacesOf(f: NetFacts, all: boolean): InterfaceRow[] {
  const rates = new Map((f.rates.networks.value ?? []).map((r) => [r.name, r]));
  const shown = all
    ? linksIn(f)
    : linksIn(f)
        .filter(isWorthShowing)
        .toSorted((a, b) => Number(isMoved(b)) - Number(isMoved(a)))
        .slice(0, MOST.interfaces);
  return shown.map((l) => {
    const r = rates.get(l.name);
    return {
      name: interfaceName(l.name),
      kind: l.kind,
      role: roleOf(l),
      state: stateOf(l),
      addresses: addressesOf(l, all),
      mtu: l.mtu,
      speedMbit: l.speedMbit,
      ...(l.duplex === 'half' ? { halfDuplex: true } : {}),
      master: named(l.master),
      parent: l.kind === 'veth' ? null : named(l.parent),
      rxBytesPerSecond: whole(r?.rxBytesPerSecond),
      txBytesPerSecond: whole(r?.txBytesPerSecond),
      errorsPerSecond: one(r?.errorsPerSecond),
      droppedPerSecond: one(r?.droppedPerSecond),
    };
  });
}

function stateOf(l: Link): InterfaceRow['state'] {
  if (l.up === false) return 'down';
  if (l.carrier === false) return 'no carrier';
  return l.up === null && l.state !== 'up' ? 'unknown' : 'up';
}

/** Each IPv6 host has link-local addresses, and privacy gives it a new one every day: neither tells anything. */
function addressesOf(l: Link, all: boolean): string[] {
  const said = l.addresses
    .filter((a) => all || (a.scope !== 'link' && !a.flags.includes('temporary') && !a.flags.includes('deprecated')))
    .map((a) => `${a.address}${a.prefix === null ? '' : `/${a.prefix}`}`);
  if (all || said.length <= MOST.addresses) return said;
  return [...said.slice(0, MOST.addresses), `and ${said.length - MOST.addresses} more`];
}

const named = (name: string | null): string | null => (name === null ? null : interfaceName(name));

const row = (r: Route) => ({
  to: r.to,
  via: r.hops.map((h) => h.gateway).find((g) => g !== null) ?? null,
  device: named(r.hops.map((h) => h.device).find((d) => d !== null) ?? null),
  metric: r.metric,
  table: r.table,
  type: r.type,
});

/** As many of both: a router may have any number. */
const MOST_ROUTES = 200;

export function routesOf(f: NetFacts, all: boolean): NetOverviewAnswer['routes'] {
  const table = f.routes.value;
  const defaults = defaultRoutes(routesIn(f));
  const isDefault = new Set(defaults);
  const rules = (table?.rules ?? []).filter(
    (r) =>
      !(r.selector === 'all' && [0, 32_766, 32_767].includes(r.priority) && /^(?:local|main|default)$/.test(r.action)),
  );
  return {
    defaults: defaults.slice(0, MOST.rules).map(row),
    total: table === null ? null : table.routes.length + table.notRead,
    tables: [...new Set(routesIn(f).map((r) => r.table))].filter((t) => t !== 'main').slice(0, 32),
    rules: rules.slice(0, all ? MOST_ROUTES : MOST.rules).map((r) => `${r.priority}: ${r.selector} ${r.action}`),
    ...(all
      ? {
          others: routesIn(f)
            .filter((r) => !isDefault.has(r))
            .slice(0, MOST_ROUTES)
            .map(row),
        }
      : {}),
  };
}

export function dnsOf(dns: Dns): NetOverviewAnswer['dns'] {
  const file = dns.file.value;
  const resolved = dns.resolved.value;
  return {
    servers: file?.servers ?? [],
    upstream: resolved?.servers ?? null,
    links: (resolved?.links ?? [])
      .slice(0, 16)
      .map(({ name, servers, domains }) => ({ name, servers, domains: domains.slice(0, 8) })),
    search: (file?.search ?? []).slice(0, 8),
    hosts: dns.hosts.value,
    file: file?.target ?? null,
    writtenBy: file?.writtenBy ?? null,
  };
}

const WIDTH = ['all', 'public', 'private', 'link', 'loopback'];

export function listenersShown(listeners: readonly Listener[], all: boolean): ListenerRow[] {
  const widest = listeners.toSorted(
    (a, b) =>
      WIDTH.indexOf(a.scope) - WIDTH.indexOf(b.scope) || Number(a.protocol === 'udp') - Number(b.protocol === 'udp'),
  );
  return (all ? widest : widest.slice(0, MOST.listeners)).map((l) => ({
    port: l.port,
    protocol: l.protocol,
    scope: l.scope,
    addresses: l.addresses.slice(0, MOST.addresses),
    process: l.owner?.name ?? null,
    pid: l.owner?.pid ?? null,
    user: l.owner?.user ?? (l.owner?.uid ?? l.uid)?.toString() ?? null,
    unit: l.owner?.home?.kind === 'unit' ? l.owner.home.name : null,
    container: l.container,
    outside: l.reaches,
    ...(l.waiting > 0 ? { waiting: l.waiting } : {}),
  }));
}

export function socketsOf(sockets: readonly Socket[]): NetOverviewAnswer['sockets'] {
  const count = { established: 0, timeWait: 0, tcp: 0, udp: 0 };
  for (const s of sockets) {
    if (s.kind === 'udp') count.udp++;
    else count.tcp++;
    if (s.state === 'ESTAB' && s.kind === 'tcp') count.established++;
    if (s.state === 'TIME-WAIT') count.timeWait++;
  }
  return count;
}

export function firewallOf(f: NetFacts, all: boolean): NetOverviewAnswer['firewall'] {
  const { value } = f.firewall;
  if (value === null) return null;
  const inputs = value.chains.filter(
    (c) => c.hook === 'input' && c.type !== 'nat' && c.family !== 'arp' && c.family !== 'bridge',
  );
  const device = defaultRoutes(routesIn(f))[0]?.hops[0]?.device ?? null;
  const tables = new Map<string, { name: string; chains: number; rules: number; madeBy: string | null }>();
  for (const c of value.chains) {
    const name = `${c.family} ${c.table}`;
    const t = tables.get(name) ?? { name, chains: 0, rules: 0, madeBy: madeBy({ table: c.table, name: '' }) };
    t.chains++;
    t.rules += c.rules.length;
    tables.set(name, t);
  }
  const makers = value.chains.map(madeBy).filter((m) => m !== null);
  return {
    sources: value.sources,
    filters: !filtersNothing(value, 4, device),
    inputPolicy: inputs.length === 0 ? null : inputs.some((c) => c.policy === 'drop') ? 'drop' : 'accept',
    chains: value.chains.length,
    rules: value.chains.reduce((sum, c) => sum + c.rules.length, 0),
    madeBy: [...new Set(makers)],
    ...(all ? { tables: [...tables.values()].slice(0, 50) } : {}),
  };
}
