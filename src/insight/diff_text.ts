/**
 * A difference as its reader sees it: unified, with what is secret taken out before anything is cut away (a part of a secret is not known
 * for one), and bounded. Decides how lines are shown; who may see it, and that what cannot be seen is stripped or written out, the door.
 */
import type { Redactor } from '../core/redact.ts';
import { bytes as size } from '../core/text.ts';
import { diffLines, type Hunk } from './diff.ts';
import { isUtf8 } from './edit.ts';
import { type CleanLine, cleanLines } from './text_lines.ts';

const AROUND = 3;
/** What shows that a line belongs to a secret can stand some way above or below it. */
const REACH = 1_000;
const LONGEST_LINE = 400;
/** As JSON, which is how it leaves, beside the same in the text. */
const MOST_BYTES = 3_200;
const MOST_LINES = 100;

export interface Difference {
  text: string;
  added: number;
  removed: number;
  /** Lines that look the same on both sides, because what differs in them is secret, or cannot be seen. */
  alike: number;
}

/** Null: the bytes are the same. Not text: only how much there is. */
export function difference(
  path: string,
  before: Uint8Array | null,
  after: Uint8Array | null,
  redactor: Pick<Redactor, 'text'>,
): Difference | null {
  if (before && after && Buffer.compare(before, after) === 0) return null;
  const heads = [`--- ${before ? path : '/dev/null'}`, `+++ ${after ? path : '/dev/null'}`];
  if (before?.includes(0) || after?.includes(0)) {
    const text = `${heads.join('\n')}\nbinary: ${before ? size(before.length) : 'nothing'} → ${after ? size(after.length) : 'nothing'}`;
    return { text, added: 0, removed: 0, alike: 0 };
  }
  const a = textOf(before);
  const b = textOf(after);
  const hunks = diffLines(a.raw, b.raw);
  const sum = (of: (h: Hunk) => number) => hunks.reduce((n, h) => n + of(h), 0);
  const body = rendered(a, b, hunks, redactor);
  return {
    text: bounded([...heads, ...body.lines]),
    added: sum((h) => h.bTo - h.bFrom),
    removed: sum((h) => h.aTo - h.aFrom),
    alike: body.alike,
  };
}

interface Text {
  /** Exactly, one character for a byte. */
  raw: string[];
  seen(line: number): string;
  crlf: boolean;
}

/** The line end belongs to its line: a last line without one differs from the same with one. */
function textOf(bytes: Uint8Array | null): Text {
  const buffer = Buffer.from(bytes ?? new Uint8Array());
  const raw = buffer.length === 0 ? [] : buffer.toString('latin1').split(/(?<=\n)/);
  const utf8 = isUtf8(buffer);
  return {
    raw,
    crlf: raw.length > 0 && raw.every((l) => l.endsWith('\r\n')),
    seen: (line) => {
      const l = raw[line] as string;
      return utf8 ? Buffer.from(l, 'latin1').toString('utf8') : l;
    },
  };
}

