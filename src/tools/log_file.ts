/**
 * A file as something a log tool can read: its lines with the times they write, from the end where the newest are wanted, and from a moment
 * on by halving where it is large and in order. Decides what of a file is a log; what it may be, the walk says. What was rotated away is
 * named, not read.
 */
import type { ToolContext } from '../core/call.ts';
import type { LogEnd } from '../core/docker.ts';
import { OpsError } from '../core/errors.ts';
import { strip } from '../core/foreign.ts';
import type { Source } from '../core/source.ts';
import { rotatedOf, stampReader } from '../insight/log_times.ts';
import { decode, type Encoding, lineAfter, lineBefore, type Sniffed } from '../insight/text_encoding.ts';
import { contentType } from '../insight/text_types.ts';
import { named } from './file_parts.ts';
import { openPieces, type Pieces, tailStart, windows } from './file_pieces.ts';
import type { LogReader, ReadLine, ReadWindow } from './log_read.ts';

/** What is as small is read from its beginning. */
const HALVED_ABOVE = 1024 * 1024;
const PROBE = 64 * 1024;
/** Writers that are a moment late: lines so far before a moment may be younger than it. */
const DISORDER_MS = 5_000;
/** Places at which a large file's times are compared before its order is trusted. */
const SAMPLES = 8;
const FOLDER = 5_000;
const TAIL_BYTES = 64 * 1024 * 1024;

type Stamp = (line: string) => number | null;

export async function openFile(ctx: ToolContext, source: Source): Promise<LogReader> {
  const { reader } = ctx.host.files;
  const open = () => openPieces(reader, source.name, { signal: ctx.signal });
  const pieces = await named(source.name, ctx, open);
  const { type, text } = contentType(pieces.head, pieces.stat.sizeBytes);
  if (!text)
    throw new OpsError('validation', `${source.text} is no text, but ${type}.`, {
      hint: type === 'systemd journal' ? 'Read journal: or unit:NAME instead.' : 'Unpack it elsewhere, then read that.',
    });
  const stamp = stampReader({ zone: ctx.host.system.identity().zone, nowMs: ctx.now() });
  const first = firstStamp(pieces.head, text, stamp);
  const older = first === null ? null : await rotated(ctx, source.name);
  return {
    source,
    startedAtMs: null,
    tailBefore: true,
    ...(first !== null && older ? { begins: { atMs: first, why: older } } : {}),
    ...(first === null && pieces.stat.sizeBytes > 0
      ? { note: `The lines of ${source.text} tell no time: each is given that of the file's last change.` }
      : {}),
    async *read(window) {
      // Each round of a call sees the file as it is then.
      return yield* lines(await open(), text, stamp, first, window);
    },
  };
}

/** Null: there is none in what was read first, so there will be none. */
function firstStamp(head: Uint8Array, text: Sniffed, stamp: Stamp): number | null {
  const some = decode(head.subarray(text.bom), text.encoding).text.split('\n', 200);
  for (const line of some) {
    const at = stamp(strip(line.slice(0, 512)));
    if (at !== null) return at;
  }
  return null;
}

async function rotated(ctx: ToolContext, path: string): Promise<string | null> {
  const slash = path.lastIndexOf('/');
  const folder = path.slice(0, slash) || '/';
  const list = await ctx.host.files.reader.list(folder, { limit: FOLDER, signal: ctx.signal }).catch(() => null);
  const names = (list?.entries ?? []).filter((e) => strip(e.name) === e.name).map((e) => e.name);
  const [newest, ...others] = rotatedOf(path.slice(slash + 1), names);
  if (newest === undefined) return null;
  const where = `${folder === '/' ? '' : folder}/${newest}`;
  const packed = /\.(?:gz|xz|bz2|zst)$/.test(newest) ? ' (packed: it cannot be read here)' : '';
  return `Older lines of file:${path} are in file:${where}${packed}${others.length > 0 ? `, and ${others.length} more` : ''}.`;
}

