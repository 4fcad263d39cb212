/**
 * What two moments of a host say about its slowness, as rates: what the rows of causes_slow.ts see. Decides how differences of counters
 * become shares, and who stands behind a figure. Pure.
 */
import type { Identity, Snapshot } from '../core/host.ts';
import type { DiskTimes, GroupUse, LoadSample } from '../core/load.ts';
import type { Home } from '../core/signal.ts';
import type { ProcessUse } from './processes.ts';
import { perSecond, type Rates } from './rates.ts';

export interface DiskLoad {
  name: string;
  stacked: boolean;
  busyPercent: number | null;
  perSecond: number | null;
  /** Mean time of a request; null: there was none. */
  latencyMs: number | null;
  inFlight: number;
}

export interface GroupLoad {
  path: string;
  home: Home | null;
  /** Of one core. */
  cpuPercent: number | null;
  quotaCpus: number | null;
  /** Share of its periods in which it was held back; null: no limit, or nothing ran. */
  throttledPercent: number | null;
  memoryBytes: number | null;
  idleCacheBytes: number | null;
  memoryLimitBytes: number | null;
  memoryHits: number | null;
}

export interface Behind {
  /** Of several of one name: the heaviest. */
  pid: number;
  /** Processes of that name; the figures are of all together. */
  count: number;
  name: string;
  user: string | null;
  state: string;
  cpuPercent: number | null;
  ioBytesPerSecond: number | null;
  rssBytes: number;
  home: Home | null;
}

export interface SlowFacts {
  identity: Identity;
  now: Snapshot;
  rates: Rates;
  /** Over the time that the sampler remembers, longer than the window; null: it remembers nothing. */
  lately: Rates | null;
  disks: DiskLoad[];
  groups: GroupLoad[];
  /** Waiting in the kernel at both moments. */
  stuck: Behind[];
  byCpu: Behind[];
  byIo: Behind[];
  byMemory: Behind[];
  /** Most of all processes are other users', whose I/O this one may not see. */
  ioHidden: boolean;
  speed: LoadSample['speed'];
  /** In the window. */
  throttles: number | null;
  reclaimPerSecond: { stalls: number | null; refaults: number | null };
}

export function diskLoads(before: readonly DiskTimes[], after: readonly DiskTimes[], ms: number): DiskLoad[] {
  const then = new Map(before.map((d) => [d.name, d]));
  return after.map((d) => {
    const b = then.get(d.name);
    const requests = b ? d.reads + d.writes - b.reads - b.writes : 0;
    const waited = b ? d.readMs + d.writeMs - b.readMs - b.writeMs : 0;
    const busy = perSecond(b?.busyMs, d.busyMs, ms);
    return {
      name: d.name,
      stacked: d.stacked,
      busyPercent: busy === null ? null : Math.min(100, busy / 10),
      perSecond: b && requests >= 0 ? (requests * 1000) / Math.max(1, ms) : null,
      latencyMs: requests > 0 && waited >= 0 ? waited / requests : null,
      inFlight: d.inFlight,
    };
  });
}

export function groupLoads(before: readonly GroupUse[], after: readonly GroupUse[], ms: number): GroupLoad[] {
  const then = new Map(before.map((g) => [g.path, g]));
  return after.map((g) => {
    const b = then.get(g.path);
    const used = perSecond(b?.cpuMs, g.cpuMs, ms);
    const periods = delta(b?.periods, g.periods);
    const held = delta(b?.throttled, g.throttled);
    return {
      path: g.path,
      home: g.home,
      cpuPercent: used === null ? null : used / 10,
      quotaCpus: g.quotaCpus,
      throttledPercent:
        periods === null || held === null || periods === 0 ? null : Math.min(100, (100 * held) / periods),
      memoryBytes: g.memoryBytes,
      idleCacheBytes: g.idleCacheBytes,
      memoryLimitBytes: g.memoryLimitBytes,
      memoryHits: delta(b?.memoryHits, g.memoryHits),
    };
  });
}

export const delta = (before: number | null | undefined, after: number | null | undefined): number | null =>
  before == null || after == null || after < before ? null : after - before;

/** Processes of one name are one: six workers that share the load would each look small. */
export function byName(uses: readonly ProcessUse[], weight: (u: ProcessUse) => number): Behind[] {
  const names = new Map<string, { sum: number; all: ProcessUse[] }>();
  for (const use of uses) {
    const key = `${use.info.name} ${use.info.uid}`;
    const has = names.get(key) ?? { sum: 0, all: [] };
    names.set(key, has);
    has.sum += weight(use);
    has.all.push(use);
  }
  return [...names.values()]
    .sort((a, b) => b.sum - a.sum)
    .map(({ all }) => {
      const heavy = all.toSorted((a, b) => weight(b) - weight(a));
      const first = behind(heavy[0] as ProcessUse);
      const sum = (of: (b: Behind) => number | null) =>
        heavy.map(behind).reduce<number | null>((s, b) => (of(b) === null ? s : (s ?? 0) + (of(b) as number)), null);
      return {
        ...first,
        count: all.length,
        cpuPercent: sum((b) => b.cpuPercent),
        ioBytesPerSecond: sum((b) => b.ioBytesPerSecond),
        rssBytes: sum((b) => b.rssBytes) ?? 0,
      };
    });
}

export const behind = ({ info, cpuPercent, readBytesPerSecond: r, writtenBytesPerSecond: w }: ProcessUse): Behind => ({
  pid: info.pid,
  count: 1,
  name: info.name,
  user: info.user,
  state: info.state,
  cpuPercent,
  ioBytesPerSecond: r === null && w === null ? null : (r ?? 0) + (w ?? 0),
  rssBytes: info.rssBytes,
  home: null,
});

export const homeText = (home: Home | null): string => {
  if (!home) return '';
  return home.kind === 'unit' ? home.name : `${home.kind} ${home.name}`;
};
