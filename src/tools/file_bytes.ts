/**
 * Bytes of a file by their place: as text where it is one, else in hex. Decides what of them is shown: a part that lies in a secret is not,
 * in either form, because nobody behind us would know it by its half.
 */
import { decode, latin1, type Sniffed, unitOf } from '../insight/text_encoding.ts';
import { cleanLines, MARKED, partOf, visibleLength } from '../insight/text_lines.ts';
import { BEFORE, BEHIND, type Pieces } from './file_pieces.ts';
import type { Span } from './file_read.ts';
import type { Part } from './file_shown.ts';

const MOST_TEXT = 16 * 1024;
const MOST_HEX = 2 * 1024;
const STANDARD_HEX = 256;
/** Around bytes in hex: a program has more words than a text has names of secrets. */
const AROUND_HEX = 4 * 1024;

export interface BytesShown {
  parts: Part[];
  hex?: string[];
  altered: { redacted: number; stripped: number };
  invalidBytes: number;
  notes: string[];
}

export async function bytesOf(
  pieces: Pieces,
  text: Sniffed | null,
  span: Span | null,
  redact: (text: string) => string,
): Promise<BytesShown> {
  const nothing = { parts: [], altered: { redacted: 0, stripped: 0 }, invalidBytes: 0 };
  if (span === null) return { ...nothing, notes: ['It is no text: bytes 0-255 shows its beginning in hex.'] };
  const size = pieces.stat.sizeBytes;
  const most = text ? MOST_TEXT : MOST_HEX;
  const from = Math.min(span.last === null ? span.from : Math.max(0, size - span.last), size);
  const wanted = span.last ?? (span.to === null ? (text ? most : STANDARD_HEX) : span.to - span.from + 1);
  const length = Math.min(wanted, most);
  const notes = wanted > length ? [`Of ${wanted} bytes the first ${length}: ask for fewer at once.`] : [];
  const reach = text ? BEFORE : AROUND_HEX;
  const base = Math.max(0, from - reach - ((from - reach) % 2));
  const bytes = await pieces.at(base, from - base + length + (text ? BEHIND : AROUND_HEX));
  const a = from - base;
  const b = Math.min(a + length, bytes.length);
  const { lines, ...shown } = text ? asText(bytes, a, b, text, redact) : asHex(bytes, a, b, base, redact);
  const parts = lines?.length ? [{ line: null, byte: from, lines }] : [];
  return { ...shown, parts, notes: [...notes, ...(shown.notes ?? [])] };
}

interface Some {
  lines?: string[];
  hex?: string[];
  altered: { redacted: number; stripped: number };
  invalidBytes: number;
  notes?: string[];
}

function asText(bytes: Buffer, a: number, b: number, { encoding }: Sniffed, redact: (text: string) => string): Some {
  const unit = unitOf(encoding);
  // To whole characters: rather one more than half of one.
  while (encoding === 'utf-8' && a > 0 && ((bytes[a] ?? 0) & 0xc0) === 0x80) a--;
  while (encoding === 'utf-8' && b < bytes.length && ((bytes[b] ?? 0) & 0xc0) === 0x80) b++;
  a -= a % unit;
  b += b % unit;
  const before = decode(bytes.subarray(0, a), encoding).text;
  const inside = decode(bytes.subarray(a, b), encoding);
  const all = before + inside.text + decode(bytes.subarray(b), encoding).text;
  const clean = cleanLines(all.split('\n'), redact);
  const lead = before.split('\n');
  const first = lead.length - 1;
  const column = visibleLength(lead[first] ?? '');
  const wanted = inside.text.split('\n');
  const lines = wanted.map((raw, i) => {
    const line = clean[first + i] ?? { text: '', seen: '' };
    const start = i === 0 ? column : 0;
    const end = i === wanted.length - 1 ? start + visibleLength(raw) : line.seen.length;
    return partOf(line.seen, line.text, start, end).toWellFormed();
  });
  // A word that began before all that was looked at: what it is, nobody here knows.
  if (first === 0 && a > 0 && bytes.length > BEFORE && !/[\s,;"'&|<>()[\]{}]/.test(before) && lines[0] !== undefined) {
    const end = /[\s,;"'&|<>()[\]{}]/.exec(lines[0])?.index ?? lines[0].length;
    lines[0] = `⟦${end} characters of a longer word left out⟧${lines[0].slice(end)}`;
  }
  const redacted = lines.reduce((n, l) => n + (l.match(MARKED)?.length ?? 0), 0);
  const seen = wanted.reduce((n, raw) => n + raw.replace(/\r$/, '').length - visibleLength(raw), 0);
  return { lines, altered: { redacted, stripped: Math.max(0, seen) }, invalidBytes: inside.invalid };
}

function asHex(bytes: Buffer, a: number, b: number, base: number, redact: (text: string) => string): Some {
  const text = latin1(bytes);
  const clean = redact(text);
  let [from, to] = [bytes.length, bytes.length];
  if (clean !== text) {
    from = 0;
    while (text[from] === clean[from]) from++;
    let tail = 0;
    while (tail < text.length - from && text[text.length - 1 - tail] === clean[clean.length - 1 - tail]) tail++;
    to = bytes.length - tail;
  }
  // In two bytes to the character, a secret has its NULs between.
  const narrow = text.replaceAll('\0', '');
  if (narrow !== text && redact(narrow) !== narrow) [from, to] = [0, bytes.length];
  const hidden = (i: number) => i >= from && i < to;
  const hex: string[] = [];
  for (let at = a; at < b; at += 16) {
    const row = Array.from(bytes.subarray(at, Math.min(at + 16, b)), (byte, i) => ({ byte, hidden: hidden(at + i) }));
    const codes = row.map((r) => (r.hidden ? '··' : r.byte.toString(16).padStart(2, '0'))).join(' ');
    const signs = row
      .map((r) => (!r.hidden && r.byte > 0x20 && r.byte < 0x7f ? String.fromCharCode(r.byte) : '.'))
      .join('');
    hex.push(`${(base + at).toString(16).padStart(8, '0')}  ${codes.padEnd(47)}  ${signs}`);
  }
  const some = Math.max(0, Math.min(to, b) - Math.max(from, a));
  return {
    hex,
    altered: { redacted: some > 0 ? 1 : 0, stripped: 0 },
    invalidBytes: 0,
    ...(some > 0 ? { notes: [`${some} bytes lie in or beside what looks like a secret, and are not shown.`] } : {}),
  };
}
