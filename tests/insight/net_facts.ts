/** Facts of the fake host's network, which has nothing wrong with it, for tests to spoil. */
import type { Link, Route } from '../../src/core/net.ts';
import type { NetFacts } from '../../src/insight/net_facts.ts';
import { listenersOf } from '../../src/insight/net_listeners.ts';
import { ratesBetween } from '../../src/insight/rates.ts';
import { fakeIdentity, fakeSnapshot } from '../fakes/host.ts';
import { fakeCounters, fakeNet, fakeOwners } from '../fakes/net.ts';

export async function wellNet(): Promise<NetFacts> {
  const net = fakeNet();
  const snapshot = fakeSnapshot(1);
  const sockets = await net.sockets(['tcp', 'udp']);
  const facts: NetFacts = {
    snapshot,
    rates: ratesBetween(fakeSnapshot(0), snapshot, fakeIdentity),
    links: await net.links(),
    routes: await net.routes(),
    neighbours: await net.neighbours(),
    dns: await net.dns(),
    sockets,
    listeners: [],
    firewall: await net.firewall(),
    counters: structuredClone(fakeCounters),
    container: false,
  };
  return heard(facts);
}

/** Listeners anew, from the sockets and the firewall as they are now. */
export function heard(f: NetFacts): NetFacts {
  f.listeners = listenersOf(
    f.sockets.sockets,
    { byInode: fakeOwners, containers: [] },
    { ephemeralFrom: 32_768, firewall: f.firewall.value, device: 'eth0' },
  );
  return f;
}

export const eth0 = (f: NetFacts): Link => f.links.value?.links[1] as Link;
export const route = (f: NetFacts): Route => f.routes.value?.routes[0] as Route;
