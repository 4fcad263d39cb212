/** Bursts: when one begins, that it is told once, and that the numbers are right, also for floods that chance makes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Burst, createBursts, type Kind, QUIET_MS, WITHIN_MS } from '../../src/policy/bursts.ts';
import { fakeClock } from '../fakes/clock.ts';

const KINDS: Kind[] = ['denied', 'unauthenticated', 'limited', 'forged'];

function setUp() {
  const clock = fakeClock();
  const reports: Burst[] = [];
  const bursts = createBursts({ clock, report: (b) => void reports.push(b) });
  const from = (id: string, n = 1, kind: Kind = 'denied') => bursts.count({ id, who: id }, kind, n);
  const said = () => reports.map((r) => `${r.state} ${r.source?.id ?? 'many'} ${r.count}`);
  return { clock, bursts, reports, from, said };
}

describe('of one source', () => {
  test('twenty within a minute, told at once; the rest of the hour is counted and said at its end', async () => {
    const { clock, from, said, reports } = setUp();
    for (let i = 0; i < 19; i++) from('a');
    await clock.advance(WITHIN_MS - 1);
    expect(said()).toEqual([]);
    from('a', 1, 'forged');
    expect(said()).toEqual(['begun a 20']);
    expect(reports[0]?.kinds).toEqual({ denied: 19, forged: 1 });
    for (let i = 0; i < 150; i++) from('a');
    expect(said()).toHaveLength(1);
    await clock.advance(QUIET_MS);
    expect(said()).toEqual(['begun a 20', 'over a 170']);
    expect(clock.waiting()).toBe(0);
  });

  test('any minute counts: nineteen at the end of one and one at the begin of the next', async () => {
    const { clock, from, said } = setUp();
    from('a');
    await clock.advance(WITHIN_MS - 1_000);
    for (let i = 0; i < 18; i++) from('a');
    await clock.advance(1_000);
    from('a');
    expect(said()).toEqual([]);
    from('a');
    expect(said()).toEqual(['begun a 21']);
  });

  test('slower than that is no burst, for however long', async () => {
    const { clock, from, said } = setUp();
    for (let i = 0; i < 200; i++) {
      from('a');
      await clock.advance(3_200);
    }
    expect(said()).toEqual([]);
  });

  test('told again only when it has grown tenfold', () => {
    const { from, said } = setUp();
    for (let i = 0; i < 1_999; i++) from('a');
    expect(said()).toEqual(['begun a 20', 'grown a 200']);
    from('a');
    expect(said()).toEqual(['begun a 20', 'grown a 200', 'grown a 2000']);
  });

  test('after its hour it is a new burst', async () => {
    const { clock, from, said } = setUp();
    from('a', 30);
    await clock.advance(QUIET_MS);
    from('a', 25);
    expect(said()).toEqual(['begun a 30', 'over a 30', 'begun a 25']);
  });

  test('what was counted long before is not of it', async () => {
    const { clock, from, reports } = setUp();
    from('a', 10);
    await clock.advance(2 * WITHIN_MS);
    from('a', 20);
    expect(reports[0]).toMatchObject({ count: 20, fromMs: clock.now() });
  });

  test('several that are told together count as many', () => {
    const { from, said } = setUp();
    from('a', 5_000, 'limited');
    expect(said()).toEqual(['begun a 5000']);
  });
});

describe('of many sources', () => {
  test('a hundred of fifty addresses are one burst, and none of them is told alone any more', async () => {
    const { clock, from, said, reports } = setUp();
    for (let round = 0; round < 19; round++) for (let i = 0; i < 50; i++) from(`address:${i}`);
    expect(said()).toEqual(['begun many 100']);
    expect(reports[0]?.top).toHaveLength(5);
    from('address:7', 10);
    await clock.advance(QUIET_MS);
    expect(said()).toEqual(['begun many 100', 'over many 960']);
    expect(reports[1]?.top[0]).toEqual({ source: 'address:7', count: 29 });
  });

  test('the fourth single one in an hour makes it many', () => {
    const { from, said } = setUp();
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) from(id, 20);
    expect(said()).toEqual(['begun a 20', 'begun b 20', 'begun c 20', 'begun many 20']);
  });

  test('what is told of one is not told of all', async () => {
    const { clock, from, said } = setUp();
    for (let i = 0; i < 15; i++) from('a');
    for (let i = 0; i < 70; i++) from(`x${i}`);
    for (let i = 0; i < 10; i++) from('a');
    expect(said()).toEqual(['begun a 20']);
    for (let i = 0; i < 29; i++) from(`y${i}`);
    expect(said()).toEqual(['begun a 20']);
    from('z');
    expect(said()).toEqual(['begun a 20', 'begun many 100']);
    await clock.advance(QUIET_MS);
    expect(said().slice(2).sort()).toEqual(['over a 25', 'over many 100']);
  });

  test('a source of a burst of many that goes on alone begins anew when that is over', async () => {
    const { clock, from, said } = setUp();
    for (let i = 0; i < 100; i++) from(`x${i % 10}`);
    await clock.advance(QUIET_MS - 1);
    from('x1', 15);
    await clock.advance(1);
    from('x1', 10);
    expect(said()).toEqual(['begun many 100', 'over many 115']);
    from('x1', 10);
    expect(said().at(-1)).toBe('begun x1 20');
  });

  test('ten times as many of all are told again', () => {
    const { from, said } = setUp();
    for (let i = 0; i < 1_000; i++) from(`x${i}`);
    expect(said()).toEqual(['begun many 100', 'grown many 1000']);
  });

  test('memory is bounded: beyond a thousand sources the rest counts in all', async () => {
    const { clock, from, reports } = setUp();
    from('told', 20);
    for (let i = 0; i < 5_000; i++) from(`address:${i}`);
    from('told', 5);
    await clock.advance(QUIET_MS);
    const over = reports.filter((r) => r.state === 'over');
    expect(over.map((r) => [r.source?.id ?? 'many', r.count])).toEqual([
      ['told', 25],
      ['many', 5_000],
    ]);
  });
});

test('of sources beyond what is remembered one can still be told alone', async () => {
  const { clock, from, said } = setUp();
  for (let i = 0; i < 1_000; i++) {
    from(`slow${i}`);
    await clock.advance(1_000);
  }
  expect(said()).toEqual([]);
  from('late', 20);
  expect(said()).toEqual(['begun late 20']);
});

test('what is under way at the end is said', () => {
  const { from, bursts, said, clock } = setUp();
  from('a', 21);
  from('b', 3);
  bursts.close();
  expect(said()).toEqual(['begun a 21', 'over a 21']);
  expect(clock.waiting()).toBe(0);
});

test('a control: told at each of them, the flood would be as many notices', () => {
  const { from, reports } = setUp();
  let naive = 0;
  for (let i = 0; i < 199; i++) {
    from('a');
    naive++;
  }
  expect([naive, reports.length]).toEqual([199, 1]);
});

/** One flood of one source within a minute, and nothing else for two hours. */
const flood = fc.record({
  id: fc.constantFrom('token:a', 'address:10.0.0.1', 'address:2001:db8::/64'),
  steps: fc.array(fc.record({ n: fc.integer({ min: 1, max: 40 }), kind: fc.constantFrom(...KINDS) }), {
    minLength: 1,
    maxLength: 60,
  }),
});

