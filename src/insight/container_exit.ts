/**
 * Why a container ended, in words: from its exit code, what the engine says of it, and what happened around its end. Pure. An exit
 * code above 128 is a signal by the convention of shells and engines; who sent it, only events tell, and where they do not it is said.
 */
import type { ContainerRun, ContainerState } from '../core/docker.ts';

const SIGNALS: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  5: 'SIGTRAP',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  10: 'SIGUSR1',
  11: 'SIGSEGV',
  12: 'SIGUSR2',
  13: 'SIGPIPE',
  14: 'SIGALRM',
  15: 'SIGTERM',
  24: 'SIGXCPU',
  25: 'SIGXFSZ',
  31: 'SIGSYS',
};

export const signalOf = (exitCode: number): string | null =>
  exitCode > 128 && exitCode <= 192 ? (SIGNALS[exitCode - 128] ?? `signal ${exitCode - 128}`) : null;

export interface Event {
  atMs: number;
  what: string;
  detail: Record<string, string>;
}

export type ExitKind = 'ok' | 'oom' | 'stopped' | 'not_started' | 'signal' | 'error';

const NOT_STARTED = 'The engine could not start it; its own words say why.';

export interface Exit {
  /** Null: it never ran. */
  code: number | null;
  signal: string | null;
  kind: ExitKind;
  /** For a table: `OOM-killed (137)`. */
  short: string;
  /** One sentence, with what to do next where there is something. */
  reason: string;
}

/** Events belong to this end when they are no farther from it than the longest grace that people set. */
const AROUND_MS = 10 * 60_000;

/**
 * Null when it has not ended, or never began. `events`: those around its end; null: they were not asked for. A running container's
 * exit code is that of its last end only while it restarts.
 */
export function exitOf(
  c: ContainerRun & { state: ContainerState },
  events: readonly Event[] | null = null,
): Exit | null {
  if (c.state === 'created')
    return c.error === '' ? null : made(c.exitCode, 'not_started', 'cannot start', NOT_STARTED);
  const code = c.exitCode;
  if (code === null || c.state === 'running' || c.state === 'paused') return null;
  if (c.startedAtMs === null && c.finishedAtMs === null) return null;
  const near = (events ?? []).filter((e) => c.finishedAtMs === null || Math.abs(e.atMs - c.finishedAtMs) <= AROUND_MS);
  // Engines keep the last few hundred events only: where the end itself is not among them, they say nothing of it.
  return ended(c, code, near.some((e) => e.what === 'die') ? near : null);
}

function ended(c: ContainerRun, code: number, events: readonly Event[] | null): Exit {
  const has = (what: string) => events?.some((e) => e.what === what) === true;
  if (c.oomKilled || has('oom'))
    return made(
      code,
      'oom',
      `OOM-killed (${code})`,
      'The kernel killed it (or a process in it) for using more memory than its limit, or than the host had. Raise the limit, or find what grows.',
    );
  if (code === 0)
    return made(
      0,
      has('stop') ? 'stopped' : 'ok',
      'exit 0',
      stoppedOr(has('stop'), 'It ended by itself, successfully.'),
    );
  if (code === 125) return made(code, 'not_started', 'engine failed (125)', 'The engine itself failed to run it.');
  if (code === 126)
    return made(
      code,
      'not_started',
      'not executable (126)',
      'Its command was found but cannot be executed: a missing execute permission, a wrong architecture, or a directory.',
    );
  if (code === 127)
    return made(
      code,
      'not_started',
      'command not found (127)',
      'Its command, or the interpreter that its script names, is not in the image.',
    );
  if (code === 128 && c.error !== '') return made(code, 'not_started', 'cannot start (128)', NOT_STARTED);
  const signal = signalOf(code);
  if (signal) return bySignal(code, signal, events);
  return made(
    code,
    has('stop') ? 'stopped' : 'error',
    `exit ${code}`,
    stoppedOr(has('stop'), `Its program ended with the error code ${code}: what that means its own log says.`),
  );
}

function bySignal(code: number, signal: string, events: readonly Event[] | null): Exit {
  const sent = new Set((events ?? []).filter((e) => e.what === 'kill').map((e) => e.detail.signal));
  const stopped = events?.some((e) => e.what === 'stop') === true;
  const number = code - 128;
  if (stopped && number === 9)
    return made(
      code,
      'stopped',
      'stopped, by force (137)',
      sent.has('15')
        ? 'It was stopped on request, but had not ended when the grace was over: SIGKILL. It may be deaf to SIGTERM (a shell as first process often is).'
        : 'It was stopped on request, by SIGKILL.',
    );
  if (stopped) return made(code, 'stopped', `stopped (${code})`, `It was stopped on request, and ended by ${signal}.`);
  if (sent.has(String(number)))
    return made(code, 'stopped', `${signal} (${code})`, `Somebody sent it ${signal} through the engine (docker kill).`);
  if (number === 9)
    return made(
      code,
      'signal',
      'SIGKILL (137)',
      events === null
        ? 'SIGKILL: a stop whose grace was over, docker kill, or the kernel for want of memory (the engine does not flag every such end); only events of that moment tell, and they are not at hand (container_inspect looks for them).'
        : 'SIGKILL, and not through the engine as far as its events go: likely the kernel for want of memory (on cgroup v2 not every such end is flagged). `journalctl -k -g oom` on the host tells.',
    );
  if (number === 15)
    return made(
      code,
      'stopped',
      'SIGTERM (143)',
      'SIGTERM: most likely it was stopped on request, and ended as asked.',
    );
  const crash: Record<number, string> = {
    4: 'an instruction that this processor does not have: an image for another CPU generation, often',
    6: 'it aborted itself: a failed assertion, or out of memory by its own count',
    7: 'a bus error: often a full or vanished disk below a mapped file, or /dev/shm too small',
    11: 'a crash: it touched memory that is not its own',
    31: 'a system call that seccomp forbids',
  };
  const why = crash[number];
  return made(code, 'signal', `${signal} (${code})`, why ? `${signal}: ${why}.` : `It was ended by ${signal}.`);
}

const stoppedOr = (stopped: boolean, other: string) =>
  stopped ? 'It was stopped on request, and ended as asked.' : other;

const made = (code: number | null, kind: ExitKind, short: string, reason: string): Exit => ({
  code,
  signal: code === null ? null : signalOf(code),
  kind,
  short,
  reason,
});

/**
 * Its last end, also of one that runs again: the engine has forgotten why that one ended, but the events of that end may still be there.
 * Null: it has not ended, or nothing of it is known any more.
 */
export function lastEndOf(
  c: ContainerRun & { state: ContainerState },
  events: readonly Event[] | null,
): { exit: Exit; atMs: number | null } | null {
  const exit = exitOf(c, events);
  if (exit) return { exit, atMs: c.finishedAtMs };
  const died = events?.findLast((e) => e.what === 'die');
  if (!died || c.restarts === 0 || !/^\d{1,3}$/.test(died.detail.exitCode ?? '')) return null;
  const then = { ...c, state: 'exited' as const, oomKilled: false, error: '', finishedAtMs: died.atMs };
  const last = exitOf({ ...then, exitCode: Number(died.detail.exitCode) }, events);
  return last && { exit: last, atMs: died.atMs };
}
