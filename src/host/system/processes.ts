/**
 * All processes, as fast as one thread reads them, in slices so that the loop never stands still for long. Decides what is
 * read for each (command lines, descriptors and traffic only when asked), what is kept between two lists, and how to
 * notice that processes are hidden from us. Ranking and shares are made in insight.
 *
 * Whatever fails on one process is taken as what it nearly always is: it has ended. It is then not in the list.
 */
import { readdirSync, statSync } from 'node:fs';
import type { Bounded, ProcessDetails, ProcessId, ProcessInfo, ProcessList } from '../../core/host.ts';
import { namesIn, type Root, readOnce, readText, utf8 } from './files.ts';
import type { Facts } from './identity.ts';
import type { Mount } from './mounts.ts';
import { type PidStat, parseCmdline, parseFdLimit, parsePasswd, parsePidIo, parsePidStat } from './pidfs.ts';
import type { Clocks } from './snapshot.ts';

export interface ProcessOptions {
  mounts: () => readonly Mount[];
  pageBytes: number;
  max?: number;
  /** Milliseconds of work between two turns of the loop. */
  sliceMs?: number;
}

/** Longer command lines (Java's class paths) tell nothing more. */
const MAX_COMMAND = 4096;
/** What is kept of a process is looked at anew after this, and always while it is young: servers change user and title. */
const KEEP_MS = 60_000;
const YOUNG_MS = 10_000;

interface Kept {
  startTicks: number;
  /** Changes with exec. */
  name: string;
  uid: number | null;
  uidAtMs: number;
  command: string | null;
  commandAtMs: number;
  /** The name that is shown. */
  program?: string;
}

