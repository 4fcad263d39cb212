/** Who may measure the way here, how much at once, and what is on record of it. */
import { expect, test } from 'vitest';
import type { OpsError } from '../../src/core/errors.ts';
import { MEASURE } from '../../src/core/measure.ts';
import { createMeasures } from '../../src/policy/measures.ts';
import { fakeClock } from '../fakes/clock.ts';
import { openAccess, who } from '../fakes/policy.ts';

const asked = { id: 'c1', address: '192.0.2.7', way: 'down', mostBytes: 1_000, seconds: 5 } as const;
const alice = who('token:alice', ['net:read']);

function desk({ on = true, waitMs = null as number | null, full = false } = {}) {
  const records: Record<string, unknown>[] = [];
  const taken: number[] = [];
  const clock = fakeClock();
  const made = createMeasures(on, {
    access: openAccess,
    clock,
    rate: {
      take: (_who, points) => {
        taken.push(points);
        return waitMs;
      },
      peek: () => null,
      takeChange: () => null,
    },
    audit: {
      append(event, fields) {
        if (full) throw new Error('no room');
        records.push({ event, ...fields });
      },
      digest: () => '',
    },
  });
  return { ...made, records, taken, clock };
}
const codeOf = (work: () => unknown) => {
  try {
    work();
    return 'none';
  } catch (thrown) {
    return (thrown as OpsError).code ?? (thrown as Error).message;
  }
};

test('one that holds net:read, where the owner has switched it on', () => {
  expect(desk().refused(alice)).toBeNull();
  expect(desk().refused(who('token:eve', ['logs:read']))).toMatchObject({ code: 'permission' });
  expect(desk({ on: false }).refused(alice)).toMatchObject({
    code: 'not_found',
    details: { hint: expect.stringContaining('net.measure') },
  });
  // Who may not anyway is not told whether it is on.
  expect(desk({ on: false }).refused(who('token:eve', []))).toMatchObject({ code: 'permission' });
});

test('begin and end are on record, and cost points', () => {
  const d = desk();
  const end = d.begin(alice, asked);
  end('left', 700);
  expect(d.taken).toEqual([20]);
  const facts = {
    event: 'measure',
    call: 'c1',
    who: 'token:alice',
    address: '192.0.2.7',
    way: 'down',
    mostBytes: 1_000,
  };
  expect(d.records).toMatchObject([
    { ...facts, state: 'begin' },
    { ...facts, state: 'end', outcome: 'left', bytes: 700, ms: 0 },
  ]);
});

test('one at a time for a principal, two in all, and each gives its place back', () => {
  const d = desk();
  const first = d.begin(alice, asked);
  expect(codeOf(() => d.begin(alice, asked))).toBe('limit');
  const second = d.begin(who('token:bob', ['net:read']), asked);
  expect(codeOf(() => d.begin(who('token:carol', ['net:read']), asked))).toBe('limit');
  first('done', 1);
  second('done', 1);
  d.begin(alice, asked)('done', 1);
});

test('more than the bounds is refused; so is one without points or record, and keeps no place', () => {
  const d = desk();
  expect(codeOf(() => d.begin(alice, { ...asked, mostBytes: MEASURE.mostBytes + 1 }))).toBe('validation');
  expect(codeOf(() => d.begin(alice, { ...asked, seconds: MEASURE.mostSeconds + 1 }))).toBe('validation');
  const poor = desk({ waitMs: 900.5 });
  expect(() => poor.begin(alice, asked)).toThrow(
    expect.objectContaining({ details: expect.objectContaining({ retryAfterMs: 901 }) }),
  );
  expect(codeOf(() => poor.begin(alice, asked))).toBe('limit');
  const full = desk({ full: true });
  expect(codeOf(() => full.begin(alice, asked))).toBe('no room');
  expect(codeOf(() => full.begin(alice, asked))).toBe('no room');
});
