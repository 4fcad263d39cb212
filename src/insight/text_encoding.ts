/**
 * Bytes as text: which encoding they are in, by their mark or by what they look like, and how they read in it. Pure. What is no
 * valid UTF-8 in a file that mostly is, is shown as \xNN instead of being lost. Whether it is text at all, text_types.ts asks here.
 */

export const ENCODINGS = ['utf-8', 'utf-16le', 'utf-16be', 'latin1'] as const;
export type Encoding = (typeof ENCODINGS)[number];

export interface Sniffed {
  encoding: Encoding;
  /** Bytes of the mark at the beginning. */
  bom: number;
}

/** Null: these are not the first bytes of a text. `whole`: the file ends with them. */
export function sniffText(bytes: Uint8Array, whole: boolean): Sniffed | null {
  const [a, b, c] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return { encoding: 'utf-8', bom: 3 };
  // UTF-32 LE begins like UTF-16 LE, and two NULs follow.
  if (a === 0xff && b === 0xfe && !(c === 0 && bytes[3] === 0 && bytes.length > 4))
    return { encoding: 'utf-16le', bom: 2 };
  if (a === 0xfe && b === 0xff) return { encoding: 'utf-16be', bom: 2 };
  if (bytes.includes(0)) return wide(bytes);
  const { valid, invalid, latin } = countUtf8(bytes, whole);
  if (invalid === 0) return hidden(bytes) ? null : { encoding: 'utf-8', bom: 0 };
  if (hidden(bytes)) return null;
  // Single bytes that are letters in Latin-1, and not one sequence of UTF-8: an old text, not a damaged one.
  if (valid === 0 && latin) return invalid <= bytes.length * 0.4 ? { encoding: 'latin1', bom: 0 } : null;
  return invalid <= Math.max(2, bytes.length * 0.05) ? { encoding: 'utf-8', bom: 0 } : null;
}

/** UTF-16 without a mark: every other byte of Western text is NUL. */
function wide(bytes: Uint8Array): Sniffed | null {
  let [even, odd] = [0, 0];
  for (let i = 0; i < bytes.length; i++)
    if (bytes[i] === 0) {
      if (i & 1) odd++;
      else even++;
    }
  const half = Math.floor(bytes.length / 2);
  if (half < 4) return null;
  if (odd >= half * 0.7 && even <= half * 0.02) return { encoding: 'utf-16le', bom: 0 };
  if (even >= half * 0.7 && odd <= half * 0.02) return { encoding: 'utf-16be', bom: 0 };
  return null;
}

/** More control characters than colours and form feeds bring: no text, though it has no NUL. */
function hidden(bytes: Uint8Array): boolean {
  let n = 0;
  for (const byte of bytes) if (byte < 0x20 && !(byte >= 0x08 && byte <= 0x0d) && byte !== 0x1b) n++;
  return n > bytes.length * 0.1 && n > 1;
}

function countUtf8(bytes: Uint8Array, whole: boolean) {
  let [valid, invalid, latin] = [0, 0, true];
  for (let i = 0; i < bytes.length; ) {
    if ((bytes[i] as number) < 0x80) {
      i++;
      continue;
    }
    const n = sequence(bytes, i);
    if (n > 0) {
      valid++;
      i += n;
      continue;
    }
    // The end of what was read may lie in the middle of a character.
    if (!whole && i >= bytes.length - 3) break;
    invalid++;
    if ((bytes[i] as number) < 0xa0) latin = false;
    i++;
  }
  return { valid, invalid, latin };
}

/** Bytes of the character that begins there; 0: none does. */
function sequence(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] as number;
  const next = (i: number) => ((bytes[at + i] ?? 0) & 0xc0) === 0x80;
  const second = bytes[at + 1] ?? 0;
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return next(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (!next(1) || !next(2)) return 0;
    return (lead === 0xe0 && second < 0xa0) || (lead === 0xed && second > 0x9f) ? 0 : 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (!next(1) || !next(2) || !next(3)) return 0;
    return (lead === 0xf0 && second < 0x90) || (lead === 0xf4 && second > 0x8f) ? 0 : 4;
  }
  return 0;
}

const STRICT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const WIDE = new TextDecoder('utf-16le', { ignoreBOM: true });

