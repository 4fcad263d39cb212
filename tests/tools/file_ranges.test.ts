/** Files of every encoding and line end, each asked for by lines, from the end, by match and by bytes, against plain splitting. */
import fs from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRedactor } from '../../src/core/redact.ts';
import { requiredText } from '../../src/insight/regex_text.ts';
import { lineAfter, lineBefore, sniffText } from '../../src/insight/text_encoding.ts';
import { cleanLines, partOf } from '../../src/insight/text_lines.ts';
import { type FileReadAnswer, fileRead } from '../../src/tools/file_read.ts';
import { upTo } from '../counts.ts';
import { ask } from './context.ts';
import { type Folder, folder } from './files_in.ts';

let f: Folder;
beforeAll(() => {
  f = folder();
});
afterAll(() => f.end());

const FILES = upTo(1_000, 60);
const ENCODINGS = ['utf-8', 'utf-8 with BOM', 'utf-16le', 'utf-16be', 'latin1'] as const;
const LETTERS = ['a', 'b', 'x', 'Needle', ' ', '1', 'ä', '名', '𝒳', '.'];

const file = fc.record({
  encoding: fc.constantFrom(...ENCODINGS),
  end: fc.constantFrom('\n', '\r\n'),
  closed: fc.boolean(),
  // Some of them longer than a window.
  lines: fc.oneof(
    { weight: 9, arbitrary: fc.array(line(12), { minLength: 1, maxLength: 40 }) },
    { weight: 1, arbitrary: fc.array(line(60), { minLength: 1_500, maxLength: 2_500, size: 'max' }) },
  ),
  at: fc.nat(),
  count: fc.integer({ min: 1, max: 30 }),
});
function line(most: number) {
  return fc.array(fc.constantFrom(...LETTERS), { maxLength: most }).map((p) => p.join(''));
}

/** What Latin-1 cannot hold is left out of it; a line of it shows that it is Latin-1, and all others that they are UTF-8. */
const linesOf = (g: { encoding: string; lines: string[] }) =>
  g.encoding === 'latin1' ? ['Größe', ...g.lines.map((l) => l.replace(/[^\x00-\xff]/gu, ''))] : ['名 ä', ...g.lines];

function coded(encoding: (typeof ENCODINGS)[number], text: string): Buffer {
  if (encoding === 'latin1') return Buffer.from(text, 'latin1');
  if (encoding === 'utf-8') return Buffer.from(text);
  if (encoding === 'utf-8 with BOM') return Buffer.from(`\ufeff${text}`);
  const wide = Buffer.from(`\ufeff${text}`, 'utf16le');
  return encoding === 'utf-16le' ? wide : wide.swap16();
}

const read = async (path: string, args: Record<string, unknown>) =>
  (await ask<FileReadAnswer>(fileRead, { path, ...args }, f.ctx)).data;
const shown = (a: FileReadAnswer) => a.parts.flatMap((p) => p.lines);

test('lines, the end, matches and pages are those that splitting gives', async () => {
  const path = f.put('generated', '');
  await fc.assert(
    fc.asyncProperty(file, async (g) => {
      const lines = linesOf(g);
      const bytes = coded(g.encoding, lines.join(g.end) + (g.closed ? g.end : ''));
      fs.writeFileSync(path, bytes);
      // An empty last line without an end is no line.
      if (!g.closed && lines.at(-1) === '') lines.pop();
      const from = 1 + (g.at % lines.length);
      const to = from + g.count - 1;

      const range = await read(path, { lines: `${from}-${to}` });
      expect(shown(range)).toEqual(lines.slice(from - 1, to));
      expect(range.parts[0]?.line).toBe(from);
      expect(range).toMatchObject({
        encoding: g.encoding.replace(' with BOM', ''),
        totalLines: lines.length,
      });

      const tail = await read(path, { lines: `-${g.count}` });
      expect(shown(tail)).toEqual(lines.slice(-g.count));
      if (tail.parts[0]?.line !== null) expect(tail.parts[0]?.line).toBe(Math.max(1, lines.length - g.count + 1));

      const found = await read(path, { grep: 'needle', limit: 20 });
      const numbers = found.parts.flatMap((p) => p.lines.map((_, n) => (p.line ?? Number.NaN) + n));
      const matching = lines.flatMap((l, n) => (l.includes('Needle') ? [n + 1] : []));
      expect(numbers).toEqual(matching.slice(0, 20));
      expect(found.after === null).toBe(matching.length <= 20);

      const page = await read(path, { limit: g.count });
      expect(shown(page)).toEqual(lines.slice(0, g.count));
      if (lines.length > g.count)
        expect(shown(await read(path, { after: page.after, limit: 5 }))).toEqual(lines.slice(g.count, g.count + 5));
    }),
    { numRuns: FILES, endOnFailure: true },
  );
}, 300_000);

