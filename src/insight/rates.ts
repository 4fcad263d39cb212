/**
 * Two snapshots become rates. Decides what a counter that fell means (null, never a negative rate), whose CPU usage is
 * the true one, and what the share is of. Pure; which snapshots make the window is the caller's decision.
 */
import type {
  CpuTimes,
  DiskCounters,
  Identity,
  NetCounters,
  Pressure,
  Reading,
  Snapshot,
  Whose,
} from '../core/host.ts';

export const MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'] as const;
export type Mode = (typeof MODES)[number];
export type Modes = Record<Mode, number>;

export interface CpuUsage {
  whose: Whose;
  source: string;
  /** Percent of `cpus` processors: all that may be used here, or the cgroup's limit where that is less. */
  usedPercent: number | null;
  cpus: number;
  /** By mode, from /proc/stat; `modesWhose` differs from `whose` where a container's kernel shows the machine's. */
  modes: Modes | null;
  modesWhose: Whose;
  perCore: { cpu: number; usedPercent: number | null; modes: Modes | null }[];
  limitCpus: number | null;
  /** Share of the periods of its CPU limit in which the cgroup was held back. */
  throttledPercent: number | null;
  contextSwitchesPerSecond: number | null;
  forksPerSecond: number | null;
}

export interface DiskRate {
  name: string;
  readBytesPerSecond: number | null;
  writtenBytesPerSecond: number | null;
  readsPerSecond: number | null;
  writesPerSecond: number | null;
  busyPercent: number | null;
}

export interface NetRate {
  name: string;
  rxBytesPerSecond: number | null;
  txBytesPerSecond: number | null;
  rxPacketsPerSecond: number | null;
  txPacketsPerSecond: number | null;
  errorsPerSecond: number | null;
  droppedPerSecond: number | null;
  state: string | null;
  speedMbit: number | null;
}

/** Share of the window in which some, or all, tasks stood waiting. */
export interface Stall {
  somePercent: number | null;
  fullPercent: number | null;
}

export interface Rates {
  windowMs: number;
  cpu: Reading<CpuUsage>;
  disks: Reading<DiskRate[]>;
  networks: Reading<NetRate[]>;
  /** Every counter of vmstat, per second. */
  vmstat: Reading<Record<string, number | null>>;
  pressure: { cpu: Stall; memory: Stall; io: Stall };
}

const NO_WINDOW = 'one reading only: a rate needs two';

/** `before` null (nothing earlier is known) gives null rates, each with that reason. */
export function ratesBetween(before: Snapshot | null, after: Snapshot, identity: Identity): Rates {
  const windowMs = before ? Math.max(0, Math.round(after.atMs - before.atMs)) : 0;
  const b = windowMs > 0 ? before : null;
  const each = <T, R>(pick: (s: Snapshot) => Reading<T>, make: (b: T, a: T) => R | null): Reading<R> => {
    const now = pick(after);
    if (now.why !== undefined) return { value: null, why: now.why };
    if (!b) return { value: null, why: NO_WINDOW };
    const then = pick(b);
    if (then.why !== undefined) return { value: null, why: then.why };
    const value = make(then.value, now.value);
    return value === null ? { value: null, why: 'a counter ran backwards in the window; ask again' } : { value };
  };
  return {
    windowMs,
    cpu: each(
      (s) => s.cpu,
      (x, y) => cpuUsage(x, y, windowMs, identity),
    ),
    disks: each(
      (s) => s.disks,
      (x, y) => diskRates(x, y, windowMs),
    ),
    networks: each(
      (s) => s.networks,
      (x, y) => netRates(x, y, windowMs),
    ),
    vmstat: each(
      (s) => s.vmstat,
      (x, y) => vmstatRates(x, y, windowMs),
    ),
    pressure: {
      cpu: stall(b?.pressure.cpu, after.pressure.cpu, windowMs),
      memory: stall(b?.pressure.memory, after.pressure.memory, windowMs),
      io: stall(b?.pressure.io, after.pressure.io, windowMs),
    },
  };
}

/** Per second; null where the counter fell (wrap, or another device under the old name) or there was none before. */
export function perSecond(before: number | null | undefined, after: number | null | undefined, windowMs: number) {
  if (before == null || after == null || windowMs <= 0) return null;
  const rate = ((after - before) * 1000) / windowMs;
  return Number.isFinite(rate) && rate >= 0 ? rate : null;
}

const share = (part: number, whole: number) => Math.min(100, Math.max(0, (100 * part) / whole));

type CpuReading = NonNullable<Snapshot['cpu']['value']>;

function cpuUsage(before: CpuReading, after: CpuReading, windowMs: number, identity: Identity): CpuUsage | null {
  const modes = modeShares(before.total, after.total);
  const limit = after.limitCpus;
  const cpus = limit !== null && limit > 0 ? Math.min(limit, identity.cpus) : identity.cpus;
  const used = perSecond(before.cgroupUsedMs, after.cgroupUsedMs, windowMs);
  // In a container /proc/stat is the machine's (Docker always; an LXC on cgroup v2 even under lxcfs): what this container
  // used is only in its cgroup. On the machine itself our own cgroup is one service, and /proc/stat is the truth.
  const byCgroup = identity.virtualisation.container && after.cgroupUsedMs !== null;
  if (!modes && !byCgroup) return null;
  const earlier = new Map(before.perCore.map((c) => [c.cpu, c.times]));
  return {
    whose: byCgroup ? 'container' : after.whose,
    source: after.source,
    usedPercent: byCgroup ? (used === null ? null : share(used, 1000 * cpus)) : busy(modes),
    cpus: byCgroup ? cpus : identity.cpus,
    modes,
    modesWhose: after.whose,
    perCore: after.perCore.map(({ cpu, times }) => {
      const then = earlier.get(cpu);
      const shares = then ? modeShares(then, times) : null;
      return { cpu, usedPercent: busy(shares), modes: shares };
    }),
    limitCpus: limit,
    throttledPercent: throttledShare(before, after, windowMs),
    contextSwitchesPerSecond: perSecond(before.contextSwitches, after.contextSwitches, windowMs),
    forksPerSecond: perSecond(before.forks, after.forks, windowMs),
  };
}

