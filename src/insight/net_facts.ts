/** What findings on the network are made from, and the few questions that several of its rules ask. */
import type { Reading } from '../core/host.ts';
import { holdsIp, parseIp, parsePrefix } from '../core/ip.ts';
import type {
  Dns,
  Firewall,
  Link,
  LinkTable,
  Neighbour,
  Route,
  RouteTable,
  SocketTable,
  StackCounters,
} from '../core/net.ts';
import type { RateFacts } from './facts.ts';
import type { Listener } from './net_listeners.ts';

export interface NetFacts extends RateFacts {
  links: Reading<LinkTable>;
  routes: Reading<RouteTable>;
  neighbours: Reading<Neighbour[]>;
  dns: Dns;
  sockets: SocketTable;
  listeners: readonly Listener[];
  firewall: Reading<Firewall>;
  counters: StackCounters;
  /** Of a container: who filters and names things for it stands outside. */
  container: boolean;
}

export const linksIn = (f: NetFacts): readonly Link[] => f.links.value?.links ?? [];
export const routesIn = (f: NetFacts): readonly Route[] => f.routes.value?.routes ?? [];

/** VPNs put two halves over a default route, which stays as it is. */
const HALVES = new Set(['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1', '2000::/3']);

export const isDefault = (r: Route): boolean => r.type === 'unicast' && (r.to === 'default' || HALVES.has(r.to));

export const defaultRoutes = (routes: readonly Route[], family?: 4 | 6): Route[] =>
  routes.filter((r) => isDefault(r) && (family === undefined || r.family === family));

/** The one with the least metric in the main table: where most traffic goes. */
export function mainDefault(routes: readonly Route[]): Route | null {
  const best = defaultRoutes(routes)
    .filter((r) => r.to === 'default')
    .toSorted(
      (a, b) =>
        Number(a.table !== 'main') - Number(b.table !== 'main') ||
        a.family - b.family ||
        (a.metric ?? 0) - (b.metric ?? 0),
    );
  return best[0] ?? null;
}

/** The most particular route to it, whatever its table; null: there is none. */
export function routeTo(routes: readonly Route[], address: string): Route | null {
  const ip = parseIp(address);
  if (ip === null) return null;
  let best: { route: Route; length: number } | null = null;
  for (const route of routes) {
    if (route.family !== ip.family) continue;
    const prefix = route.to === 'default' ? null : parsePrefix(route.to);
    if (prefix === null && route.to !== 'default') continue;
    if (prefix !== null && !holdsIp(prefix, ip)) continue;
    const length = prefix?.length ?? -1;
    if (best === null || length > best.length) best = { route, length };
  }
  return best?.route ?? null;
}

/** Addresses of our own that others could send to. */
export const globalAddresses = (link: Link) => link.addresses.filter((a) => a.scope === 'global' || a.scope === null);

export const isWithAddress = (link: Link): boolean => globalAddresses(link).length > 0;