async function* lines(
  pieces: Pieces,
  text: Sniffed,
  stamp: Stamp,
  first: number | null,
  window: ReadWindow,
): AsyncGenerator<ReadLine, LogEnd, undefined> {
  const { sinceMs, untilMs, tail, maxBytes, maxLineBytes } = window;
  if (first === null && (sinceMs !== undefined || untilMs !== undefined) && pieces.stat.sizeBytes > 0)
    throw new OpsError('unavailable', 'The lines of that file tell no time, so none can be chosen by it.', {
      hint: 'Use tail, or read it with file_read.',
    });
  const { encoding, bom } = text;
  const ordered = first !== null && pieces.stat.sizeBytes > HALVED_ABOVE && (await inOrder(pieces, text, stamp));
  const place = async (ms: number) => (ordered ? await halved(pieces, text, stamp, ms) : bom);
  let from = sinceMs === undefined ? bom : await place(sinceMs - DISORDER_MS);
  let within = false;
  if (tail !== undefined) {
    const end = untilMs === undefined ? undefined : await endOf(pieces, text, stamp, untilMs, ordered);
    const back = await tailStart(pieces, {
      lines: tail,
      encoding,
      bom,
      maxBytes: TAIL_BYTES,
      ...(end === undefined ? {} : { end }),
    });
    within = back.within && back.offset > from;
    from = Math.max(from, back.offset);
  }

  // What has no time of its own belongs to the line above; above the first there is only the moment of the last change.
  let at = first ?? pieces.stat.modifiedMs;
  if (first !== null && from > bom) at = (await before(pieces, text, stamp, from)) ?? first;
  let [bytesRead, count, past] = [0, 0, false];
  for await (const w of windows(pieces, { from, encoding })) {
    if (window.signal.aborted) throw window.signal.reason;
    for (let begin = w.from; begin < w.to; ) {
      const next = lineAfter(w.bytes, begin, w.to, encoding);
      const end = next < 0 ? w.to : next;
      const rest = !w.begins && begin === w.from;
      const length = end - begin;
      const part = w.bytes.subarray(begin, begin + Math.min(length, maxLineBytes + 4));
      begin = end;
      bytesRead += length;
      // The rest of a line that was cut.
      if (rest) continue;
      let line = decode(part, encoding).text.replace(/\r?\n$/, '');
      // It began before: what may be the rest of a secret goes.
      if (within) line = line.slice(line.search(/[\s,;"'&|<>()[\]{}]|$/));
      within = false;
      at = stamp(strip(line.slice(0, 512))) ?? at;
      if (untilMs !== undefined && at > untilMs) {
        past ||= at > untilMs + DISORDER_MS;
        if (past && ordered) return { bytesRead, lines: count, stopped: false };
        continue;
      }
      if (sinceMs !== undefined && at < sinceMs) continue;
      count++;
      yield { stream: 'stdout', atMs: at, nanos: 0, text: line, cut: length > maxLineBytes + 4 };
      if (bytesRead > maxBytes) return { bytesRead, lines: count, stopped: !(w.last && begin >= w.to) };
    }
  }
  return { bytesRead, lines: count, stopped: false };
}

/** The first line with a time at or after `from`, within a probe. */
async function probe(pieces: Pieces, { encoding, bom }: Sniffed, stamp: Stamp, from: number) {
  const base = Math.max(bom, from - (from % 2));
  const bytes = await pieces.at(base, PROBE);
  let at = base === bom ? 0 : lineAfter(bytes, 0, bytes.length, encoding);
  while (at >= 0 && at < bytes.length) {
    const next = lineAfter(bytes, at, bytes.length, encoding);
    const end = Math.min(next < 0 ? bytes.length : next, at + 512);
    const ms = stamp(strip(decode(bytes.subarray(at, end), encoding).text));
    if (ms !== null) return { offset: base + at, ms };
    at = next;
  }
  return null;
}

async function inOrder(pieces: Pieces, text: Sniffed, stamp: Stamp): Promise<boolean> {
  let last = Number.NEGATIVE_INFINITY;
  for (let n = 0; n < SAMPLES; n++) {
    const found = await probe(pieces, text, stamp, Math.floor((pieces.stat.sizeBytes * n) / SAMPLES));
    if (!found || found.ms < last - DISORDER_MS) return false;
    last = Math.max(last, found.ms);
  }
  return true;
}

/** A line's beginning before which all is older than `ms`. */
async function halved(pieces: Pieces, text: Sniffed, stamp: Stamp, ms: number): Promise<number> {
  let low = text.bom;
  let high = pieces.stat.sizeBytes;
  while (high - low > PROBE) {
    const middle = low + Math.floor((high - low) / 2);
    const found = await probe(pieces, text, stamp, middle);
    if (found && found.offset < high && found.ms < ms) low = found.offset;
    else high = middle;
  }
  return low;
}

/** Where what is newer than `ms` begins, for a tail that ends there. */
async function endOf(pieces: Pieces, text: Sniffed, stamp: Stamp, ms: number, ordered: boolean): Promise<number> {
  let end = ordered ? await halved(pieces, text, stamp, ms) : text.bom;
  for await (const w of windows(pieces, { from: end, encoding: text.encoding })) {
    for (let at = w.from; at < w.to; ) {
      const next = lineAfter(w.bytes, at, w.to, text.encoding);
      const to = next < 0 ? w.to : next;
      const found =
        w.begins || at > w.from
          ? stamp(strip(decode(w.bytes.subarray(at, Math.min(to, at + 512)), text.encoding).text))
          : null;
      if (found !== null && found > ms && ordered) return end;
      if (found === null || found <= ms) end = w.base + to;
      at = to;
    }
  }
  return end;
}

/** The time of the lines above a place: those below that have none are theirs. */
async function before(
  pieces: Pieces,
  { encoding, bom }: Sniffed,
  stamp: Stamp,
  offset: number,
): Promise<number | null> {
  const base = Math.max(bom, offset - PROBE - ((offset - PROBE) % 2));
  const bytes = await pieces.at(base, offset - base);
  for (let end = bytes.length; end > 0; ) {
    const begin = lineBefore(bytes, 0, Math.max(0, end - unit(encoding)), encoding);
    const ms = stamp(strip(decode(bytes.subarray(begin, Math.min(end, begin + 512)), encoding).text));
    if (ms !== null && (begin > 0 || base === bom)) return ms;
    end = begin;
  }
  return null;
}
const unit = (encoding: Encoding): number => (encoding === 'utf-16le' || encoding === 'utf-16be' ? 2 : 1);