/**
 * By periods: throttled_usec adds up the waits of every processor, so that four of them held back for a quarter of the time
 * would look like all of it. Without periods (none ran out, or an old kernel) that time is the next best.
 */
function throttledShare(before: CpuReading, after: CpuReading, windowMs: number): number | null {
  if (before.periods && after.periods) {
    const all = after.periods.all - before.periods.all;
    const held = after.periods.throttled - before.periods.throttled;
    return all < 0 || held < 0 ? null : all === 0 ? 0 : share(held, all);
  }
  const throttled = perSecond(before.throttledMs, after.throttledMs, windowMs);
  return throttled === null ? null : share(throttled, 1000);
}

/** Waiting for a disk is not work; time stolen by the hypervisor is: nobody here could use it. */
function busy(modes: Modes | null): number | null {
  return modes && Math.min(100, Math.max(0, 100 - modes.idle - modes.iowait));
}

/** Shares of the time that the kernel counted, not of the clock: a missed tick must not look like idleness. */
function modeShares(before: CpuTimes, after: CpuTimes): Modes | null {
  const delta = {} as Modes;
  let total = 0;
  for (const mode of MODES) {
    const d = after[mode] - before[mode];
    if (!Number.isFinite(d)) return null;
    // The kernel lets idle and iowait step back a little (a core that slept corrects itself); anything else that falls
    // means that the two readings are not of the same counters.
    if (d < 0 && mode !== 'idle' && mode !== 'iowait') return null;
    delta[mode] = Math.max(0, d);
    total += delta[mode];
  }
  if (total <= 0) return null;
  for (const mode of MODES) delta[mode] = share(delta[mode], total);
  return delta;
}

function diskRates(before: DiskCounters[], after: DiskCounters[], windowMs: number): DiskRate[] {
  const earlier = new Map(before.map((d) => [d.name, d]));
  return after.map((d) => {
    const then = earlier.get(d.name);
    // One counter that fell means another device, or the same one plugged in anew: none of its differences can be trusted.
    const same =
      then &&
      [
        d.readBytes >= then.readBytes,
        d.writtenBytes >= then.writtenBytes,
        d.reads >= then.reads,
        d.writes >= then.writes,
      ].every(Boolean);
    const b = same ? then : undefined;
    const busyMs = perSecond(b?.busyMs, d.busyMs, windowMs);
    return {
      name: d.name,
      readBytesPerSecond: perSecond(b?.readBytes, d.readBytes, windowMs),
      writtenBytesPerSecond: perSecond(b?.writtenBytes, d.writtenBytes, windowMs),
      readsPerSecond: perSecond(b?.reads, d.reads, windowMs),
      writesPerSecond: perSecond(b?.writes, d.writes, windowMs),
      // A 32-bit counter in the kernel: it alone wraps after 49 busy days.
      busyPercent: busyMs === null ? null : share(busyMs, 1000),
    };
  });
}

function netRates(before: NetCounters[], after: NetCounters[], windowMs: number): NetRate[] {
  const earlier = new Map(before.map((n) => [n.name, n]));
  return after.map((n) => {
    const then = earlier.get(n.name);
    const same =
      then &&
      [
        n.rxBytes >= then.rxBytes,
        n.txBytes >= then.txBytes,
        n.rxPackets >= then.rxPackets,
        n.txPackets >= then.txPackets,
      ].every(Boolean);
    const b = same ? then : undefined;
    const sum = (x: NetCounters | undefined, rx: 'rxErrors' | 'rxDropped', tx: 'txErrors' | 'txDropped') =>
      x && x[rx] + x[tx];
    return {
      name: n.name,
      rxBytesPerSecond: perSecond(b?.rxBytes, n.rxBytes, windowMs),
      txBytesPerSecond: perSecond(b?.txBytes, n.txBytes, windowMs),
      rxPacketsPerSecond: perSecond(b?.rxPackets, n.rxPackets, windowMs),
      txPacketsPerSecond: perSecond(b?.txPackets, n.txPackets, windowMs),
      errorsPerSecond: perSecond(sum(b, 'rxErrors', 'txErrors'), sum(n, 'rxErrors', 'txErrors'), windowMs),
      droppedPerSecond: perSecond(sum(b, 'rxDropped', 'txDropped'), sum(n, 'rxDropped', 'txDropped'), windowMs),
      state: n.state,
      speedMbit: n.speedMbit,
    };
  });
}

function vmstatRates(before: Record<string, number>, after: Record<string, number>, windowMs: number) {
  return Object.fromEntries(Object.entries(after).map(([k, v]) => [k, perSecond(before[k], v, windowMs)]));
}

function stall(before: Reading<Pressure> | undefined, after: Reading<Pressure>, windowMs: number): Stall {
  const line = (kind: 'some' | 'full') => {
    const us = perSecond(before?.value?.[kind]?.totalUs, after.value?.[kind]?.totalUs, windowMs);
    return us === null ? null : share(us, 1e6);
  };
  return { somePercent: line('some'), fullPercent: line('full') };
}
