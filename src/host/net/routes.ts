/** Routes, policy rules and neighbours: from `ip -j`, else from /proc/net, with what that cannot tell named. */
import type { Bounded, Reading } from '../../core/host.ts';
import type { Neighbour, Route, RouteTable } from '../../core/net.ts';
import { known, type Root, readText, unknown, whyUnread } from '../system/files.ts';
import type { AskIp } from './ip.ts';
import { neighboursOf, routesOf, rulesOf } from './ip_json.ts';
import { arp, routes4, routes6 } from './proc_routes.ts';

/** A router with a full table is asked about by other means. */
const MAX_ROUTES = 20_000;
const MAX_NEIGHBOURS = 20_000;

export function routeReader(root: Root, netFile: (name: string) => string, ask: AskIp) {
  const text = (name: string): Reading<string> => {
    try {
      return known(readText(root.of(netFile(name))));
    } catch (error) {
      return unknown(whyUnread(error, netFile(name)));
    }
  };

  async function routes(o: Bounded = {}): Promise<Reading<RouteTable>> {
    const [four, six, rules4, rules6] = await Promise.all([
      ask(['-4', 'route', 'show', 'table', 'all'], o.signal),
      ask(['-6', 'route', 'show', 'table', 'all'], o.signal),
      ask(['-4', 'rule', 'show'], o.signal),
      ask(['-6', 'rule', 'show'], o.signal),
    ]);
    if (four.value !== null) {
      const all = [...routesOf(four.value, 4), ...routesOf(six.value ?? [], 6)];
      return known({
        ...bounded(all),
        rules: [...rulesOf(rules4.value ?? [], 4), ...rulesOf(rules6.value ?? [], 6)],
        source: 'ip',
        partial: rules4.why ?? null,
      });
    }
    const table = text('route');
    if (table.value === null) return unknown(`${four.why}; ${table.why}`);
    return known({
      ...bounded([...routes4(table.value), ...routes6(text('ipv6_route').value ?? '')]),
      rules: [],
      source: '/proc/net/route',
      partial: `only the main table, and no policy rules: ${four.why}`,
    });
  }

  async function neighbours(o: Bounded = {}): Promise<Reading<Neighbour[]>> {
    const rows = await ask(['neighbour', 'show'], o.signal);
    if (rows.value !== null) return known(neighboursOf(rows.value.slice(0, MAX_NEIGHBOURS)));
    const table = text('arp');
    return table.value === null ? table : known(arp(table.value).slice(0, MAX_NEIGHBOURS));
  }

  return { routes, neighbours };
}

const bounded = (all: Route[]) => ({
  routes: all.slice(0, MAX_ROUTES),
  notRead: Math.max(0, all.length - MAX_ROUTES),
});
