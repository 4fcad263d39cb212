/** The journal behind one interface: its entries as lines, raw. Which of them are wanted is asked of it where it can tell (unit, time, priority). */
import type { LogEnd, LogLine } from './docker.ts';
import type { Bounded, Reading } from './host.ts';

/** syslog's: 0 emerg, 1 alert, 2 crit, 3 err, 4 warning, 5 notice, 6 info, 7 debug. */
export type Priority = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

export interface JournalLine extends LogLine {
  unit: string | null;
  identifier: string | null;
  pid: number | null;
  priority: Priority | null;
  /** Of the entry; reading can go on after it. */
  cursor: string;
}

export interface JournalWindow extends Bounded {
  /** Names of the grammar; what they and their manager said about them (as `journalctl -u`). */
  units?: readonly string[];
  identifiers?: readonly string[];
  kernel?: boolean;
  /** 0 the current boot, -1 the one before. Absent: all. */
  boot?: number;
  /** This urgent or more. */
  priority?: Priority;
  sinceMs?: number;
  untilMs?: number;
  /** Last entries only (before `untilMs`, where there is one), which are found from the end. Not with `afterCursor`. */
  tail?: number;
  afterCursor?: string;
  maxBytes: number;
  maxLineBytes: number;
}

export interface JournalThere {
  manager: 'journald';
  /** It is kept in memory only: what was before this boot is gone. */
  volatile: boolean;
}

export interface JournalHost {
  /** Is there a journal that this process may read? A look that costs microseconds; else why not, and what to do (group systemd-journal). */
  available(): Reading<JournalThere>;
  /** Whole entries in order of time; one of several lines is one line here with line ends in it. */
  read(window: JournalWindow): AsyncGenerator<JournalLine, LogEnd, undefined>;
  /** Bytes of the journal on disk. */
  usage(o?: Bounded): Promise<Reading<number>>;
}
