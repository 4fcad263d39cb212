/** Figures, times, cuts and tables. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLOSE, OPEN } from '../../src/core/foreign.ts';
import { table, width } from '../../src/core/table.ts';
import { ago, bytes, clip, duration, percent, rfc3339, tail } from '../../src/core/text.ts';

const view = { paint: (_k: string, t: string) => t, width: 60, now: 0 };

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [1_048_575, '1.0 MiB'],
  [102_400, '100 KiB'],
  [16 * 1024 ** 3, '16.0 GiB'],
  [2 ** 53, '8.0 PiB'],
  [-2048, '-2.0 KiB'],
  [null, '?'],
  [Number.NaN, '?'],
] as const)('bytes(%s) is %s', (n, want) => expect(bytes(n)).toBe(want));

test.each([
  [0, '0 ms'],
  [250, '250 ms'],
  [1_000, '1 s'],
  [61_000, '1 min 1 s'],
  [60_000, '1 min'],
  [3_600_000, '1 h'],
  [90_000_000, '1 d 1 h'],
  [86_400_000, '1 d'],
  [3_660_000, '1 h 1 min'],
  [-90_000, '-1 min 30 s'],
  [null, '?'],
] as const)('duration(%s) is %s', (ms, want) => expect(duration(ms)).toBe(want));

test('percent, times and ages', () => {
  expect([0, 0.04, 3.21, 9.96, 42.5, null].map(percent)).toEqual(['0%', '0.0%', '3.2%', '10%', '43%', '?']);
  expect(rfc3339(1_800_000_000_123)).toBe('2027-01-15T08:00:00Z');
  expect([null, Number.NaN, 9e15].map(rfc3339)).toEqual(['?', '?', '?']);
  expect(ago(0, 65_000)).toBe('1 min 5 s ago');
  expect(ago(null, 65_000)).toBe('?');
  // A clock that was set back: nothing is from the future.
  expect(ago(65_000, 0)).toBe('0 ms ago');
});

describe('clip', () => {
  test('says how much is gone, and splits neither pairs nor marks', () => {
    expect(clip('abcdef', 3)).toBe('abc⟦3 characters left out⟧');
    expect(clip('ab😀cd', 3)).toBe('ab⟦4 characters left out⟧');
    expect(clip('x ⟦redacted:password⟧ y', 8)).toBe('x ⟦21 characters left out⟧');
    expect(clip('abc', 3)).toBe('abc');
  });
  test('for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(20), (s, max) => {
        const out = clip(s, max);
        if (s.isWellFormed()) expect(out.isWellFormed()).toBe(true);
        if (s.length > max) expect(Number(out.match(/⟦(\d+) characters/)?.[1]) + out.indexOf('⟦')).toBe(s.length);
      }),
    );
  });
  test('the end of a text', () => {
    expect(tail('a\nb\nc', 2)).toBe('⟦1 lines left out⟧\nb\nc');
    expect(tail('a\nb', 2)).toBe('a\nb');
  });
});

describe('table', () => {
  test('two spaces, right-aligned numbers, no padding at the end, - for unknown', () => {
    expect(
      table(
        [{ head: 'PID', align: 'right' }, { head: 'NAME' }, { head: 'CPU', align: 'right' }],
        [
          [1, 'init', 0.1],
          [4711, null, 12],
        ],
        view,
      ),
    ).toBe([' PID  NAME  CPU', '   1  init  0.1', '4711  -      12'].join('\n'));
  });
  test('a row too short or too long is no fault: what is missing is unknown, what is too much is not shown', () => {
    expect(table([{ head: 'A' }, { head: 'B' }], [['1'], ['2', '3', '4']], view)).toBe('A  B\n1  -\n2  3');
    expect(table([{ head: 'A', align: 'right' }], [], view)).toBe('A');
  });
  test('marks of foreign text and colours take no room, and a cut keeps the end mark', () => {
    const marked = `${OPEN}\ufdd2nginx: worker process${CLOSE}`;
    expect(width(marked)).toBe(21);
    expect(width('\u001b[31mred\u001b[0m')).toBe(3);
    expect(width('日本')).toBe(4);
    const cut = table([{ head: 'C', max: 8 }, { head: 'D' }], [[marked, 'x']], view).split('\n')[1];
    expect(cut).toBe(`${OPEN}\ufdd2nginx: …${CLOSE}  x`);
  });
  test('a cell is one line, and a mark of ours is never half shown', () => {
    expect(table([{ head: 'A' }], [['a\nb']], view)).toBe('A\na ↵ b');
    expect(table([{ head: 'A', max: 10 }], [['ab ⟦redacted:password⟧']], view)).toBe('A\nab …');
  });
  test('no line is wider than the view, whatever stands in the last column', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 200 }), { minLength: 1, maxLength: 5 }), (cells) => {
        for (const line of table(
          [{ head: 'N', align: 'right' }, { head: 'TEXT' }],
          cells.map((c, i) => [i, c]),
          view,
        ).split('\n'))
          expect(width(line)).toBeLessThanOrEqual(60);
      }),
    );
  });
});
