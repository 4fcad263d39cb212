/**
 * Lines as they may be shown: without what cannot be seen and without secrets, each still at its number. Redaction looks at lines
 * together, because a key, a block or a list of passwords goes over many; what it makes of them is fitted to the lines again here. Pure.
 */
import { strip } from '../core/foreign.ts';

export interface CleanLine {
  text: string;
  /** The same with its secrets: for places in the line, never for an answer. */
  seen: string;
  /** Marks in it. */
  redacted: number;
  /** Characters that were taken out or replaced because they cannot be seen. */
  stripped: number;
}

export const MARKED = /⟦redacted:[a-z-]{1,40}⟧/g;
const ONLY = '⟦redacted:block⟧';

/** `lines` without their ends; in the order of the file, with what stands before and behind those that are wanted. */
export function cleanLines(lines: readonly string[], redact: (text: string) => string): CleanLine[] {
  const seen = lines.map(visible);
  const before = seen.map((s) => s.text).join('\n');
  const after = redact(before);
  if (after === before) return seen.map(({ text, stripped }) => ({ text, seen: text, stripped, redacted: 0 }));
  const fitted = toLines(
    seen.map((s) => s.text),
    after.split('\n'),
  );
  return fitted.map((text, i) => ({
    text,
    seen: seen[i]?.text ?? '',
    stripped: seen[i]?.stripped ?? 0,
    redacted: text.match(MARKED)?.length ?? 0,
  }));
}

/** One line, as `strip` leaves it: a lone CR would become a line of its own there. Our marks' brackets are ours alone. */
function visible(line: string): { text: string; stripped: number } {
  const raw = line.endsWith('\r') ? line.slice(0, -1) : line;
  const flat = raw.includes('\r') ? raw.replaceAll('\r', ' ') : raw;
  let text = strip(flat);
  let stripped = flat.length - text.length + (flat === raw ? 0 : raw.split('\r').length - 1);
  if (text.includes('⟦') || text.includes('⟧')) {
    stripped += text.split(/[⟦⟧]/).length - 1;
    text = text.replaceAll('⟦', '[').replaceAll('⟧', ']');
  }
  return { text, stripped: Math.max(stripped, text === flat ? 0 : 1) };
}

/** Characters of a line that are shown, before redaction. */
export const visibleLength = (line: string): number => visible(line).text.length;

/**
 * Redaction takes line ends out (a key of thirty lines is one mark) and never puts one in. Lines that are as they were hold the two
 * texts together; where fewer came out than went in, those that are gone are a mark each, so that all others keep their number.
 */
function toLines(before: readonly string[], after: readonly string[]): string[] {
  let gone = before.length - after.length;
  if (gone === 0) return [...after];
  const out: string[] = [];
  let i = 0;
  for (const [j, line] of after.entries()) {
    out.push(line);
    i++;
    if (gone === 0 || line === before[i - 1]) continue;
    // How many lines this one took in: its text behind the last mark ends a line of before, and what follows fits again.
    const rest = line.slice(line.lastIndexOf('⟧') + 1);
    let took = 0;
    for (; took <= gone; took++) {
      const ends = (before[i - 1 + took] ?? '').endsWith(rest);
      const next = after[j + 1];
      const follows = next === undefined ? i + took >= before.length : next === before[i + took] || isChanged(next);
      if (ends && follows) break;
    }
    if (took > gone) took = j === after.length - 1 ? gone : 0;
    for (let n = 0; n < took; n++) out.push(ONLY);
    i += took;
    gone -= took;
  }
  // What could not be fitted is no line's: rather too much hidden than a number that is not its line's.
  while (out.length < before.length) out.push(ONLY);
  return out;
}

const isChanged = (line: string): boolean => line.includes('⟦redacted:');

/**
 * Of a line the part between two places of what it was: exact where nothing was redacted, and around a mark as much as the mark needs.
 * Both are clean but for the secrets that only `before` has.
 */
export function partOf(before: string, after: string, from: number, to: number): string {
  if (before === after) return before.slice(from, to);
  let head = 0;
  const least = Math.min(before.length, after.length);
  while (head < least && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < least - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  const behind = before.length - tail;
  const left = from < head ? before.slice(from, Math.min(to, head)) : '';
  const middle = from < behind && to > head ? after.slice(head, after.length - tail) : '';
  const right = to > behind ? before.slice(Math.max(from, behind), to) : '';
  return left + middle + right;
}
