/**
 * A host that never changes: a small Debian VM with two snapshots and two process lists exactly one second apart.
 * `snapshot()` and `processes()` give the first, then the second, then the second for ever, one second on each time
 * with no counter moved: a third call reads as an idle host. Everything can be overridden by function.
 */
import type {
  CpuTimes,
  Filesystem,
  Health,
  Host,
  Identity,
  ProcessDetails,
  ProcessInfo,
  ProcessList,
  Snapshot,
  SystemHost,
} from '../../src/core/host.ts';
import { fakeControl } from './control.ts';
import { fakeDisk } from './disk.ts';
import { fakeDocker } from './docker.ts';
import { fakeFiles } from './files.ts';
import { fakeHardware } from './hardware.ts';
import { fakeJournal } from './journal.ts';
import { fakeLoad } from './load.ts';
import { fakeMeasure } from './measure.ts';
import { fakeNet } from './net.ts';
import { fakeProbes } from './probes.ts';
import { fakeServices } from './services.ts';
import { fakeSignals } from './signals.ts';
import { fakeTailnet } from './tailnet.ts';
import { fakeValidate } from './validate.ts';

const GiB = 1024 ** 3;
const MiB = 1024 ** 2;

/** 2026-11-20T12:00:00Z: the wall clock of the first snapshot. */
export const FAKE_WALL_MS = Date.UTC(2026, 10, 20, 12, 0, 0);
const FAKE_AT_MS = 864_000_000;
/** The fake host has been up for ten days. */
const FAKE_BOOT_MS = FAKE_WALL_MS - FAKE_AT_MS;

export const fakeIdentity: Identity = {
  hostname: 'fake',
  os: { value: 'Debian GNU/Linux 13 (trixie)' },
  kernel: { value: '6.12.48+deb13-amd64' },
  arch: 'x64',
  virtualisation: { kind: 'kvm', container: false, foundBy: 'DMI product_name "KVM"' },
  machineModel: { value: 'QEMU Standard PC (Q35 + ICH9, 2009)' },
  bootedAtMs: { value: FAKE_BOOT_MS },
  uptimeMs: { value: FAKE_AT_MS },
  zone: { name: 'Europe/Berlin', offsetMinutes: 60 },
  lxcfs: [],
  cgroup: { version: 2, path: '/system.slice/deckhand.service' },
  cpuModel: { value: 'AMD EPYC 7543 32-Core Processor' },
  cpus: 2,
};

const core = (user: number, system: number, idle: number): CpuTimes => ({
  user,
  nice: 0,
  system,
  idle,
  iowait: 5_000,
  irq: 0,
  softirq: 1_000,
  steal: 0,
});

const add = (a: CpuTimes, b: CpuTimes): CpuTimes => ({
  user: a.user + b.user,
  nice: a.nice + b.nice,
  system: a.system + b.system,
  idle: a.idle + b.idle,
  iowait: a.iowait + b.iowait,
  irq: a.irq + b.irq,
  softirq: a.softirq + b.softirq,
  steal: a.steal + b.steal,
});

const line = (avg10: number, totalUs: number) => ({ avg10, avg60: 0.5, avg300: 0.2, totalUs });

