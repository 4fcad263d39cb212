/**
 * Lines of a file that hold what is looked for, in bounded memory whatever the file is. A text is looked for in the bytes; an expression
 * runs in linear time (RE2). Decides what a line and a binary file are; which files are looked at is find.ts's business.
 */
import fs from 'node:fs';
import { OpsError } from '../../core/errors.ts';
import type { FindWhat, Found } from '../../core/files.ts';

export type Line = NonNullable<Found['lines']>[number];

/** One question put to bytes. */
export interface Looker {
  /** Where, from `from` on, a line that may match has a byte; -1: no line does. Whether it does is `line`'s to say. */
  next(window: Buffer, from: number, tick: () => void): number;
  /** Where in the line it is, -1: nowhere. */
  line(bytes: Buffer): number;
}

const WINDOW = 1024 * 1024;
/** A line is cut around its match; what is longer than a window is taken in parts. */
const SHOWN = 1024;
const BINARY_BYTES = 8 * 1024;
/** What is read first: most files are no larger, and a binary one has shown itself by then. */
const FIRST = 64 * 1024;
/** Steps of the compiled expression: each character may cost as many. */
const MOST_STEPS = 150;
/** An expression is put to so much at once, which even a slow one answers in good time. */
const BLOCK = 64 * 1024;

export async function looker(what: NonNullable<FindWhat['content']>): Promise<Looker> {
  if (what.text === '') throw new OpsError('validation', 'There is nothing to look for.');
  if (what.regex) return expression(what.text, what.ignoreCase);
  if (/[\n\r]/.test(what.text))
    throw new OpsError('validation', 'Lines are searched one by one: the text has a line break in it.');
  const needle = Buffer.from(what.text);
  if (!what.ignoreCase) return { next: (w, from) => w.indexOf(needle, from), line: (l) => l.indexOf(needle) };
  const pattern = anyCase(what.text);
  let last: Buffer | null = null;
  let text = '';
  return {
    next(window, from) {
      // The same window is asked again and again.
      if (window !== last) text = window.toString('latin1');
      last = window;
      pattern.lastIndex = from;
      return pattern.exec(text)?.index ?? -1;
    },
    line(bytes) {
      pattern.lastIndex = 0;
      return pattern.exec(bytes.toString('latin1'))?.index ?? -1;
    },
  };
}

/** Over the bytes, one to the character: each character in its cases, as UTF-8 has them. */
function anyCase(text: string): RegExp {
  const quoted = (c: string) =>
    Buffer.from(c)
      .toString('latin1')
      .replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
  const cases = (c: string) => [...new Set([c, c.toLowerCase(), c.toUpperCase()])].map(quoted);
  const ascii = [...text].every((c) => c < '\x80');
  if (ascii) return new RegExp(quoted(text), 'gi');
  return new RegExp([...text].map((c) => `(?:${cases(c).join('|')})`).join(''), 'g');
}

