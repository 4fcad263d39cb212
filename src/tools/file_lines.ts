/**
 * Which lines of a file are shown, going through it window by window: a range by number, the last ones, or all from a cursor; those that
 * match are file_grep.ts's. Decides where reading stops and where it would go on.
 */
import { OpsError } from '../core/errors.ts';
import { bytes as inBytes } from '../core/text.ts';
import { countLines, type Encoding, lineAfter, type Sniffed, unitOf } from '../insight/text_encoding.ts';
import { pick, pickAround } from '../insight/text_pick.ts';
import { grepWindow } from './file_grep.ts';
import { BEFORE, endsLine, jumps, type Pieces, seekLine, tailStart, type Window, windows } from './file_pieces.ts';
import type { Span } from './file_read.ts';
import { type Builder, createShown, type Shown } from './file_shown.ts';

/** Up to here all lines are counted, whatever is asked for: some tens of milliseconds. */
const COUNTED = 64 * 1024 * 1024;
/** This far back the last lines are looked for. */
const LOOKED_BACK = 8 * 1024 * 1024;
/** Where a search jumps from place to place, and a line is sought without reading what is before it. */
const JUMPED_ABOVE = 1024 * 1024;
const SOUGHT_ABOVE = 2_000;
/** Of one line, where many are shown, and where few are. */
const LINE_CHARS = 500;
const FEW_CHARS = 8_000;
/** Bytes that are picked at once. */
const CHUNK = 32 * 1024;

export interface Cursor {
  line: number | null;
  byte: number;
}

export interface Choice {
  span: Span | null;
  /** `scan`: what every match holds, where that is known. */
  grep: { place: (text: string) => [number, number] | null; literal: string | null; scan: string | null } | null;
  context: number;
  limit: number;
  chars: number;
  /** Of one line; without it as many as are asked for allow. */
  lineChars?: number;
  after: Cursor | null;
  redact: (text: string) => string;
  timeUp: () => boolean;
}

export interface Progress {
  /** Number of the line that the next window begins with (or goes on with); null: not counted. */
  line: number | null;
  /** The last one that is wanted. */
  until: number | null;
  matched: number;
  /** Where to go on; null while nothing has stopped it. */
  stop: (Cursor & { why: 'limit' | 'chars' | 'time' | 'range' }) | null;
}

export interface Chosen {
  shown: Shown;
  matched: number;
  totalLines: number | null;
  finalNewline: boolean | null;
  stop: Progress['stop'];
  notes: string[];
}

export async function chosenLines(pieces: Pieces, text: Sniffed, o: Choice): Promise<Chosen> {
  const { encoding } = text;
  const size = pieces.stat.sizeBytes;
  const single = o.span !== null && o.span.last === null && o.span.from === o.span.to && o.grep === null;
  const around = single ? o.context : 0;
  const first = Math.max(1, (o.span?.from ?? 1) - around);
  const start = await startOf(pieces, text, o, first);
  const until = o.span?.to == null ? null : o.span.to + around;
  const asked = until !== null ? until - first + 1 : (o.span?.last ?? o.limit);
  const lineChars = o.lineChars ?? (Math.min(asked, o.limit) <= 3 ? FEW_CHARS : LINE_CHARS);
  const builder = createShown({ chars: o.chars, lineChars, grep: o.grep !== null });
  const state: Progress = { line: start.line, until, matched: 0, stop: null };
  const notes: string[] = [...start.notes];
  if (start.within) {
    const line = await lineEnd(pieces, encoding, o.redact);
    builder.add({ ...line, line: null, byte: start.byte }, false);
    return { shown: builder.shown, matched: 0, totalLines: null, finalNewline: null, stop: null, notes };
  }
  let end: End = { totalLines: null, finalNewline: null };
  let follows = false;

  for await (const w of wayThrough(pieces, start.byte, encoding, o, state)) {
    const counted = state.line === null ? null : state.line + countLines(w.bytes, w.from, w.to, encoding);
    if (state.until !== null && state.line !== null && state.line > state.until)
      state.stop ??= { line: state.line, byte: w.base + w.from, why: 'range' };
    if (state.stop === null) {
      const from = state.line === null || start.counted ? w.from : skip(w, first - state.line, encoding);
      if (from !== null) {
        const line = state.line === null ? null : Math.max(state.line, start.counted ? 0 : first);
        if (o.grep) await grepWindow(w, { from, line, encoding }, { ...o, grep: o.grep }, state, builder);
        else follows = await rangeWindow(w, { from, line, encoding, follows }, o, state, builder);
      }
      if (state.stop === null && !w.last && o.timeUp())
        state.stop = { line: counted, byte: w.base + w.to, why: 'time' };
    }
    state.line = counted;
    if (w.last) end = endOf(w, state.line, text);
    else if (state.stop !== null) {
      if (size > COUNTED || state.line === null || state.stop.why === 'time') break;
      if (size > LOOKED_BACK && unitOf(encoding) === 2) break;
      if (unitOf(encoding) === 1) {
        end = await restOf(pieces, w, state.line);
        break;
      }
    }
    if (w.last && state.stop && state.stop.byte >= w.base + w.to) state.stop = null;
  }
  if (state.stop?.why === 'time')
    notes.push(`The time for reading was up at ${inBytes(state.stop.byte)} of ${inBytes(size)}.`);
  if (end.totalLines !== null && first > end.totalLines && builder.lines() === 0 && !o.grep && first > 1)
    notes.push(`It has ${end.totalLines} lines.`);
  return { shown: builder.shown, matched: state.matched, ...end, stop: state.stop, notes };
}