/** The first (0) and second (1) snapshot: one core busy (900 ms user, 60 ms system of 2,000 ms), 4 MiB/s read, 1 MiB/s written, 3 MiB/s in. */
export function fakeSnapshot(which: 0 | 1 = 0): Snapshot {
  const second = which === 1;
  const a = core(1_000_000 + (second ? 890 : 0), 200_000 + (second ? 50 : 0), 800_000_000 + (second ? 60 : 0));
  const b = core(900_000 + (second ? 10 : 0), 180_000 + (second ? 10 : 0), 800_100_000 + (second ? 980 : 0));
  return {
    atMs: FAKE_AT_MS + which * 1_000,
    wallMs: FAKE_WALL_MS + which * 1_000,
    cpu: {
      value: {
        whose: 'host',
        source: '/proc/stat',
        total: add(a, b),
        perCore: [
          { cpu: 0, times: a },
          { cpu: 1, times: b },
        ],
        cgroupUsedMs: null,
        throttledMs: null,
        limitCpus: null,
        contextSwitches: 50_000_000 + (second ? 1_500 : 0),
        forks: 400_000 + (second ? 12 : 0),
        running: 2,
        blocked: 0,
      },
    },
    load: { value: { whose: 'host', one: 1.02, five: 0.6, fifteen: 0.31, runnable: 2, tasks: 210 } },
    memory: {
      value: {
        whose: 'host',
        source: '/proc/meminfo',
        totalBytes: 4 * GiB,
        availableBytes: 2.5 * GiB - (second ? MiB : 0),
        freeBytes: GiB,
        buffersBytes: 100 * MiB,
        cachedBytes: 1.5 * GiB,
        shmemBytes: 20 * MiB,
        slabReclaimableBytes: 80 * MiB,
        dirtyBytes: MiB,
        limitBytes: null,
        usedByCgroupBytes: null,
        hostTotalBytes: null,
        swap: { totalBytes: GiB, freeBytes: GiB },
      },
    },
    pressure: {
      cpu: { value: { some: line(4.2, 9_000_000 + (second ? 42_000 : 0)), full: line(0, 0), whose: 'host' } },
      memory: { value: { some: line(0, 1_000), full: line(0, 500), whose: 'host' } },
      io: { value: { some: line(0.8, 3_000_000 + (second ? 8_000 : 0)), full: line(0.4, 2_000_000), whose: 'host' } },
    },
    disks: {
      value: [
        {
          name: 'vda',
          readBytes: 10 * GiB + (second ? 4 * MiB : 0),
          writtenBytes: 20 * GiB + (second ? MiB : 0),
          reads: 300_000 + (second ? 64 : 0),
          writes: 900_000 + (second ? 32 : 0),
          busyMs: 500_000 + (second ? 120 : 0),
        },
      ],
    },
    networks: {
      value: [
        {
          name: 'lo',
          rxBytes: 5 * MiB,
          txBytes: 5 * MiB,
          rxPackets: 9_000,
          txPackets: 9_000,
          rxErrors: 0,
          txErrors: 0,
          rxDropped: 0,
          txDropped: 0,
          state: 'unknown',
          speedMbit: null,
        },
        {
          name: 'eth0',
          rxBytes: 8 * GiB + (second ? 3 * MiB : 0),
          txBytes: 2 * GiB + (second ? 200_000 : 0),
          rxPackets: 9_000_000 + (second ? 2_400 : 0),
          txPackets: 4_000_000 + (second ? 900 : 0),
          rxErrors: 0,
          txErrors: 0,
          rxDropped: 12,
          txDropped: 0,
          state: 'up',
          speedMbit: 1_000,
        },
      ],
    },
    temperatures: { value: null, why: 'There are no temperature sensors under /sys/class/hwmon.' },
    vmstat: {
      value: {
        pgpgin: 10_000_000 + (second ? 4_096 : 0),
        pgpgout: 20_000_000 + (second ? 1_024 : 0),
        pswpin: 0,
        pswpout: 0,
        pgfault: 900_000_000 + (second ? 5_000 : 0),
        pgmajfault: 12_000,
        oom_kill: 0,
      },
    },
    fileHandles: { value: { used: 1_632, max: 9_223_372 } },
    entropyBits: { value: 256 },
    whose: { disks: 'host', networks: 'host', vmstat: 'host', temperatures: 'host' },
  };
}

const process = (over: Partial<ProcessInfo> & Pick<ProcessInfo, 'pid' | 'name'>): ProcessInfo => {
  const startTicks = over.startTicks ?? over.pid * 10;
  return {
    ppid: 1,
    state: 'S',
    uid: 0,
    user: 'root',
    threads: 1,
    cpuMs: 1_000,
    rssBytes: 10 * MiB,
    nice: 0,
    kernel: false,
    command: null,
    readBytes: null,
    writtenBytes: null,
    fds: null,
    ...over,
    startTicks,
    startedAtMs: FAKE_BOOT_MS + startTicks * 10,
  };
};

export const fakeCommands: Record<number, string> = {
  1: '/sbin/init',
  310: 'nginx: master process /usr/sbin/nginx',
  311: 'nginx: worker process',
  420: '/usr/lib/postgresql/17/bin/postgres -D /var/lib/postgresql/17/main',
  900: 'python3 /opt/job/crunch.py --password=hunter2',
};

const fakeFds: Record<number, number> = { 1: 180, 310: 12, 311: 40, 420: 95, 900: 9 };