test('bytes are those of the file, to whole characters', async () => {
  const path = f.put('bytes', '');
  const text = fc.array(fc.constantFrom(...LETTERS, '\n'), { maxLength: 300 }).map((p) => p.join(''));
  await fc.assert(
    fc.asyncProperty(text, fc.nat(), fc.nat({ max: 200 }), async (body, at, length) => {
      const bytes = Buffer.from(`名${body}`);
      fs.writeFileSync(path, bytes);
      let [from, to] = [at % bytes.length, Math.min((at % bytes.length) + length + 1, bytes.length)];
      const data = await read(path, { bytes: `${from}-${to - 1}` });
      while (from > 0 && ((bytes[from] ?? 0) & 0xc0) === 0x80) from--;
      while (to < bytes.length && ((bytes[to] ?? 0) & 0xc0) === 0x80) to++;
      expect(shown(data).join('\n')).toBe(bytes.subarray(from, to).toString());
    }),
    { numRuns: upTo(200, 50) },
  );
}, 60_000);

test('lines keep their numbers, whatever redaction makes of them, and no part shows what the whole does not', () => {
  const redactor = createRedactor({});
  const piece = fc.constantFrom(
    'a: 1',
    'password: hunter2hunter2',
    'secret: |',
    '  inside-a-block',
    'tokens:',
    '  - 1a2b3c4d5e6f7g8h9i0j',
    '-----BEGIN PGP PRIVATE KEY BLOCK-----',
    'lQdGBGRandomRandomRandomRandomRandom',
    '-----END PGP PRIVATE KEY BLOCK-----',
    'plain text',
    '',
    'AKIAABCDEFGHIJKLMNOP,',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.nat(), fc.nat(), (lines, at, to) => {
      const clean = cleanLines(lines, (t) => redactor.text(t));
      expect(clean).toHaveLength(lines.length);
      const whole = redactor.text(lines.join('\n'));
      for (const secret of ['hunter2', 'inside-a-block', 'lQdGB', '1a2b3c'])
        if (!whole.includes(secret)) expect(clean.map((c) => c.text).join('\n')).not.toContain(secret);
      for (const c of clean) {
        const from = at % (c.seen.length + 1);
        const part = partOf(c.seen, c.text, from, from + (to % 20));
        if (c.text !== c.seen && c.seen.includes('hunter2')) expect(part).not.toMatch(/hun|unt|nte|ter2/);
      }
    }),
    { numRuns: upTo(2_000, 300) },
  );
});

test('a text that an expression must hold is in all that it matches', async () => {
  const { RE2JS } = await import('re2js');
  const cases: [string, string | null][] = [
    ['error', 'error'],
    ['err(or)?s? here', ' here'],
    ['^listen\\s+\\d+;$', 'listen'],
    ['a|bcd', null],
    ['(abc|def)ghi', 'ghi'],
    ['abcd*', 'abc'],
    ['abcd{0,2}ef', 'abc'],
    ['[abc]+xyz[^]]', 'xyz'],
    ['10\\.0\\.0\\.1', '10.0.0.1'],
    ['\\pLabc', null],
    ['ab', null],
    ['(?i)abc', null],
    ['\\Qabc|d\\E', null],
    ['(?P<n>x+)needle', 'needle'],
  ];
  for (const [pattern, expected] of cases) expect(requiredText(pattern), pattern).toBe(expected);
  const atom = fc.constantFrom('abc', 'de', 'x', '[yz]', '(fg|hi)', '(jk)?', 'l*', 'm+', 'n{0,2}', '\\.', '\\d', '.');
  const text = fc.array(fc.constantFrom('abc', 'de', 'x', 'y', 'fg', 'hi', 'jk', 'l', 'm', 'n', '.', '1'), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(fc.array(atom, { minLength: 1, maxLength: 6 }), text, (atoms, parts) => {
      const pattern = atoms.join('');
      const needed = requiredText(pattern);
      const body = parts.join('');
      if (needed !== null && RE2JS.compile(pattern).test(body)) expect(body).toContain(needed);
    }),
    { numRuns: upTo(5_000, 1_000) },
  );
});

test('lines in bytes: where they begin before and behind a place', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0x0a, 0x61, 0x00, 0x0d), { maxLength: 60 }), fc.nat(), (some, at) => {
      const even = Uint8Array.from(some.slice(0, some.length - (some.length % 2)));
      const place = at % (even.length + 1);
      for (const encoding of ['utf-8', 'utf-16le', 'utf-16be'] as const) {
        const unit = encoding === 'utf-8' ? 1 : 2;
        const from = place - (place % unit);
        const ends: number[] = [];
        for (let i = 0; i + unit <= even.length; i += unit) {
          const low = encoding === 'utf-16be' ? even[i + 1] : even[i];
          const high = unit === 1 ? 0 : encoding === 'utf-16be' ? even[i] : even[i + 1];
          if (low === 10 && high === 0) ends.push(i + unit);
        }
        expect(lineAfter(even, from, even.length, encoding)).toBe(ends.find((e) => e > from) ?? -1);
        expect(lineBefore(even, 0, from, encoding)).toBe(ends.findLast((e) => e <= from) ?? 0);
      }
    }),
    { numRuns: upTo(2_000, 300) },
  );
  expect(sniffText(Uint8Array.from([0, 1, 2, 3]), true)).toBeNull();
});
