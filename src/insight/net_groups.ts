/**
 * Many sockets as few lines: by who holds them and what for, by the other end, by port or by state. Decides which way a connection went
 * (in, when its port is listened on here) and which of its two ports tells what it is for. Pure.
 */
import type { Owner, Socket, TcpDetail } from '../core/net.ts';
import { socketKey } from '../core/net.ts';

export const GROUPINGS = ['process', 'peer', 'port', 'state'] as const;
export type Grouping = (typeof GROUPINGS)[number];
export const SORTS = ['sockets', 'queue', 'retransmits', 'port'] as const;
export type Sort = (typeof SORTS)[number];

export type Direction = 'in' | 'out' | 'listen' | 'bound';

export interface Seen {
  socket: Socket;
  direction: Direction;
  /** The port that tells the service: ours of what came in, theirs of what went out. */
  servicePort: number;
  owner: Owner | null;
  container: string | null;
  detail: TcpDetail | null;
}

export interface Group {
  owner: Owner | null;
  container: string | null;
  kind: Socket['kind'];
  direction: Direction | null;
  port: number | null;
  peer: string | null;
  path: string | null;
  state: string | null;
  sockets: number;
  peers: number;
  states: Record<string, number>;
  receiveQueue: number;
  sendQueue: number;
  /** Under way now without an answer. */
  retransmits: number;
  /** Since the connections began; null where that was not asked. */
  retransmitted: number | null;
  /** The slowest. */
  rttMs: number | null;
}

export interface Sources {
  byInode: ReadonlyMap<number, Owner>;
  containerOf(owner: Owner): string | null;
  details: ReadonlyMap<string, TcpDetail> | null;
}

/** Of all sockets, not of those that match: whether a port is listened on must not depend on what was asked for. */
export function servicePorts(sockets: readonly Socket[]): Set<string> {
  const ports = new Set<string>();
  for (const s of sockets)
    if (s.state === 'LISTEN' || (s.kind === 'udp' && s.state === 'UNCONN')) ports.add(`${s.kind}${s.port}`);
  return ports;
}

export function seenOf(sockets: readonly Socket[], services: ReadonlySet<string>, from: Sources): Seen[] {
  return sockets.map((socket) => {
    const direction = directionOf(socket, services);
    const owner = from.byInode.get(socket.inode) ?? null;
    return {
      socket,
      direction,
      servicePort: direction === 'out' ? socket.peerPort : socket.port,
      owner,
      container: owner && from.containerOf(owner),
      detail: from.details?.get(socketKey(socket)) ?? null,
    };
  });
}

function directionOf(s: Socket, services: ReadonlySet<string>): Direction {
  if (s.state === 'LISTEN') return 'listen';
  if (s.kind === 'unix') return s.address === '' ? 'out' : s.state === 'ESTAB' ? 'in' : 'bound';
  if (s.peerPort === 0) return 'bound';
  return services.has(`${s.kind}${s.port}`) ? 'in' : 'out';
}

export function grouped(seen: readonly Seen[], by: Grouping): Group[] {
  const groups = new Map<string, Group & { ends: Set<string> }>();
  for (const s of seen) {
    const { socket } = s;
    const key = keyOf(s, by);
    let g = groups.get(key);
    if (!g) {
      g = { ...emptyOf(s, by), ends: new Set() };
      groups.set(key, g);
    }
    g.sockets++;
    g.states[socket.state] = (g.states[socket.state] ?? 0) + 1;
    if (socket.peerPort !== 0) g.ends.add(socket.peer);
    g.receiveQueue += socket.receiveQueue;
    g.sendQueue += socket.sendQueue;
    g.retransmits += socket.retransmits;
    if (s.detail) {
      g.retransmitted = (g.retransmitted ?? 0) + s.detail.retransmits;
      if (s.detail.rttMs !== null) g.rttMs = Math.max(g.rttMs ?? 0, s.detail.rttMs);
    }
  }
  return [...groups.values()].map(({ ends, ...g }) => {
    const [only] = ends;
    // One peer is worth its name.
    return { ...g, peers: ends.size, peer: g.peer ?? (ends.size === 1 ? (only as string) : null) };
  });
}

function keyOf({ socket: s, direction, servicePort, owner, container }: Seen, by: Grouping): string {
  if (by === 'peer') return `${s.kind} ${s.peerPort === 0 ? '' : s.peer}`;
  if (by === 'state') return `${s.kind} ${s.state}`;
  if (by === 'port') return `${s.kind} ${direction} ${servicePort} ${s.kind === 'unix' ? s.address : ''}`;
  const who = container ?? owner?.pid ?? (s.inode === 0 ? '-' : `uid${s.uid}`);
  return `${s.kind} ${who} ${owner?.name ?? ''} ${direction} ${servicePort} ${s.kind === 'unix' ? s.address : ''}`;
}

function emptyOf({ socket: s, direction, servicePort, owner, container }: Seen, by: Grouping): Group {
  const ports = by === 'process' || by === 'port';
  return {
    owner: by === 'process' ? owner : null,
    container: by === 'process' ? container : null,
    kind: s.kind,
    direction: ports ? direction : null,
    port: ports && s.kind !== 'unix' ? servicePort : null,
    peer: by === 'peer' && s.peerPort !== 0 ? s.peer : null,
    path: ports && s.kind === 'unix' ? s.address : null,
    state: by === 'state' ? s.state : null,
    sockets: 0,
    peers: 0,
    states: {},
    receiveQueue: 0,
    sendQueue: 0,
    retransmits: 0,
    retransmitted: null,
    rttMs: null,
  };
}

export function orderedGroups(groups: readonly Group[], sort: Sort): Group[] {
  return groups.toSorted(
    (a, b) =>
      (sort === 'queue' ? queued(b) - queued(a) : 0) ||
      (sort === 'retransmits' ? again(b) - again(a) : 0) ||
      (sort === 'port' ? (a.port ?? 0) - (b.port ?? 0) : 0) ||
      b.sockets - a.sockets ||
      (a.port ?? 0) - (b.port ?? 0),
  );
}

const queued = (g: Group) => g.receiveQueue + g.sendQueue;
const again = (g: Group) => g.retransmits + (g.retransmitted ?? 0);

export function orderedSockets(seen: readonly Seen[], sort: Sort): Seen[] {
  const of: Record<Sort, (s: Seen) => number> = {
    sockets: () => 0,
    queue: (s) => -(s.socket.receiveQueue + s.socket.sendQueue),
    retransmits: (s) => -(s.socket.retransmits + (s.detail?.retransmits ?? 0)),
    port: (s) => s.servicePort,
  };
  const rank = of[sort];
  return seen.toSorted((a, b) => rank(a) - rank(b) || a.servicePort - b.servicePort);
}