export interface Decoded {
  text: string;
  /** Bytes that belong to no character. */
  invalid: number;
}

export function decode(bytes: Uint8Array, encoding: Encoding): Decoded {
  if (encoding === 'latin1') return { text: latin1(bytes), invalid: 0 };
  if (encoding !== 'utf-8') {
    const even = bytes.length - (bytes.length % 2);
    const units = encoding === 'utf-16le' ? bytes.subarray(0, even) : swapped(bytes.subarray(0, even));
    const text = WIDE.decode(units);
    const odd = bytes.length - even;
    return { text: odd ? `${text}${shown(bytes[even] as number)}` : text, invalid: odd };
  }
  try {
    return { text: STRICT.decode(bytes), invalid: 0 };
  } catch {
    return damaged(bytes);
  }
}

function damaged(bytes: Uint8Array): Decoded {
  let text = '';
  let invalid = 0;
  let from = 0;
  for (let i = 0; i < bytes.length; ) {
    const n = sequence(bytes, i);
    if (n > 0) {
      i += n;
      continue;
    }
    text += STRICT.decode(bytes.subarray(from, i)) + shown(bytes[i] as number);
    invalid++;
    from = ++i;
  }
  return { text: text + STRICT.decode(bytes.subarray(from)), invalid };
}

const shown = (byte: number): string => `\\x${byte.toString(16).padStart(2, '0')}`;

export const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');

const swapped = (bytes: Uint8Array): Uint8Array => {
  const out = Buffer.from(bytes);
  return out.swap16();
};

/** Bytes of a line's end, and of the smallest character. */
export const unitOf = (encoding: Encoding): 1 | 2 => (encoding === 'utf-16le' || encoding === 'utf-16be' ? 2 : 1);

/** Where the next line begins: behind the first line end at or after `from` and before `to`; -1: none. */
export function lineAfter(bytes: Uint8Array, from: number, to: number, encoding: Encoding): number {
  if (unitOf(encoding) === 1) {
    const at = bytes.indexOf(10, from);
    return at < 0 || at >= to ? -1 : at + 1;
  }
  const low = encoding === 'utf-16le' ? 0 : 1;
  for (let at = bytes.indexOf(10, from); at >= 0 && at < to; at = bytes.indexOf(10, at + 1))
    if ((at & 1) === low && bytes[at ^ 1] === 0 && (at | 1) < to) return (at | 1) + 1;
  return -1;
}

/** Where the line that holds the byte before `to` begins, not before `from`; `from` where no line end is found. */
export function lineBefore(bytes: Uint8Array, from: number, to: number, encoding: Encoding): number {
  const unit = unitOf(encoding);
  const low = encoding === 'utf-16le' ? 0 : 1;
  for (let at = to - 1; at >= from; ) {
    const found = bytes.lastIndexOf(10, at);
    if (found < from) return from;
    if (unit === 1) return found + 1;
    if ((found & 1) === low && bytes[found ^ 1] === 0) return (found | 1) + 1;
    at = found - 1;
  }
  return from;
}

/** How many lines end in there. */
export function countLines(bytes: Uint8Array, from: number, to: number, encoding: Encoding): number {
  let n = 0;
  if (unitOf(encoding) === 1) {
    for (let i = from; i < to; i++) if (bytes[i] === 10) n++;
    return n;
  }
  for (let at = lineAfter(bytes, from, to, encoding); at >= 0; at = lineAfter(bytes, at, to, encoding)) n++;
  return n;
}

/** Which ends the lines in there have; null where none ends. */
export function lineEnds(bytes: Uint8Array, encoding: Encoding): 'lf' | 'crlf' | 'mixed' | null {
  let [lf, crlf] = [0, 0];
  const unit = unitOf(encoding);
  for (
    let at = lineAfter(bytes, 0, bytes.length, encoding);
    at >= 0;
    at = lineAfter(bytes, at, bytes.length, encoding)
  ) {
    const before = encoding === 'utf-16be' ? at - 3 : at - 2 * unit;
    if (before >= 0 && bytes[before] === 13) crlf++;
    else lf++;
  }
  return lf + crlf === 0 ? null : crlf === 0 ? 'lf' : lf === 0 ? 'crlf' : 'mixed';
}
