import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRedactor } from '../../src/core/redact.ts';
import { createBuckets } from '../../src/insight/log_count.ts';
import type { Entry } from '../../src/insight/log_group.ts';
import { expression, literal, nearNames } from '../../src/insight/log_match.ts';
import { mergeByTime } from '../../src/insight/log_merge.ts';
import { createSelector, type Wanted } from '../../src/insight/log_select.ts';
import { stampLength } from '../../src/insight/log_stamp.ts';
import { cpuNowMs } from '../fakes/cpu_time.ts';

const entry = (text: string, over: Partial<Entry> = {}): Entry => ({
  stream: 'stdout',
  atMs: 0,
  nanos: 0,
  text,
  by: null,
  stamp: stampLength(text),
  level: null,
  lines: 1,
  cut: false,
  repeats: 1,
  lastMs: over.atMs ?? 0,
  lastAtMs: over.atMs ?? 0,
  firstN: 1,
  lastN: 1,
  ...over,
});

describe('merging', () => {
  const times = fc.array(fc.record({ atMs: fc.integer({ min: 0, max: 20 }), nanos: fc.integer({ min: 0, max: 3 }) }));

  test('nothing is lost, and each log keeps its own order, also where its clock went back', () => {
    fc.assert(
      fc.property(fc.array(times, { maxLength: 5 }), (logs) => {
        const marked = logs.map((log, l) => log.map((t, i) => ({ ...t, l, i })));
        const out = mergeByTime(marked, (x) => x);
        expect(out).toHaveLength(logs.flat().length);
        for (const [l, log] of marked.entries()) {
          expect(out.filter((o) => o.log === l).map((o) => o.item.i)).toEqual(log.map((_, i) => i));
        }
      }),
    );
  });

  test('logs in order come out in order of time, nanoseconds, and of their naming', () => {
    const sorted = times.map((t) => t.sort((a, b) => a.atMs - b.atMs || a.nanos - b.nanos));
    fc.assert(
      fc.property(fc.array(sorted, { maxLength: 5 }), (logs) => {
        const out = mergeByTime(logs, (x) => x).map((o) => [o.item.atMs, o.item.nanos, o.log] as const);
        const again = [...out].sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
        expect(out).toEqual(again);
      }),
    );
  });
});

describe('counting by time', () => {
  test('by the minute, with the bad ones, gaps as nothing', () => {
    const b = createBuckets();
    for (const s of [0, 1, 59, 60, 200]) b.add(s * 1000, s === 60);
    expect(b.spread(24)).toEqual({ fromMs: 0, stepMs: 60_000, entries: [3, 1, 0, 1], bad: [0, 1, 0, 0] });
    expect(createBuckets().spread(24)).toBeNull();
  });

  test('steps grow with the time, nothing is lost, and memory has a bound', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 4e12 }), { minLength: 1, maxLength: 3_000, size: 'max' }),
        (all) => {
          const [a, b] = [createBuckets(), createBuckets()];
          for (const [i, t] of all.entries()) (i % 2 ? a : b).add(t, i % 3 === 0);
          a.merge(b);
          const spread = a.spread(24);
          expect(spread?.entries.length).toBeLessThanOrEqual(24);
          expect(spread?.entries.reduce((x, y) => x + y)).toBe(all.length);
          expect(spread?.bad.reduce((x, y) => x + y)).toBe(Math.ceil(all.length / 3));
          expect([...a.each()].length).toBeLessThanOrEqual(513);
        },
      ),
    );
  });
});

