/**
 * Which patterns of a digest are told, in which order, and how much of each: what is bad and new first, then what is bad, what is new, the
 * warnings, and the rest by how often it is there. Pure.
 */
import type { Level } from './log_level.ts';
import type { Pattern } from './log_mine.ts';

/** A pattern of one of the sources. */
export interface Told extends Pattern {
  source: number;
  /** Null: there is nothing to compare with. */
  fresh: boolean | null;
}

const isBad = (level: Level | null): boolean => level === 'error' || level === 'fatal';

/** 0 is told first. */
function rank(t: Told): number {
  if (isBad(t.level)) return t.fresh ? 0 : 1;
  if (t.fresh) return 2;
  return t.level === 'warn' ? 3 : 4;
}

/** Those of the window; `compared`: for each source, whether the time before was read at all. */
export function told(sources: readonly { patterns: readonly Pattern[]; compared: boolean }[]): Told[] {
  return sources
    .flatMap(({ patterns, compared }, source) =>
      patterns.filter((p) => p.count > 0).map((p): Told => ({ ...p, source, fresh: compared ? p.before === 0 : null })),
    )
    .toSorted((a, b) => rank(a) - rank(b) || b.count - a.count || a.firstMs - b.firstMs);
}

/** Characters of a template, of an example, and of all of them together: a thousand tokens or somewhat more. */
const LONG = 220;
const SHORT = 110;
const EXAMPLE = 220;
const IN_ALL = 3_600;
/** Of the room for all, what examples may take. */
const FOR_EXAMPLES = 0.45;
const OVERHEAD = 20;

export interface Row {
  told: Told;
  template: string;
  example: string | null;
}

/** The first so many that fit, errors and new ones with an example. */
export function rows(all: readonly Told[], most: number): Row[] {
  const out: Row[] = [];
  let room = IN_ALL;
  let examples = IN_ALL * FOR_EXAMPLES;
  for (const t of all.slice(0, most)) {
    const matters = rank(t) < 3;
    const template = clip(t.template, matters ? LONG : SHORT);
    const wanted = matters && t.example !== null && t.example !== t.template ? clip(t.example, EXAMPLE) : null;
    const example = wanted !== null && weight(wanted) <= examples ? wanted : null;
    const cost = weight(template) + weight(example ?? '') + OVERHEAD;
    // A first one is always told.
    if (cost > room && out.length > 0) break;
    room -= cost;
    examples -= weight(example ?? '');
    out.push({ told: t, template, example });
  }
  return out;
}

/** Other scripts cost a model about three times as much a character. */
const weight = (text: string): number => text.length + 2 * (text.match(FOREIGN_SCRIPT)?.length ?? 0);
const FOREIGN_SCRIPT = /[^\u0000-\u024f\u2010-\u2030]/g;

const clip = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
