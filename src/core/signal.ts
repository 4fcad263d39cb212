/**
 * Signals to processes: the words that host, insight and tool share. What a signal is likely to do is insight/signals.ts's;
 * which process may be sent one at all, the host decides.
 */
import type { Bounded, ProcessId } from './host.ts';

/** Those an owner sends by hand, with the numbers of all machines that Deckhand runs on. */
export const SIGNAL_NUMBERS = {
  TERM: 15,
  INT: 2,
  HUP: 1,
  QUIT: 3,
  USR1: 10,
  USR2: 12,
  STOP: 19,
  CONT: 18,
  KILL: 9,
} as const;
export type Signal = keyof typeof SIGNAL_NUMBERS;
export const SIGNALS = Object.keys(SIGNAL_NUMBERS) as [Signal, ...Signal[]];

/** SigBlk, SigIgn, SigCgt and what is pending, as bit fields of the signals 1 to 31: bit 0 is signal 1. */
export interface SignalMasks {
  blocked: number;
  ignored: number;
  caught: number;
  pending: number;
}

/** How one process stands at this moment. */
export interface Standing {
  /** The kernel's letter: R, S, D, T, t, Z, X, I. */
  state: string;
  threads: number;
  /** Null where the kernel does not say (very old ones, or gVisor). */
  masks: SignalMasks | null;
}

/** Where a process belongs, by its cgroup. */
export type Home =
  | {
      kind: 'unit';
      name: string;
      /** Null: not known (no systemd to ask, or a user's own unit). */
      service: { restart: string; mainPid: number } | null;
    }
  | { kind: 'session' | 'container' | 'machine'; name: string };

/** All that is to be said of a process before it is sent a signal. */
export interface Subject extends ProcessId, Standing {
  /** As process_list shows it. */
  name: string;
  uid: number | null;
  user: string | null;
  startedAtMs: number;
  ppid: number;
  parent: string | null;
  /** Processes it has started itself and that still run; null where some are hidden. */
  children: number | null;
  command: string | null;
  home: Home | null;
  /** Process 1 of a pid namespace of its own: when it ends, the kernel kills all the others in it. */
  first: boolean;
  /** Why nobody may signal it through Deckhand; null when one may. */
  protected: string | null;
  /** Names this boot of the machine: pids and start times begin anew with each. */
  boot: string;
}

export interface SignalHost {
  /** Null: there is no such process. Throws `unavailable` where the pids to be seen are not those that a signal would reach. */
  subject(pid: number, o?: Bounded): Promise<Subject | null>;
  /** Checks again that it is this process and may be signalled, and sends, in one synchronous turn. */
  send(to: ProcessId & { name: string }, signal: Signal): void;
  /** Waits until `done` holds of that very process (null: it has gone), or `withinMs` have passed. */
  settle(
    id: ProcessId,
    o: Bounded & { withinMs: number; done(s: Standing | null): boolean; tick?(waitedMs: number): void },
  ): Promise<{ standing: Standing | null; waitedMs: number }>;
}
