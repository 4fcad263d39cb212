/**
 * The counters of this moment. Decides, for each figure, whose it is and which source is to be believed: a container's
 * /proc shows the machine in some files and the container in others. The rules:
 *
 * - Docker, Podman: /proc is the machine's, the cgroup files are the container's and are right.
 * - LXC with lxcfs: /proc/meminfo is the container's. On cgroup v2 /proc/stat is the machine's time on the container's
 *   processors (lxcfs has no per-processor accounting to draw on), so the container's CPU time is that of cpu.stat. On v1
 *   lxcfs knows, and /proc/stat is the container's. /proc/loadavg is mounted over in any case, but the machine's unless
 *   lxcfs was started with -l; /proc/diskstats is the container's on v1 only.
 * - Without lxcfs an LXC reads as Docker does, and where Proxmox sets its limits they are not to be seen.
 */
import { readlinkSync, statSync } from 'node:fs';
import type { Memory, Pressure, Reading, Snapshot, Whose } from '../../core/host.ts';
import type { CgroupMemory } from './cgroup.ts';
import { diskNames, isStacked, linkReader, sensorReader, withLink } from './devices.ts';
import { garbled, type KeptFiles, known, type Root, unknown, whyUnread } from './files.ts';
import type { Facts } from './identity.ts';
import {
  firstNumber,
  kibibytes,
  kstat,
  parseDiskstats,
  parseFileNr,
  parseLoad,
  parseNetDev,
  parsePressure,
  parseStat,
  parseVmstat,
} from './procfs.ts';

const ARCSTATS = '/proc/spl/kstat/zfs/arcstats';
/** A module can be loaded at any time; most machines never load this one. */
const ZFS_MS = 60_000;

export interface Clocks {
  /** Wall clock, ms. */
  now: () => number;
  /** Monotonic, ms, the same for all processes of the machine. */
  monotonic: () => number;
  tickMs: number;
}

