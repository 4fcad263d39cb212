import { expect, test } from 'vitest';
import { isStamped, stampLength, stampMs } from '../../src/insight/log_stamp.ts';

/** On 3 January 2024, an hour east of UTC. */
const here = { offsetMinutes: 60, nowMs: Date.UTC(2024, 0, 3) };
const at = (text: string) => {
  const ms = stampMs(text, here);
  return ms === null ? null : new Date(ms).toISOString();
};

test.each([
  ['2024-01-02T03:04:05.678Z x', 'x', '2024-01-02T03:04:05.678Z'],
  ['2024-01-02 03:04:05,678 x', 'x', '2024-01-02T02:04:05.678Z'],
  ['2024-01-02T03:04:05.123456789+05:30 x', 'x', '2024-01-01T21:34:05.123Z'],
  ['2024-01-02T03:04:05-0800 x', 'x', '2024-01-02T11:04:05.000Z'],
  ['2024/01/02 03:04:05 [error] x', '[error] x', '2024-01-02T02:04:05.000Z'],
  ['[2024-01-02T03:04:05,123][ERROR]', '[ERROR]', '2024-01-02T02:04:05.123Z'],
  ['2024-01-02 03:04:05.123 UTC [42] x', '[42] x', '2024-01-02T03:04:05.123Z'],
  ['2024-01-02 03:04:05 CEST x', 'x', '2024-01-02T01:04:05.000Z'],
  ['2024-01-02 03:04:05 INFO x', 'INFO x', '2024-01-02T02:04:05.000Z'],
  ['Jan  2 03:04:05 host x', 'host x', '2024-01-02T02:04:05.000Z'],
  ['<34>Dec 31 03:04:05 host x', 'host x', '2023-12-31T02:04:05.000Z'],
  ['[02/Jan/2024:03:04:05 +0000] x', 'x', '2024-01-02T03:04:05.000Z'],
  ['02 Jan 2024 03:04:05.5 x', 'x', '2024-01-02T02:04:05.500Z'],
  ['1704164645.123 x', 'x', '2024-01-02T03:04:05.123Z'],
  ['1704164645123 x', 'x', '2024-01-02T03:04:05.123Z'],
  ['1704164645 x', 'x', '2024-01-02T03:04:05.000Z'],
  // A clock without a day is a time, but no moment.
  ['12:00:00 x', 'x', null],
  ['2024-02-31 00:00:00 x', 'x', null],
  ['2024-01-02 25:00:00 x', 'x', null],
])('%s', (text, rest, moment) => {
  expect(text.slice(stampLength(text))).toBe(rest);
  expect(at(text)).toBe(moment);
});

test.each(['x', '', '12 monkeys', 'May be', 'Xyz  2 03:04:05 host', '10.0.0.1 - -', '[info] x', '(1) one', '2024'])(
  '%s has none',
  (text) => {
    expect(stampLength(text)).toBe(0);
    expect(at(text)).toBeNull();
    expect(isStamped(text)).toBe(false);
  },
);

test('klog and redis write a letter first: stamped all the same', () => {
  expect(isStamped('E0102 03:04:05.678901    1 main.go:5] x')).toBe(true);
  expect(isStamped('1:M 01 Jan 2024 12:00:00.000 * x')).toBe(true);
});
