/**
 * Reads what a look at a slow host needs besides snapshots (core/load.ts). Decides which control groups are looked at and how many, on
 * v1, v2 and both at once, and where the speed of processors is told; what a figure means is insight's.
 */
import { readdirSync } from 'node:fs';
import type { Bounded, ProcessId } from '../../core/host.ts';
import type { CpuSpeed, DiskTimes, GroupUse, LoadHost, LoadSample } from '../../core/load.ts';
import type { Home } from '../../core/signal.ts';
import { diskNames, isStacked } from './devices.ts';
import { namesIn, type Root, readText, textOrNull, unknown, whyUnread } from './files.ts';
import { homeOf } from './home.ts';
import type { Mount } from './mounts.ts';
import { parsePidStat } from './pidfs.ts';
import { field, firstNumber } from './procfs.ts';

const MOST_GROUPS = 1_500;
const DEEPEST = 8;
const SLICE_MS = 3;
/** v1 writes "no limit" as the largest multiple of a page. */
const NO_LIMIT = 2 ** 60;

export function loadReader(root: Root, o: { mounts: () => readonly Mount[]; monotonic: () => number }): LoadHost {
  const disks = diskNames(root, o.monotonic);
  return {
    async sample({ signal }: Bounded = {}): Promise<LoadSample> {
      const atMs = o.monotonic();
      const quick = { atMs, disks: diskTimes(root, disks()), speed: speedOf(root), reclaim: reclaimOf(root) };
      return { ...quick, groups: await groupsOf(root, o.mounts(), signal) };
    },
    async homes(ids: readonly ProcessId[]) {
      const init = textOrNull(root.of('/proc/1/cgroup'));
      const found = new Map<number, Home | null>();
      for (const { pid, startTicks } of ids) {
        const text = textOrNull(root.of(`/proc/${pid}/cgroup`));
        const stat = textOrNull(root.of(`/proc/${pid}/stat`));
        if (text !== null && stat !== null && parsePidStat(stat)?.startTicks === startTicks)
          found.set(pid, homeOf(text, init));
      }
      return found;
    },
  };
}

/** Where each controller is mounted; on v2 all at one place. */
function hierarchies(mounts: readonly Mount[]): {
  v: 1 | 2;
  cpu: string | null;
  time: string | null;
  memory: string | null;
} {
  const old = (controller: string) =>
    mounts.find((m) => m.type === 'cgroup' && m.superOptions.includes(controller))?.path ?? null;
  const [cpu, time, memory] = [old('cpu'), old('cpuacct'), old('memory')];
  if (cpu !== null || memory !== null) return { v: 1, cpu, time, memory };
  const unified = mounts.find((m) => m.type === 'cgroup2')?.path ?? null;
  return { v: 2, cpu: unified, time: unified, memory: unified };
}

async function groupsOf(
  root: Root,
  mounts: readonly Mount[],
  signal: AbortSignal | undefined,
): Promise<LoadSample['groups']> {
  const at = hierarchies(mounts);
  if (at.cpu === null && at.memory === null) return unknown('No control groups are mounted.');
  const paths = new Set<string>();
  for (const top of new Set([at.cpu, at.memory])) if (top !== null) below(root, top, paths);
  const groups: GroupUse[] = [];
  let from = performance.now();
  for (const path of paths) {
    groups.push(at.v === 2 ? groupV2(root, `${at.cpu}${path}`, path) : groupV1(root, at, path));
    if (performance.now() - from > SLICE_MS) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      from = performance.now();
    }
  }
  return { value: groups };
}

/** Nearest first, so that a bound leaves out the innermost. */
function below(root: Root, top: string, paths: Set<string>): void {
  let level = [''];
  for (let depth = 0; depth < DEEPEST && level.length > 0; depth++) {
    const next: string[] = [];
    for (const path of level)
      for (const name of foldersIn(root.of(top + path))) {
        const child = `${path}/${name}`;
        if (paths.has(child) || paths.size >= MOST_GROUPS) continue;
        paths.add(child);
        next.push(child);
      }
    level = next;
  }
}

function foldersIn(realPath: string): string[] {
  try {
    return readdirSync(realPath, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? [e.name] : []));
  } catch {
    return [];
  }
}

const numberIn = (path: string): number | null => {
  const text = textOrNull(path);
  const value = text === null ? null : firstNumber(text);
  return value !== null && value < NO_LIMIT ? value : null;
};

const idleCache = (realPath: string, key: string): number | null => {
  const text = textOrNull(realPath);
  return text === null ? null : field(text, key);
};