/** `crunch.py` (900) burns 900 ms of the second, 311 uses 50 ms, the rest nothing. 950 was born within it. */
export function fakeProcesses(
  which: 0 | 1 = 0,
  want: { commands?: boolean; io?: boolean; fds?: boolean } = {},
): ProcessList {
  const second = which === 1;
  const list = [
    process({ pid: 1, ppid: 0, name: 'systemd', startTicks: 1, cpuMs: 90_000, rssBytes: 14 * MiB }),
    process({ pid: 2, ppid: 0, name: 'kthreadd', startTicks: 1, cpuMs: 400, rssBytes: 0, kernel: true }),
    process({ pid: 310, name: 'nginx', cpuMs: 300 }),
    process({
      pid: 311,
      ppid: 310,
      name: 'nginx',
      uid: 33,
      user: 'www-data',
      cpuMs: 700_000 + (second ? 50 : 0),
      rssBytes: 60 * MiB,
      readBytes: second ? 4 * MiB : 0,
      writtenBytes: 0,
    }),
    process({
      pid: 420,
      name: 'postgres',
      uid: 110,
      user: 'postgres',
      cpuMs: 50_000,
      rssBytes: 400 * MiB,
      threads: 1,
      readBytes: 9 * GiB,
      writtenBytes: 18 * GiB + (second ? MiB : 0),
    }),
    process({
      pid: 900,
      name: 'crunch (v2) x',
      state: 'R',
      uid: 1000,
      user: 'ana',
      threads: 4,
      nice: 5,
      cpuMs: 120_000 + (second ? 900 : 0),
      rssBytes: 900 * MiB,
    }),
    process({ pid: 905, ppid: 900, name: 'defunct', state: 'Z', uid: 1000, user: 'ana', cpuMs: 0, rssBytes: 0 }),
    ...(second
      ? [process({ pid: 950, name: 'sleep', uid: 1000, user: 'ana', startTicks: FAKE_AT_MS / 10 + 50, cpuMs: 10 })]
      : []),
  ];
  for (const p of list) {
    if (want.commands) p.command = fakeCommands[p.pid] ?? null;
    if (want.fds) p.fds = fakeFds[p.pid] ?? null;
    if (!want.io) {
      p.readBytes = null;
      p.writtenBytes = null;
    }
  }
  return { atMs: FAKE_AT_MS + which * 1_000, processes: list, hidden: null, notRead: 0 };
}

export const fakeFilesystems: Filesystem[] = [
  {
    mount: '/',
    device: '/dev/vda1',
    type: 'ext4',
    readOnly: false,
    options: ['rw', 'relatime', 'errors=remount-ro'],
    size: {
      value: {
        totalBytes: 40 * GiB,
        usedBytes: 18 * GiB,
        availableBytes: 20 * GiB,
        inodes: 2_621_440,
        inodesUsed: 210_000,
      },
    },
    remountedReadOnly: false,
    local: true,
  },
  {
    mount: '/srv/nas',
    device: 'nas:/export',
    type: 'nfs4',
    readOnly: false,
    options: ['rw', 'relatime', 'vers=4.2'],
    size: {
      value: {
        totalBytes: 4096 * GiB,
        usedBytes: 1024 * GiB,
        availableBytes: 3072 * GiB,
        inodes: null,
        inodesUsed: null,
      },
    },
    remountedReadOnly: false,
    local: false,
  },
];

export const fakeHealth: Health = {
  failedUnits: { value: [] },
  updates: { value: { pending: 0, security: 0, listAgeMs: 3_600_000 } },
  rebootRequired: { value: { required: false, why: null } },
  clock: { value: { synchronised: true, source: 'systemd-timesyncd', offsetMs: null } },
  raid: { value: [] },
  zfs: { value: [] },
  oomKills: { value: { sinceBoot: 0, whose: 'host' } },
  blind: [],
};

const later = <T extends { atMs: number }>(record: T, byMs: number): T => ({ ...record, atMs: record.atMs + byMs });

/** Overrides replace whole functions, so that a test says exactly what its host answers. */
export function fakeHost(overrides: Partial<SystemHost> = {}): Host {
  let snapshots = 0;
  let lists = 0;
  return {
    system: {
      identity: () => structuredClone(fakeIdentity),
      snapshot: () => {
        const n = snapshots++;
        const extra = Math.max(0, n - 1) * 1_000;
        const s = later(fakeSnapshot(n === 0 ? 0 : 1), extra);
        return { ...s, wallMs: s.wallMs + extra };
      },
      filesystems: async () => structuredClone(fakeFilesystems),
      processes: async (o = {}) => {
        const n = lists++;
        return later(fakeProcesses(n === 0 ? 0 : 1, o), Math.max(0, n - 1) * 1_000);
      },
      processDetails: async (ids, want) => {
        const known = new Map(fakeProcesses(1).processes.map((p) => [p.pid, p.startTicks]));
        const found = new Map<number, ProcessDetails>();
        for (const { pid, startTicks } of ids) {
          if (known.get(pid) !== startTicks) continue;
          found.set(pid, {
            command: want.command ? (fakeCommands[pid] ?? null) : null,
            fds: want.fds ? (fakeFds[pid] ?? null) : null,
            fdLimit: want.fds ? 1_024 : null,
          });
        }
        return found;
      },
      accounts: () => ({
        user: (uid) => (uid === 0 ? 'root' : uid === 1000 ? 'alice' : null),
        group: (gid) => (gid === 0 ? 'root' : gid === 4 ? 'adm' : null),
      }),
      health: async () => structuredClone(fakeHealth),
      ...overrides,
    },
    hardware: fakeHardware(),
    signals: fakeSignals(),
    docker: fakeDocker(),
    control: fakeControl(),
    files: fakeFiles(),
    disk: fakeDisk(),
    load: fakeLoad(),
    validate: fakeValidate(),
    services: fakeServices(),
    journal: fakeJournal(),
    net: fakeNet(),
    probes: fakeProbes(),
    measure: fakeMeasure(),
    tailnet: fakeTailnet(),
  };
}
