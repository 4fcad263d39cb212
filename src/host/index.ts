/**
 * The host layer: everything that touches the machine, behind core's `Host`. Puts the readers together and owns what has a
 * lifetime (open descriptors, threads). Everything is read below one root, so that a container with the host's views
 * mounted, and the tests' fixtures, work as the machine itself does.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../core/call.ts';
import type { DiskHistory } from '../core/disk.ts';
import type { DockerRules } from '../core/docker_control.ts';
import type { HardwareHost } from '../core/hardware.ts';
import type { Host } from '../core/host.ts';
import type { LoadHost } from '../core/load.ts';
import type { ProbeSettings } from '../core/probe.ts';
import type { ServiceRules } from '../core/services.ts';
import { controlHost } from './control.ts';
import { diskLater } from './disk_later.ts';
import type { DockerSettings } from './docker/endpoint.ts';
import { dockerLater } from './docker_later.ts';
import { type Binary, type Exec, exec, execOurs, findBinary, killAll } from './exec.ts';
import type { FilesOptions } from './files/index.ts';
import { filesLater } from './files_later.ts';
import { journalHost } from './journal/index.ts';
import { measureLater } from './measure_later.ts';
import type { PeerAccess } from './net/measure.ts';
import { netLater } from './net_later.ts';
import { probeLater } from './probe_later.ts';
import { servicesLater } from './services/later.ts';
import { cgroupOf } from './system/cgroup.ts';
import { KeptFiles, rootAt } from './system/files.ts';
import { filesystemReader, mountTable } from './system/filesystems.ts';
import { healthReader } from './system/health.ts';
import { type Facts, identityReader, kernelBoot, lxcfsFiles, machineMemory } from './system/identity.ts';
import type { Mount } from './system/mounts.ts';
import { processReader, userNames } from './system/processes.ts';
import { signalHost } from './system/signal.ts';
import { type Clocks, snapshotReader } from './system/snapshot.ts';
import { virtualisation } from './system/virtualisation.ts';
import { type TailnetPlace, tailnetLater } from './tailnet_later.ts';
import { validateLater } from './validate_later.ts';
import { StatfsPool } from './worker.ts';

export { exitNow } from './worker.ts';

export interface HostOptions {
  /** Prefix of /proc, /sys, /etc and /run; '/' by default. */
  procRoot?: string;
  log: Log;
  /** Wall clock in ms. */
  now?: () => number;
  /** Monotonic clock in ms; the system's own, so that it is the same for all processes of the machine. */
  monotonic?: () => number;
  /** What runs commands; the tests bring one that runs none. */
  exec?: Exec;
  /** Longest wait for a mount that may hang. */
  statfsDeadlineMs?: number;
  /** Longest list of processes. */
  maxProcesses?: number;
  /** Names of processes that are never signalled, besides those that hold up the host. */
  protect?: readonly string[];
  /** Deckhand's own state: other processes with a file in it open are Deckhands too. */
  stateDir?: string;
  /** Earlier looks at disks, kept by the store. */
  diskHistory?: DiskHistory;
  /** Where container engines are; absent: where they usually are. */
  docker?: DockerSettings;
  /** Whom the owner lets us change; absent: nobody. */
  dockerRules?: DockerRules;
  /** Which units the owner lets us change; absent: none. */
  serviceRules?: ServiceRules;
  /** Where probes may go beside the Internet and the host's own networks; absent: nowhere. */
  probes?: ProbeSettings;
  /** Other Deckhands, and where the tokens for them are; absent: none. */
  peers?: readonly PeerAccess[];
  /** Where tailscaled is asked, and what of it leads here; absent: where it usually is, and nothing. */
  tailnet?: TailnetPlace;
  /** Folders that are opened, and our own paths, which never are; absent: none. */
  files?: Pick<FilesOptions, 'roots' | 'ours' | 'deny' | 'trashDays' | 'index'>;
}

export interface OpenHost extends Host {
  /** Closes descriptors, ends threads and commands. A second call does nothing. */
  close(): void;
  /** Threads that are stuck in a hung mount. */
  abandoned(): number;
}

