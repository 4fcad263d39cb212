/**
 * What a signal will do to a process, what became of it, and what that means for whom it belongs to: in words. Pure. It
 * reads what the kernel says of the process (which signals it handles, ignores, holds back) and what systemd would do.
 */
import { type Home, SIGNAL_NUMBERS, type Signal, type SignalMasks, type Standing } from '../core/signal.ts';

/** Meant to end it, and waited for. */
export const ENDING: readonly Signal[] = ['TERM', 'INT', 'QUIT', 'KILL'];

export type Handling = 'handles' | 'ignores' | 'holds back' | 'default' | 'cannot refuse';

/** How it takes this signal now; null where the kernel does not say. */
export function handling(signal: Signal, masks: SignalMasks | null): Handling | null {
  if (signal === 'KILL' || signal === 'STOP') return 'cannot refuse';
  if (masks === null) return null;
  const bit = 1 << (SIGNAL_NUMBERS[signal] - 1);
  if (masks.ignored & bit) return 'ignores';
  // A handler that is held back for a moment (a shell, while it starts a child) is still a handler; one that waits is not.
  if (masks.blocked & bit && (!(masks.caught & bit) || masks.pending & bit)) return 'holds back';
  return masks.caught & bit ? 'handles' : 'default';
}

/** Would the kernel end it by this signal, or does the process take it as a wish to end? */
export const ends = (signal: Signal, how: Handling | null): boolean =>
  ENDING.includes(signal) || (how === 'default' && signal !== 'STOP' && signal !== 'CONT');

/** It cannot reach the process: waiting for its end would be waiting for nothing. */
export const deaf = (how: Handling | null, first: boolean): boolean =>
  how === 'ignores' || (first && how === 'default');

/** Gone, or gone but for its entry in the table. A leader that ended before its threads is a Z with threads: it still works. */
export const ended = (s: Standing | null): boolean =>
  s === null || s.state === 'X' || s.state === 'x' || (s.state === 'Z' && s.threads <= 1);

export type Verdict = 'ended' | 'zombie' | 'stopped' | 'stuck' | 'running';
export function verdictOf(s: Standing | null): Verdict {
  if (s === null || s.state === 'X' || s.state === 'x') return 'ended';
  if (ended(s)) return 'zombie';
  if (s.state === 'T' || s.state === 't') return 'stopped';
  return s.state === 'D' ? 'stuck' : 'running';
}

/** What the signal will do, before it is sent. */
export function effect(signal: Signal, how: Handling | null, s: Standing, first: boolean): string {
  const stopped = verdictOf(s) === 'stopped';
  if (signal === 'KILL') return 'The kernel ends it at once: it cannot save or clean up anything.';
  if (signal === 'STOP') return stopped ? 'It is stopped already.' : 'It stands still, with all it holds, until CONT.';
  if (signal === 'CONT')
    return stopped ? 'It goes on from where it was stopped.' : 'It is not stopped, so this is likely to do nothing.';
  const wait = stopped ? ' But it is stopped, and takes this only after CONT.' : '';
  if (how === 'ignores') return `It ignores ${signal}, so nothing will happen.`;
  if (how === 'holds back')
    return `It holds ${signal} back: it may look for it in its own time (signalfd), or never.${wait}`;
  if (how === 'handles') return `It handles ${signal} itself: ${CUSTOM[signal]}${wait}`;
  if (how === null) return `How it takes ${signal} is not known: without a handler it ends.${wait}`;
  if (first) return `It is the first process of its container and has no handler for ${signal}: nothing will happen.`;
  return `It has no handler for ${signal}, so the kernel ends it${signal === 'QUIT' ? ', with a core dump where those are kept' : ''}.${wait}`;
}

const CUSTOM: Record<Signal, string> = {
  TERM: 'most programs finish what they do and end.',
  INT: 'most programs break off and end, as with Ctrl-C.',
  QUIT: 'some end with a core dump, some (nginx) finish and end.',
  HUP: 'many daemons read their configuration again; others end.',
  USR1: 'what it means is for its documentation to say.',
  USR2: 'what it means is for its documentation to say.',
  STOP: '',
  CONT: 'it may do something of its own when it goes on.',
  KILL: '',
};

/** Signals after which systemd calls an end clean (systemd.service, SuccessExitStatus=). */
const CLEAN: readonly Signal[] = ['TERM', 'INT', 'HUP'];

/** Where it belongs, and whether it is likely to come back; null when there is nothing to say. */
export function belonging(
  home: Home | null,
  pid: number,
  signal: Signal,
  willEnd: boolean,
  first: boolean,
  how: Handling | null,
): string | null {
  const alone = first ? 'It is the first process of a container: when it ends, all in the container do.' : null;
  if (home === null) return alone;
  if (home.kind === 'machine') {
    const off = willEnd ? ': for the guest, its end is the power going off' : '';
    return `It belongs to the virtual machine ${home.name}${off}.`;
  }
  if (home.kind === 'container') return `It runs in the container ${home.name}. ${alone ?? ''}`.trim();
  if (home.kind !== 'unit') return `It belongs to a login session (${home.name}).`;
  const { name, service } = home;
  if (!service) return `It belongs to ${name}; whether that starts it again is not known.`;
  if (service.mainPid !== pid)
    return `It belongs to ${name}, but is not its main process: systemd does not start it again by itself.`;
  if (!willEnd) return `It is the main process of ${name}.`;
  const again = comesBack(service.restart, signal, how);
  return `It is the main process of ${name} (Restart=${service.restart}): systemd will probably ${again ? 'start it again' : 'not start it again'}.`;
}

/** Taken is what well-behaved programs do: a clean end where they handle the signal, or where systemd calls the signal clean. */
export function comesBack(restart: string, signal: Signal, how: Handling | null): boolean {
  const clean = CLEAN.includes(signal) || how === 'handles';
  if (restart === 'always') return true;
  if (restart === 'on-success') return clean;
  return !clean && ['on-failure', 'on-abnormal', 'on-abort'].includes(restart);
}

/** Why it still runs after a signal that was to end it. */
export function whyStill(signal: Signal, s: Standing, how: Handling | null, first: boolean): string {
  const verdict = verdictOf(s);
  if (verdict === 'stuck')
    return 'it waits in the kernel (state D), mostly for a disk or a network mount, and no signal ends it before that answers';
  if (signal === 'KILL') return 'the kernel has not ended it yet';
  if (verdict === 'stopped')
    return s.state === 't' ? 'a debugger holds it' : `it is stopped, and takes ${signal} only after CONT`;
  if (how === 'ignores') return `it ignores ${signal}`;
  if (how === 'holds back') return `it holds ${signal} back`;
  if (how === 'handles') return `it handles ${signal} itself, and is not done yet or has chosen to go on`;
  if (how === null) return 'why is not known';
  return first
    ? 'it is the first process of a container, which signals without a handler do not reach'
    : `${signal} has not reached it yet`;
}
