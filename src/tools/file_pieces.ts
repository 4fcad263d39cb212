/**
 * A file in pieces, whatever its size: never more in memory than a few, each read anew through the walk, and all of the same file. Decides
 * how much is read at once, and how much stands before and behind what is looked at, so that no secret is seen by half. What the
 * pieces say is the caller's business.
 */
import { OpsError } from '../core/errors.ts';
import type { FilePath, FileReader, FileScan, FileStat, ScanFor } from '../core/files.ts';
import { type Encoding, lineAfter, lineBefore, unitOf } from '../insight/text_encoding.ts';

/** Read at once: larger ones are a little quicker, and cost memory. */
export const PIECE = 2 * 1024 * 1024;
/** Looked at without a word between. */
const STRETCH = 256 * 1024 * 1024;
const FIRST = 64 * 1024;
/** In front of what is looked at: what redaction needs to know of a line, and the neighbours that a match may show. */
export const BEFORE = 64 * 1024;
/** Behind it: a secret that begins in it ends there. */
export const BEHIND = 16 * 1024;
/** A line that is longer goes through in parts. */
const LONG_LINE = 256 * 1024;

export interface Pieces {
  /** As it is, after links inside the root. */
  path: string;
  stat: FileStat;
  /** Its first bytes. */
  head: Buffer;
  /** There is no more of it. */
  whole: boolean;
  /** From `offset`; fewer than `length` only where the file ends. */
  at(offset: number, length: number): Promise<Buffer>;
  /** Ways through it that bring no bytes; not for UTF-16. */
  scan(o: ScanFor): Promise<FileScan>;
  bytesRead(): number;
}

export async function openPieces(
  reader: FileReader,
  path: FilePath,
  o: { signal: AbortSignal; head?: number },
): Promise<Pieces> {
  let bytesRead = 0;
  let first: FileStat | undefined;
  let real = '';
  const same = (stat: FileStat) => {
    if (first && stat.id !== first.id)
      throw new OpsError('conflict', 'The file was replaced while it was read.', { hint: 'Ask again.' });
  };
  async function scan(what: ScanFor): Promise<FileScan> {
    const seen = await reader.scan(path, { ...what, signal: o.signal });
    same(seen.stat);
    return seen;
  }
  async function at(offset: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let got = 0; got < length; ) {
      const most = Math.min(PIECE, length - got);
      const piece = await reader.read(path, { offset: offset + got, length: most, signal: o.signal });
      same(piece.stat);
      first ??= piece.stat;
      real ||= piece.path;
      bytesRead += piece.bytes.length;
      parts.push(Buffer.from(piece.bytes.buffer, piece.bytes.byteOffset, piece.bytes.length));
      got += piece.bytes.length;
      if (piece.bytes.length < most) break;
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }
  const most = o.head ?? FIRST;
  const head = await at(0, most);
  const whole = head.length < most;
  return { path: real, stat: first as unknown as FileStat, head, whole, at, scan, bytesRead: () => bytesRead };
}

/** Bytes of which [from, to) are to be looked at: whole lines, but for a line that is longer than a window. */
export interface Window {
  bytes: Buffer;
  /** Where in the file `bytes` begin. */
  base: number;
  from: number;
  to: number;
  /** A line begins at `from`; otherwise it is the same one as before. */
  begins: boolean;
  /** The file ends at `to`. */
  last: boolean;
}

/** From a line's beginning to the end of the file. Whoever has enough stops asking. */
export async function* windows(
  pieces: Pieces,
  o: { from: number; encoding: Encoding; first?: number },
): AsyncGenerator<Window, void, undefined> {
  const even = (n: number) => n - (n % 2);
  let base = even(Math.max(0, o.from - BEFORE));
  let size = o.first ?? FIRST;
  let at = o.from;
  let begins = true;
  const asked = at - base + size;
  const known = base === 0 && (pieces.whole || asked <= pieces.head.length);
  let bytes = known ? pieces.head.subarray(0, asked) : await pieces.at(base, asked);
  let end = bytes.length < asked;
  for (;;) {
    const until = base + bytes.length;
    const sure = end ? until : until - BEHIND;
    let to = end ? until : base + lineBefore(bytes, at - base, Math.max(at, sure) - base, o.encoding);
    if (!end && to <= at) to = sure - at >= LONG_LINE ? base + wholeChar(bytes, even(sure) - base, o.encoding) : at;
    size = Math.min(size * 4, PIECE);
    // Deep in a large file the next piece is read while this one is looked at.
    const ahead = !end && size === PIECE ? pieces.at(until, size) : null;
    ahead?.catch(() => {});
    if (to > at || end) yield { bytes, base, from: at - base, to: to - base, begins, last: end };
    if (end) return;
    begins = to > at ? endsLine(bytes, to - base, o.encoding) : begins;
    at = to;
    const next = await (ahead ?? pieces.at(until, size));
    end = next.length < size;
    const keep = even(Math.max(base, at - BEFORE));
    bytes = Buffer.concat([bytes.subarray(keep - base), next]);
    base = keep;
  }
}

