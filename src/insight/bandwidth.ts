/**
 * Counters read again and again become rates with their course, and bytes of single connections become those of processes. Decides what a
 * counter that fell means (that one sample is not known), which connections are no network at all, and what is said of latency under load. Pure.
 */
import type { NetCounters } from '../core/host.ts';
import type { Owner, Socket, TcpDetail } from '../core/net.ts';
import { socketKey } from '../core/net.ts';

/** Per second. Null where no sample is known. */
export interface Course {
  mean: number | null;
  min: number | null;
  median: number | null;
  peak: number | null;
  /** One sign for each sample, of its peak; `·` where it is not known. */
  spark: string;
}

export interface InterfaceCourse {
  name: string;
  state: string | null;
  speedMbit: number | null;
  rx: Course;
  tx: Course;
  /** In the window; null where a counter fell. */
  errors: number | null;
  drops: number | null;
}

const SIGNS = '▁▂▃▄▅▆▇█';

export function spark(values: readonly (number | null)[]): string {
  const peak = Math.max(0, ...values.map((v) => v ?? 0));
  const sign = (v: number) => SIGNS[peak === 0 ? 0 : Math.min(7, Math.floor((v / peak) * 8))] as string;
  return values.map((v) => (v === null ? '·' : sign(v))).join('');
}

export function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return null;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** `mean` is of the whole window, not of the samples: those may differ in length. */
export function courseOf(perSecond: readonly (number | null)[], mean: number | null): Course {
  const known = perSecond.filter((v) => v !== null);
  return {
    mean,
    min: known.length > 0 ? Math.min(...known) : null,
    median: median(known),
    peak: known.length > 0 ? Math.max(...known) : null,
    spark: spark(perSecond),
  };
}

export interface Moment {
  atMs: number;
  networks: readonly NetCounters[];
}

const PARTS = { rx: 'rxBytes', tx: 'txBytes' } as const;

/** Of the interfaces that are there at the end. One that came meanwhile has no mean of the window. */
export function interfacesOf(moments: readonly Moment[]): InterfaceCourse[] {
  const tables = moments.map((m) => ({ atMs: m.atMs, by: new Map(m.networks.map((n) => [n.name, n])) }));
  const [first, last] = [tables[0], tables.at(-1)];
  if (!first || !last) return [];
  return [...last.by.values()].map((now) => {
    const course = (part: 'rx' | 'tx') => {
      const key = PARTS[part];
      const each = tables.slice(1).map((t, i) => {
        const before = tables[i] as (typeof tables)[0];
        return rate(before.by.get(now.name)?.[key], t.by.get(now.name)?.[key], t.atMs - before.atMs);
      });
      const whole = each.includes(null) ? null : rate(first.by.get(now.name)?.[key], now[key], last.atMs - first.atMs);
      return courseOf(each, whole);
    };
    const then = first.by.get(now.name);
    const more = (keys: readonly ('rxErrors' | 'txErrors' | 'rxDropped' | 'txDropped')[]) => {
      if (!then || keys.some((k) => now[k] < then[k])) return null;
      return keys.reduce((sum, k) => sum + now[k] - then[k], 0);
    };
    return {
      name: now.name,
      state: now.state,
      speedMbit: now.speedMbit,
      rx: course('rx'),
      tx: course('tx'),
      errors: more(['rxErrors', 'txErrors']),
      drops: more(['rxDropped', 'txDropped']),
    };
  });
}

function rate(before: number | undefined, after: number | undefined, ms: number): number | null {
  if (before === undefined || after === undefined || after < before || ms <= 0) return null;
  return ((after - before) * 1_000) / ms;
}

/** What the kernel told of its TCP connections at one moment. */
export interface Look {
  details: ReadonlyMap<string, TcpDetail>;
  sockets: readonly Socket[];
}

export interface Moved {
  sent: number;
  received: number;
  peer: string;
  /** 0: it had ended before its socket was seen. */
  inode: number;
}

export interface AllMoved {
  connections: Moved[];
  /** Seen once and gone later: what they moved after their last look is in no figure. */
  ended: number;
  /** The kernel counts bytes of connections at all. */
  counts: boolean;
}