test('for floods that chance makes: one notice each, one more for each tenfold, and the sums are right', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(flood, { minLength: 1, maxLength: 6 }), async (floods) => {
      const { clock, bursts, reports } = setUp();
      for (const { id, steps } of floods) {
        const before = reports.length;
        const kinds: Partial<Record<Kind, number>> = {};
        let sent = 0;
        let told = 0;
        let notices = 0;
        for (const { n, kind } of steps) {
          bursts.count({ id }, kind, n);
          sent += n;
          kinds[kind] = (kinds[kind] ?? 0) + n;
          if (told === 0 ? sent >= 20 : sent >= told * 10) {
            told = sent;
            notices++;
          }
          await clock.advance(Math.floor(WITHIN_MS / 61));
        }
        await clock.advance(2 * QUIET_MS);
        const own = reports.slice(before);
        expect(own.filter((r) => r.state !== 'over')).toHaveLength(notices);
        expect(own.filter((r) => r.state === 'begun')).toHaveLength(sent >= 20 ? 1 : 0);
        const over = own.filter((r) => r.state === 'over');
        expect(over.map((r) => [r.source?.id, r.count, r.kinds])).toEqual(sent >= 20 ? [[id, sent, kinds]] : []);
      }
      expect(clock.waiting()).toBe(0);
    }),
    { numRuns: 30 },
  );
});

test('for mixed floods of many sources: few notices, and no request is counted twice or lost', () => {
  const requests = fc.array(
    fc.record({
      id: fc.integer({ min: 0, max: 30 }),
      n: fc.integer({ min: 1, max: 5 }),
      kind: fc.constantFrom(...KINDS),
    }),
    { minLength: 1, maxLength: 400 },
  );
  fc.assert(
    fc.property(requests, (list) => {
      const { bursts, reports } = setUp();
      const sums = new Map<string, number>();
      for (const { id, n, kind } of list) {
        bursts.count({ id: `s${id}` }, kind, n);
        sums.set(`s${id}`, (sums.get(`s${id}`) ?? 0) + n);
      }
      bursts.close();
      const total = [...sums.values()].reduce((x, y) => x + y, 0);
      const over = reports.filter((r) => r.state === 'over');
      for (const r of over) {
        expect(Object.values(r.kinds).reduce((x, y) => x + y, 0)).toBe(r.count);
        // All of it comes within one moment: nothing of a source that was told alone is missing.
        if (r.source) expect(r.count).toBe(sums.get(r.source.id));
      }
      const alone = over.filter((r) => r.source).reduce((sum, r) => sum + r.count, 0);
      const many = over.find((r) => r.source === null);
      if (many) expect(alone + many.count).toBe(total);
      else expect(total - alone).toBeLessThan(100);
      expect(reports.filter((r) => r.state === 'begun').length).toBeLessThanOrEqual(4);
    }),
    { numRuns: 200 },
  );
});
