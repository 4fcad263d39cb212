/** Moments of the past as people write them. */
import { expect, test } from 'vitest';
import { pastTime } from '../../src/core/when.ts';

const NOW = Date.UTC(2026, 10, 21, 12);

test.each([
  ['90s', NOW - 90_000],
  ['15m', NOW - 900_000],
  ['2h', NOW - 7_200_000],
  ['3d', NOW - 3 * 86_400_000],
  ['1w', NOW - 7 * 86_400_000],
  ['0s', NOW],
  ['2026-11-20', Date.UTC(2026, 10, 20)],
  ['2026-11-20T10:00:00Z', Date.UTC(2026, 10, 20, 10)],
  ['2026-11-20T10:00:00.250Z', Date.UTC(2026, 10, 20, 10) + 250],
  ['2026-11-20 10:00:00+02:00', Date.UTC(2026, 10, 20, 8)],
  ['2026-11-20T10:00Z', Date.UTC(2026, 10, 20, 10)],
])('%s', (text, ms) => {
  expect(pastTime(text, NOW, 'since')).toBe(ms);
});

test.each([
  '',
  'yesterday',
  '2x',
  '-2h',
  '1.5h',
  '9999999d',
  '999999w',
  '2026-02-31',
  '2026-13-01',
  '2026-02-31T10:00:00Z',
  '2026-11-20T25:00:00Z',
  '2026-11-20T10:00:00',
  '1969-12-31',
  '2026-11-20T10:00:00Zx',
])('%j is refused, and told how to write it', (text) => {
  expect(() => pastTime(text, NOW, 'since')).toThrow(
    expect.objectContaining({
      code: 'validation',
      message: expect.stringContaining('since: '),
      details: expect.objectContaining({ hint: expect.stringContaining('2h') }),
    }),
  );
});
