/**
 * The bytes of a file as edits see them: every CRLF is one line end, and each place can be told in the bytes on the disk again. Pure.
 * Decides nothing about what is edited.
 */
const LF = 0x0a;
const CR = 0x0d;
const BOM = [0xef, 0xbb, 0xbf] as const;

export interface Lines {
  /** Without the CR of CRLF; everything else as it is, also what is no valid UTF-8. */
  flat: Buffer;
  /** Where the bytes up to `at` of `flat` end in the file. Before a line end is before its CR, behind it behind its LF. */
  onDisk(at: number): number;
  /** How many there are; an end of file without a line end ends one, too. */
  count: number;
  /** Where line `n` begins, from 1, in `flat`; behind the last line it is the end. A byte order mark belongs to no line. */
  start(n: number): number;
  /** Where its text ends, before its line end. */
  end(n: number): number;
  /** The line that holds this place of `flat`. */
  lineAt(at: number): number;
  /** Which line end the file has, mostly. */
  eol: '\n' | '\r\n';
  /** False where the last line has no line end. */
  ended: boolean;
}

export const hasBom = (bytes: Uint8Array): boolean => BOM.every((b, i) => bytes[i] === b);

export function linesOf(bytes: Uint8Array): Lines {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const removed: number[] = [];
  let ends = 0;
  for (let at = raw.indexOf(LF); at >= 0; at = raw.indexOf(LF, at + 1)) {
    ends++;
    if (raw[at - 1] === CR) removed.push(at - 1);
  }
  const flat = removed.length === 0 ? raw : without(raw, removed);

  const from = hasBom(bytes) ? BOM.length : 0;
  const starts = [from];
  for (let at = flat.indexOf(LF); at >= 0; at = flat.indexOf(LF, at + 1)) starts.push(at + 1);
  const ended = flat.length === from || flat.at(-1) === LF;
  const count = ended ? starts.length - 1 : starts.length;
  const start = (n: number) => (n > count ? flat.length : (starts[n - 1] as number));
  return {
    flat,
    onDisk: (at) => at + before(removed.length, (k) => (removed[k] as number) - k < at),
    count,
    start,
    end: (n) => {
      const next = start(n + 1);
      return next > start(n) && flat[next - 1] === LF ? next - 1 : next;
    },
    lineAt: (at) =>
      Math.max(
        1,
        before(count, (k) => (starts[k] as number) <= at),
      ),
    eol: removed.length * 2 > ends ? '\r\n' : '\n',
    ended,
  };
}

/** How many of the first ones hold, where those that do come first. */
function before(count: number, holds: (k: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (holds(mid)) low = mid + 1;
    else high = mid;
  }
  return low;
}

function without(raw: Buffer, removed: readonly number[]): Buffer {
  const out = Buffer.allocUnsafe(raw.length - removed.length);
  let from = 0;
  let to = 0;
  for (const at of removed) {
    to += raw.copy(out, to, from, at);
    from = at + 1;
  }
  raw.copy(out, to, from);
  return out;
}
