/** Moments of the past as people write them. */
import { expect, test } from 'vitest';
import { offsetAt, pastTime } from '../../src/core/when.ts';

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

const BERLIN = { name: 'Europe/Berlin', offsetMinutes: 60 };
const at = (text: string, zone = BERLIN, now = NOW) => new Date(pastTime(text, now, 'since', zone)).toISOString();

test.each([
  // Noon in UTC is 13:00 there.
  ['2h ago', '2026-11-21T10:00:00.000Z'],
  ['today', '2026-11-20T23:00:00.000Z'],
  ['yesterday', '2026-11-19T23:00:00.000Z'],
  ['9:30', '2026-11-21T08:30:00.000Z'],
  ['09:30:15', '2026-11-21T08:30:15.000Z'],
  ['9:30:15', '2026-11-21T08:30:15.000Z'],
  // Still to come today: yesterday's.
  ['23:30', '2026-11-20T22:30:00.000Z'],
  ['2026-11-20', '2026-11-19T23:00:00.000Z'],
  ['2026-11-20 10:00', '2026-11-20T09:00:00.000Z'],
  ['2026-11-20T10:00:00.250', '2026-11-20T09:00:00.250Z'],
  // In summer it was two hours.
  ['2026-07-01T10:00', '2026-07-01T08:00:00.000Z'],
  // The hour of the change: before and after it.
  ['2026-10-25T01:30', '2026-10-24T23:30:00.000Z'],
  ['2026-10-25T04:00', '2026-10-25T03:00:00.000Z'],
  // Who names a zone means it.
  ['2026-11-20T10:00:00Z', '2026-11-20T10:00:00.000Z'],
  ['2026-11-20T10:00:00-05:00', '2026-11-20T15:00:00.000Z'],
])('%s on a host in Berlin', (text, moment) => {
  expect(at(text)).toBe(moment);
});

test('a zone without a known name counts by its minutes; UTC has none', () => {
  expect(at('2026-11-20T10:00', { name: 'Nowhere/At_All', offsetMinutes: -90 })).toBe('2026-11-20T11:30:00.000Z');
  expect(at('2026-11-20T10:00', { name: 'UTC', offsetMinutes: 60 })).toBe('2026-11-20T10:00:00.000Z');
  expect(offsetAt(NOW, { name: 'America/St_Johns', offsetMinutes: 0 })).toBe(-210);
});

test.each(['tomorrow', '25:00', '2026-02-31', '2026-02-31T10:00', '12', 'noon'])(
  '%s is no time in any zone',
  (text) => {
    expect(() => pastTime(text, NOW, 'since', BERLIN)).toThrow(/is no time/);
  },
);
