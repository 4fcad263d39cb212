/** What the rows of a unit's causes see, and the few words that they share. Pure. */
import type { Unit, UnitFile } from '../core/services.ts';
import { ago, clip } from '../core/text.ts';
import type { CauseRow } from './diagnose.ts';
import type { ServiceExit } from './service_exit.ts';
import { type UnitTrouble, unitTroubleIn } from './unit_said.ts';

/** A line of the journal around its end. Already without secrets. */
export interface UnitSaid {
  atMs: number;
  text: string;
  /** systemd's words about it, not its own. */
  manager: boolean;
  /** Its level is error or worse. */
  bad: boolean;
}

export interface UnitFacts {
  nowMs: number;
  u: Unit;
  log: readonly UnitSaid[] | null;
  /** Of the kernel, around its end. */
  kernel: readonly { atMs: number; text: string }[] | null;
  /** Of its files and its program, newest first. */
  changed: readonly UnitFile[] | null;
  /** Its triggers as units. */
  starters: readonly Unit[] | null;
  /** Of a timer: what it starts. */
  job: Unit | null;
  /** Sizes of mounts that are as good as full. */
  full: readonly string[] | null;
}

/** With what follows from them for more than one row. */
export interface UnitSeen extends UnitFacts {
  down: boolean;
  loop: boolean;
  exit: ServiceExit | null;
  troubles: readonly { trouble: UnitTrouble; said: UnitSaid }[];
}
export type UnitCauseRow = CauseRow<UnitSeen>;

/** Its program lies there; null: that is not known. */
export const programThere = (f: UnitFacts): UnitFile | null => f.changed?.find((c) => c.path === f.u.program) ?? null;

const LONG = 240;
const MOST_LINES = 3;

export const STATUS = 'service_status {"unit":"{UNIT}"}';
export const START = 'service_control {"unit":"{UNIT}","action":"start"}';
export const LOG_CALL = 'log_query {"source":["unit:{UNIT}"],"tail":100}';

export const line = (s: { atMs: number; text: string }): string =>
  `log ${new Date(s.atMs).toISOString().slice(11, 19)}Z: ${clip(s.text.trim().replaceAll('\n', ' ↵ '), LONG)}`;

/** What says most: its own first error and its last line; without own lines systemd's. */
export function telling(f: UnitSeen): string[] {
  const own = (f.log ?? []).filter((s) => !s.manager);
  const bad = own.filter((s) => s.bad);
  const from = own.length > 0 ? own : (f.log ?? []);
  const picked = bad.length > 0 ? [bad[0], bad.at(-1), own.at(-1)] : from.slice(-MOST_LINES);
  return [...new Set(picked.filter((s) => s !== undefined))].map(line);
}

export const ended = (f: UnitSeen): string[] => {
  const { exit } = f.u;
  const how = exit ? `${exit.how} ${exit.status}${exit.atMs === null ? '' : `, ${ago(exit.atMs, f.nowMs)}`}` : null;
  const said = [f.u.result !== null && f.u.result !== 'success' ? `result ${f.u.result}` : null, how];
  return said.some((s) => s !== null) ? [said.filter((s) => s !== null).join('; ')] : [];
};

export function troublesOf(log: readonly UnitSaid[] | null): { trouble: UnitTrouble; said: UnitSaid }[] {
  return (log ?? []).flatMap((said) => {
    const trouble = unitTroubleIn(said.text);
    return trouble === null ? [] : [{ trouble, said }];
  });
}