/** Differences from look to look, so that a connection that ends has told most of what it moved. */
export function movedIn(looks: readonly Look[]): AllMoved {
  const all = new Map<string, Moved>();
  let counts = false;
  looks.forEach(({ details, sockets }, n) => {
    const inodes = new Map(sockets.filter((s) => s.kind === 'tcp').map((s) => [socketKey(s), s.inode]));
    for (const [key, now] of details) {
      const peer = peerOf(key);
      if (peer === null) continue;
      counts ||= now.bytesSent !== null || now.bytesReceived !== null;
      const moved = all.get(key) ?? { sent: 0, received: 0, peer, inode: 0 };
      all.set(key, moved);
      moved.inode = inodes.get(key) || moved.inode;
      if (n === 0) continue;
      const then = looks[n - 1]?.details.get(key);
      // What was not there before began since, and so did one whose counters are smaller: all of its bytes are of this window.
      const same =
        then && (now.bytesSent ?? 0) >= (then.bytesSent ?? 0) && (now.bytesReceived ?? 0) >= (then.bytesReceived ?? 0);
      moved.sent += (now.bytesSent ?? 0) - (same ? (then.bytesSent ?? 0) : 0);
      moved.received += (now.bytesReceived ?? 0) - (same ? (then.bytesReceived ?? 0) : 0);
    }
  });
  const last = looks.at(-1)?.details;
  return {
    connections: [...all.values()],
    ended: [...all.keys()].filter((key) => !last?.has(key)).length,
    counts: counts || all.size === 0,
  };
}

/** Null: both ends are on this host, and it goes over no network. */
function peerOf(key: string): string | null {
  const [address = '', , peer = ''] = key.split('|');
  const bare = peer.replace(/^::ffff:(?=\d)/, '');
  return bare === '::1' || bare.startsWith('127.') || peer === address ? null : peer;
}

export interface ProcessShare {
  owner: Owner | null;
  sent: number;
  received: number;
  connections: number;
  /** The other end that most of it went to or came from. */
  peer: string;
}

/** The heaviest first; what moved nothing is left out. Connections of nobody known are one entry. */
export function byProcess(moved: readonly Moved[], owners: ReadonlyMap<number, Owner>): ProcessShare[] {
  const found = new Map<number | null, ProcessShare & { most: number }>();
  for (const m of moved) {
    const bytes = m.sent + m.received;
    if (bytes === 0) continue;
    const owner = owners.get(m.inode) ?? null;
    const key = owner?.pid ?? null;
    const share = found.get(key) ?? { owner, sent: 0, received: 0, connections: 0, peer: m.peer, most: -1 };
    found.set(key, share);
    share.sent += m.sent;
    share.received += m.received;
    share.connections++;
    if (bytes > share.most) Object.assign(share, { most: bytes, peer: m.peer });
  }
  return [...found.values()]
    .map(({ most: _, ...share }) => share)
    .sort((a, b) => b.sent + b.received - a.sent - a.received);
}

/** From here on the two programs themselves are busy enough to answer late. */
const BUSY_MBIT = 300;

/** What loaded round trips say of the queues on the way, by how much they rose. */
export function latencySaid(
  idleMs: number | null,
  loadedMs: number | null,
  mbit: number | null,
): { risesMs: number | null; said: string } {
  if (idleMs === null || loadedMs === null)
    return { risesMs: null, said: 'Latency under load is not known: no small request came back in time.' };
  const risesMs = Math.max(0, loadedMs - idleMs);
  if (risesMs < 30) return { risesMs, said: 'Latency stays low under load.' };
  if ((mbit ?? 0) >= BUSY_MBIT)
    return { risesMs, said: 'Latency rises under load; at this rate it may be the two hosts’ own work, not the way.' };
  if (risesMs < 100) return { risesMs, said: 'Latency rises under load: calls and games would notice it.' };
  return {
    risesMs,
    said: 'Latency rises much under load: a queue on the way fills up. Shape below the rate of the line, with fq_codel or CAKE, at its slow end.',
  };
}
