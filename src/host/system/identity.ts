/**
 * What the host is called and made of. Facts are gathered once; uptime and zone are looked at each time. How
 * virtualisation is told from its signs is in virtualisation.ts.
 */
import { readlinkSync } from 'node:fs';
import type { Identity, Reading } from '../../core/host.ts';
import { armCores } from './arm.ts';
import type { Cgroup } from './cgroup.ts';
import { known, namesIn, type Root, readText, textOrNull, unknown, utf8, whyUnread } from './files.ts';
import type { Mount } from './mounts.ts';
import { hostnameOf } from './name.ts';
import { countList, field, kibibytes, parseUptime } from './procfs.ts';
import type { Found } from './virtualisation.ts';

/** Everything that holds for the life of this process, for the other readers too. */
export interface Facts {
  found: Found;
  lxcfs: ReadonlySet<string>;
  cgroup: Cgroup;
  /** Of the kernel, for the start times of processes: in a container /proc/uptime can be the container's. */
  kernelBootMs: number | null;
  /** The machine's memory where /proc/meminfo is lxcfs's. */
  machineMemoryBytes: number | null;
}

/** The files that lxcfs has mounted over /proc and /sys. */
export const lxcfsFiles = (mounts: readonly Mount[]): string[] =>
  mounts
    .filter((m) => m.type === 'fuse.lxcfs' && /^\/(?:proc|sys)\//.test(m.path))
    .map((m) => m.path)
    .sort();

/** sysfs is not virtualised: each memory node tells the machine's own share. */
export function machineMemory(root: Root): number | null {
  const folder = '/sys/devices/system/node';
  let total = 0;
  for (const name of namesIn(root.of(folder))) {
    if (!/^node\d+$/.test(name)) continue;
    // "Node 0 MemTotal:       65714464 kB"
    const text = textOrNull(root.of(`${folder}/${name}/meminfo`));
    const line = text?.slice(text.indexOf('MemTotal'));
    total += (line && kibibytes(line, 'MemTotal')) || 0;
  }
  return total || null;
}

/** Wall clock of the kernel's boot. btime is whole seconds, but lxcfs leaves it alone; uptime is finer where it is true. */
export function kernelBoot(root: Root, lxcfs: ReadonlySet<string>, wallMs: number): number | null {
  const uptime = lxcfs.has('/proc/uptime') ? null : parseUptime(textOrNull(root.of('/proc/uptime')) ?? '');
  if (uptime !== null) return wallMs - uptime;
  const btime = field(textOrNull(root.of('/proc/stat')) ?? '', 'btime');
  return btime === null ? null : btime * 1000;
}

function read<T>(root: Root, path: string, parse: (text: string) => T | null): Reading<T> {
  try {
    const value = parse(utf8(readText(root.of(path))));
    return value === null ? unknown(`${path} does not say.`) : known(value);
  } catch (error) {
    return unknown(whyUnread(error, path));
  }
}

/** Shell-like quoting of os-release(5). */
export function prettyName(text: string): string | null {
  const value = /^PRETTY_NAME=(.*)$/m.exec(text)?.[1]?.trim() ?? /^NAME=(.*)$/m.exec(text)?.[1]?.trim();
  if (!value) return null;
  const bare = /^(["'])(.*)\1$/.exec(value)?.[2] ?? value;
  return bare.replace(/\\(["$`\\])/g, '$1') || null;
}

export function cpuModelOf(cpuinfo: string): string | null {
  const value = (key: string) =>
    new RegExp(`^${key}\\s*:\\s*(.+)$`, 'm').exec(cpuinfo)?.[1]?.trim().replace(/\s+/g, ' ');
  const named = value('model name') || value('cpu model') || armCores(cpuinfo);
  if (named) return named;
  // What is left names the board rather than its processor, but it is better than nothing.
  for (const key of ['Model', 'Hardware', 'uarch', 'cpu']) {
    const other = value(key);
    if (other) return other;
  }
  return null;
}

/** The kernel's, since Linux 6.1, under the names that Node has for them; a 32-bit Node may run on a 64-bit kernel. */
export function archOf(kernel: string | null): string {
  if (kernel === 'x86_64') return 'x64';
  if (kernel === 'aarch64') return 'arm64';
  return kernel || process.arch;
}

function cpuModel(root: Root): Reading<string> {
  const found = read(root, '/proc/cpuinfo', cpuModelOf);
  if (found.value !== null) return found;
  const board = deviceTreeModel(root);
  return board ? known(board) : found;
}

/** Not by /proc/device-tree alone: it is an absolute link, which below another root leads out of it. */
function deviceTreeModel(root: Root): string | null {
  const text =
    textOrNull(root.of('/sys/firmware/devicetree/base/model')) ?? textOrNull(root.of('/proc/device-tree/model'));
  return text?.replaceAll('\0', '') || null;
}

function machineModel(root: Root): Reading<string> {
  const vendor = textOrNull(root.of('/sys/class/dmi/id/sys_vendor')) ?? '';
  const product = textOrNull(root.of('/sys/class/dmi/id/product_name')) ?? '';
  const name = product.toLowerCase().startsWith(vendor.toLowerCase()) ? product : `${vendor} ${product}`.trim();
  const board = name || deviceTreeModel(root);
  if (board) return known(board);
  return unknown('There is neither DMI nor a device tree that names the machine.');
}

/** Of several counts that are visible the smallest is what may be used. */
function cpusOf(root: Root, facts: Facts): number {
  const online = countList(textOrNull(root.of('/sys/devices/system/cpu/online')) ?? '');
  const listed = countProcessors(textOrNull(root.of('/proc/cpuinfo')) ?? '');
  // Our own affinity is the container's cpuset inside one; on a machine it may be our service's alone.
  const contained = facts.found.container
    ? [
        countList(facts.cgroup.cpuset() ?? ''),
        countList(/^Cpus_allowed_list:\s*(\S+)/m.exec(textOrNull(root.of('/proc/self/status')) ?? '')?.[1] ?? ''),
      ]
    : [];
  const counts = [online, listed, ...contained].filter((n) => n !== null);
  return counts.length > 0 ? Math.min(...counts) : 1;
}

function countProcessors(cpuinfo: string): number | null {
  return cpuinfo.match(/^processor\s*:/gm)?.length ?? null;
}

function zoneName(root: Root): string {
  try {
    const name = readlinkSync(root.of('/etc/localtime')).split('/zoneinfo/')[1];
    if (name) return name.replace(/^(?:posix|right)\//, '');
  } catch {
    // No link: Alpine and older Debian copy the file and name it elsewhere, or it is UTC.
  }
  const named = textOrNull(root.of('/etc/timezone'));
  if (named) return named;
  return root.foreign ? 'UTC' : Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Minutes east of UTC at that moment; a zone that this Node does not know counts as UTC and is called so. */
export function zoneAt(name: string, wallMs: number): Identity['zone'] {
  try {
    const format = new Intl.DateTimeFormat('en-GB', { timeZone: name, timeZoneName: 'longOffset' });
    const text = format.formatToParts(wallMs).find((p) => p.type === 'timeZoneName')?.value ?? '';
    const [, sign, hours, minutes] = /GMT([+-])(\d{2}):(\d{2})/.exec(text) ?? [];
    const offset = sign ? (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1) : 0;
    return { name, offsetMinutes: offset };
  } catch {
    return { name: 'UTC', offsetMinutes: 0 };
  }
}

export function identityReader(root: Root, facts: Facts, now: () => number): () => Identity {
  const hostname = hostnameOf(root);
  let os = read(root, '/etc/os-release', prettyName);
  if (os.value === null) os = read(root, '/usr/lib/os-release', prettyName);
  const uptime = () => read(root, '/proc/uptime', parseUptime);
  // Once: computed anew each time it would wander by the resolution of the clocks.
  const upAtStart = uptime();
  const bootedAtMs: Reading<number> =
    upAtStart.value === null ? unknown(upAtStart.why) : known(Math.round(now() - upAtStart.value));
  const fixed = {
    hostname,
    os,
    kernel: read(root, '/proc/sys/kernel/osrelease', (text) => text.trim() || null),
    arch: archOf(textOrNull(root.of('/proc/sys/kernel/arch'))),
    virtualisation: facts.found,
    machineModel: machineModel(root),
    bootedAtMs,
    lxcfs: [...facts.lxcfs],
    cgroup: { version: facts.cgroup.version, path: facts.cgroup.path },
    cpuModel: cpuModel(root),
    cpus: cpusOf(root, facts),
    uptimeWhose: facts.found.container && facts.lxcfs.has('/proc/uptime') ? ('container' as const) : ('host' as const),
  };
  let zone = { at: Number.NEGATIVE_INFINITY, is: { name: 'UTC', offsetMinutes: 0 } };
  const zoneNow = () => {
    const at = now();
    if (Math.abs(at - zone.at) >= 60_000) zone = { at, is: zoneAt(zoneName(root), at) };
    return zone.is;
  };
  return () => ({
    ...fixed,
    uptimeMs: uptime(),
    // Only when it is asked for: the first formatter of a process costs 14 ms, a third of a client's whole start.
    get zone() {
      return zoneNow();
    },
  });
}
