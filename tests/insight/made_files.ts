/** Files as they lie on disks: of every line end, with and without a mark, a final line end, valid UTF-8. From a seed, and never random. */
import { createHash } from 'node:crypto';

export interface Made {
  bytes: Buffer;
  /** Of each line: where it begins, where its text ends, where the next one begins. The mark belongs to none. */
  lines: { from: number; end: number; next: number }[];
  what: string;
}

export function dice(seed: number): (n: number) => number {
  let state = createHash('sha256').update(String(seed)).digest().readUInt32LE(0);
  // mulberry32
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

const WORDS = [
  'server',
  'listen 80;',
  '# ',
  'größe',
  '日本',
  '\t',
  '  ',
  'a=b',
  '"',
  '\\',
  '{',
  '}',
  ':',
  '🙂',
  'x'.repeat(300),
  '',
];

export function madeFile(seed: number): Made {
  const roll = dice(seed);
  const pick = <T>(of: readonly T[]): T => of[roll(of.length)] as T;
  const ends = pick([['\n'], ['\r\n'], ['\n', '\r\n'], ['\n', '\n', '\n', '\r\n'], ['\r\n', '\r\n', '\n']] as const);
  const bom = roll(4) === 0;
  const damaged = roll(3) === 0;
  const final = roll(4) > 0;
  const count = pick([0, 1, 2, 3, 10, 40, 200]);
  const parts: Buffer[] = bom ? [Buffer.from([0xef, 0xbb, 0xbf])] : [];
  let at = bom ? 3 : 0;
  const lines: Made['lines'] = [];
  for (let n = 0; n < count; n++) {
    let text = Buffer.concat(Array.from({ length: roll(6) }, () => Buffer.from(pick(WORDS))));
    // Not many: a file of them would be none of text. No NUL, and not the mark of UTF-16 at the beginning.
    if (damaged && roll(8) === 0)
      text = Buffer.concat([text, Buffer.from('é'), Buffer.from([pick([0x80, 0xff, 0xc3, 0xe2, 0x0d, 0x1b])]), text]);
    // Before LF a CR would be a part of the line end.
    const plain = text.at(-1) === 0x0d ? Buffer.concat([text, Buffer.from('.')]) : text;
    const last = n === count - 1 && !final;
    if (last && plain.length === 0) break;
    const eol = last ? '' : pick(ends);
    parts.push(plain, Buffer.from(eol));
    lines.push({ from: at, end: at + plain.length, next: at + plain.length + eol.length });
    at += plain.length + eol.length;
  }
  const what = `seed ${seed}: ${count} lines, ${JSON.stringify(ends)}${bom ? ', mark' : ''}${damaged ? ', damaged' : ''}${final ? '' : ', no final line end'}`;
  return { bytes: Buffer.concat(parts), lines, what };
}