export function processReader(root: Root, facts: Facts, clocks: Clocks, o: ProcessOptions) {
  const max = o.max ?? 32_768;
  const sliceMs = o.sliceMs ?? 3;
  const proc = root.of('/proc');
  const kept = new Map<number, Kept>();
  const user = userNames(root);
  let sizeCounts: boolean | null = null;

  /** The kernel tells the number of descriptors as the folder's size since 6.2, to everybody; before, its owner may count. */
  const countFds = (pid: number): number | null => {
    try {
      sizeCounts ??= statSync('/proc/self/fd').size > 0;
      const folder = `${proc}/${pid}/fd`;
      return sizeCounts && !root.foreign ? statSync(folder).size : readdirSync(folder).length;
    } catch {
      return null;
    }
  };

  const commandOf = (pid: number): string | null => {
    try {
      const text = parseCmdline(readOnce(`${proc}/${pid}/cmdline`).slice(0, MAX_COMMAND));
      return text === null ? null : utf8(text);
    } catch {
      return null;
    }
  };

  const statOf = (pid: number | string): PidStat | null => {
    try {
      return parsePidStat(readOnce(`${proc}/${pid}/stat`));
    } catch {
      return null;
    }
  };

  const remembered = (stat: PidStat, atMs: number): Kept => {
    let is = kept.get(stat.pid);
    if (is?.startTicks !== stat.startTicks || is.name !== stat.name) {
      const never = Number.NEGATIVE_INFINITY;
      is = {
        startTicks: stat.startTicks,
        name: stat.name,
        uid: null,
        uidAtMs: never,
        command: null,
        commandAtMs: never,
      };
      kept.set(stat.pid, is);
    }
    if (atMs - is.uidAtMs >= KEEP_MS) {
      // The folder's owner is the effective user, also where the files in it are root's.
      is.uid = statSync(`${proc}/${stat.pid}`, { throwIfNoEntry: false })?.uid ?? null;
      is.uidAtMs = bornMs(stat) + YOUNG_MS > clocks.now() ? Number.NEGATIVE_INFINITY : atMs;
    }
    return is;
  };

  const bornMs = (stat: PidStat): number => (facts.kernelBootMs ?? 0) + stat.startTicks * clocks.tickMs;

  const nameOf = (stat: PidStat, is: Kept): string => {
    is.program ??= shownName(stat.name, () => commandOf(stat.pid));
    return is.program;
  };

  const describe = (
    stat: PidStat,
    atMs: number,
    want: { commands?: boolean; io?: boolean; fds?: boolean },
  ): ProcessInfo | null => {
    let is: Kept;
    try {
      is = remembered(stat, atMs);
    } catch {
      return null;
    }
    if (want.commands && !stat.kernel && atMs - is.commandAtMs >= KEEP_MS) {
      is.command = commandOf(stat.pid);
      is.commandAtMs = is.uidAtMs;
    }
    let io: ReturnType<typeof parsePidIo> = null;
    if (want.io) {
      try {
        io = parsePidIo(readOnce(`${proc}/${stat.pid}/io`));
      } catch {
        // Another user's: root and CAP_SYS_PTRACE only.
      }
    }
    return {
      pid: stat.pid,
      startTicks: stat.startTicks,
      ppid: stat.ppid,
      name: nameOf(stat, is),
      state: stat.state,
      uid: is.uid,
      user: is.uid === null ? null : user(is.uid),
      threads: stat.threads,
      startedAtMs: bornMs(stat),
      cpuMs: stat.cpuTicks * clocks.tickMs,
      rssBytes: stat.rssPages * o.pageBytes,
      nice: stat.nice,
      kernel: stat.kernel,
      command: want.commands ? is.command : null,
      readBytes: io?.readBytes ?? null,
      writtenBytes: io?.writtenBytes ?? null,
      fds: want.fds ? countFds(stat.pid) : null,
    };
  };

  async function processes(
    want: Bounded & { commands?: boolean; io?: boolean; fds?: boolean } = {},
  ): Promise<ProcessList> {
    const atMs = clocks.monotonic();
    const names = namesIn(proc);
    const found: ProcessInfo[] = [];
    const pids = new Set<number>();
    let notRead = 0;
    let sliceFrom = performance.now();
    user.refresh();
    for (const name of names) {
      const first = name.charCodeAt(0);
      if (first < 49 || first > 57) continue;
      if (pids.size >= max) {
        notRead++;
        continue;
      }
      const stat = statOf(name);
      const info = stat && stat.pid === Number(name) ? describe(stat, atMs, want) : null;
      if (info) {
        found.push(info);
        pids.add(info.pid);
      }
      // A slow machine reads fewer in a slice: the time is looked at, not the number.
      if (performance.now() - sliceFrom > sliceMs) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        want.signal?.throwIfAborted();
        sliceFrom = performance.now();
      }
    }
    // What has ended is forgotten; while another list is being made this one's view is as good.
    for (const pid of kept.keys()) if (!pids.has(pid)) kept.delete(pid);
    return { atMs, processes: found, hidden: pids.has(1) ? null : hidden(), notRead };
  }

  /** Its first process is visible to everybody unless something hides it. */
  function hidden(): string | null {
    if (statOf(1) !== null) return null;
    const options = o.mounts().find((m) => m.path === '/proc' && m.type === 'proc')?.superOptions ?? [];
    const hidepid = options.find((x) => x.startsWith('hidepid=') && x !== 'hidepid=0' && x !== 'hidepid=off');
    return hidepid
      ? `/proc is mounted with ${hidepid}: only the processes of this user are listed.`
      : 'PID 1 is not to be seen: only a part of the processes is listed.';
  }

  async function processDetails(
    ids: readonly ProcessId[],
    want: { command?: boolean; fds?: boolean },
  ): Promise<Map<number, ProcessDetails>> {
    const found = new Map<number, ProcessDetails>();
    let sliceFrom = performance.now();
    for (const { pid, startTicks } of ids.slice(0, max)) {
      const stat = statOf(pid);
      if (stat?.startTicks !== startTicks) continue;
      const details: ProcessDetails = {
        command: want.command && !stat.kernel ? commandOf(pid) : null,
        fds: want.fds ? countFds(pid) : null,
        fdLimit: want.fds ? fdLimitOf(pid) : null,
      };
      // Read again after the details: in between the pid may have become another process.
      if (statOf(pid)?.startTicks === startTicks) found.set(pid, details);
      if (performance.now() - sliceFrom > sliceMs) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        sliceFrom = performance.now();
      }
    }
    return found;
  }

  function fdLimitOf(pid: number): number | null {
    try {
      return parseFdLimit(readOnce(`${proc}/${pid}/limits`));
    } catch {
      return null;
    }
  }

  return { processes, processDetails };
}

/** Node names its main thread so: every one of its programs would look the same. `name` as bytes (latin1). */
export function shownName(name: string, command: () => string | null): string {
  if (name !== 'MainThread') return utf8(name);
  return command()?.split(' ')[0]?.split('/').at(-1) || name;
}

/** Names from the host's own passwd (or group), read anew when it has changed. Users of a directory service keep their number. */
export function userNames(root: Root, file: '/etc/passwd' | '/etc/group' = '/etc/passwd') {
  let mtimeMs = -1;
  let names = new Map<number, string>();
  const lookup = (uid: number): string | null => names.get(uid) ?? null;
  return Object.assign(lookup, {
    refresh(): void {
      try {
        const path = root.of(file);
        const now = statSync(path).mtimeMs;
        if (now === mtimeMs) return;
        names = parsePasswd(utf8(readText(path)));
        mtimeMs = now;
      } catch {
        // Not there (distroless images): numbers only.
      }
    },
  });
}
