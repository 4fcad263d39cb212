/**
 * One process: who it is, whether it may be sent a signal, and the sending. Decides that the pid, the start time and the name
 * all fit, that nothing protected is hit, and whose pids these are at all; what a signal means is insight/signals.ts's, and
 * whether the caller may ask for it, the door's.
 *
 * Between the last look at a pid and kill(2) the process could end and its number be given to another: the kernel has
 * pidfd_send_signal against that, and Node has no way to call it. Here look and kill stand in one synchronous turn with
 * nothing in between, which leaves a window of some microseconds, and the kernel hands out a number again only after all
 * the others (pid_max: 32,768 at least).
 */
import { readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { OpsError } from '../../core/errors.ts';
import type { Bounded, ProcessId } from '../../core/host.ts';
import type { SIGNAL_NUMBERS, SignalHost, SignalMasks, Standing, Subject } from '../../core/signal.ts';
import type { Binary, Exec } from '../exec.ts';
import { namesIn, type Root, readOnce, textOrNull, utf8 } from './files.ts';
import { homeOf, isSystemUnit, serviceOf } from './home.ts';
import type { Facts } from './identity.ts';
import { type PidStat, parseCmdline, parsePidStat } from './pidfs.ts';
import { shownName, userNames } from './processes.ts';
import { field } from './procfs.ts';
import { guarded, isDeckhand } from './protected.ts';
import type { Clocks } from './snapshot.ts';

export interface SignalOptions {
  exec: Exec;
  has: (binary: Binary) => boolean;
  /** Names that the owner protects. */
  protect: readonly string[];
  /** Who has a file in it open is a Deckhand that shares our state. */
  stateDir: string | null;
  kill?: (pid: number, signal: NodeJS.Signals | 0) => void;
  pause?: (ms: number) => Promise<void>;
}

const MAX_COMMAND = 4096;
/** First looks come quickly: most programs end within some milliseconds. */
const SOONEST_MS = 5;
const SLOWEST_MS = 100;
/** More generations than any host has; a loop of parents (a reused pid, seen while it changes) ends here too. */
const GENERATIONS = 256;

export function signalHost(root: Root, facts: Facts, clocks: Clocks, o: SignalOptions): SignalHost {
  const proc = root.of('/proc');
  const users = userNames(root);
  const kill = o.kill ?? ((pid, signal) => void process.kill(pid, signal));
  const pause = o.pause ?? ((ms) => new Promise<void>((resolve) => setTimeout(resolve, ms)));

  const read = (path: string): string | null => {
    try {
      return readOnce(`${proc}/${path}`);
    } catch {
      return null;
    }
  };
  const statOf = (pid: number): PidStat | null => {
    const stat = parsePidStat(read(`${pid}/stat`) ?? '');
    return stat?.pid === pid ? stat : null;
  };
  const argsOf = (pid: number): string => (read(`${pid}/cmdline`) ?? '').slice(0, MAX_COMMAND);
  const nameOf = (stat: PidStat): string => shownName(stat.name, () => parseCmdline(argsOf(stat.pid)));

  /** A pid is a number in one namespace: what is read here must be what kill(2) reaches. */
  function ours(): void {
    const refuse = (why: string, hint: string) => {
      throw new OpsError('unavailable', `Signals cannot be sent from here: ${why}`, { hint });
    };
    if (root.foreign)
      refuse(
        'the processes seen are those of the host whose files are mounted in this container (`host.root`), and their pids may not be those that a signal from here would reach.',
        'Run Deckhand on the host itself (systemd service, or `ssh HOST deckhand stdio`) to signal its processes.',
      );
    // Seen through the /proc of a namespace above ours, we have one number for each level.
    const numbers = /^NSpid:\s*(.*)$/m
      .exec(read('self/status') ?? '')?.[1]
      ?.trim()
      .split(/\s+/);
    const same = numbers ? numbers.join() === String(process.pid) : linkOf('self') === String(process.pid);
    if (!same)
      refuse(
        '/proc belongs to another pid namespace than this process, so that the pids seen are not those that a signal would reach.',
        'Mount a /proc of its own in this container, or run Deckhand on the host itself.',
      );
  }

  const linkOf = (path: string): string | null => {
    try {
      return readlinkSync(`${proc}/${path}`);
    } catch {
      return null;
    }
  };

  /** The process of this pid; null when there is none. A thread has a number too, and a signal to it hits its process. */
  function found(pid: number): { stat: PidStat; status: string } | null {
    const stat = statOf(pid);
    const status = stat && read(`${pid}/status`);
    if (!stat || status === null) {
      if (pid > 0 && exists(pid))
        throw new OpsError('permission', `Process ${pid} is another user's, and hidden from this one.`, {
          hint: "Signal it as that user, or as root; `deckhand doctor` says what hides other users' processes.",
        });
      return null;
    }
    const group = field(status, 'Tgid');
    if (group !== null && group !== pid)
      throw new OpsError('validation', `${pid} is a thread of process ${group}, not a process.`, {
        hint: `A signal goes to the whole process: take pid, start and name of ${group} from process_list.`,
      });
    return { stat, status };
  }

  /** With hidepid a process of another user looks like none; kill(2) knows better. */
  function exists(pid: number): boolean {
    try {
      kill(pid, 0);
      return false; // it came, or went, between two looks
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPERM';
    }
  }

  function whyProtected(stat: PidStat): string | null {
    const { pid } = stat;
    if (pid === process.pid) return 'it is this server itself';
    if (pid === 1) return 'it is the first process: when it ends, everything does';
    if (stat.kernel) return 'it is a thread of the kernel';
    if (ancestors(process.pid).includes(pid)) return 'this server was started by it, directly or through others';
    if (ancestors(pid).includes(process.pid)) return 'this server started it, and ends it by itself';
    if (isDeckhand(argsOf(pid).split('\0')) || sharesState(pid)) return 'it is a Deckhand too';
    return guarded([utf8(stat.name), nameOf(stat)], o.protect);
  }

  function ancestors(pid: number): number[] {
    const line: number[] = [];
    for (let at = statOf(pid)?.ppid ?? 0; at > 0 && line.length < GENERATIONS; at = statOf(at)?.ppid ?? 0)
      line.push(at);
    return line;
  }

  /** Our state folder is 0700: who has a file of it open is one of us, and of our user. */
  function sharesState(pid: number): boolean {
    if (o.stateDir === null) return false;
    const inside = `${realpathSync(o.stateDir)}/`;
    return namesIn(`${proc}/${pid}/fd`).some((fd) => linkOf(`${pid}/fd/${fd}`)?.startsWith(inside));
  }

  async function subject(pid: number, { signal }: Bounded = {}): Promise<Subject | null> {
    ours();
    const is = found(pid);
    if (!is) return null;
    const { stat, status } = is;
    const parent = stat.ppid > 0 ? statOf(stat.ppid) : null;
    const cgroup = read(`${pid}/cgroup`) ?? '';
    const ns = /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.trim().split(/\s+/) ?? [];
    const uid = statSync(`${proc}/${pid}`, { throwIfNoEntry: false })?.uid ?? null;
    users.refresh();
    const seen: Omit<Subject, 'home'> = {
      pid,
      startTicks: stat.startTicks,
      name: nameOf(stat),
      uid,
      user: uid === null ? null : users(uid),
      startedAtMs: (facts.kernelBootMs ?? 0) + stat.startTicks * clocks.tickMs,
      ppid: stat.ppid,
      parent: parent && nameOf(parent),
      children: childrenOf(pid),
      command: stat.kernel ? null : commandText(argsOf(pid)),
      first: ns.length > 1 && ns.at(-1) === '1',
      protected: whyProtected(stat),
      boot: textOrNull(root.of('/proc/sys/kernel/random/boot_id')) ?? '',
      state: stat.state,
      threads: stat.threads,
      masks: masksOf(status),
    };
    const home = homeOf(cgroup, read('1/cgroup'));
    if (home?.kind === 'unit' && isSystemUnit(home, cgroup)) home.service = await serviceOf(home.name, o, signal);
    return { ...seen, home };
  }

  const commandText = (args: string): string | null => {
    const text = parseCmdline(args);
    return text === null ? null : utf8(text);
  };

  /** The parents of all: 20 µs each. Where /proc hides some, a number would be too low. */
  function childrenOf(pid: number): number | null {
    if (statOf(1) === null) return null;
    let n = 0;
    for (const name of readdirSync(proc)) if (/^\d/.test(name) && statOf(Number(name))?.ppid === pid) n++;
    return n;
  }

  function send(to: ProcessId & { name: string }, signal: keyof typeof SIGNAL_NUMBERS): void {
    ours();
    const is = found(to.pid);
    if (!is) throw gone(to);
    const why = whyProtected(is.stat);
    if (why) throw refusal(to, why);
    if (nameOf(is.stat) !== to.name) throw taken(to);
    // Nothing may stand between this look and the kill.
    const now = statOf(to.pid);
    if (now?.startTicks !== to.startTicks) throw now ? taken(to) : gone(to);
    if (now.name !== is.stat.name) throw taken(to);
    try {
      kill(to.pid, `SIG${signal}`);
    } catch (error) {
      throw explained(error, to);
    }
  }

  function explained(error: unknown, to: ProcessId & { name: string }): unknown {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return gone(to);
    if (code !== 'EPERM') return error;
    const uid = statSync(`${proc}/${to.pid}`, { throwIfNoEntry: false })?.uid;
    const owner = uid === undefined ? 'another user' : (users(uid) ?? `uid ${uid}`);
    return new OpsError(
      'permission',
      `${word(to.name)} (${to.pid}) belongs to ${owner}, and Deckhand runs as uid ${process.getuid?.()}.`,
      {
        hint: `Only ${owner} or root may signal it: do it by hand on the host (\`sudo kill\`), or run a Deckhand as that user.`,
        errno: 'EPERM',
        cause: error,
      },
    );
  }

  async function settle(
    id: ProcessId,
    w: Bounded & { withinMs: number; done(s: Standing | null): boolean; tick?(waitedMs: number): void },
  ): Promise<{ standing: Standing | null; waitedMs: number }> {
    const from = clocks.monotonic();
    for (;;) {
      const stat = statOf(id.pid);
      const same = stat?.startTicks === id.startTicks;
      const standing = same
        ? { state: stat.state, threads: stat.threads, masks: masksOf(read(`${id.pid}/status`)) }
        : null;
      const waitedMs = clocks.monotonic() - from;
      if (w.done(standing) || waitedMs >= w.withinMs) return { standing, waitedMs };
      w.tick?.(waitedMs);
      await pause(Math.min(SLOWEST_MS, SOONEST_MS + waitedMs / 10, w.withinMs - waitedMs));
      w.signal?.throwIfAborted();
    }
  }

  return { subject, send, settle };
}

/** The kernel writes 64 bits; the signals 1 to 31 are the last eight digits. */
export function masksOf(status: string | null): SignalMasks | null {
  const bits = (key: string): number | null => {
    const hex = new RegExp(`^${key}:\\s*([0-9a-f]{8,})$`, 'm').exec(status ?? '')?.[1];
    return hex === undefined ? null : Number.parseInt(hex.slice(-8), 16);
  };
  const [blocked, ignored, caught] = [bits('SigBlk'), bits('SigIgn'), bits('SigCgt')];
  if (blocked === null || ignored === null || caught === null) return null;
  return { blocked, ignored, caught, pending: (bits('SigPnd') ?? 0) | (bits('ShdPnd') ?? 0) };
}

const LIST = 'Call process_list: it shows pid, start and name as they are now.';
type To = { pid: number; name: string };
/** What a process calls itself stands in our sentence: it ends no line, and forges no mark. */
const word = (name: string): string => name.replace(/[\s⟦⟧]+/g, ' ');
const gone = (to: To) => new OpsError('not_found', `There is no process ${to.pid} any more.`, { hint: LIST });
const taken = (to: To) =>
  new OpsError('conflict', `${to.pid} is not the ${word(to.name)} any more that it was.`, { hint: LIST });
const refusal = (to: To, why: string) =>
  new OpsError('permission', `${word(to.name)} (${to.pid}) is protected: ${why}.`, {
    hint: 'Deckhand sends it no signal of any kind; a person can, on the host.',
  });