function groupV2(root: Root, dir: string, path: string): GroupUse {
  const stat = textOrNull(root.of(`${dir}/cpu.stat`));
  const of = (key: string) => (stat === null ? null : field(stat, key));
  const used = of('usage_usec');
  const [quota, period] = (textOrNull(root.of(`${dir}/cpu.max`)) ?? 'max').split(' ').map(Number);
  const events = textOrNull(root.of(`${dir}/memory.events`));
  return {
    path,
    home: homeOf(`0::${path}`, null),
    cpuMs: used === null ? null : used / 1000,
    quotaCpus: quota && period ? quota / period : null,
    periods: of('nr_periods'),
    throttled: of('nr_throttled'),
    memoryBytes: numberIn(root.of(`${dir}/memory.current`)),
    idleCacheBytes: idleCache(root.of(`${dir}/memory.stat`), 'inactive_file'),
    memoryLimitBytes: numberIn(root.of(`${dir}/memory.max`)),
    memoryHits: events === null ? null : field(events, 'max'),
  };
}

function groupV1(root: Root, at: ReturnType<typeof hierarchies>, path: string): GroupUse {
  const stat = at.cpu === null ? null : textOrNull(root.of(`${at.cpu}${path}/cpu.stat`));
  const of = (key: string) => (stat === null ? null : field(stat, key));
  const ns = at.time === null ? null : numberIn(root.of(`${at.time}${path}/cpuacct.usage`));
  const quota = at.cpu === null ? null : Number(textOrNull(root.of(`${at.cpu}${path}/cpu.cfs_quota_us`)) ?? -1);
  const period = at.cpu === null ? null : numberIn(root.of(`${at.cpu}${path}/cpu.cfs_period_us`));
  const memory = (name: string) =>
    at.memory === null ? null : numberIn(root.of(`${at.memory}${path}/memory.${name}`));
  return {
    path,
    home: homeOf(`0::${path}`, null),
    cpuMs: ns === null ? null : ns / 1e6,
    quotaCpus: quota !== null && quota > 0 && period ? quota / period : null,
    periods: of('nr_periods'),
    throttled: of('nr_throttled'),
    memoryBytes: memory('usage_in_bytes'),
    idleCacheBytes:
      at.memory === null ? null : idleCache(root.of(`${at.memory}${path}/memory.stat`), 'total_inactive_file'),
    memoryLimitBytes: memory('limit_in_bytes'),
    memoryHits: memory('failcnt'),
  };
}

function diskTimes(root: Root, wanted: (name: string) => boolean): LoadSample['disks'] {
  let text: string;
  try {
    text = readText(root.of('/proc/diskstats'));
  } catch (error) {
    return unknown(whyUnread(error, '/proc/diskstats'));
  }
  const found: DiskTimes[] = [];
  for (const line of text.split('\n', 4096)) {
    const words = line.trim().split(/\s+/);
    const name = words[2] ?? '';
    const [reads, , , readMs, writes, , , writeMs, inFlight, busyMs] = words.slice(3).map(Number);
    if (name === '' || !wanted(name) || busyMs === undefined) continue;
    found.push({
      name,
      stacked: isStacked(name),
      reads: reads ?? 0,
      writes: writes ?? 0,
      readMs: readMs ?? 0,
      writeMs: writeMs ?? 0,
      inFlight: inFlight ?? 0,
      busyMs,
    });
  }
  return { value: found };
}

const MOST_CPUS = 64;

function speedOf(root: Root): CpuSpeed {
  const cpus = namesIn(root.of('/sys/devices/system/cpu'))
    .filter((n) => /^cpu\d+$/.test(n))
    .slice(0, MOST_CPUS)
    .map((n) => root.of(`/sys/devices/system/cpu/${n}`));
  const all = (file: string) => cpus.map((c) => numberIn(`${c}/${file}`)).filter((n) => n !== null);
  const now = all('cpufreq/scaling_cur_freq');
  const most = all('cpufreq/cpuinfo_max_freq');
  const hot = all('thermal_throttle/core_throttle_count');
  return {
    nowKhz: now.length > 0 ? now.reduce((a, b) => a + b, 0) / now.length : null,
    mostKhz: most.length > 0 ? Math.max(...most) : null,
    governor: cpus[0] === undefined ? null : textOrNull(`${cpus[0]}/cpufreq/scaling_governor`),
    throttles: hot.length > 0 ? hot.reduce((a, b) => a + b, 0) : null,
  };
}

const RECLAIM = ['pgscan_direct', 'workingset_refault_file'];
const STALLS = ['allocstall', 'allocstall_dma', 'allocstall_dma32', 'allocstall_normal', 'allocstall_movable'];

function reclaimOf(root: Root): Record<string, number> {
  const text = textOrNull(root.of('/proc/vmstat'));
  if (text === null) return {};
  const out: Record<string, number> = {};
  for (const key of RECLAIM) {
    const value = field(text, key);
    if (value !== null) out[key] = value;
  }
  const stalls = STALLS.map((key) => field(text, key)).filter((n) => n !== null);
  if (stalls.length > 0) out.allocstall = stalls.reduce((a, b) => a + b, 0);
  return out;
}
