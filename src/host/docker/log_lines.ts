/**
 * Bytes of one output stream into lines with the engine's time stamps. The engine stamps each entry of its log, and an entry is a line
 * or, of a long one, 16 KiB of it: so a stamp can stand within a line, and is taken out there. Memory is bounded by the longest line
 * that is asked for, whatever comes. Pure.
 */
import type { LogLine } from '../../core/docker.ts';

const NEWLINE = 10;
/** `2026-11-20T12:00:00.123456789Z `, or with Podman an offset. */
const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) /;
const LONGEST_STAMP = 36;
/** What the engine makes one entry of, at most. */
const ENTRY = 16 * 1024;

export interface Stamp {
  atMs: number;
  nanos: number;
}

/** The engine's time stamp at the start of a text, and how long it is. */
export function stampIn(text: string): (Stamp & { length: number }) | null {
  const found = STAMP.exec(text);
  if (!found) return null;
  const [whole, seconds = '', fraction = '', zone = ''] = found;
  const digits = fraction.padEnd(9, '0');
  const atMs = Date.parse(`${seconds}.${digits.slice(0, 3)}${zone}`);
  return Number.isFinite(atMs) ? { atMs, nanos: Number(digits.slice(3)), length: whole.length } : null;
}

export interface LineReader {
  push(bytes: Buffer, first: boolean): LogLine[];
  /** What stands without a line end when the log is over. */
  end(): LogLine[];
}

export function lineReader(stream: LogLine['stream'], o: { maxLineBytes: number; tty: boolean }): LineReader {
  /** Where a stamp can stand: bytes until that is clear. Null: in the middle of an entry. */
  let head: Buffer | null = Buffer.alloc(0);
  let parts: Buffer[] = [];
  let size = 0;
  let begun = false;
  let cut = false;
  /** Of this entry, without its stamp: only a TTY's stream has no frame that tells where the next one begins. */
  let entry = 0;
  let stamp: Stamp = { atMs: 0, nanos: 0 };

  function add(bytes: Buffer): void {
    begun = true;
    entry += bytes.length;
    const room = o.maxLineBytes - size;
    if (bytes.length > room) cut = true;
    if (room <= 0 || bytes.length === 0) return;
    // A copy: a slice would hold the whole chunk that it came in.
    parts.push(Buffer.from(bytes.subarray(0, room)));
    size += Math.min(bytes.length, room);
  }

  function settleHead(lines: LogLine[]): void {
    if (!head) return;
    const found = stampIn(head.toString('latin1'));
    const bytes = found ? head.subarray(found.length) : head;
    // A new entry after one that was not full: what came before had no line end, e.g. the last words before a restart.
    if (found && begun && entry < ENTRY) lines.push(line());
    if (found && !begun) stamp = { atMs: found.atMs, nanos: found.nanos };
    head = null;
    if (found) entry = 0;
    if (bytes.length > 0 || found) add(bytes);
  }

  function line(): LogLine {
    const bytes = Buffer.concat(parts);
    const text = (cut ? wholeCharacters(bytes) : bytes).toString('utf8');
    const made: LogLine = { stream, ...stamp, text: cut ? text : text.replace(/\r$/, ''), cut };
    parts = [];
    size = 0;
    begun = false;
    cut = false;
    entry = 0;
    head = Buffer.alloc(0);
    return made;
  }

  return {
    push(bytes, first) {
      const lines: LogLine[] = [];
      if (first) {
        settleHead(lines);
        head = Buffer.alloc(0);
      }
      let at = 0;
      while (at < bytes.length) {
        const end = bytes.indexOf(NEWLINE, at);
        if (head) {
          const most = at + LONGEST_STAMP - head.length;
          const to = Math.min(end < 0 ? bytes.length : end, most);
          head = Buffer.concat([head, bytes.subarray(at, to)]);
          at = to;
          if (head.length < LONGEST_STAMP && at === bytes.length) break;
          settleHead(lines);
        }
        const room = o.tty && entry < ENTRY ? at + ENTRY - entry : bytes.length;
        const to = Math.min(end < 0 ? bytes.length : end, room);
        add(bytes.subarray(at, to));
        at = to;
        if (at === end) {
          lines.push(line());
          at++;
        } else if (o.tty && entry === ENTRY) head = Buffer.alloc(0);
      }
      return lines;
    },
    end() {
      const lines: LogLine[] = [];
      settleHead(lines);
      return begun ? [...lines, line()] : lines;
    },
  };
}

/** Without the first bytes of a character that was cut through. */
function wholeCharacters(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needs > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}