function rendered(a: Text, b: Text, hunks: readonly Hunk[], redactor: Pick<Redactor, 'text'>) {
  const groups: Hunk[][] = [];
  for (const h of hunks) {
    const last = groups.at(-1);
    if (last && h.aFrom - (last.at(-1) as Hunk).aTo <= 2 * AROUND) last.push(h);
    else groups.push([h]);
  }
  // Where every line of both ends alike, that is nothing to tell.
  const quiet = (a.crlf || a.raw.length === 0) && (b.crlf || b.raw.length === 0);
  const lines: string[] = [];
  let alike = 0;
  for (const group of groups) {
    if (lines.length > MOST_LINES) {
      // Beyond what is shown: counted, so that what is left out can be told, and not looked at.
      for (const h of group) lines.push(...Array<string>(h.aTo - h.aFrom + h.bTo - h.bFrom).fill(''));
      continue;
    }
    const first = group[0] as Hunk;
    const last = group.at(-1) as Hunk;
    const aFrom = Math.max(0, first.aFrom - AROUND);
    const bFrom = Math.max(0, first.bFrom - AROUND);
    const aTo = Math.min(a.raw.length, last.aTo + AROUND);
    const bTo = Math.min(b.raw.length, last.bTo + AROUND);
    const was = shownLines(a, aFrom, Math.min(aTo, aFrom + MOST_LINES + 1), quiet, redactor);
    const is = shownLines(b, bFrom, Math.min(bTo, bFrom + MOST_LINES + 1), quiet, redactor);
    lines.push(`@@ -${range(aFrom, aTo)} +${range(bFrom, bTo)} @@`);
    let at = aFrom;
    for (const h of group) {
      for (; at < h.aFrom; at++) lines.push(` ${was(at)}`);
      for (; at < h.aTo; at++) lines.push(`-${was(at)}`);
      for (let y = h.bFrom; y < h.bTo; y++) lines.push(`+${is(y)}`);
      const pairs = Math.min(h.aTo - h.aFrom, h.bTo - h.bFrom, MOST_LINES);
      for (let i = 0; i < pairs; i++) if (was(h.aFrom + i) === is(h.bFrom + i)) alike++;
    }
    for (; at < aTo; at++) lines.push(` ${was(at)}`);
  }
  return { lines, alike };
}

/** As `diff` has it: from 1, and of no lines the one before. */
const range = (from: number, to: number) =>
  to - from === 1 ? `${from + 1}` : `${to > from ? from + 1 : from},${to - from}`;

/** Lines `from` to `to` as they may be shown, with what stands around them looked at as well. */
function shownLines(t: Text, from: number, to: number, quiet: boolean, redactor: Pick<Redactor, 'text'>) {
  const low = Math.max(0, from - REACH);
  const high = Math.min(t.raw.length, to + REACH);
  const window: string[] = [];
  for (let n = low; n < high; n++) window.push(visible(t.seen(n), quiet));
  const safe = withoutSecrets(window, redactor);
  return (line: number) => {
    const text = safe[line - low] ?? '';
    return text.length > LONGEST_LINE
      ? `${text.slice(0, LONGEST_LINE)}⟦${text.length - LONGEST_LINE} characters left out⟧`
      : text;
  };
}

/** A carriage return would be read as a line end of ours, and our marks are ours alone. */
function visible(line: string, quiet: boolean): string {
  const text = line.replace(/\n$/, '');
  const ended = text.length < line.length;
  const cr = text.endsWith('\r');
  const inner = (cr ? text.slice(0, -1) : text).replaceAll('\r', '␍').replaceAll('⟦', '[').replaceAll('⟧', ']');
  return `${inner}${cr && !(quiet && ended) ? '␍' : ''}${ended ? '' : NO_END}`;
}
/** As `diff` and `git` say it, on a line of its own. */
const NO_END = '\n\\ No newline at end of file';

/** In as many lines as before. A line without a secret stays as it is, with what cannot be seen in it: who decides must be told of that. */
function withoutSecrets(lines: readonly string[], redactor: Pick<Redactor, 'text'>): string[] {
  const bare = lines.map((l) => l.replace(NO_END, ''));
  const clean = cleanLines(bare, (text) => redactor.text(text));
  return lines.map((line, n) => {
    const { text, seen } = clean[n] as CleanLine;
    return text === seen ? line : text + line.slice((bare[n] as string).length);
  });
}

function bounded(lines: readonly string[]): string {
  const kept: string[] = [];
  let used = 0;
  for (const line of lines.slice(0, MOST_LINES)) {
    used += Buffer.byteLength(JSON.stringify(line));
    if (used > MOST_BYTES) break;
    kept.push(line);
  }
  const left = lines.length - kept.length;
  return left === 0 ? kept.join('\n') : [...kept, `⟦${left} lines left out⟧`].join('\n');
}
