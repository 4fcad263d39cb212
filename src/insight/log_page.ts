/**
 * Paging through logs that grow: where in each source an answer ended, as one short word, and what lies beyond. A place is a moment and
 * how many matches of that very moment were answered, so that nothing has to be kept for it, and lines that come later move nothing: an
 * engine has no better one. Pure.
 */
import type { Entry } from './log_group.ts';

export interface Position {
  atMs: number;
  /** Matches of that ms which were answered already, from the side where the answer came from. */
  seen: number;
}

export interface Cursor {
  /** Towards what is newer; else towards what is older. */
  newer: boolean;
  /** One for each source, in their order. */
  at: Position[];
}

const WORD = /^([on])((?:-[0-9a-z]{1,10}\.[0-9a-z]{1,5}){1,10})$/;

export const cursorText = (c: Cursor): string =>
  `${c.newer ? 'n' : 'o'}${c.at.map((p) => `-${Math.max(0, p.atMs).toString(36)}.${p.seen.toString(36)}`).join('')}`;

/** Null: it is none, or one of another number of sources. */
export function cursorOf(text: string, sources: number): Cursor | null {
  const [, way, places = ''] = WORD.exec(text) ?? [];
  const at = places
    .split('-')
    .slice(1)
    .map((place): Position => {
      const [ms = '', seen = ''] = place.split('.');
      return { atMs: Number.parseInt(ms, 36), seen: Number.parseInt(seen, 36) };
    });
  return at.length === sources && at.length > 0 ? { newer: way === 'n', at } : null;
}

/** Passes entries on: perhaps another one than was given, as the last matches of that moment must wait for those behind them. */
export function gate(from: Position, newer: boolean, hits: (entry: Entry) => boolean): (entry: Entry) => Entry | null {
  let left = from.seen;
  const waiting: Entry[] = [];
  return (entry) => {
    if (entry.atMs !== from.atMs) return entry.atMs > from.atMs === newer ? entry : null;
    if (!hits(entry)) return entry;
    if (newer) return left-- > 0 ? null : entry;
    waiting.push(entry);
    return waiting.length > from.seen ? (waiting.shift() ?? null) : null;
  };
}