/** Only around what may match, where that can be known beforehand and the file is large enough for it to be worth it. */
function wayThrough(
  pieces: Pieces,
  from: number,
  encoding: Encoding,
  o: Choice,
  state: Progress,
): AsyncGenerator<Window> {
  const text = o.grep?.scan ?? null;
  const able = text !== null && (encoding === 'utf-8' || (encoding === 'latin1' && /^[\x20-\x7e]*$/.test(text)));
  if (!able || pieces.stat.sizeBytes - from <= JUMPED_ABOVE) return windows(pieces, { from, encoding });
  const skipped = (lines: number) => {
    if (state.line !== null) state.line += lines;
  };
  return jumps(pieces, { from, encoding, text, skipped });
}

interface End {
  totalLines: number | null;
  finalNewline: boolean | null;
}

function endOf(w: Window, line: number | null, { encoding, bom }: Sniffed): End {
  const some = w.base + w.to > bom;
  const finalNewline = some ? endsLine(w.bytes, w.to, encoding) : null;
  return { totalLines: line === null ? null : finalNewline === false ? line : line - 1, finalNewline };
}

/** What follows is only counted. */
async function restOf(pieces: Pieces, w: Window, line: number): Promise<End> {
  const from = w.base + w.to;
  const rest = await pieces.scan({ offset: from, length: COUNTED });
  if (!rest.end) return { totalLines: null, finalNewline: null };
  const finalNewline = (await pieces.at(Math.max(0, rest.to - 1), 1))[0] === 10;
  return { totalLines: line + rest.lines - (finalNewline ? 1 : 0), finalNewline };
}

interface Start extends Cursor {
  /** What is before it is not wanted, whatever its number. */
  counted: boolean;
  /** Within the last line, which is too long to be looked for. */
  within: boolean;
  notes: string[];
}

/** Of a line whose beginning is too far away, only what stands at its end. */
async function lineEnd(pieces: Pieces, encoding: Encoding, redact: (text: string) => string) {
  const from = Math.max(0, pieces.stat.sizeBytes - BEFORE);
  const bytes = await pieces.at(from - (from % 2), BEFORE);
  const end = bytes.length;
  const { expected: _, ...line } = pickAround({ bytes, encoding }, { line: [-1, end], at: end, end }, redact);
  return { pick: line, place: [line.chars, line.chars] as const };
}

async function startOf(pieces: Pieces, { encoding, bom }: Sniffed, o: Choice, first: number): Promise<Start> {
  if (o.after) {
    if (o.after.byte > pieces.stat.sizeBytes)
      throw new OpsError('conflict', 'The file is shorter now than where that answer ended.', {
        hint: 'It was truncated: read it from the start.',
      });
    return { ...o.after, counted: true, within: false, notes: [] };
  }
  if (o.span?.last == null) {
    const top = { line: 1, byte: bom };
    const far = first > SOUGHT_ABOVE && unitOf(encoding) === 1;
    return { ...(far ? await seekLine(pieces, top, first, o.timeUp) : top), counted: false, within: false, notes: [] };
  }
  const tail = await tailStart(pieces, { lines: o.span.last, encoding, bom, maxBytes: LOOKED_BACK });
  const notes: string[] = [];
  if (tail.within) notes.push('The last line is too long: this is the end of it.');
  else if (tail.found < o.span.last && tail.offset > bom)
    notes.push(`Only the last ${tail.found} lines: they are ${inBytes(LOOKED_BACK)} already.`);
  // A line has a number where counting up to it is cheap.
  let line: number | null = null;
  if (tail.offset <= bom) line = 1;
  else if (!tail.within && tail.offset <= COUNTED && unitOf(encoding) === 1)
    line = (await pieces.scan({ offset: 0, length: tail.offset })).lines + 1;
  return { line, byte: tail.offset, counted: true, within: tail.within && o.grep === null, notes };
}

/** Where the line begins that is `n` further on; null: not in this window. */
function skip(w: Window, n: number, encoding: Encoding): number | null {
  let at = w.from;
  for (let i = 0; i < n; i++) {
    at = lineAfter(w.bytes, at, w.to, encoding);
    if (at < 0) return null;
  }
  return at < w.to || (n <= 0 && w.last) ? at : null;
}

/** Lines from there on, until one of the bounds. Tells whether the next window's first line follows on what is shown. */
async function rangeWindow(
  w: Window,
  s: { from: number; line: number | null; encoding: Encoding; follows: boolean },
  o: Choice,
  state: Progress,
  builder: Builder,
): Promise<boolean> {
  const { encoding } = s;
  let { from, line, follows } = s;
  if (!w.begins && from === w.from) {
    // The rest of a line that is shown already, or was passed over.
    const next = lineAfter(w.bytes, w.from, w.to, encoding);
    if (next < 0) return follows;
    from = next;
    if (line !== null) line++;
  }
  while (from < w.to) {
    const to = chunkEnd(w, from, encoding);
    for (const one of pick({ bytes: w.bytes, encoding }, from, to, o.redact)) {
      const byte = w.base + from;
      if (state.until !== null && line !== null && line > state.until) {
        state.stop = { line, byte, why: 'range' };
        return false;
      }
      if (builder.lines() >= o.limit) {
        state.stop = { line, byte, why: 'limit' };
        return false;
      }
      if (!builder.add({ pick: one, line, byte }, follows)) {
        state.stop = { line, byte, why: 'chars' };
        return false;
      }
      follows = true;
      const next = lineAfter(w.bytes, from, w.to, encoding);
      from = next < 0 ? w.to : next;
      if (line !== null) line++;
    }
  }
  return follows;
}

function chunkEnd(w: Window, from: number, encoding: Encoding): number {
  let to = from;
  while (to < w.to && to - from < CHUNK) {
    const next = lineAfter(w.bytes, to, w.to, encoding);
    to = next < 0 ? w.to : next;
  }
  return to;
}