describe('selecting', () => {
  const select = (want: Partial<Wanted>, entries: Entry[]) => {
    const s = createSelector({ context: 0, keep: 100, chars: 1e6, oldest: false, ...want });
    for (const e of entries) s.push(e);
    return { ...s.end(), full: s.full(), soFar: s.matched() };
  };
  const numbered = (n: number, over: (i: number) => Partial<Entry> = () => ({})) =>
    Array.from({ length: n }, (_, i) => entry(`line ${i}`, { atMs: i * 1000, ...over(i) }));
  const texts = (s: { picked: { entry: Entry }[] }) => s.picked.map((p) => p.entry.text);

  test('the newest are kept, the oldest where asked, and all are counted', () => {
    const newest = select({ keep: 3 }, numbered(5_000));
    expect(texts(newest)).toEqual(['line 4997', 'line 4998', 'line 4999']);
    expect(newest).toMatchObject({ entries: 5_000, matched: 5_000, dropped: 4_997, full: false });
    const oldest = select({ keep: 3, oldest: true }, numbered(5_000));
    expect(texts(oldest)).toEqual(['line 0', 'line 1', 'line 2']);
    expect(oldest).toMatchObject({ matched: 5_000, dropped: 4_997, full: true });
  });

  test('characters are bounded, too, and one entry is always kept', () => {
    const big = numbered(50, (i) => ({ text: `${i} ${'x'.repeat(1_000)}` }));
    expect(select({ chars: 10_000 }, big).picked.length).toBeLessThan(10);
    expect(select({ chars: 10 }, big).picked).toHaveLength(1);
    expect(select({ chars: 10, oldest: true }, big).picked).toHaveLength(1);
  });

  test('by level and by text, with neighbours, and a gap where some were left out', () => {
    const all = numbered(20, (i) => ({ level: i === 5 || i === 15 ? 'error' : 'info' }));
    const found = select({ least: 'warn', context: 1 }, all);
    expect(found.picked.map((p) => [p.entry.text, p.context, p.gap])).toEqual([
      ['line 4', true, false],
      ['line 5', false, false],
      ['line 6', true, false],
      ['line 14', true, true],
      ['line 15', false, false],
      ['line 16', true, false],
    ]);
    expect(found).toMatchObject({ entries: 20, matched: 2, soFar: 2 });
    expect(found.levels).toMatchObject({ error: 2, info: 18, none: 0 });
    expect(texts(select({ match: (e) => e.text.endsWith('7') }, all))).toEqual(['line 7', 'line 17']);
  });

  test('the first match, its neighbours, and no further', () => {
    const all = numbered(20, (i) => ({ level: i >= 5 ? 'error' : 'info' }));
    const first = select({ least: 'error', context: 2, keep: 1, oldest: true }, all);
    expect(texts(first)).toEqual(['line 3', 'line 4', 'line 5', 'line 6', 'line 7']);
    expect(first.full).toBe(true);
  });

  test('equal ones that follow each other are one, with a count, whatever time they write in front', () => {
    const same = [1, 2, 3].map((s) => entry(`2024-01-01 00:00:0${s} tick`, { atMs: s * 1000 }));
    const s = select({ match: (e) => e.text.includes('tick') }, [...same, entry('tock'), entry('tick')]);
    expect(s.picked.map((p) => [p.entry.repeats, p.entry.lastMs])).toEqual([
      [3, 3_000],
      [1, 0],
    ]);
    expect(s).toMatchObject({ entries: 5, matched: 4 });
    // Another stream is another voice.
    expect(select({}, [entry('a'), entry('a', { stream: 'stderr' })]).picked).toHaveLength(2);
  });
});

describe('searching', () => {
  const clean = createRedactor({}).text;
  const line = 'login password=hunter2extra for bob (ERROR)';

  test('finds text in any case, and expressions in linear time', async () => {
    expect(literal('(error)', clean)(line)).toBe(true);
    expect(literal('.*', clean)(line)).toBe(false);
    expect((await expression('for \\w+ \\(error\\)$', clean))(line)).toBe(true);
    const slow = await expression('(a+)+b', clean);
    const from = cpuNowMs();
    expect(slow('a'.repeat(20_000))).toBe(false);
    expect(cpuNowMs() - from).toBeLessThan(1_000);
  });

  test('never sees a secret: it cannot be guessed letter by letter', async () => {
    for (const guess of ['hunter2extra', 'password=h', 'password=hunter', '=hunter']) {
      expect(line.includes(guess), 'control: it is there').toBe(true);
      expect(literal(guess, clean)(line), guess).toBe(false);
      expect((await expression(guess, clean))(line), guess).toBe(false);
    }
    // Both answers of this are the same whatever the secret is.
    for (const guess of ['password=(h|⟦)', 'password=(x|⟦)', 'password=[a-m]', 'password=[n-z]'])
      expect((await expression(guess, clean))(line), guess).toBe(false);
    // Nor is our own mark found, which would tell that there is one by a word that is not in the log.
    expect(literal('redacted', clean)(line)).toBe(false);
    expect(literal('d:p', clean)(`${line} password=d:pass5word`)).toBe(false);
  });

  test('an expression that cannot be read, or is too large, is refused with the way out', async () => {
    await expect(expression('a(', clean)).rejects.toMatchObject({ code: 'validation' });
    await expect(expression('(?<=a)b', clean)).rejects.toMatchObject({
      details: { hint: expect.stringContaining('look-around') },
    });
    await expect(expression('(a)\\1', clean)).rejects.toMatchObject({ code: 'validation' });
    await expect(expression('(.{0,500}){2}b', clean)).rejects.toMatchObject({
      message: expect.stringContaining('large'),
    });
    await expect(expression('(a{1000}){1000}', clean)).rejects.toMatchObject({ code: 'validation' });
  });

  test('names that may have been meant', () => {
    const names = ['shop-web-1', 'shop-db-1', 'proxy'];
    expect(nearNames('web', names, 5)).toEqual(['shop-web-1']);
    expect(nearNames('prxy', names, 5)).toEqual(['proxy']);
    expect(nearNames('x', names, 5)).toEqual([]);
  });
});
