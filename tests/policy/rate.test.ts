/** Limits of a principal, across processes that share a store. */
import { describe, expect, test } from 'vitest';
import { createRate, type Reserve } from '../../src/policy/rate.ts';
import { createSlots } from '../../src/policy/slots.ts';
import { fakeClock } from '../fakes/clock.ts';

/** The store's counting, in memory. */
function shared(): { reserve: Reserve; asked: () => number } {
  const used = new Map<string, number>();
  let asked = 0;
  return {
    asked: () => asked,
    reserve(key, points, windowMs, max, now) {
      asked++;
      const k = `${key} ${Math.floor(now / windowMs)}`;
      const granted = Math.max(0, Math.min(points, max - (used.get(k) ?? 0)));
      used.set(k, (used.get(k) ?? 0) + granted);
      return granted;
    },
  };
}

describe('points', () => {
  test('two processes share one limit, and a new window opens anew', async () => {
    const clock = fakeClock(0);
    const { reserve } = shared();
    const two = [0, 1].map(() => createRate({ reserve, perMinute: 60, changesPerHour: 5, changesPerDay: 100, clock }));
    let taken = 0;
    for (let i = 0; i < 200; i++) if (two[i % 2]?.take('token:a', 1) === null) taken++;
    expect(taken).toBe(60);
    expect(two[0]?.take('token:a', 1)).toBe(60_000);
    expect(two[0]?.take('token:b', 1)).toBeNull();
    await clock.advance(60_000);
    expect(two[0]?.take('token:a', 1)).toBeNull();
  });

  test('are reserved in blocks: few writes for many calls', () => {
    const s = shared();
    const rate = createRate({
      reserve: s.reserve,
      perMinute: 600,
      changesPerHour: 5,
      changesPerDay: 100,
      clock: fakeClock(0),
    });
    for (let i = 0; i < 200; i++) rate.take('token:a', 1);
    expect(s.asked()).toBeLessThanOrEqual(10);
  });

  test('the blocks of a very large limit are larger, and never more than a sixth of a small one', () => {
    const asked: number[] = [];
    for (const perMinute of [6, 600, 6_000_000])
      createRate({
        reserve: (_key, points) => {
          asked.push(points);
          return points;
        },
        perMinute,
        changesPerHour: 5,
        changesPerDay: 100,
        clock: fakeClock(0),
      }).take('token:a', 1);
    expect(asked).toEqual([1, 20, 2_000]);
  });

  test('asking ahead takes nothing', () => {
    const rate = createRate({
      reserve: shared().reserve,
      perMinute: 6,
      changesPerHour: 5,
      changesPerDay: 100,
      clock: fakeClock(0),
    });
    for (let i = 0; i < 50; i++) expect(rate.peek('token:a', 1)).toBeNull();
    expect(rate.take('token:a', 6)).toBeNull();
    expect(rate.peek('token:a', 1)).toBe(60_000);
  });

  test('a dear call that does not fit waits for the next window', () => {
    const rate = createRate({
      reserve: shared().reserve,
      perMinute: 6,
      changesPerHour: 5,
      changesPerDay: 100,
      clock: fakeClock(0),
    });
    expect(rate.take('token:a', 7)).toBe(60_000);
  });

  test('without a store reads go on under the process’s own limit, and changes stop', () => {
    const rate = createRate({
      reserve: () => null,
      perMinute: 60,
      changesPerHour: 5,
      changesPerDay: 100,
      clock: fakeClock(0),
    });
    let taken = 0;
    for (let i = 0; i < 100; i++) if (rate.take('token:a', 1) === null) taken++;
    expect(taken).toBe(60);
    expect(rate.takeChange('token:a')).toBe(3_600_000);
  });

  test('more principals than there can be are held in bounded memory, and win nobody new points', () => {
    const { reserve } = shared();
    const rate = createRate({ reserve, perMinute: 6, changesPerHour: 5, changesPerDay: 100, clock: fakeClock(0) });
    for (let i = 0; i < 6; i++) expect(rate.take('token:a', 1)).toBeNull();
    for (let i = 0; i < 2_500; i++) rate.take(`token:${i}`, 1);
    expect(rate.take('token:a', 1)).toBe(60_000);
  });

  test('changes are counted by the hour', async () => {
    const clock = fakeClock(0);
    const rate = createRate({ reserve: shared().reserve, perMinute: 60, changesPerHour: 2, changesPerDay: 100, clock });
    expect([1, 2, 3].map(() => rate.takeChange('token:a') === null)).toEqual([true, true, false]);
    await clock.advance(3_600_000);
    expect(rate.takeChange('token:a')).toBeNull();
  });

  test('and by the day, which ends at midnight UTC; who may make none waits for ever, and others do not wait with them', async () => {
    const clock = fakeClock(22 * 3_600_000);
    const rate = createRate({ reserve: shared().reserve, perMinute: 60, changesPerHour: 5, changesPerDay: 2, clock });
    expect([1, 2].map(() => rate.takeChange('token:a'))).toEqual([null, null]);
    expect(rate.takeChange('token:a')).toBe(2 * 3_600_000);
    // What this principal's roles say goes before what holds for all.
    expect(rate.takeChange('token:b', 0)).toBe(2 * 3_600_000);
    expect(rate.takeChange('token:b', 1)).toBeNull();
    await clock.advance(3_600_000);
    expect(rate.takeChange('token:a')).toBe(3_600_000);
    await clock.advance(3_600_000);
    expect(rate.takeChange('token:a')).toBeNull();
    expect(rate.takeChange('token:b', 0)).toBe(24 * 3_600_000);
  });

  test('one that the hour refuses takes nothing from the day', async () => {
    const clock = fakeClock(0);
    const rate = createRate({ reserve: shared().reserve, perMinute: 60, changesPerHour: 1, changesPerDay: 2, clock });
    expect(rate.takeChange('token:a')).toBeNull();
    for (let i = 0; i < 5; i++) expect(rate.takeChange('token:a')).toBe(3_600_000);
    await clock.advance(3_600_000);
    expect(rate.takeChange('token:a')).toBeNull();
  });
});

test('places under way are bounded for one and for all, and come back once', () => {
  const slots = createSlots({ inAll: 3, perPrincipal: 2 });
  const a = [slots.enter('a'), slots.enter('a')];
  expect(slots.enter('a')).toBeNull();
  const b = slots.enter('b');
  expect(slots.enter('c')).toBeNull();
  a[0]?.[Symbol.dispose]();
  a[0]?.[Symbol.dispose]();
  expect(slots.enter('c')).not.toBeNull();
  expect(slots.enter('b')).toBeNull();
  b?.[Symbol.dispose]();
  expect(slots.enter('a')).not.toBeNull();
});