export function createHost(o: HostOptions): OpenHost {
  const root = rootAt(o.procRoot ?? '/');
  const { tickMs, pageBytes } = kernelUnits();
  const clocks: Clocks = {
    now: o.now ?? Date.now,
    monotonic: o.monotonic ?? (() => Number(process.hrtime.bigint()) / 1e6),
    tickMs,
  };
  const files = new KeptFiles(root);
  const mounts = (): readonly Mount[] => {
    try {
      return mountTable(files, root);
    } catch (error) {
      o.log.warn({ err: error }, 'The table of mounts cannot be read.');
      return [];
    }
  };
  const atStart = mounts();
  const lxcfs = new Set(lxcfsFiles(atStart));
  const facts: Facts = {
    found: virtualisation(root, atStart),
    lxcfs,
    cgroup: cgroupOf(root, files, atStart),
    kernelBootMs: kernelBoot(root, lxcfs, clocks.now()),
    machineMemoryBytes: lxcfs.has('/proc/meminfo') ? machineMemory(root) : null,
  };
  const pool = new StatfsPool({
    now: clocks.now,
    ...(o.statfsDeadlineMs === undefined ? {} : { deadlineMs: o.statfsDeadlineMs }),
  });
  const processes = processReader(root, facts, clocks, {
    mounts,
    pageBytes,
    ...(o.maxProcesses === undefined ? {} : { max: o.maxProcesses }),
  });
  const users = userNames(root);
  const groups = userNames(root, '/etc/group');
  const commands = {
    exec: o.exec ?? exec,
    // With another runner (the tests') every program is there.
    has: (binary: Binary) => o.exec !== undefined || findBinary(binary) !== null,
    mounts,
    uid: process.getuid?.() ?? 0,
  };
  // Seldom asked: no start pays for it.
  let reader: Promise<HardwareHost> | undefined;
  const hardware = (): Promise<HardwareHost> => {
    reader ??= import('./hardware/index.ts').then((m) =>
      m.hardwareReader(root, { ...commands, ours: execOurs, clocks }),
    );
    return reader;
  };
  let loads: Promise<LoadHost> | undefined;
  const load = (): Promise<LoadHost> => {
    loads ??= import('./system/load.ts').then((m) => m.loadReader(root, { mounts, monotonic: clocks.monotonic }));
    return loads;
  };
  const docker = dockerLater({
    settings: o.docker ?? ANYWHERE,
    clock: { now: clocks.now, elapsed: clocks.monotonic, after },
  });
  const { ours, deny = [] } = o.files ?? { ours: [] };
  const disk = diskLater({ root, mounts, ours, deny });
  const opened = filesLater({
    ...(o.files ?? { roots: [], ours: [] }),
    propose: async (o) => (await import('./files/ripgrep.ts')).ripgrep(commands)(o),
  });
  let closed = false;
  return {
    docker: docker.docker,
    control: controlHost(o.dockerRules ?? { allow: [], protect: [], mountRoots: [] }, {
      inContainer: facts.found.container,
    }),
    files: opened.files,
    load: {
      sample: async (...a) => (await load()).sample(...a),
      homes: async (...a) => (await load()).homes(...a),
    },
    disk: { ...disk.disk, history: o.diskHistory },
    validate: validateLater({
      exec: commands.exec,
      ours: execOurs,
      ...(o.stateDir === undefined ? {} : { folder: join(o.stateDir, 'checks') }),
    }),
    services: servicesLater(root, { ...commands, rules: o.serviceRules ?? { allow: [], protect: [] } }),
    probes: probeLater({ ...commands, settings: o.probes ?? { allow: [], deny: [] } }),
    measure: measureLater(o.peers ?? []),
    tailnet: tailnetLater(o.tailnet ?? NO_TAILNET),
    net: netLater(root, { ...commands, monotonic: clocks.monotonic }),
    journal: journalHost(root, commands),
    hardware: { inventory: async (facts, asked) => (await hardware()).inventory(facts, asked) },
    signals: signalHost(root, facts, clocks, {
      ...commands,
      protect: o.protect ?? [],
      stateDir: o.stateDir ?? null,
    }),
    system: {
      identity: identityReader(root, facts, clocks.now),
      snapshot: snapshotReader(root, files, facts, clocks),
      filesystems: filesystemReader(files, root, pool),
      ...processes,
      accounts() {
        users.refresh();
        groups.refresh();
        return { user: users, group: groups };
      },
      health: healthReader(root, files, facts, clocks, commands),
    },
    close() {
      if (closed) return;
      closed = true;
      files.close();
      pool.close();
      docker.close();
      disk.close();
      opened.close();
      killAll();
    },
    abandoned: () => pool.abandoned() + opened.abandoned(),
  };
}

const ANYWHERE: DockerSettings = {
  engines: [],
  endpoint: null,
  certPath: null,
  env: { host: null, certPath: null, tlsVerify: false },
};

const NO_TAILNET: TailnetPlace = {
  localApi: '/var/run/tailscale/tailscaled.sock',
  socket: null,
  service: null,
  funnel: 'deny',
  port: 0,
};

/** A timer that keeps no process alive: a command at the terminal ends with its answer. */
function after(ms: number, fire: () => void): () => void {
  const timer = setTimeout(fire, ms);
  return () => clearTimeout(timer);
}

/** The length of a clock tick and of a page, from the auxiliary vector: 10 ms everywhere, but 4, 16 or 64 KiB on ARM. */
function kernelUnits(): { tickMs: number; pageBytes: number } {
  const units = { tickMs: 10, pageBytes: 4096 };
  try {
    const vector = readFileSync('/proc/self/auxv');
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      const type = vector.readBigUInt64LE(at);
      const value = Number(vector.readBigUInt64LE(at + 8));
      if (type === 6n && value > 0) units.pageBytes = value;
      if (type === 17n && value > 0) units.tickMs = 1000 / value;
    }
  } catch {
    // Not to be read: the usual ones.
  }
  return units;
}
