/**
 * Lines of a window that match, with their neighbours. What may match is found fast in the bytes as they are; what does match is decided by
 * the line as it would be shown, so that nobody can guess a secret by searching for it.
 */
import { strip } from '../core/foreign.ts';
import { countLines, decode, type Encoding, latin1, lineAfter, lineBefore, unitOf } from '../insight/text_encoding.ts';
import { type Bytes, type Pick, pick, pickAround } from '../insight/text_pick.ts';
import type { Choice, Progress } from './file_lines.ts';
import type { Window } from './file_pieces.ts';
import type { Builder } from './file_shown.ts';

/** A longer line is not cleaned whole: each match in it is shown with what stands around it. */
const LONG = 32 * 1024;
/** A match over the border of two windows of one line. */
const OVERLAP = 1_024;
/** Bytes between two turns of the loop, where each line is searched by itself. */
const TURN = 128 * 1024;

type Grep = NonNullable<Choice['grep']>;

export async function grepWindow(
  w: Window,
  s: { from: number; line: number | null; encoding: Encoding },
  o: Omit<Choice, 'grep'> & { grep: Grep },
  state: Progress,
  builder: Builder,
): Promise<void> {
  const { encoding } = s;
  const unit = unitOf(encoding);
  const source: Bytes = { bytes: w.bytes, encoding };
  // A window that begins within a line may have half a match before it.
  const from = w.begins || s.from !== w.from ? s.from : Math.max(0, s.from - OVERLAP);
  let [counted, line] = [s.from, s.line];
  let turn = from;
  let shownTo = -1;

  for (const [at, end] of candidates(source, from, w.to, o.grep)) {
    if (end <= s.from && from < s.from) continue;
    if (at - turn > TURN && o.grep.literal === null) {
      turn = at;
      await new Promise((done) => setImmediate(done));
    }
    if (o.timeUp()) {
      state.stop = { line, byte: w.base + counted, why: 'time' };
      return;
    }
    const begin = lineBefore(w.bytes, from, at, encoding);
    const next = lineAfter(w.bytes, at, w.to, encoding);
    // Of a line that began in an earlier window, or goes on in a later one, only what stands around the match is looked at.
    const part = (!w.begins && begin <= s.from && s.from === w.from) || (next < 0 && !w.last);
    const until = next < 0 ? (w.last ? w.to : w.bytes.length) : next;
    const long = part || until - begin > LONG;
    if (begin > counted) {
      if (line !== null) line += countLines(w.bytes, counted, begin, encoding);
      counted = begin;
    }
    if (state.until !== null && line !== null && line > state.until) {
      state.stop = { line, byte: w.base + begin, why: 'range' };
      return;
    }
    const found = long ? around(source, [part ? -1 : begin, until], at, end, o) : whole(source, begin, until, o);
    if (!found) continue;
    if (state.matched >= o.limit) {
      state.stop = { line, byte: w.base + begin, why: 'limit' };
      return;
    }
    // Neighbours: from where the last part ends, as far as the window reaches.
    let a = begin;
    let b = until;
    if (!long) {
      for (let n = 0; n < o.context && a > 0 && a > shownTo; n++) a = lineBefore(w.bytes, 0, a - unit, encoding);
      for (let n = 0; n < o.context && b < w.bytes.length; n++) {
        const further = lineAfter(w.bytes, b, w.bytes.length, encoding);
        if (further < 0) {
          if (w.last) b = w.bytes.length;
          break;
        }
        b = further;
      }
    }
    const follows = !long && shownTo >= 0 && a <= shownTo;
    if (follows) a = Math.max(a, shownTo);
    if (!put(source, { a, b, begin, at, long, line, base: w.base, follows, found }, o, builder)) {
      state.stop = { line, byte: w.base + begin, why: 'chars' };
      return;
    }
    state.matched++;
    shownTo = Math.max(shownTo, b);
  }
  if (state.until !== null && line !== null) {
    const at = line + countLines(w.bytes, counted, w.to, encoding);
    if (at > state.until) state.stop = { line: at, byte: w.base + w.to, why: 'range' };
  }
}

interface Found {
  pick: Pick;
  place: readonly [number, number];
}

function whole(
  source: Bytes,
  begin: number,
  until: number,
  o: { grep: Grep; redact: (t: string) => string },
): Found | null {
  const [line] = pick(source, begin, until, o.redact);
  const place = line && o.grep.place(line.text);
  return place ? { pick: line, place } : null;
}

