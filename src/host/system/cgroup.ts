/**
 * The cgroup of the container that we run in: its limits and what it uses, on v1, v2 and both at once. On a host that is
 * no container nothing here is read: the limit of our own service is not the machine's.
 *
 * A container's cgroup is not ours. Inside it systemd gives each service a cgroup of its own, with limits of its own; the
 * container is what its first process lives in (less `init.scope`). From there every visible level up counts, and the
 * tightest limit holds: Docker sets it on the container, Kubernetes on the pod above it. Proxmox sets it one level above
 * what the guest can see, so that "max" here means "unknown", not "none": lxcfs's meminfo then has it (snapshot.ts).
 */
import { statSync } from 'node:fs';
import { type KeptFiles, type Root, textOrNull } from './files.ts';
import type { Mount } from './mounts.ts';
import { field, firstNumber, uint } from './procfs.ts';

export type CgroupVersion = 1 | 2 | 'hybrid' | null;

export interface Membership {
  /** Controller (or name=…) to path on v1; '' is the path on v2. */
  paths: Map<string, string>;
}

/** "0::/a" and "4:cpu,cpuacct:/b". */
export function parseMembership(text: string): Membership {
  const paths = new Map<string, string>();
  for (const line of text.split('\n', 256)) {
    const first = line.indexOf(':');
    const second = line.indexOf(':', first + 1);
    if (first < 0 || second < 0 || line[second + 1] !== '/') continue;
    for (const controller of line.slice(first + 1, second).split(',')) paths.set(controller, line.slice(second + 1));
  }
  return { paths };
}

export function versionOf(mounts: readonly Mount[]): CgroupVersion {
  const v2 = mounts.some((m) => m.type === 'cgroup2');
  const v1 = mounts.some((m) => m.type === 'cgroup' && !m.superOptions.some((o) => o.startsWith('name=')));
  if (v1) return v2 ? 'hybrid' : 1;
  return v2 ? 2 : null;
}

/** systemd inside the container keeps itself in init.scope (and, when the first process is not to be seen, us in a slice). */
export function containerPath(initPath: string | undefined, ownPath: string): string {
  if (initPath !== undefined) return initPath.replace(/\/init\.scope$/, '') || '/';
  return ownPath.replace(/\/(?:system|user|machine)\.slice\/.*$|\/init\.scope$/, '') || '/';
}

/** The folder of `path` under this mount, and every one above it up to the mount: nearest first. */
export function levels(mount: Pick<Mount, 'path' | 'root'>, path: string): string[] {
  let below = path;
  if (mount.root !== '/') {
    // Mounted from somewhere down the tree: what is above is not visible, and a path outside it is the mount itself.
    if (path === mount.root) below = '/';
    else below = path.startsWith(`${mount.root}/`) ? path.slice(mount.root.length) : '/';
  }
  const parts = below.split('/').filter((p) => p !== '' && p !== '..' && p !== '.');
  const all: string[] = [];
  for (let n = Math.min(parts.length, 32); n >= 0; n--) all.push([mount.path, ...parts.slice(0, n)].join('/'));
  return all;
}

export interface CgroupMemory {
  limitBytes: number | null;
  usedBytes: number | null;
  /** What is used less the file cache that the kernel would drop first: what docker stats and kubelet count. */
  workingSetBytes: number | null;
  cachedBytes: number | null;
  shmemBytes: number | null;
  slabReclaimableBytes: number | null;
  dirtyBytes: number | null;
  swap: { limitBytes: number | null; usedBytes: number | null } | null;
  source: string;
}

export interface CgroupCpu {
  usedMs: number | null;
  throttledMs: number | null;
  /** Of the CPU limit; null where none was ever counted. */
  periods: { all: number; throttled: number } | null;
  limitCpus: number | null;
  source: string;
}

