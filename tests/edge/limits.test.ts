/** What is counted before anybody is known: windows, failed tries, who was verified lately, connections. Each with the naive way beside it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTrusts } from '../../src/edge/client.ts';
import { createConnections } from '../../src/edge/limits_connections.ts';
import { createFailures, createVerified, TRIES_PER_MINUTE } from '../../src/edge/limits_failures.ts';
import { createWindow } from '../../src/edge/limits_window.ts';

const clockAt = (begin = 0) => {
  let t = begin;
  return {
    now: () => t,
    to: (ms: number) => {
      t = ms;
    },
    on: (ms: number) => {
      t += ms;
    },
  };
};

describe('a window of a minute', () => {
  test('counts by key, says what is left and when there is more', () => {
    const c = clockAt(1_000);
    const w = createWindow({ perMinute: 2, now: c.now });
    expect(w.take('a')).toEqual({ ok: true, limit: 2, left: 1, resetMs: 64_000 });
    expect(w.take('a')).toMatchObject({ ok: true, left: 0 });
    expect(w.take('a')).toEqual({ ok: false, limit: 2, left: 0, resetMs: 64_000 });
    expect(w.take('b').ok).toBe(true);
    c.on(64_000 - 1);
    expect(w.take('a').ok).toBe(false);
    c.on(1);
    expect(w.take('a').ok, 'who waits as long as told is let in').toBe(true);
  });

  test('never lets more through in any sixty seconds, and whoever waits as told is let in', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9_000), { maxLength: 200 }), fc.integer({ min: 1, max: 8 }), (steps, perMinute) => {
        const c = clockAt(1_800_000_000_000);
        const w = createWindow({ perMinute, now: c.now });
        const passed: number[] = [];
        for (const step of steps) {
          c.on(step);
          const taken = w.take('a');
          if (taken.ok) passed.push(c.now());
          expect(passed.filter((at) => at > c.now() - 60_000).length).toBeLessThanOrEqual(perMinute);
          expect(taken.resetMs).toBeGreaterThan(0);
          expect(taken.resetMs).toBeLessThanOrEqual(65_000);
          if (!taken.ok) {
            const twin = createWindow({ perMinute, now: c.now });
            expect(twin.take('x').ok).toBe(true);
          }
        }
        const refused = w.take('a');
        if (refused.ok) return;
        c.on(refused.resetMs);
        expect(w.take('a').ok).toBe(true);
      }),
    );
  });

  test('control: windows that begin at full minutes let twice the limit through at their border', () => {
    const burst = (take: (now: number) => boolean) => {
      let passed = 0;
      for (const at of [59_900, 60_100]) for (let i = 0; i < 100; i++) if (take(at)) passed++;
      return passed;
    };
    const fixed = new Map<number, number>();
    const naive = (now: number) => {
      const minute = Math.floor(now / 60_000);
      fixed.set(minute, (fixed.get(minute) ?? 0) + 1);
      return (fixed.get(minute) as number) <= 100;
    };
    const c = clockAt();
    const ours = createWindow({ perMinute: 100, now: c.now });
    expect(burst(naive)).toBe(200);
    expect(
      burst((at) => {
        c.to(at);
        return ours.take('a').ok;
      }),
    ).toBe(100);
  });

  test('who calls steadily at twice the limit gets the limit and not nothing', () => {
    const c = clockAt();
    const w = createWindow({ perMinute: 60, now: c.now });
    let passed = 0;
    for (let i = 0; i < 1_200; i++) {
      c.on(500);
      if (w.take('a').ok) passed++;
    }
    expect(passed).toBeGreaterThan(500);
    expect(passed).toBeLessThanOrEqual(60 * 11);
  });

  test('a key may have its own limit; a clock that is set back begins anew', () => {
    const c = clockAt(600_000);
    const w = createWindow({ perMinute: 1, now: c.now });
    expect([w.take('a', 3).ok, w.take('a', 3).ok, w.take('a', 3).left]).toEqual([true, true, 0]);
    c.to(1_000);
    expect(w.take('a').ok).toBe(true);
  });

  test('remembers a bounded number of keys, however many knock', () => {
    const w = createWindow({ perMinute: 2, now: () => 0, most: 100 });
    for (let i = 0; i < 10_000; i++) w.take(`flood ${i}`);
    expect(w.size()).toBe(100);
    expect(w.take('a').ok).toBe(true);
  });
});

describe('failed tries', () => {
  test('ten in a minute cost a second, each one after that twice as long, five minutes at most', () => {
    const c = clockAt();
    const f = createFailures({ now: c.now });
    for (let i = 1; i < TRIES_PER_MINUTE; i++) f.failed('a');
    expect(f.waitMs('a')).toBe(0);
    f.failed('a');
    const waits = [];
    for (let i = 0; i < 11; i++) {
      waits.push(f.waitMs('a') / 1_000);
      c.on(f.waitMs('a'));
      expect(f.waitMs('a')).toBe(0);
      f.failed('a');
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    expect(f.waitMs('b')).toBe(0);
  });

  test('an hour of guessing is some twenty tries; control: with only a limit a minute it is six thousand', () => {
    const guesses = (mayTry: () => boolean, failed: () => void, c: ReturnType<typeof clockAt>) => {
      let n = 0;
      for (let s = 0; s < 36_000; s++) {
        c.on(100);
        if (!mayTry()) continue;
        n++;
        failed();
      }
      return n;
    };
    const c = clockAt();
    const f = createFailures({ now: c.now });
    const ours = guesses(
      () => f.waitMs('a') === 0,
      () => f.failed('a'),
      c,
    );
    expect(ours).toBeLessThan(35);
    const d = clockAt();
    const w = createWindow({ perMinute: 100, now: d.now });
    expect(
      guesses(
        () => w.take('a').ok,
        () => {},
        d,
      ),
    ).toBeGreaterThan(5_000);
  });

  test('what was on its way when a block began counts once; what is quiet for ten minutes is forgotten', () => {
    const c = clockAt();
    const f = createFailures({ now: c.now });
    for (let i = 0; i < 50; i++) f.failed('a');
    expect(f.waitMs('a')).toBe(1_000);
    c.on(601_000);
    expect(f.waitMs('a')).toBe(0);
    f.failed('a');
    expect(f.waitMs('a'), 'one failure after that is only one').toBe(0);
  });

  test('few of an address in a minute never block it; being told of others does', () => {
    const c = clockAt();
    const f = createFailures({ now: c.now });
    for (let i = 0; i < 200; i++) {
      f.failed('a');
      c.on(8_000);
    }
    expect(f.waitMs('a')).toBe(0);
    f.block('a');
    expect(f.waitMs('a')).toBe(1_000);
  });

  test('memory is bounded, and who was blocked again is forgotten last', () => {
    const c = clockAt();
    const f = createFailures({ now: c.now, most: 50 });
    f.block('worst');
    for (let i = 0; i < 500; i++) {
      f.block(`flood ${i}`);
      if (i % 20 === 0) {
        c.on(f.waitMs('worst'));
        f.block('worst');
      }
    }
    expect(f.size()).toBe(50);
    expect(f.waitMs('worst')).toBeGreaterThan(0);
  });
});

describe('verified lately', () => {
  test('for ten minutes, never past its own expiry, and not once it was refused', () => {
    const c = clockAt();
    const v = createVerified({ now: c.now });
    v.note('x', { principal: 'token:x', perMinute: 600 }, null);
    v.note('short', { principal: 'jwt:i:s' }, 5_000);
    expect(v.find('x')).toMatchObject({ principal: 'token:x', perMinute: 600 });
    expect(v.tiers()).toBe(true);
    c.on(5_000);
    expect(v.find('short')).toBeUndefined();
    c.on(594_999);
    expect(v.find('x')).toBeDefined();
    c.on(1);
    expect(v.find('x')).toBeUndefined();
    v.note('x', { principal: 'token:x' }, null);
    v.forget('x');
    expect(v.find('x')).toBeUndefined();
  });

  test('a changed limit counts at once, and memory is bounded', () => {
    const c = clockAt();
    const v = createVerified({ now: c.now, most: 10 });
    v.note('x', { principal: 'p' }, null);
    expect(v.tiers()).toBe(false);
    v.note('x', { principal: 'p', perMinute: 7 }, null);
    expect(v.find('x')?.perMinute).toBe(7);
    for (let i = 0; i < 100; i++) v.note(`${i}`, { principal: 'p' }, null);
    expect(v.size()).toBe(10);
  });
});

describe('connections', () => {
  const enter = (c: ReturnType<typeof createConnections>, key: string | null) => {
    const e = c.enter(key);
    return 'refused' in e ? e.refused : e;
  };

  test('so many from one address, and they are given back once', () => {
    const c = createConnections({ perAddress: 1, inAll: 10 });
    const a = enter(c, 'a');
    expect(enter(c, 'a')).toBe('address');
    expect(typeof enter(c, 'b')).toBe('object');
    if (typeof a === 'object') {
      a.leave();
      a.leave();
    }
    expect(typeof enter(c, 'a')).toBe('object');
    expect(enter(c, 'a')).toBe('address');
  });

  test('a few addresses cannot keep a newcomer out; control: one cap for all lets them', () => {
    const c = createConnections({ perAddress: 64, inAll: 128 });
    const attack = (take: (key: string) => boolean) => {
      for (let i = 0; i < 64; i++) for (const key of ['a', 'b', 'c']) take(key);
      return take('newcomer');
    };
    expect(attack((key) => typeof enter(c, key) === 'object')).toBe(true);
    let n = 0;
    expect(attack(() => n++ < 128)).toBe(false);
  });

  test('never more than there may be in all; who comes for many counts only there', () => {
    const c = createConnections({ perAddress: 2, inAll: 8 });
    const got = Array.from({ length: 20 }, () => enter(c, null)).filter((e) => typeof e === 'object');
    expect(got).toHaveLength(8);
    expect(enter(c, 'x')).toBe('all');
    for (const e of got) e.leave();
    expect(typeof enter(c, 'x')).toBe('object');
  });
});

test('who stands for many is whom the owner trusts as a proxy, and nobody else', () => {
  const trusts = createTrusts(['127.0.0.1/32', '2001:db8::/32']);
  const seen = ['127.0.0.1', '::ffff:127.0.0.1', '127.0.0.2', '2001:db8::7', 'fe80::1', undefined].map(trusts);
  expect(seen).toEqual([true, true, false, true, false, false]);
  expect(createTrusts([])('127.0.0.1')).toBe(false);
});