function around(
  source: Bytes,
  line: [number, number],
  at: number,
  end: number,
  o: { grep: Grep; redact: (t: string) => string },
): Found | null {
  const { expected, ...found } = pickAround(source, { line, at, end }, o.redact);
  // The match that is meant, not one before it; what was stripped has moved it to the left.
  const from = Math.max(0, expected - 256);
  const open = found.text.lastIndexOf('⟦', from);
  const safe = open >= 0 && found.text.indexOf('⟧', open) >= from ? open : from;
  const place = o.grep.place(found.text.slice(safe));
  return place ? { pick: found, place: [place[0] + safe, place[1] + safe] } : null;
}

/** All lines from `a` to `b`; the one that begins at `begin` is the match, alone where it is too long to have neighbours. */
function put(
  source: Bytes,
  p: {
    a: number;
    b: number;
    begin: number;
    at: number;
    long: boolean;
    line: number | null;
    base: number;
    follows: boolean;
    found: Found;
  },
  o: { redact: (t: string) => string },
  builder: Builder,
): boolean {
  const { bytes, encoding } = source;
  const own = { pick: p.found.pick, place: p.found.place, match: true };
  if (p.long) return builder.add({ ...own, line: p.line, byte: p.base + p.at }, false);
  let at = p.a;
  let follows = p.follows;
  let line = p.line;
  if (line !== null)
    line += p.a <= p.begin ? -countLines(bytes, p.a, p.begin, encoding) : countLines(bytes, p.begin, p.a, encoding);
  // A neighbour of the one before: it is shown already, and only now known to match itself.
  if (p.a > p.begin) builder.matchAt(p.base + p.begin);
  for (const one of p.a < p.b ? pick(source, p.a, p.b, o.redact) : []) {
    if (!builder.add({ ...(at === p.begin ? own : { pick: one }), line, byte: p.base + at }, follows))
      return at > p.begin;
    follows = true;
    const next = lineAfter(bytes, at, p.b, encoding);
    at = next < 0 ? p.b : next;
    if (line !== null) line++;
  }
  return true;
}

/** Where a line may match: each line at most once, but for long ones. */
function* candidates(
  { bytes, encoding }: { bytes: Uint8Array; encoding: Encoding },
  from: number,
  to: number,
  grep: Grep,
): Generator<[number, number]> {
  const fast =
    grep.literal !== null && encoding !== 'utf-16le' && encoding !== 'utf-16be'
      ? inBytesOf(grep.literal, encoding)
      : null;
  if (!fast) {
    for (let at = from; at < to; ) {
      const next = lineAfter(bytes, at, to, encoding);
      const end = next < 0 ? to : next;
      // A long one in parts that overlap.
      for (let part = at; part < end; part += LONG / 2) {
        const to = Math.min(end, part + LONG / 2 + OVERLAP);
        if (grep.place(strip(decode(bytes.subarray(part, to), encoding).text.replace(/\r?\n$/, '')))) yield [part, to];
      }
      at = end;
    }
    return;
  }
  const text = latin1(bytes.subarray(from, to));
  fast.lastIndex = 0;
  for (let m = fast.exec(text); m; m = fast.exec(text)) {
    const at = from + m.index;
    const end = at + m[0].length;
    yield [at, end];
    const next = lineAfter(bytes, at, Math.min(to, at + LONG), encoding);
    fast.lastIndex = (next < 0 ? Math.min(to, end + LONG / 4) : next) - from;
  }
}

/** Any case, in bytes: each letter is any of its spellings. */
function inBytesOf(literal: string, encoding: Encoding): RegExp {
  const each = Array.from(literal, (c) => {
    const forms = [...new Set([c, c.toLowerCase(), c.toUpperCase()])];
    if (forms.every((f) => f.length === 1 && f.charCodeAt(0) < 0x80)) {
      const inside = forms.map((f) => `\\x${f.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
      return forms.length > 1 ? `[${inside}]` : inside;
    }
    const coded = forms.map((f) => Buffer.from(f, encoding === 'latin1' ? 'latin1' : 'utf8'));
    return `(?:${coded.map((b) => Array.from(b, (x) => `\\x${x.toString(16).padStart(2, '0')}`).join('')).join('|')})`;
  });
  return new RegExp(each.join(''), 'g');
}
