/**
 * Listening sockets as services: one for each port and holder, however many addresses and families it listens on. Decides how wide a
 * listener is, what counts as one (a UDP socket of a client looks the same), and which container stands behind a port. Pure.
 */
import type { ContainerSummary } from '../core/docker.ts';
import { type Reach, reachOf } from '../core/ip.ts';
import type { Firewall, Owner, Socket } from '../core/net.ts';
import { type Reaches, reaches } from './net_reach.ts';

/** Who can address it: anybody on any interface, its networks, only this host. */
export const SCOPES = ['all', 'public', 'private', 'link', 'loopback'] as const;
export type Scope = (typeof SCOPES)[number];

export interface Listener {
  protocol: 'tcp' | 'udp';
  port: number;
  scope: Scope;
  addresses: string[];
  families: (4 | 6)[];
  owner: Owner | null;
  /** Of the socket, where the process is not to be seen. */
  uid: number | null;
  container: string | null;
  /** Null: not known, or nobody outside can address it. */
  reaches: Reaches | null;
  /** TCP connections that wait to be accepted. */
  waiting: number;
  /** A container's port that only rules lead to: nobody listens for it on this host. */
  byRulesOnly: boolean;
}

export interface Holders {
  byInode: ReadonlyMap<number, Owner>;
  containers: readonly ContainerSummary[];
}

const SCOPE_OF: Record<Reach, Scope> = {
  any: 'all',
  public: 'public',
  private: 'private',
  link: 'link',
  loopback: 'loopback',
  multicast: 'link',
};

export function listenersOf(
  sockets: readonly Socket[],
  holders: Holders,
  o: { ephemeralFrom: number; firewall: Firewall | null; device: string | null },
): Listener[] {
  const found = new Map<string, Listener>();
  for (const s of sockets) {
    if (!isService(s, o.ephemeralFrom)) continue;
    const owner = holders.byInode.get(s.inode) ?? null;
    const protocol = s.kind as 'tcp' | 'udp';
    const key = `${protocol} ${s.port} ${owner?.pid ?? `uid${s.uid}`}`;
    const scope = SCOPE_OF[reachOf(s.address) ?? 'any'];
    let one = found.get(key);
    if (!one) {
      one = {
        protocol,
        port: s.port,
        scope,
        addresses: [],
        families: [],
        owner,
        uid: s.uid,
        container: containerOf(owner, protocol, s.port, holders.containers),
        reaches: null,
        waiting: 0,
        byRulesOnly: false,
      };
      found.set(key, one);
    }
    if (SCOPES.indexOf(scope) < SCOPES.indexOf(one.scope)) one.scope = scope;
    if (!one.addresses.includes(s.address)) one.addresses.push(s.address);
    if (s.family !== null && !one.families.includes(s.family)) one.families.push(s.family);
    if (protocol === 'tcp') one.waiting = Math.max(one.waiting, s.receiveQueue);
  }
  const all = [...found.values(), ...ruledOnly([...found.values()], holders.containers)];
  for (const l of all) if (o.firewall && l.scope !== 'loopback') l.reaches = judged(l, o.firewall, o.device);
  return all.toSorted((a, b) => a.port - b.port || a.protocol.localeCompare(b.protocol));
}

/** A UDP socket that waits for no peer on a port of the clients' range is a client's, as often as not: it is no service. */
const isService = (s: Socket, ephemeralFrom: number): boolean =>
  (s.kind === 'tcp' && s.state === 'LISTEN') ||
  (s.kind === 'udp' && s.state === 'UNCONN' && s.peerPort === 0 && s.port > 0 && s.port < ephemeralFrom);

/** docker-proxy belongs to the engine, and stands for a container: the engine knows which. */
function containerOf(
  owner: Owner | null,
  protocol: 'tcp' | 'udp',
  port: number,
  containers: readonly ContainerSummary[],
): string | null {
  if (owner?.home?.kind === 'container') return containerName(owner.home.name, containers);
  if (owner !== null && !/^(?:docker-proxy|rootlessport|conmon|pasta|slirp4netns)/.test(owner.name)) return null;
  return containers.find((c) => c.ports.some((p) => p.protocol === protocol && p.hostPort === port))?.name ?? null;
}

/** An engine's own id is no name that anybody uses. */
export const containerName = (home: string, containers: readonly ContainerSummary[]): string =>
  (/^[0-9a-f]{12}$/.test(home) ? containers.find((c) => c.id.startsWith(home))?.name : undefined) ?? home;

function ruledOnly(there: readonly Listener[], containers: readonly ContainerSummary[]): Listener[] {
  const found = new Map<string, Listener>();
  for (const c of containers) {
    if (c.state !== 'running') continue;
    for (const p of c.ports) {
      if (p.hostPort === null || (p.protocol !== 'tcp' && p.protocol !== 'udp')) continue;
      if (there.some((l) => l.protocol === p.protocol && l.port === p.hostPort)) continue;
      const address = p.hostIp ?? '0.0.0.0';
      const key = `${p.protocol} ${p.hostPort}`;
      const one = found.get(key);
      if (one) one.addresses.push(address);
      else
        found.set(key, {
          protocol: p.protocol,
          port: p.hostPort,
          scope: SCOPE_OF[reachOf(address) ?? 'any'],
          addresses: [address],
          families: [address.includes(':') ? 6 : 4],
          owner: null,
          uid: null,
          container: c.name,
          reaches: null,
          waiting: 0,
          byRulesOnly: true,
        });
    }
  }
  return [...found.values()];
}

const WIDEST: readonly Reaches[] = ['open', 'forwarded', 'depends', 'closed'];

/** Of two families the one that lets more in. */
function judged(l: Listener, firewall: Firewall, device: string | null): Reaches {
  if (l.byRulesOnly) return 'forwarded';
  const each = l.addresses.flatMap((address) => {
    const scope = reachOf(address);
    if (scope === 'loopback') return [];
    // A socket of family 6 on all addresses serves IPv4 too, unless it was told not to.
    const families: (4 | 6)[] = address === '::' ? [4, 6] : [address.includes(':') ? 6 : 4];
    const destination = scope === 'any' ? null : address;
    return families.map((family) =>
      reaches(firewall, { family, protocol: l.protocol, port: l.port, destination, device }),
    );
  });
  return WIDEST.find((r) => each.includes(r)) ?? 'closed';
}
