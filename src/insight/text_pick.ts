/**
 * Chosen lines of a window of bytes, clean, and no longer than is shown of one. Pure: where the window comes from, and what is chosen, is
 * the caller's. A line is cleaned together with what stands around it, and cut only then.
 */
import { clip } from '../core/text.ts';
import { countLines, decode, type Encoding, lineAfter, lineBefore } from './text_encoding.ts';
import { type CleanLine, cleanLines } from './text_lines.ts';

/** Of a longer line no more is decoded and cleaned: what is shown of it is far less. */
const MOST_OF_LINE = 64 * 1024;
/** Around what is picked: a key's lines, a block's name. */
const AROUND = 16 * 1024;
const LONGEST_WORD = 2_048;

export interface Pick extends CleanLine {
  /** Characters in all; what is decoded of it, where it is longer than that. */
  chars: number;
  /** It goes on behind what was decoded. */
  longer: boolean;
  /** Bytes of it that belong to no character. */
  invalid: number;
}

export interface Bytes {
  bytes: Uint8Array;
  encoding: Encoding;
  /** The lines that were cleaned last: what stands close together, or in a small file, is cleaned with the same lines around it. */
  last?: { first: number; end: number; raw: readonly Raw[]; clean: readonly CleanLine[] };
}

interface Raw {
  text: string;
  longer: boolean;
  invalid: number;
}

/** Lines of [from, to); both lie at line ends but for a line that is longer than the window. */
export function pick(source: Bytes, from: number, to: number, redact: (text: string) => string): Pick[] {
  const { bytes, encoding } = source;
  const first = before(bytes, from, encoding);
  const { raw, clean } = cleaned(source, first, behind(bytes, to, encoding), redact);
  const skip = countLines(bytes, first, from, encoding);
  const ends = countLines(bytes, from, to, encoding);
  const open = to > from && lineBefore(bytes, from, to, encoding) !== to ? 1 : 0;
  const chosen = raw.slice(skip, skip + ends + open);
  return chosen.map((r, i) => {
    const line = clean[skip + i] as CleanLine;
    return { ...line, chars: line.text.length, longer: r.longer, invalid: r.invalid };
  });
}

function cleaned(source: Bytes, first: number, end: number, redact: (text: string) => string) {
  const { bytes, encoding, last } = source;
  if (last?.first === first && last.end === end) return last;
  const raw: Raw[] = [];
  for (let at = first; at < end; ) {
    const next = lineAfter(bytes, at, end, encoding);
    raw.push(lineOf(bytes, at, next < 0 ? end : next, encoding, next >= 0));
    at = next < 0 ? end : next;
  }
  const clean = cleanLines(
    raw.map((r) => r.text),
    redact,
  );
  source.last = { first, end, raw, clean };
  return source.last;
}

function lineOf(bytes: Uint8Array, from: number, to: number, encoding: Encoding, ended: boolean) {
  const longer = to - from > MOST_OF_LINE;
  const { text, invalid } = decode(bytes.subarray(from, longer ? from + MOST_OF_LINE : to), encoding);
  if (longer) return { text: wholeWords(text), longer, invalid };
  return { text: ended ? text.slice(0, -1) : text, longer, invalid };
}

/** Half a secret would be one that redaction no longer knows: what the cut may have split goes. */
function wholeWords(text: string): string {
  const least = Math.max(0, text.length - LONGEST_WORD);
  for (let at = text.length - 1; at >= least; at--) if (BETWEEN.includes(text.charAt(at))) return text.slice(0, at + 1);
  return text.slice(0, least);
}
const BETWEEN = ' \t\n\r,;"\'&|<>()[]{}';

/** A line's beginning, some way before; within a line where that one is too long, and then it is not one of those picked. */
function before(bytes: Uint8Array, from: number, encoding: Encoding): number {
  const far = Math.max(0, from - AROUND - (from % 2));
  if (far === 0) return 0;
  const begin = lineAfter(bytes, far, from, encoding);
  return begin < 0 ? far : begin;
}

function behind(bytes: Uint8Array, to: number, encoding: Encoding): number {
  const far = Math.min(bytes.length, to + AROUND + (to % 2));
  if (far === bytes.length) return far;
  const end = lineBefore(bytes, to, far, encoding);
  return end > to ? end : far;
}

/** For an answer: the beginning of a long line, or what stands around a place in it. */
export function cut(line: Pick, most: number, place?: readonly [number, number]): { text: string; cut: boolean } {
  if (line.text.length <= most) {
    const text = line.longer ? `${line.text}⟦more left out⟧` : line.text;
    return { text, cut: line.longer };
  }
  if (!place || place[1] <= most * 0.8) return { text: clip(line.text, most), cut: true };
  const room = Math.max(40, most - Math.min(place[1] - place[0], most));
  const from = outsideMark(line.text, Math.max(0, place[0] - Math.floor(room / 2)), -1);
  const to = outsideMark(line.text, Math.min(line.text.length, from + most), 1);
  const behind = line.text.length - to;
  const text = line.text.slice(from, to).toWellFormed();
  const ends = behind > 0 || line.longer ? `⟦${line.longer ? 'more' : `${behind} characters`} left out⟧` : '';
  return { text: `${from > 0 ? `⟦${from} characters left out⟧` : ''}${text}${ends}`, cut: true };
}

/** Never through the middle of a mark. */
function outsideMark(text: string, at: number, way: -1 | 1): number {
  const open = text.lastIndexOf('⟦', way < 0 ? at : at - 1);
  if (open < 0) return at;
  const close = text.indexOf('⟧', open);
  if (close < at) return at;
  return way < 0 ? open : close + 1;
}

/**
 * What stands around a place in a line that is too long to be cleaned whole. Its ends are cut to whole words: of a secret that begins
 * before or goes on behind, nothing is left.
 */
export function pickAround(
  { bytes, encoding }: Bytes,
  o: { line: readonly [number, number]; at: number; end: number },
  redact: (text: string) => string,
): Pick & { expected: number } {
  const from = aligned(bytes, Math.max(0, o.line[0], o.at - AROUND), encoding);
  const to = aligned(bytes, Math.min(o.line[1], o.end + AROUND), encoding);
  const left = decode(bytes.subarray(from, Math.max(from, o.at)), encoding).text.length;
  const { text, invalid } = decode(bytes.subarray(from, to), encoding);
  let begin = 0;
  // However long it is: a word whose beginning nobody has seen may be a secret's.
  if (from > o.line[0]) while (begin < text.length && !BETWEEN.includes(text.charAt(begin))) begin++;
  const whole = to < o.line[1] ? wholeWords(text.slice(begin)) : text.slice(begin).replace(/\n$/, '');
  const [line] = cleanLines([whole], redact) as [CleanLine];
  return {
    ...line,
    chars: line.text.length,
    longer: to < o.line[1],
    expected: Math.max(0, left - begin),
    invalid,
  };
}

function aligned(bytes: Uint8Array, at: number, encoding: Encoding): number {
  if (encoding === 'utf-16le' || encoding === 'utf-16be') return at - (at % 2);
  let to = at;
  while (encoding === 'utf-8' && to > 0 && to > at - 4 && ((bytes[to] ?? 0) & 0xc0) === 0x80) to--;
  return to;
}
