/**
 * Sockets: who is connected to what. Groups by default, single sockets on request. Decides what is read for an answer: holders are looked
 * for only where the answer names them, because that costs more than all the rest, and the kernel's account of each connection (round
 * trips, all retransmits) only on request.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineRead } from '../core/define.ts';
import type { ContainerSummary } from '../core/docker.ts';
import { CONTAINER_REF } from '../core/docker_refs.ts';
import { OpsError } from '../core/errors.ts';
import { holdsIp, type Prefix, parseIp, parsePrefix } from '../core/ip.ts';
import { SOCKET_KINDS, type Socket } from '../core/net.ts';
import { foreign, limit, once, Unknown } from '../core/schema.ts';
import {
  GROUPINGS,
  type Group,
  grouped,
  orderedGroups,
  orderedSockets,
  type Seen,
  SORTS,
  seenOf,
  servicePorts,
} from '../insight/net_groups.ts';
import { containerName } from '../insight/net_listeners.ts';
import { figure, gaps, one } from './figures.ts';
import { netConnectionsText } from './net_connections_text.ts';
import { knownContainers } from './overview_containers.ts';

/** Rows in an answer, shown and kept together. */
const ROWS = 5_000;
const PATIENCE_MS = 250;

const STATES = [
  'LISTEN',
  'ESTAB',
  'SYN-SENT',
  'SYN-RECV',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'TIME-WAIT',
  'CLOSE-WAIT',
  'LAST-ACK',
  'CLOSING',
  'UNCONN',
] as const;

const Name = once(() => foreign(z.string().nullable(), 'names on this host'));

const common = () => ({
  kind: z.enum(SOCKET_KINDS),
  process: Name().optional(),
  pid: figure().optional(),
  user: z.string().nullable().optional(),
  container: Name().optional(),
  direction: z.enum(['in', 'out', 'listen', 'bound']).nullable().describe('in: to a port that is listened on here.'),
  receiveQueue: z.number().describe('Bytes; of LISTEN the connections that wait.'),
  sendQueue: z.number(),
  retransmits: z.number().describe('Under way now, unanswered.'),
  retransmitted: figure().optional().describe('Since they began.'),
  rttMs: figure().optional().describe('Of a group the slowest.'),
});
export const GroupRow = once(() =>
  z.object({
    ...common(),
    port: figure().describe('Of the service: ours of what came in, theirs of what went out.'),
    path: foreign(z.string().nullable(), 'socket path').optional(),
    peer: z.string().nullable().describe('Null: none, or several.'),
    peers: z.number(),
    state: z.string().nullable(),
    sockets: z.number(),
    states: z.record(z.string(), z.number()),
  }),
);
export type GroupRow = z.output<ReturnType<typeof GroupRow>>;

export const SocketRow = once(() =>
  z.object({
    ...common(),
    state: z.string(),
    local: foreign(z.string(), 'socket path'),
    peer: z.string(),
  }),
);
export type SocketRow = z.output<ReturnType<typeof SocketRow>>;

export const NetConnectionsAnswer = once(() =>
  z.object({
    total: z.number(),
    matched: z.number(),
    byKind: z.record(z.string(), z.number()),
    byState: z.record(z.string(), z.number()).describe('Of all TCP sockets.'),
    by: z.enum(GROUPINGS).nullable().describe('Null: single sockets.'),
    groups: z.array(GroupRow()),
    list: z.array(SocketRow()),
    segmentsOut: figure().describe('TCP, since boot.'),
    segmentsRetransmitted: figure(),
    unknown: z.array(Unknown()),
  }),
);
export type NetConnectionsAnswer = z.output<ReturnType<typeof NetConnectionsAnswer>>;