async function expression(pattern: string, ignoreCase: boolean): Promise<Looker> {
  const { RE2JS } = await import('re2js');
  let compiled: InstanceType<typeof RE2JS>;
  try {
    compiled = RE2JS.compile(pattern, RE2JS.MULTILINE | (ignoreCase ? RE2JS.CASE_INSENSITIVE : 0));
  } catch (e) {
    const why = e instanceof Error ? e.message.replace(/^error parsing regexp: /, '') : 'it cannot be read';
    throw new OpsError('validation', `That is no RE2 expression: ${why.slice(0, 200)}.`, {
      hint: /\(\?[=!<]|\\\d/.test(pattern)
        ? 'RE2 has no look-around and no back-references: search for less, then read what is found.'
        : 'Leave `regex` out to search for the text as it stands.',
    });
  }
  if (compiled.programSize() > MOST_STEPS)
    throw new OpsError('validation', 'That is too large an expression.', {
      hint: 'Use smaller counts in {…}, or search for a plain part of it.',
    });
  // Ends of the text are ends of each line for us, and not of a window; and flags inside can make `^` mean that.
  const alone = /\\[AzZ]|\(\?[a-zA-Z]*-/.test(pattern);
  // Nor does a window know that a line ends before its carriage return.
  const ends = pattern.includes('$');
  let last: Buffer | null = null;
  let askedTo = 0;
  return {
    // A block in which nothing matches has no line that does; in one where something does, every line is asked.
    next(window, from, tick) {
      if (window !== last) askedTo = 0;
      last = window;
      for (let at = from; at < window.length; ) {
        if (alone || at < askedTo) return at;
        tick();
        const end = window.indexOf(10, Math.min(at + BLOCK, window.length - 1));
        const block = window.subarray(at, end < 0 ? window.length : end + 1);
        if ((ends && block.includes(13)) || compiled.test(block)) {
          askedTo = at + block.length;
          return at;
        }
        at += block.length;
      }
      return -1;
    },
    line(bytes) {
      if (!compiled.test(bytes)) return -1;
      const m = compiled.matcher(bytes);
      return m.find() ? m.start() : 0;
    },
  };
}

export interface Searched {
  lines: Line[];
  matches: number;
  bytes: number;
  binary: boolean;
  /** The bound on bytes was met in this file. */
  bounded: boolean;
}

/** Kept between files: a thread reads one at a time. */
let space: Buffer | undefined;

/** `fd`: opened for reading, and of a regular file. `size` is a hint. */
export function searchLines(
  fd: number,
  size: number,
  look: Looker,
  o: { limit: number; maxBytes: number; tick: () => void },
): Searched {
  const out: Searched = { lines: [], matches: 0, bytes: 0, binary: false, bounded: false };
  space ??= Buffer.allocUnsafeSlow(WINDOW);
  let kept = 0;
  let number = 1;
  for (let at = 0; ; ) {
    o.tick();
    const want = Math.min(at === 0 ? FIRST : space.length - kept, o.maxBytes - out.bytes);
    const got = want <= 0 ? 0 : fs.readSync(fd, space, kept, want, at);
    at += got;
    out.bytes += got;
    if (at === got && space.subarray(0, Math.min(got, BINARY_BYTES)).includes(0)) {
      out.binary = true;
      return out;
    }
    out.bounded = got === 0 && want <= 0;
    // A regular file that gave less than was asked for, and as much as its size says, has no more.
    const end = got === 0 || (got < want && at >= size);
    const have = kept + got;
    const all = space.subarray(0, have);
    const cut = end ? have : all.lastIndexOf(10) + 1 || have;
    number = searchWindow(space.subarray(0, cut), at - have, number, look, o, out);
    if (end || out.bounded) return out;
    space.copy(space, 0, cut, have);
    kept = have - cut;
  }
}

/** Gives the number of the line after it. */
function searchWindow(
  window: Buffer,
  base: number,
  first: number,
  look: Looker,
  { limit, tick }: { limit: number; tick: () => void },
  out: Searched,
): number {
  let number = first;
  let counted = 0;
  const countTo = (end: number) => {
    for (let at = window.indexOf(10, counted); at >= 0 && at < end; at = window.indexOf(10, at + 1)) number++;
    counted = end;
  };
  for (let from = 0; ; ) {
    const found = look.next(window, from, tick);
    if (found < 0) break;
    const start = found === 0 ? 0 : window.lastIndexOf(10, found - 1) + 1;
    const stop = window.indexOf(10, found);
    const end = stop < 0 ? window.length : stop;
    if (start === window.length) break;
    const bytes = window.subarray(start, end > start && window[end - 1] === 13 ? end - 1 : end);
    const hit = look.line(bytes);
    if (hit >= 0) {
      out.matches++;
      if (out.lines.length < limit) {
        countTo(start);
        const around = Math.max(0, Math.min(hit - SHOWN / 4, bytes.length - SHOWN));
        const shown = bytes.length <= SHOWN ? bytes : bytes.subarray(around, around + SHOWN);
        out.lines.push({
          number,
          offset: base + start,
          bytes: Uint8Array.from(shown),
          cut: shown.length < bytes.length,
        });
      }
    }
    from = end + 1;
    if (from > window.length) break;
  }
  countTo(window.length);
  return number;
}