export interface Cgroup {
  version: CgroupVersion;
  /** As /proc/self/cgroup has it, on v1 that of the memory controller. */
  path: string;
  memory(): CgroupMemory | null;
  cpu(): CgroupCpu | null;
  /** Path of the pressure file on v2, when there is one. */
  pressureFile(kind: 'cpu' | 'memory' | 'io'): string | null;
  oomKills(): number | null;
  /** Tasks in the container: tells whose the task count of loadavg is. */
  tasks(): number | null;
  cpuset(): string | null;
}

/** v1 writes "no limit" as the largest multiple of a page. */
const NO_LIMIT = 2 ** 60;

export function cgroupOf(root: Root, files: KeptFiles, mounts: readonly Mount[]): Cgroup {
  const own = parseMembership(textOrNull(root.of('/proc/self/cgroup')) ?? '').paths;
  const initText = textOrNull(root.of('/proc/1/cgroup'));
  const init = initText === null ? null : parseMembership(initText).paths;
  const version = versionOf(mounts);
  const unified = mounts.find((m) => m.type === 'cgroup2');

  /** Where a controller is, nearest level first, and which version it is there; null when it is nowhere. */
  const place = (controller: string): { v: 1 | 2; dirs: string[] } | null => {
    const old = mounts.find((m) => m.type === 'cgroup' && m.superOptions.includes(controller));
    const mount = old ?? unified;
    if (!mount) return null;
    const key = old ? controller : '';
    const ownPath = own.get(key);
    if (ownPath === undefined && init?.get(key) === undefined) return { v: old ? 1 : 2, dirs: [mount.path] };
    const dirs = levels(mount, containerPath(init?.get(key), ownPath ?? '/')).filter(
      (dir, i, all) => i === all.length - 1 || exists(root.of(dir)),
    );
    return { v: old ? 1 : 2, dirs };
  };
  const places = new Map<string, ReturnType<typeof place>>();
  const placed = (controller: string) => {
    let found = places.get(controller);
    if (found === undefined) {
      found = place(controller);
      places.set(controller, found);
    }
    return found;
  };

  /** Files that are not there are not tried again every few seconds. */
  const absent = new Set<string>();
  const read = (path: string): string | null => {
    if (absent.has(path)) return null;
    try {
      return files.read(path, true);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') absent.add(path);
      return null;
    }
  };
  const number = (path: string): number | null => {
    const text = read(path);
    return text === null ? null : firstNumber(text);
  };
  /** The smallest limit on the way up, with the level it stands on. */
  const tightest = (dirs: string[], file: string): { value: number; dir: string } | null => {
    let best: { value: number; dir: string } | null = null;
    for (const dir of dirs) {
      const value = number(`${dir}/${file}`);
      if (value !== null && value < NO_LIMIT && (best === null || value < best.value)) best = { value, dir };
    }
    return best;
  };

  return {
    version,
    path: own.get('memory') ?? own.get('') ?? [...own.values()][0] ?? '/',
    memory() {
      const at = placed('memory');
      const dir = at?.dirs[0];
      if (!at || !dir) return null;
      const two = at.v === 2;
      const file = two ? 'memory.max' : 'memory.limit_in_bytes';
      const limit = tightest(at.dirs, file);
      // Usage belongs to the level whose limit it is held against.
      const level = limit?.dir ?? dir;
      const usedBytes = number(`${level}/${two ? 'memory.current' : 'memory.usage_in_bytes'}`);
      const stat = usedBytes === null ? null : read(`${level}/memory.stat`);
      const of = (v2: string, v1: string) => (stat === null ? null : field(stat, two ? v2 : v1));
      const inactive = of('inactive_file', 'total_inactive_file');
      return {
        limitBytes: limit?.value ?? null,
        usedBytes,
        workingSetBytes: usedBytes === null ? null : Math.max(0, usedBytes - (inactive ?? 0)),
        cachedBytes: of('file', 'total_cache'),
        shmemBytes: of('shmem', 'total_shmem'),
        slabReclaimableBytes: two ? of('slab_reclaimable', '') : null,
        dirtyBytes: of('file_dirty', 'total_dirty'),
        swap: swapAt(two, at.dirs, level, limit?.value ?? null, usedBytes),
        source: `cgroup ${file}`,
      };
    },
    cpu() {
      const at = placed('cpu');
      const dir = at?.dirs[0];
      if (!at || !dir) return null;
      let limitCpus: number | null = null;
      for (const level of at.dirs) {
        const cpus = at.v === 2 ? quotaV2(level) : quotaV1(level);
        if (cpus !== null && (limitCpus === null || cpus < limitCpus)) limitCpus = cpus;
      }
      const stat = read(`${dir}/cpu.stat`);
      if (at.v === 2) {
        const used = stat === null ? null : field(stat, 'usage_usec');
        const throttled = stat === null ? null : field(stat, 'throttled_usec');
        return {
          usedMs: used === null ? null : used / 1000,
          throttledMs: throttled === null ? null : throttled / 1000,
          periods: periodsOf(stat),
          limitCpus,
          source: 'cgroup cpu.stat',
        };
      }
      const acct = placed('cpuacct')?.dirs[0];
      const ns = acct ? number(`${acct}/cpuacct.usage`) : null;
      const throttled = stat === null ? null : field(stat, 'throttled_time');
      return {
        usedMs: ns === null ? null : ns / 1e6,
        throttledMs: throttled === null ? null : throttled / 1e6,
        periods: periodsOf(stat),
        limitCpus,
        source: 'cgroup cpuacct.usage',
      };
    },
    pressureFile(kind) {
      if (!unified) return null;
      const dir = levels(unified, containerPath(init?.get(''), own.get('') ?? '/'))[0];
      const path = `${dir}/${kind}.pressure`;
      return dir !== undefined && exists(root.of(path)) ? path : null;
    },
    oomKills() {
      const at = placed('memory');
      const dir = at?.dirs[0];
      if (!at || !dir) return null;
      const text = read(`${dir}/${at.v === 2 ? 'memory.events' : 'memory.oom_control'}`);
      return text === null ? null : field(text, 'oom_kill');
    },
    tasks() {
      const dir = placed('pids')?.dirs[0];
      return dir === undefined ? null : number(`${dir}/pids.current`);
    },
    cpuset() {
      const at = placed('cpuset');
      const dir = at?.dirs[0];
      if (!at || !dir) return null;
      return textOrNull(root.of(`${dir}/${at.v === 2 ? 'cpuset.cpus.effective' : 'cpuset.effective_cpus'}`)) || null;
    },
  };

  function quotaV2(dir: string): number | null {
    const text = read(`${dir}/cpu.max`);
    if (text === null) return null;
    const scan = { text, at: 0 };
    const quota = uint(scan);
    const period = uint(scan);
    return quota === null || !period ? null : quota / period;
  }

  function quotaV1(dir: string): number | null {
    const quota = number(`${dir}/cpu.cfs_quota_us`);
    const period = number(`${dir}/cpu.cfs_period_us`);
    // "-1" is no number to firstNumber, and means no limit.
    return quota === null || !period ? null : quota / period;
  }

  function swapAt(two: boolean, dirs: string[], level: string, limit: number | null, used: number | null) {
    if (two) {
      const usedBytes = number(`${level}/memory.swap.current`);
      const max = tightest(dirs, 'memory.swap.max')?.value ?? null;
      return usedBytes === null && max === null ? null : { limitBytes: max, usedBytes };
    }
    // v1 counts memory and swap together.
    const both = tightest(dirs, 'memory.memsw.limit_in_bytes')?.value ?? null;
    const bothUsed = number(`${level}/memory.memsw.usage_in_bytes`);
    if (bothUsed === null) return null;
    return {
      limitBytes: both === null || limit === null ? null : Math.max(0, both - limit),
      usedBytes: used === null ? null : Math.max(0, bothUsed - used),
    };
  }
}

function periodsOf(stat: string | null): { all: number; throttled: number } | null {
  const all = stat === null ? null : field(stat, 'nr_periods');
  const throttled = stat === null ? null : field(stat, 'nr_throttled');
  return !all || throttled === null ? null : { all, throttled };
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