export function snapshotReader(root: Root, files: KeptFiles, facts: Facts, clocks: Clocks): () => Snapshot {
  const { container, kind } = facts.found;
  const { cgroup, lxcfs } = facts;
  const disks = diskNames(root, clocks.monotonic);
  const link = linkReader(root, clocks.monotonic);
  const temperatures = sensorReader(root, clocks.monotonic);
  const v1 = cgroup.version === 1 || cgroup.version === 'hybrid';
  const statIsOurs = container && lxcfs.has('/proc/stat') && v1;
  const statSource = lxcfs.has('/proc/stat')
    ? statIsOurs
      ? '/proc/stat (lxcfs)'
      : "/proc/stat (lxcfs: the machine's time on this container's processors)"
    : '/proc/stat';
  const disksWhose: Whose = container && lxcfs.has('/proc/diskstats') && v1 ? 'container' : 'host';
  const networksWhose: Whose = container && !sharesNetwork(root) ? 'container' : 'host';
  const netDev = root.foreign ? '/proc/1/net/dev' : '/proc/net/dev';
  const pressureFiles = {
    cpu: pressureFile('cpu'),
    memory: pressureFile('memory'),
    io: pressureFile('io'),
  };
  let loadWhose: Whose | null = null;
  let zfs = { at: Number.NEGATIVE_INFINITY, here: false };

  return () => ({
    atMs: clocks.monotonic(),
    wallMs: clocks.now(),
    cpu: cpu(),
    load: load(),
    memory: memory(),
    pressure: {
      cpu: pressure(pressureFiles.cpu),
      memory: pressure(pressureFiles.memory),
      io: pressure(pressureFiles.io),
    },
    disks: files.reading('/proc/diskstats', false, (text) => {
      const found = parseDiskstats(text, disks());
      for (const d of found) if (isStacked(d.name)) d.stacked = true;
      // A machine without disks has a file without lines, which reads as empty; lines without one good one are garbage.
      return found.length > 0 || /^\s*\d+\s+\d+ \S/.test(text) ? found : null;
    }),
    networks: networks(),
    temperatures: temperatures(),
    vmstat: files.reading('/proc/vmstat', false, parseVmstat),
    fileHandles: files.reading('/proc/sys/fs/file-nr', true, parseFileNr),
    entropyBits: files.reading('/proc/sys/kernel/random/entropy_avail', true, firstNumber),
    whose: { disks: disksWhose, networks: networksWhose, vmstat: 'host', temperatures: 'host' },
  });

  function cpu(): Snapshot['cpu'] {
    const stat = files.reading('/proc/stat', true, (text) => parseStat(text, clocks.tickMs));
    if (stat.value === null) return stat;
    const { bootedAtS: _, ...times } = stat.value;
    const own = container ? cgroup.cpu() : null;
    return known({
      whose: statIsOurs ? 'container' : 'host',
      source: own?.usedMs == null ? statSource : `${statSource}; the container's own use: ${own.source}`,
      ...times,
      cgroupUsedMs: own?.usedMs ?? null,
      throttledMs: own?.throttledMs ?? null,
      ...(own?.periods ? { periods: own.periods } : {}),
      limitCpus: own?.limitCpus ?? null,
    });
  }

  function load(): Snapshot['load'] {
    const read = files.reading('/proc/loadavg', true, parseLoad);
    if (read.value === null) return read;
    loadWhose ??= whoseLoad(read.value.tasks);
    return known({ whose: loadWhose, ...read.value });
  }

  /** lxcfs is mounted over loadavg whether it fills it or not: the number of tasks gives it away. */
  function whoseLoad(tasks: number | null): Whose {
    if (!container || !lxcfs.has('/proc/loadavg') || tasks === null) return 'host';
    const ours = cgroup.tasks();
    return ours !== null && tasks <= ours * 1.2 + 10 ? 'container' : 'host';
  }

  function memory(): Reading<Memory> {
    let text: string;
    try {
      text = files.read('/proc/meminfo', true);
    } catch (error) {
      return unknown(whyUnread(error, '/proc/meminfo'));
    }
    const of = (key: string) => kibibytes(text, key);
    const totalBytes = of('MemTotal');
    if (totalBytes === null || totalBytes === 0) return garbled('/proc/meminfo');
    const swapTotal = of('SwapTotal');
    const swapFree = of('SwapFree');
    const read: Memory = {
      whose: 'host',
      source: '/proc/meminfo',
      totalBytes,
      availableBytes: of('MemAvailable'),
      freeBytes: of('MemFree'),
      buffersBytes: of('Buffers'),
      cachedBytes: of('Cached'),
      shmemBytes: of('Shmem'),
      slabReclaimableBytes: of('SReclaimable'),
      dirtyBytes: of('Dirty'),
      limitBytes: null,
      usedByCgroupBytes: null,
      hostTotalBytes: null,
      swap: swapTotal === null || swapFree === null ? null : { totalBytes: swapTotal, freeBytes: swapFree },
    };
    if (!container) return known(withZfsCache(read));
    const own = cgroup.memory();
    read.usedByCgroupBytes = own?.usedBytes ?? null;
    if (own?.limitBytes != null && own.limitBytes < totalBytes) return known(withinLimit(read, own, own.limitBytes));
    if (!lxcfs.has('/proc/meminfo')) return known(read);
    const machine = facts.machineMemoryBytes;
    return known({
      ...read,
      whose: 'container',
      source: '/proc/meminfo (lxcfs)',
      hostTotalBytes: machine,
      // lxcfs shows the limit as the total, wherever on the way up it stands.
      limitBytes: machine !== null && totalBytes < machine ? totalBytes : null,
    });
  }

  function withZfsCache(read: Memory): Memory {
    if (zfs.at + ZFS_MS <= clocks.monotonic()) zfs = { at: clocks.monotonic(), here: isThere(root.of(ARCSTATS)) };
    if (!zfs.here) return read;
    const arc = files.reading(ARCSTATS, false, (text) => {
      const bytes = kstat(text, 'size');
      const least = kstat(text, 'c_min');
      return bytes === null || least === null ? null : { bytes, reclaimableBytes: Math.max(0, bytes - least) };
    });
    return arc.value === null ? read : { ...read, zfsCache: arc.value };
  }

  function pressureFile(what: 'cpu' | 'memory' | 'io'): { path: string; whose: Whose } {
    const proc = `/proc/pressure/${what}`;
    if (!container) return { path: proc, whose: 'host' };
    const own = cgroup.pressureFile(what);
    if (own) return { path: own, whose: 'container' };
    return { path: proc, whose: lxcfs.has(proc) ? 'container' : 'host' };
  }

  function pressure(from: { path: string; whose: Whose }): Reading<Pressure> {
    const read = files.reading(from.path, true, parsePressure);
    return read.value === null ? read : known({ ...read.value, whose: from.whose });
  }

  function networks(): Snapshot['networks'] {
    let read = files.reading(netDev, false, parseNetDev);
    if (read.value === null && root.foreign) read = files.reading('/proc/net/dev', false, parseNetDev);
    return read.value === null ? read : known(read.value.map((n) => withLink(n, link(n.name))));
  }

  /** `docker run --network=host`: the first network namespace has a number from before the first container's. */
  function sharesNetwork(at: Root): boolean {
    if (kind !== 'docker' && kind !== 'podman' && kind !== 'container-other') return false;
    try {
      const number = firstNumber(readlinkSync(at.of('/proc/self/ns/net')).slice('net:['.length));
      return number !== null && number < 4_026_532_000;
    } catch {
      return false;
    }
  }
}

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

/** /proc/meminfo is the machine's; what this container may use and has used is its cgroup's. */
function withinLimit(machine: Memory, own: CgroupMemory, limit: number): Memory {
  const left = own.workingSetBytes === null ? null : Math.max(0, limit - own.workingSetBytes);
  const available = left === null ? null : Math.min(left, machine.availableBytes ?? left);
  return {
    whose: 'container',
    source: own.source,
    totalBytes: limit,
    availableBytes: available,
    freeBytes: own.usedBytes === null ? null : Math.max(0, limit - own.usedBytes),
    buffersBytes: null,
    cachedBytes: own.cachedBytes,
    shmemBytes: own.shmemBytes,
    slabReclaimableBytes: own.slabReclaimableBytes,
    dirtyBytes: own.dirtyBytes,
    limitBytes: limit,
    usedByCgroupBytes: own.usedBytes,
    hostTotalBytes: machine.totalBytes,
    swap: swapWithin(machine.swap, own.swap),
  };
}

function swapWithin(machine: Memory['swap'], own: CgroupMemory['swap']): Memory['swap'] {
  if (!machine) return null;
  if (!own || own.usedBytes === null) return own?.limitBytes === 0 ? { totalBytes: 0, freeBytes: 0 } : machine;
  const total = Math.min(own.limitBytes ?? machine.totalBytes, machine.totalBytes);
  return { totalBytes: total, freeBytes: Math.max(0, Math.min(total - own.usedBytes, machine.freeBytes)) };
}
