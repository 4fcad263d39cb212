/** Which filesystems and processes the overview shows, whose memory it tells of, and which gaps it owns up to. */
import type { Filesystem, Health, Reading, Snapshot, Temperature } from '../core/host.ts';
import { ordered, type ProcessUse } from '../insight/processes.ts';
import type { NetRate } from '../insight/rates.ts';
import { filesystemRow, type gaps, isNoise, one } from './figures.ts';
import type { OverviewAnswer } from './system_overview.ts';

/** Rows of each kind, the fullest and busiest first. */
export const MOST = { filesystems: 10, disks: 6, networks: 6, temperatures: 4, top: 5 };

type Gap = ReturnType<typeof gaps>;

export const named = ({ info }: ProcessUse) => ({ pid: info.pid, name: info.name, user: info.user });
export const traffic = (a: number | null, b: number | null) => (a ?? 0) + (b ?? 0);

/** An idle process says nothing; a kernel thread has no memory of its own. */
export function top(uses: readonly ProcessUse[], by: 'cpu' | 'memory'): ProcessUse[] {
  const some = uses.filter((u) => (by === 'cpu' ? (u.cpuPercent ?? 0) > 0 : u.info.rssBytes > 0));
  return ordered(some, by).slice(0, MOST.top);
}

/** The root and whatever is broken always; then the fullest. One line for a device, however often it is mounted. */
export function pickFilesystems(all: readonly Filesystem[]): Filesystem[] {
  const weight = (f: Filesystem) => {
    if (f.size.value === null || f.remountedReadOnly) return 2;
    const row = filesystemRow(f);
    return f.mount === '/' ? 1.5 : Math.max(row.usedPercent ?? 0, row.inodesUsedPercent ?? 0) / 100;
  };
  const devices = new Set<string>();
  return all
    .filter((f) => !isNoise.filesystem(f) && !isBoot(f) && !isParent(f, all))
    .toSorted((a, b) => weight(b) - weight(a) || a.mount.length - b.mount.length)
    .filter((f) => {
      const again = f.device.startsWith('/') && devices.has(f.device) && f.size.value !== null;
      devices.add(f.device);
      return !again;
    })
    .slice(0, MOST.filesystems);
}

/** Where the machine boots from nothing grows but kernels: worth a line only when they have filled it. */
function isBoot(f: Filesystem): boolean {
  const row = filesystemRow(f);
  return /^\/boot(\/|$)/.test(f.mount) && !f.remountedReadOnly && row.usedPercent !== null && row.usedPercent < 80;
}

/** ZFS datasets that hold nothing but other datasets show the free space of their pool once more. */
function isParent(f: Filesystem, all: readonly Filesystem[]): boolean {
  if (f.type !== 'zfs' || f.mount === '/') return false;
  const used = (x: Filesystem) => x.size.value?.usedBytes ?? Number.POSITIVE_INFINITY;
  const pool = (x: Filesystem) => x.device.split('/')[0];
  return used(f) < 2 ** 20 && all.some((x) => x !== f && x.type === 'zfs' && pool(x) === pool(f) && used(x) >= 2 ** 20);
}

/** Neither down and silent, nor a VLAN, whose bytes its parent has counted. */
export function isWorthShowing(n: NetRate, all: readonly NetRate[]): boolean {
  if (isNoise.network(n.name)) return false;
  const parent = /^(.+)\.\d+$/.exec(n.name)?.[1];
  if (parent !== undefined && all.some((x) => x.name === parent)) return false;
  return n.state !== 'down' || traffic(n.rxBytesPerSecond, n.txBytesPerSecond) > 0;
}

/** The hottest of each chip: sixteen cores of one processor are as hot as each other. */
export function hottestOf(all: readonly Temperature[]): Temperature[] {
  const chips = new Set<string>();
  return all
    .toSorted((a, b) => b.celsius - a.celsius)
    .filter(({ sensor }) => {
      const chip = sensor.split(' ', 1)[0] ?? sensor;
      return !chips.has(chip) && chips.add(chip);
    });
}

/** One reason for all three where the kernel measures none of them. */
export function pressureGaps(gap: Gap, p: Snapshot['pressure']): void {
  const whys = [p.cpu.why, p.memory.why, p.io.why];
  if (whys.every((why) => why !== undefined && / is not there\.$/.test(why)))
    gap.of('pressure', { value: null, why: 'the kernel does not measure it' });
  else for (const kind of ['cpu', 'memory', 'io'] as const) gap.of(`pressure.${kind}`, p[kind] as Reading<unknown>);
}

export function memoryOf(gap: Gap, after: Snapshot): OverviewAnswer['memory'] {
  const m = gap.of('memory', after.memory);
  if (!m) return null;
  if (m.availableBytes === null) gap.of('memory.availableBytes', { value: null, why: `${m.source} does not tell` });
  if (m.swap === null) gap.of('memory.swap', { value: null, why: `${m.source} does not tell` });
  const used =
    m.availableBytes === null || m.totalBytes <= 0 ? null : (100 * (m.totalBytes - m.availableBytes)) / m.totalBytes;
  return {
    whose: m.whose,
    source: m.source,
    totalBytes: m.totalBytes,
    availableBytes: m.availableBytes,
    usedPercent: one(used),
    limitBytes: m.limitBytes,
    ...(m.zfsCache ? { zfsCacheBytes: m.zfsCache.bytes } : {}),
    hostTotalBytes: m.hostTotalBytes,
    swapTotalBytes: m.swap?.totalBytes ?? null,
    swapUsedBytes: m.swap && m.swap.totalBytes - m.swap.freeBytes,
  };
}

/** A finding that could not be looked for must not read as a clean bill. What a host simply has not, is no gap. */
export function healthGaps(gap: Gap, health: Reading<Health>): void {
  const h = gap.of('health', health);
  if (!h) return;
  const parts = {
    'failed units': h.failedUnits,
    updates: h.updates,
    'reboot required': h.rebootRequired,
    clock: h.clock,
    'RAID arrays': h.raid,
    'ZFS pools': h.zfs,
    'OOM kills': h.oomKills,
  };
  for (const [what, reading] of Object.entries(parts))
    if (!/^(there (is|are) )?no\b/i.test(reading.why ?? '')) gap.of(what, reading as Reading<unknown>);
}

/** Without the mounts' names, which are not ours: the rows without a size show which ones are meant. */
export function sizeGaps(gap: Gap, shown: readonly Filesystem[]): void {
  const whys = new Map<string, number>();
  for (const { size } of shown) if (size.why !== undefined) whys.set(size.why, (whys.get(size.why) ?? 0) + 1);
  for (const [why, n] of whys) gap.of(`size of ${n} ${n === 1 ? 'filesystem' : 'filesystems'}`, { value: null, why });
}

/** A device can be there and its rates not: it came, or came back, within the window. */
export function rateGaps(gap: Gap, rows: readonly { name: string }[], windowMs: number): void {
  const why = windowMs === 0 ? 'one reading only: a rate needs two' : 'its counters began anew in the window';
  for (const r of rows)
    if (Object.entries(r).some(([key, v]) => v === null && /Per|busy/.test(key)))
      gap.of(`rates of ${r.name}`, { value: null, why });
}
