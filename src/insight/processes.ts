/**
 * What two process lists say together: CPU share, order, tree, totals. Pure, linear in the number of processes, and
 * calm about what a list read while the host lives can hold: vanished parents, reused pids, even loops.
 */
import type { ProcessInfo, ProcessList } from '../core/host.ts';
import { perSecond } from './rates.ts';

export interface ProcessUse {
  info: ProcessInfo;
  /** Percent of one core, as top shows it. */
  cpuPercent: number | null;
  readBytesPerSecond: number | null;
  writtenBytesPerSecond: number | null;
}

export interface ProcessWindow {
  windowMs: number;
  uses: ProcessUse[];
}

export function processUses(before: ProcessList | null, after: ProcessList): ProcessWindow {
  const windowMs = before ? Math.max(0, after.atMs - before.atMs) : 0;
  const key = (p: ProcessInfo) => `${p.pid}.${p.startTicks}`;
  const earlier = new Map<string, ProcessInfo>();
  let newest = 0;
  for (const p of before?.processes ?? []) {
    earlier.set(key(p), p);
    newest = Math.max(newest, p.startTicks);
  }
  return {
    windowMs,
    uses: after.processes.map((info) => {
      const then = earlier.get(key(info));
      // Not seen before: born in the window, and all it used was used in it. But one that is older than something we did
      // see was missed (the list is bounded), and its years of CPU time must not be laid on this one second.
      const born = !then && before !== null && before.notRead === 0 && info.startTicks >= newest;
      const rate = (of: (p: ProcessInfo) => number | null) =>
        perSecond(then ? of(then) : born ? 0 : null, of(info), windowMs);
      const cpu = rate((p) => p.cpuMs);
      return {
        info,
        cpuPercent: cpu === null ? null : cpu / 10,
        readBytesPerSecond: rate((p) => p.readBytes),
        writtenBytesPerSecond: rate((p) => p.writtenBytes),
      };
    }),
  };
}

export const ORDERS = ['cpu', 'memory', 'io', 'fds'] as const;
export type Order = (typeof ORDERS)[number];

/** Null when the figure is unknown: it sorts last, but stays in the list. */
export function weight(by: Order, u: ProcessUse): number | null {
  if (by === 'cpu') return u.cpuPercent;
  if (by === 'memory') return u.info.rssBytes;
  if (by === 'fds') return u.info.fds;
  const { readBytesPerSecond: r, writtenBytesPerSecond: w } = u;
  return r === null && w === null ? null : (r ?? 0) + (w ?? 0);
}

/** Largest first. Equals by resident memory, then by pid, so that the same host gives the same order twice. */
export function ordered(uses: readonly ProcessUse[], by: Order): ProcessUse[] {
  const rows = uses.map((use) => ({ use, w: weight(by, use) ?? -1 }));
  rows.sort((a, b) => b.w - a.w || b.use.info.rssBytes - a.use.info.rssBytes || a.use.info.pid - b.use.info.pid);
  return rows.map((r) => r.use);
}

export interface TreeRow {
  use: ProcessUse;
  depth: number;
}

/**
 * Parents before children, heaviest branch first (a branch weighs what all its processes weigh). A process whose parent
 * is not among `uses` is a root; so is one process of a loop, which a reused pid can make while the list is read.
 */
export function treeOf(uses: readonly ProcessUse[], by: Order): TreeRow[] {
  const sorted = ordered(uses, by);
  const present = new Set(sorted.map((u) => u.info.pid));
  const children = new Map<number, ProcessUse[]>();
  const roots: ProcessUse[] = [];
  for (const u of sorted) {
    const { pid, ppid } = u.info;
    const siblings = children.get(ppid);
    if (ppid === pid || !present.has(ppid)) roots.push(u);
    else if (siblings) siblings.push(u);
    else children.set(ppid, [u]);
  }
  const seen = new Set<ProcessUse>();
  const rows: TreeRow[] = [];
  const walk = (from: readonly ProcessUse[]) => {
    const stack = from.map((use) => ({ use, depth: 0 })).reverse();
    for (let top = stack.pop(); top; top = stack.pop()) {
      if (seen.has(top.use)) continue;
      seen.add(top.use);
      rows.push(top);
      const depth = top.depth + 1;
      for (const use of (children.get(top.use.info.pid) ?? []).toReversed()) stack.push({ use, depth });
    }
  };
  walk(roots);
  // What no root reaches hangs in a loop: its heaviest process is made the root of the rest.
  for (const u of sorted) if (!seen.has(u)) walk([u]);
  return heaviestFirst(rows, by);
}

/** Reorders siblings by the weight of their whole branch. `rows` are in pre-order, so that a child follows its parent. */
function heaviestFirst(rows: readonly TreeRow[], by: Order): TreeRow[] {
  const total = rows.map((row) => weight(by, row.use) ?? 0);
  const kids: number[][] = rows.map(() => []);
  const roots: number[] = [];
  const parentOf: number[] = [];
  const path: number[] = [];
  rows.forEach(({ depth }, i) => {
    const parent = depth === 0 ? -1 : (path[depth - 1] ?? -1);
    parentOf.push(parent);
    (kids[parent] ?? roots).push(i);
    path[depth] = i;
  });
  for (let i = rows.length - 1; i > 0; i--) {
    const parent = parentOf[i] ?? -1;
    if (parent >= 0) total[parent] = (total[parent] ?? 0) + (total[i] ?? 0);
  }
  const heavier = (a: number, b: number) => (total[b] ?? 0) - (total[a] ?? 0) || a - b;
  const out: TreeRow[] = [];
  const stack = roots.toSorted(heavier).reverse();
  for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
    const row = rows[i];
    if (row) out.push(row);
    stack.push(...(kids[i] ?? []).toSorted(heavier).reverse());
  }
  return out;
}

/** `pid` itself and everything below it. */
export function descendants(uses: readonly ProcessUse[], pid: number): ProcessUse[] {
  const children = new Map<number, number[]>();
  for (const { info } of uses) {
    const list = children.get(info.ppid);
    if (list) list.push(info.pid);
    else children.set(info.ppid, [info.pid]);
  }
  const within = new Set<number>();
  const queue = [pid];
  for (let p = queue.pop(); p !== undefined; p = queue.pop()) {
    if (within.has(p)) continue;
    within.add(p);
    queue.push(...(children.get(p) ?? []));
  }
  return uses.filter((u) => within.has(u.info.pid));
}

export interface Totals {
  processes: number;
  threads: number;
  byState: Record<string, number>;
}

export function totals(processes: readonly ProcessInfo[]): Totals {
  const byState: Record<string, number> = {};
  let threads = 0;
  for (const p of processes) {
    byState[p.state] = (byState[p.state] ?? 0) + 1;
    threads += p.threads;
  }
  return { processes: processes.length, threads, byState };
}
