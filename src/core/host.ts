/**
 * The host behind one interface, and the records it gives back. Numbers are raw (bytes, counters, milliseconds);
 * rates, findings and words are made from them in insight/ and tools/. A domain's interface is as wide as its callers.
 */

import type { DiskHost } from './disk.ts';
import type { DockerHost } from './docker.ts';
import type { ControlHost } from './docker_control.ts';
import type { FilesHost } from './files.ts';
import type { HardwareHost } from './hardware.ts';
import type { JournalHost } from './journal.ts';
import type { LoadHost } from './load.ts';
import type { MeasureHost } from './measure.ts';
import type { NetHost } from './net.ts';
import type { ProbeHost } from './probe.ts';
import type { ServiceHost } from './services.ts';
import type { SignalHost } from './signal.ts';
import type { TailnetStatusHost } from './tailnet.ts';
import type { ValidateHost } from './validate.ts';

/** What could be read, or why not. Unknown is never 0. */
export type Reading<T> = { value: T; why?: undefined } | { value: null; why: string };

/** Whose figure it is: the machine's, this container's (cgroup, lxcfs) or one process's. */
export type Whose = 'host' | 'container' | 'process';

export interface Host {
  system: SystemHost;
  hardware: HardwareHost;
  signals: SignalHost;
  docker: DockerHost;
  /** What changes of containers need besides an engine. */
  control: ControlHost;
  files: FilesHost;
  disk: DiskHost;
  load: LoadHost;
  /** Whether what a file is to hold is well formed. */
  validate: ValidateHost;
  services: ServiceHost;
  journal: JournalHost;
  net: NetHost;
  /** What can be asked of the network beyond this host. */
  probes: ProbeHost;
  /** The way to other Deckhands that the owner has named. */
  measure: MeasureHost;
  tailnet: TailnetStatusHost;
}

export interface Bounded {
  signal?: AbortSignal;
}

export interface SystemHost {
  /** Facts that do not change while the process lives, but for uptime and zone. */
  identity(): Identity;
  /** Counters of this moment, read synchronously through kept descriptors (about 0.1 ms). */
  snapshot(): Snapshot;
  /** Mounts that hold data, with sizes. Anything but a local block device is asked in a worker with a deadline. */
  filesystems(o?: Bounded): Promise<Filesystem[]>;
  /** All processes, yielding between chunks. Command lines only when asked for: they are the dear part. */
  processes(o?: Bounded & { commands?: boolean; io?: boolean; fds?: boolean }): Promise<ProcessList>;
  /** Command line and open descriptors of some processes, by pid and start time (what is gone, or a reused pid, is not in the map). */
  processDetails(
    ids: readonly ProcessId[],
    want: { command?: boolean; fds?: boolean },
  ): Promise<Map<number, ProcessDetails>>;
  /** Names of users and groups by number, as the host's own files have them now; null: they do not. */
  accounts(): { user(uid: number): string | null; group(gid: number): string | null };
  /**
   * Slow facts (units, updates, clock, RAID, OOM kills …), kept for a minute or more, each with its own time-out. What is not
   * known within `waitMs` is a null that says so, and goes on being asked: the next call finds it.
   */
  health(o?: Bounded & { waitMs?: number }): Promise<Health>;
}

export type Virtualisation =
  | 'none'
  | 'kvm'
  | 'qemu'
  | 'vmware'
  | 'hyperv'
  | 'wsl'
  | 'xen'
  | 'virtualbox'
  | 'firecracker'
  | 'lxc'
  | 'docker'
  | 'podman'
  | 'systemd-nspawn'
  | 'container-other'
  | 'vm-other';

export interface Identity {
  hostname: string;
  /** PRETTY_NAME of os-release. */
  os: Reading<string>;
  kernel: Reading<string>;
  arch: string;
  virtualisation: { kind: Virtualisation; container: boolean; foundBy: string };
  machineModel: Reading<string>;
  bootedAtMs: Reading<number>;
  uptimeMs: Reading<number>;
  /** Whose boot and uptime those are: in a Docker container the machine's, under lxcfs the container's. */
  uptimeWhose?: Whose;
  /** IANA zone, with the offset in minutes east of UTC now. */
  zone: { name: string; offsetMinutes: number };
  /** lxcfs virtualises parts of /proc: which files it has mounted over. */
  lxcfs: string[];
  cgroup: { version: 1 | 2 | 'hybrid' | null; path: string };
  cpuModel: Reading<string>;
  /** Processors that may be used here: cpuset, lxcfs's online list, or all. */
  cpus: number;
}

/** Jiffies turned into milliseconds. guest is part of user, as the kernel counts it, and so not separate. */
export interface CpuTimes {
  user: number;
  nice: number;
  system: number;
  idle: number;
  iowait: number;
  irq: number;
  softirq: number;
  steal: number;
}

export interface PressureLine {
  avg10: number;
  avg60: number;
  avg300: number;
  /** Microseconds stalled since boot. */
  totalUs: number;
}
export interface Pressure {
  some: PressureLine | null;
  full: PressureLine | null;
  whose: Whose;
}

