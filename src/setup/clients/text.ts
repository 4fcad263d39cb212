/** Settings files as text, for all editors: line ends, indentation, which line and column. Pure. */
import { OpsError } from '../../core/errors.ts';
import type { Entry, Spot } from './spec.ts';

/** How an entry was put in, without the entry itself: with it the same bytes can be taken out again. */
export interface Trace {
  /** How many parts of the path were made: 1 for the entry alone, 2 with the object around it. */
  made: number;
  prefix: string;
  suffix: string;
}

export interface Added {
  text: string;
  trace: Trace;
}

/** One format. Text comes without a byte order mark. Whatever an editor does is proved in edit.ts before anything is written. */
export interface Editor {
  /** Throws Unreadable. */
  parse(text: string): unknown;
  add(text: string, spot: Spot, value: Entry): Added;
  replace(text: string, spot: Spot, value: Entry): string;
  /** Several ways, best first; the first that proves to take out the entry and nothing else is taken. */
  remove(text: string, spot: Spot, trace: Trace | null): string[];
}

export class Unreadable extends Error {
  readonly line: number;
  readonly column: number;
  constructor(why: string, line: number, column: number) {
    super(why);
    this.line = line;
    this.column = column;
  }
}

export const eolOf = (text: string): string => (/\r?\n/.exec(text)?.[0] === '\r\n' ? '\r\n' : '\n');

/** What one more level is: as the first line that is indented, else two spaces. */
export const unitOf = (text: string): string => {
  const found = /^(?:(\t)|( {1,8}))(?=[^\s*/#])/m.exec(text);
  return found?.[1] ?? found?.[2] ?? '  ';
};

export const lineStart = (text: string, at: number): number => text.lastIndexOf('\n', at - 1) + 1;

/** Behind the line's end. */
export const nextLine = (text: string, at: number): number => {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end + 1;
};

export const indentAt = (text: string, at: number): string =>
  /^[ \t]*/.exec(text.slice(lineStart(text, at)))?.[0] ?? '';

export function positionOf(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at);
  return { line: before.split('\n').length, column: at - lineStart(text, at) + 1 };
}

/** Cuts between `from` and `to` what stood around as the trace says; null when it does not stand so any more. */
export function cutAround(text: string, from: number, to: number, { prefix, suffix }: Trace): string | null {
  if (from < prefix.length || text.slice(from - prefix.length, from) !== prefix) return null;
  if (text.slice(to, to + suffix.length) !== suffix) return null;
  return text.slice(0, from - prefix.length) + text.slice(to + suffix.length);
}

export const pathTo = (spot: Spot): string[] => [...spot.container, 'key' in spot ? spot.key : spot.id];

export function cannot(what: string): OpsError {
  return new OpsError('conflict', `${what} Nothing was written.`, {
    hint: '`deckhand client print` with the same flags says what belongs into the file: put it there by hand.',
  });
}
