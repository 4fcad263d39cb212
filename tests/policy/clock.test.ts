/** Time-outs that nearly never fire: late by a tick at the most, never early, none forgotten, and an idle process is neither held nor woken. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRoughly, machineClock } from '../../src/policy/clock.ts';

/** An interval that the test turns by hand, and time with it. */
function desk() {
  let now = 0;
  let look: (() => void) | null = null;
  let held = true;
  const seen = { made: 0, precise: [] as number[] };
  const timer = {
    ref: () => {
      held = true;
    },
    unref: () => {
      held = false;
    },
    [Symbol.toPrimitive]: () => 0,
    close: () => {},
  } as unknown as NodeJS.Timeout;
  const roughly = createRoughly(
    () => now,
    (ms) => {
      seen.precise.push(ms);
      return () => {};
    },
    (fire) => {
      look = fire;
      seen.made++;
      held = true;
      return timer;
    },
  );
  return {
    roughly,
    seen,
    held: () => held,
    pass(ms: number) {
      for (const end = now + ms; now < end; look?.()) now = Math.min(end, now + 100);
    },
    now: () => now,
  };
}

test('each fires once, when its time is over and at most a tick later; what was cancelled does not', () => {
  const one = fc.record({
    inMs: fc.integer({ min: 1_000, max: 5_000 }),
    cancelAt: fc.option(fc.integer({ max: 6_000 })),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 20 }), (all) => {
      const d = desk();
      const fired = all.map(() => [] as number[]);
      const cancels = all.map(({ inMs }, i) => d.roughly(inMs, () => void fired[i]?.push(d.now())));
      for (let at = 0; at <= 6_000; at += 100) {
        all.forEach(({ cancelAt }, i) => {
          if (cancelAt !== null && cancelAt <= at) cancels[i]?.();
        });
        d.pass(100);
      }
      all.forEach(({ inMs, cancelAt }, i) => {
        const early = cancelAt !== null && cancelAt < inMs - 100;
        if (early) expect(fired[i]).toEqual([]);
        if (cancelAt === null) expect(fired[i]).toHaveLength(1);
        for (const at of fired[i] ?? []) {
          expect(at).toBeGreaterThanOrEqual(inMs);
          expect(at).toBeLessThanOrEqual(inMs + 100);
        }
      });
    }),
  );
});

test('one interval for all of them; it holds the process while somebody waits, and not longer', () => {
  const d = desk();
  const [a, b] = [d.roughly(2_000, () => {}), d.roughly(9_000, () => {})];
  expect([d.seen.made, d.held()]).toEqual([1, true]);
  a();
  a();
  expect(d.held()).toBe(true);
  b();
  expect(d.held()).toBe(false);
  d.roughly(1_000, () => {});
  expect([d.seen.made, d.held()]).toEqual([1, true]);
  d.pass(1_100);
  expect(d.held()).toBe(false);
  // Idle for two seconds: the interval ended, and the next one begins another.
  d.pass(3_000);
  d.roughly(1_000, () => {});
  expect(d.seen.made).toBe(2);
});

test('one that fires may cancel another of the same tick, and begin a new one', () => {
  const d = desk();
  const said: string[] = [];
  d.roughly(1_000, () => {
    said.push('first');
    second();
    d.roughly(1_000, () => void said.push('third'));
  });
  const second = d.roughly(1_000, () => void said.push('second'));
  d.pass(3_000);
  expect(said).toEqual(['first', 'third']);
});

test('a short one is a timer of its own', () => {
  const d = desk();
  d.roughly(999, () => {});
  expect([d.seen.precise, d.seen.made]).toEqual([[999], 0]);
});

test('of this machine: it comes, and what is cancelled does not', async () => {
  const from = performance.now();
  machineClock.after(1, () => expect.unreachable())();
  await new Promise<void>((done) => machineClock.roughly(5, done));
  expect(performance.now() - from).toBeGreaterThanOrEqual(4);
});