/**
 * The same, but only of what stands around lines that may hold the text; `skipped` hears of the line ends between. An empty window now and
 * then lets the caller look at its clock.
 */
export async function* jumps(
  pieces: Pieces,
  o: { from: number; encoding: Encoding; text: string; skipped: (lines: number) => void },
): AsyncGenerator<Window, void, undefined> {
  for (let at = o.from; ; ) {
    const seen = await pieces.scan({ offset: at, length: STRETCH, text: o.text });
    o.skipped(seen.lines);
    at = seen.at ?? seen.to;
    if (seen.at === null && !seen.end) {
      yield { bytes: Buffer.alloc(0), base: at, from: 0, to: 0, begins: true, last: false };
      continue;
    }
    const begun = at;
    for await (const w of windows(pieces, { from: at, encoding: o.encoding })) {
      yield w;
      if (w.last) return;
      at = w.base + w.to;
      if (at - begun >= FIRST / 2 && endsLine(w.bytes, w.to, o.encoding)) break;
    }
  }
}

/** Where line `line` begins, going on from one before it; short of it where the file ends or `enough` says so. */
export async function seekLine(
  pieces: Pieces,
  from: { line: number; byte: number },
  line: number,
  enough: () => boolean,
): Promise<{ line: number; byte: number }> {
  let at = from;
  while (at.line < line && !enough()) {
    const seen = await pieces.scan({ offset: at.byte, length: STRETCH, lines: line - at.line });
    at = { line: at.line + seen.lines, byte: seen.at ?? seen.to };
    if (seen.end) break;
  }
  return at;
}

/** Not into the middle of a character. */
function wholeChar(bytes: Uint8Array, at: number, encoding: Encoding): number {
  if (unitOf(encoding) === 2) return at;
  let to = at;
  while (to > at - 4 && to > 0 && ((bytes[to] ?? 0) & 0xc0) === 0x80) to--;
  return to;
}

export interface Tail {
  offset: number;
  /** Lines from there on; fewer than asked for where there are no more, or they are too long. */
  found: number;
  /** It begins within a line. */
  within: boolean;
}

/** Where the last `lines` lines begin (before `end`), looking back over at most `maxBytes`. */
export async function tailStart(
  pieces: Pieces,
  o: { lines: number; encoding: Encoding; maxBytes: number; bom: number; end?: number },
): Promise<Tail> {
  const length = o.end ?? pieces.stat.sizeBytes;
  for (let size = FIRST; ; size = Math.min(size * 8, o.maxBytes)) {
    const from = Math.max(0, length - size - ((length - size) % 2));
    const bytes = await pieces.at(from, length - from);
    const unit = unitOf(o.encoding);
    let at = bytes.length;
    // The end of the last line ends it, and begins no other.
    let before = endsLine(bytes, at, o.encoding) ? at - unit : at;
    let found = 0;
    while (found < o.lines && at > 0) {
      const begin = lineBefore(bytes, 0, before, o.encoding);
      if (begin === 0 && from > 0) break;
      at = begin;
      before = begin - unit;
      found++;
    }
    if (found >= o.lines || from === 0)
      return { offset: at === 0 && from === 0 ? o.bom : from + at, found, within: false };
    if (size < o.maxBytes) continue;
    if (found > 0) return { offset: from + at, found, within: false };
    const end = from + bytes.length;
    return { offset: Math.max(from, end - BEHIND - (end % 2)), found: 1, within: true };
  }
}

/** A line ends just before `at`. */
export function endsLine(bytes: Uint8Array, at: number, encoding: Encoding): boolean {
  const unit = unitOf(encoding);
  return at >= unit && lineAfter(bytes, at - unit, at, encoding) === at;
}