export interface Memory {
  whose: Whose;
  /** Where the figures come from, e.g. "/proc/meminfo (lxcfs)" or "cgroup memory.max". */
  source: string;
  totalBytes: number;
  availableBytes: number | null;
  freeBytes: number | null;
  buffersBytes: number | null;
  cachedBytes: number | null;
  shmemBytes: number | null;
  slabReclaimableBytes: number | null;
  dirtyBytes: number | null;
  /** The cgroup's limit where one is set; the machine's total then stands in hostTotalBytes. */
  limitBytes: number | null;
  usedByCgroupBytes: number | null;
  hostTotalBytes: number | null;
  swap: { totalBytes: number; freeBytes: number } | null;
  /**
   * ZFS's own cache, on a machine that has it: the kernel does not count it as available, yet all but its least size is given
   * back when memory is short.
   */
  zfsCache?: { bytes: number; reclaimableBytes: number };
}

export interface DiskCounters {
  name: string;
  readBytes: number;
  writtenBytes: number;
  reads: number;
  writes: number;
  /** Milliseconds during which the device was busy. */
  busyMs: number;
  /** Built on other disks of this list (LVM, RAID, dm-crypt): its bytes are theirs too and must not be added to them. */
  stacked?: boolean;
}

export interface NetCounters {
  name: string;
  rxBytes: number;
  txBytes: number;
  rxPackets: number;
  txPackets: number;
  rxErrors: number;
  txErrors: number;
  rxDropped: number;
  txDropped: number;
  /** operstate of /sys/class/net, and speed where the driver tells it. */
  state: string | null;
  speedMbit: number | null;
}

export interface Temperature {
  sensor: string;
  celsius: number;
  criticalCelsius: number | null;
}

export interface Snapshot {
  /** Monotonic milliseconds (rates), and wall clock (display). */
  atMs: number;
  wallMs: number;
  cpu: Reading<{
    whose: Whose;
    source: string;
    total: CpuTimes;
    perCore: { cpu: number; times: CpuTimes }[];
    /** CPU time used by this cgroup, in ms: the truth in an LXC with cgroup v2, where /proc/stat is the machine's. */
    cgroupUsedMs: number | null;
    throttledMs: number | null;
    /** Periods of the cgroup's CPU limit, and those in which it was held back; absent where there is no limit to count for. */
    periods?: { all: number; throttled: number };
    /** CPU limit of the cgroup in processors (quota / period), null when there is none. */
    limitCpus: number | null;
    contextSwitches: number | null;
    forks: number | null;
    running: number | null;
    blocked: number | null;
  }>;
  load: Reading<{
    whose: Whose;
    one: number;
    five: number;
    fifteen: number;
    runnable: number | null;
    tasks: number | null;
  }>;
  memory: Reading<Memory>;
  pressure: { cpu: Reading<Pressure>; memory: Reading<Pressure>; io: Reading<Pressure> };
  disks: Reading<DiskCounters[]>;
  networks: Reading<NetCounters[]>;
  temperatures: Reading<Temperature[]>;
  /** Chosen counters of /proc/vmstat: pgpgin, pgpgout, pswpin, pswpout, pgmajfault, oom_kill … */
  vmstat: Reading<Record<string, number>>;
  fileHandles: Reading<{ used: number; max: number }>;
  entropyBits: Reading<number>;
  /** Whose the figures are that carry no `whose` of their own. */
  whose?: { disks: Whose; networks: Whose; vmstat: Whose; temperatures: Whose };
}

export interface Filesystem {
  mount: string;
  device: string;
  type: string;
  readOnly: boolean;
  /** Options as mounted; a filesystem that fell to read-only has `ro` here and `rw` in fstab. */
  options: string[];
  size: Reading<{
    totalBytes: number;
    usedBytes: number;
    /** What an ordinary user can still write: free less the reserved blocks (df's "Avail"). */
    availableBytes: number;
    inodes: number | null;
    inodesUsed: number | null;
  }>;
  /** fstab says rw and it is mounted ro. */
  remountedReadOnly: boolean;
  local: boolean;
}

export interface ProcessId {
  pid: number;
  /** Clock ticks after boot (field 22 of stat): with the pid it names one process for good. */
  startTicks: number;
}

export interface ProcessInfo extends ProcessId {
  ppid: number;
  name: string;
  state: string;
  uid: number | null;
  user: string | null;
  threads: number;
  startedAtMs: number;
  cpuMs: number;
  rssBytes: number;
  nice: number;
  kernel: boolean;
  command: string | null;
  readBytes: number | null;
  writtenBytes: number | null;
  fds: number | null;
}

export interface ProcessDetails {
  command: string | null;
  fds: number | null;
  fdLimit: number | null;
}

export interface ProcessList {
  atMs: number;
  processes: ProcessInfo[];
  /** Processes of other users are hidden here (hidepid): how that was seen. */
  hidden: string | null;
  /** More processes than the bound: how many were not read. */
  notRead: number;
}

export interface Health {
  failedUnits: Reading<string[]>;
  updates: Reading<{ pending: number; security: number | null; listAgeMs: number | null }>;
  rebootRequired: Reading<{ required: boolean; why: string | null }>;
  clock: Reading<{ synchronised: boolean; source: string | null; offsetMs: number | null }>;
  raid: Reading<{ array: string; level: string; degraded: boolean; state: string }[]>;
  zfs: Reading<{ pool: string; state: string }[]>;
  oomKills: Reading<{ sinceBoot: number; whose: Whose }>;
  /** The supply voltage of a board that watches it (Raspberry Pi); absent elsewhere. */
  voltage?: { low: boolean; source: string };
  /** Something this process may not see or use here, with the exact mend. */
  blind: Blind[];
}

/** One thing that this host lacks, or hides from us: the same facts for system_overview and `deckhand doctor`. */
export interface Blind {
  what: string;
  why: string;
  /** The exact command or setting that mends it. */
  fix: string;
}