const input = once(() =>
  z.strictObject({
    by: z.enum(GROUPINGS).default('process'),
    list: z.boolean().default(false).describe('Single sockets, not groups.'),
    kind: z.enum(SOCKET_KINDS).optional().describe('Else tcp and udp.'),
    state: z.enum(STATES).optional(),
    port: z.number().int().min(1).max(65_535).optional().describe('Of either end.'),
    peer: z.string().min(2).max(64).optional().describe('Other end: IP or prefix, e.g. 10.0.0.0/8.'),
    process: z.string().min(1).max(64).optional().describe('Pid, or part of the name.'),
    container: z.string().regex(CONTAINER_REF).optional().describe('Name or id: those of its own network.'),
    detail: z.boolean().default(false).describe('Adds round trips and all retransmits.'),
    sort: z.enum(SORTS).default('sockets').describe('sockets: how many. retransmits adds detail.'),
    limit: limit(20, 200),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const netConnections = defineRead({
  name: 'net_connections',
  title: 'Connections',
  description:
    'Use this to see who is connected: sockets by process, peer, port or state, with queues and retransmits; TCP, UDP and unix. For what listens and how the network is set up use net_overview.',
  toolset: 'net',
  core: false,
  input,
  output: NetConnectionsAnswer,
  scopes: { least: 'net:read', of: (i) => (i.container === undefined ? [] : ['docker:read']) },
  // The others only take from the list of all; this one looks into another network.
  targets: (i) => (i.container === undefined ? [] : [{ kind: 'container', name: i.container }]),
  risk: 'read',
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 20_000 },
  cut: { lists: ['groups', 'list'], show: (i) => i.limit },
  text: netConnectionsText,

  async handler(i, ctx) {
    const { net } = ctx.host;
    const to = { signal: ctx.signal };
    const prefix = prefixOf(i.peer);
    const kinds = i.kind ? [i.kind] : (['tcp', 'udp'] as const);
    const wantsDetail = (i.detail || i.sort === 'retransmits') && kinds.includes('tcp');
    const inside = i.container === undefined ? null : await containerOf(i.container, ctx);
    const itsOwn = inside !== null && inside.networkMode !== 'host';
    const [table, details, counters] = await Promise.all([
      net.sockets(kinds, itsOwn ? { ...to, pid: inside.pid } : to),
      wantsDetail && !itsOwn ? net.tcpDetails(to) : null,
      net.counters(),
    ]);
    if (table.sockets.length === 0 && table.unread.length > 0)
      throw new OpsError('unavailable', `No sockets can be read: ${table.unread[0]?.why}`, {
        hint: 'Run `deckhand doctor` on the host: it names what is missing.',
      });
    const matching = table.sockets.filter((s) => matches(s, i, prefix));
    const named = i.list || i.by === 'process' || i.process !== undefined || i.container !== undefined;
    const owners = named ? await net.owners(new Set(matching.map((s) => s.inode).filter((n) => n !== 0)), to) : null;
    const containers = inside ? [inside] : named ? ((await knownContainers(ctx, PATIENCE_MS))?.value ?? []) : [];
    const seen = seenOf(matching, servicePorts(table.sockets), {
      byInode: owners?.byInode ?? new Map(),
      containerOf: (o) => (o.home?.kind === 'container' ? containerName(o.home.name, containers) : null),
      details: details?.value ?? null,
    }).filter((s) => isHeldBy(s, i) && (inside === null || itsOwn || s.container === inside.name));

    const gap = gaps();
    for (const u of table.unread) gap.list.push(u);
    if (table.notRead > 0) gap.list.push({ what: `${table.notRead} sockets`, why: 'more than are read' });
    if (details) gap.of('round trips and retransmits', details);
    if (wantsDetail && itsOwn)
      gap.list.push({ what: 'round trips and retransmits', why: 'they are asked of the host network only' });
    if (owners?.why) gap.list.push({ what: 'process of some sockets', why: owners.why });
    // Of the host's network, whatever was asked for.
    const tcp = itsOwn ? null : gap.of('retransmitted segments', counters.tcp);
    const withDetail = details?.value != null;
    return {
      total: table.sockets.length + table.notRead,
      matched: seen.length,
      byKind: counted(table.sockets, (s) => s.kind),
      byState: counted(
        table.sockets.filter((s) => s.kind === 'tcp'),
        (s) => s.state,
      ),
      by: i.list ? null : i.by,
      groups: i.list
        ? []
        : orderedGroups(grouped(seen, i.by), i.sort)
            .slice(0, ROWS)
            .map((g) => groupRow(g, i.by === 'process', withDetail)),
      list: i.list
        ? orderedSockets(seen, i.sort)
            .slice(0, ROWS)
            .map((s) => socketRow(s, withDetail))
        : [],
      segmentsOut: tcp?.segmentsOut ?? null,
      segmentsRetransmitted: tcp?.retransmitted ?? null,
      unknown: gap.list,
    };
  },
});

/** The engine alone knows which process is a container's first, and so in whose network it lives. */
async function containerOf(
  ref: string,
  ctx: ToolContext,
): Promise<ContainerSummary & { networkMode: string; pid: number }> {
  if (!ctx.offers?.('docker'))
    throw new OpsError('unavailable', 'There is no container engine to ask here.', {
      hint: 'Leave `container` out and name a `process`.',
    });
  const detail = await ctx.host.docker.containers.inspect(ref, { signal: ctx.signal });
  if (detail.pid === null || detail.pid === 0)
    throw new OpsError('conflict', `${detail.name} does not run: it has no sockets.`, {
      hint: 'Ask container_inspect for its state.',
    });
  return { ...detail, pid: detail.pid };
}

function prefixOf(text: string | undefined): Prefix | null {
  if (text === undefined) return null;
  const prefix = parsePrefix(text);
  if (prefix === null)
    throw new OpsError('validation', `${JSON.stringify(text)} is neither an IP nor a prefix.`, {
      hint: 'Write it like 192.0.2.7, 10.0.0.0/8 or fd00::/8.',
    });
  return prefix;
}

function matches(s: Socket, i: Input, prefix: Prefix | null): boolean {
  if (i.state !== undefined && s.state !== i.state) return false;
  if (i.port !== undefined && s.port !== i.port && s.peerPort !== i.port) return false;
  if (prefix === null) return true;
  if (s.kind === 'unix' || s.peerPort === 0) return false;
  // One socket of family 6 serves both: its IPv4 peers look so.
  const ip = parseIp(s.peer.replace(/^::ffff:(?=\d+\.)/, ''));
  return ip !== null && holdsIp(prefix, ip);
}

function isHeldBy(s: Seen, i: Input): boolean {
  if (i.process === undefined) return true;
  if (/^\d+$/.test(i.process)) return s.owner?.pid === Number(i.process);
  return s.owner?.name.toLowerCase().includes(i.process.toLowerCase()) ?? false;
}

const holder = (s: Pick<Seen, 'owner' | 'container'>, uid: number | null) => ({
  process: s.owner?.name ?? null,
  pid: s.owner?.pid ?? null,
  user: s.owner?.user ?? (s.owner?.uid ?? uid)?.toString() ?? null,
  container: s.container,
});

function groupRow(g: Group, named: boolean, detail: boolean): GroupRow {
  return {
    kind: g.kind,
    ...(named ? holder(g, null) : {}),
    direction: g.direction,
    port: g.port,
    ...(g.path === null ? {} : { path: g.path }),
    peer: g.peer,
    peers: g.peers,
    state: g.state,
    sockets: g.sockets,
    states: g.states,
    receiveQueue: g.receiveQueue,
    sendQueue: g.sendQueue,
    retransmits: g.retransmits,
    ...(detail ? { retransmitted: g.retransmitted, rttMs: one(g.rttMs) } : {}),
  };
}

const place = (host: string, port: number): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

function socketRow(s: Seen, detail: boolean): SocketRow {
  const { socket } = s;
  const unix = socket.kind === 'unix';
  return {
    kind: socket.kind,
    ...holder(s, socket.inode === 0 ? null : socket.uid),
    direction: s.direction,
    state: socket.state,
    local: unix ? socket.address : place(socket.address, socket.port),
    peer: unix || socket.peerPort === 0 ? '' : place(socket.peer, socket.peerPort),
    receiveQueue: socket.receiveQueue,
    sendQueue: socket.sendQueue,
    retransmits: socket.retransmits,
    ...(detail ? { retransmitted: s.detail?.retransmits ?? null, rttMs: one(s.detail?.rttMs) } : {}),
  };
}

function counted(sockets: readonly Socket[], of: (s: Socket) => string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const s of sockets) found[of(s)] = (found[of(s)] ?? 0) + 1;
  return found;
}
