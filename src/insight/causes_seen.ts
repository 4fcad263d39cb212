/**
 * What the rows of a container's causes see, and the few words that they share. Decides how evidence is worded: which log lines say most,
 * how an end is told, how long one piece may be. Pure.
 */
import type { ContainerDetail, ContainerSummary, Port } from '../core/docker.ts';
import type { Knock } from '../core/docker_control.ts';
import { ago, clip, duration } from '../core/text.ts';
import type { Event, Exit } from './container_exit.ts';
import type { Refusal } from './container_said.ts';
import type { CauseRow } from './diagnose.ts';

/** An entry of its log around its end, or of now where it runs. Already without secrets. */
export interface Said {
  atMs: number;
  text: string;
  /** Its level is error or worse. */
  bad: boolean;
}

export interface ContainerFacts {
  nowMs: number;
  c: ContainerDetail;
  events: readonly Event[] | null;
  /** Whether the image it was made from is on the engine. */
  imageThere: boolean | null;
  /** Where it wants to be reached on the host, running or not. */
  wanted: readonly Port[] | null;
  /** All others of that engine. */
  others: readonly ContainerSummary[] | null;
  /** What answered behind its published ports, where it runs. */
  doors: readonly { port: number; knock: Knock }[] | null;
  log: readonly Said[] | null;
}

/** With what follows from them for more than one row. */
export interface Seen extends ContainerFacts {
  /** It has ended, or does so again and again. */
  down: boolean;
  loop: boolean;
  end: { exit: Exit; atMs: number | null } | null;
  refusal: Refusal | null;
  missed: Dependency[];
}
export interface Dependency {
  service: string;
  is: string;
}
export type Row = CauseRow<Seen>;

export const LONG = 240;
export const MOST_LINES = 3;
export const COMMAND = 160;

export const line = (s: Said): string =>
  `log ${new Date(s.atMs).toISOString().slice(11, 19)}Z: ${clip(s.text.trim(), LONG)}`;

/** What says most: the first error, what stood there last; without any error the last lines. */
export function telling(f: Seen): string[] {
  const log = f.log ?? [];
  const bad = log.filter((s) => s.bad);
  const picked = bad.length > 0 ? [bad[0], bad.at(-1), log.at(-1)] : log.slice(-MOST_LINES);
  return [...new Set(picked.filter((s) => s !== undefined))].map(line);
}

export const words = (f: Seen): string[] => (f.c.error === '' ? [] : [`engine: ${clip(f.c.error, LONG * 2)}`]);
export const LOG_CALL = 'log_query {"source":["container:{AT}{CONTAINER}"],"tail":100}';
export const INSPECT = 'container_inspect {"container":"{CONTAINER}"{ENGINE}}';
export const START = 'container_control {"container":"{CONTAINER}","action":"start"{ENGINE}}';

export const stopped = (f: Seen): boolean => f.end?.exit.kind === 'stopped' || f.end?.exit.kind === 'ok';
export const endedAt = (f: Seen): string => {
  const { exit, atMs } = f.end as NonNullable<Seen['end']>;
  const signal = exit.signal === null ? '' : ` (${exit.signal})`;
  return `exit code ${exit.code ?? '?'}${signal}${atMs === null ? '' : `, ${ago(atMs, f.nowMs)}`}`;
};

export const up = (f: Seen): string =>
  `up for ${duration(f.c.startedAtMs === null ? null : f.nowMs - f.c.startedAtMs)}`;
