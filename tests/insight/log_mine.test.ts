/** Patterns of logs: against templates that are known, against what anyone would try first, and against logs that mean harm. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Level } from '../../src/insight/log_level.ts';
import { tokensOf, WILD, written } from '../../src/insight/log_mask.ts';
import { createMiner, type Pattern } from '../../src/insight/log_mine.ts';
import { upTo } from '../counts.ts';
import { cpuNowMs } from '../fakes/cpu_time.ts';
import { corpus, groupingAccuracy, plainMask, random } from './log_corpus.ts';

const line = (text: string, level: Level | null = null, before = false, atMs = 0) => ({ text, atMs, level, before });
const mined = (texts: readonly string[], o: { mostShapes?: number } = {}) => {
  const miner = createMiner(o);
  const ids = texts.map((t) => miner.push(line(t)));
  const end = miner.end();
  return { groups: ids.map(end.patternOf), patterns: end.patterns };
};
const templates = (texts: readonly string[]): string[] => mined(texts).patterns.map((p: Pattern) => p.template);

describe('grouping accuracy on templates that are known', () => {
  test.each([
    [1, 50, 5_000],
    [2, 200, 20_000],
    [3, 500, upTo(50_000, 20_000)],
    [4, 500, upTo(50_000, 20_000)],
  ])('seed %i: %i templates in %i lines', (seed, n, lines) => {
    const all = corpus(seed, { templates: n, lines });
    const truth = all.map((l) => l.of);
    expect(groupingAccuracy(mined(all.map((l) => l.text)).groups, truth)).toBeGreaterThanOrEqual(0.98);
    // What anyone would try first does not get near.
    expect(
      groupingAccuracy(
        all.map((l) => plainMask(l.text)),
        truth,
      ),
    ).toBeLessThan(0.9);
  });

  test('where few shapes can be held, most is still right; and the figure notices what is wrong (control)', () => {
    const all = corpus(5, { templates: 100, lines: 20_000 });
    const truth = all.map((l) => l.of);
    const { groups } = mined(
      all.map((l) => l.text),
      { mostShapes: 800 },
    );
    expect(groupingAccuracy(groups, truth)).toBeGreaterThan(0.9);
    expect(
      groupingAccuracy(
        truth.map((t) => (t < 50 ? 0 : t)),
        truth,
      ),
    ).toBeLessThan(0.9);
    expect(groupingAccuracy(truth, truth)).toBe(1);
  });
});

describe('what is taken out', () => {
  test.each([
    ['GET /a/b?c=1 HTTP/1.1 200 1532 12ms', 'GET <*> HTTP/<*> <*>'],
    ['user alice from 10.0.0.1 port 4711', 'user alice from <*> port <*>'],
    ['id 550e8400-e29b-41d4-a716-446655440000 done', 'id <*> done'],
    ['started on Fri Jun 17 20:55:06 2005', 'started on <*>'],
    ['took 1.2 s (1200 ms) and <1 s', 'took <*> and <*>'],
    ['loaded a, b, c and d', 'loaded <*> and d'],
    ['plugins [auth, cache] and now (x) or ()', 'plugins [<*>] and now (x) or (<*>)'],
    ['key="a b" other=\'c\'', 'key="a b" other=\'c\''],
    ['fe80::1%eth0 and 00:1a:2b:3c:4d:5e, blk_-123 at host-3.example.com:80', '<*> and <*>, blk_<*> at <*>'],
    ['', ''],
  ])('%s', (text, wanted) => {
    expect(written(tokensOf(text))).toBe(wanted);
  });

  test('any text, any length: no crash, bounded, and what is masked is masked no further', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const tokens = tokensOf(text);
        expect(tokens.length).toBeLessThanOrEqual(201);
        expect(tokens.some((t, i) => t === WILD && tokens[i + 1] === WILD)).toBe(false);
      }),
    );
  });
});

describe('what is one pattern, and what is not', () => {
  test('a few words are things that happen, many are values', () => {
    expect(templates(['VM stopped now', 'VM resumed now', 'VM paused now'])).toHaveLength(3);
    const users = Array.from({ length: 40 }, (_, i) => `session of ${'abcdefgh'[i % 8]}${'klmnop'[i % 6]}x opened`);
    expect(templates(users)).toEqual(['session of <*> opened']);
    expect(templates(['login user root ok', 'login user ana ok'])).toEqual(['login user <*> ok']);
    expect(templates(['connect failed: refused', 'connect failed: timeout'])).toHaveLength(2);
  });

  test('values in a row are one, however many; levels are kept apart', () => {
    const row = (n: number) => `fans at ${Array.from({ length: n }, (_, i) => i * 100).join(' ')} rpm`;
    expect(templates([row(2), row(5), row(9)])).toEqual(['fans at <*> rpm']);
    const miner = createMiner();
    miner.push(line('disk is full', 'error'));
    miner.push(line('disk is full', 'info'));
    miner.push(line('disk is full', 'warn'));
    expect(miner.end().patterns).toHaveLength(3);
  });

  test('counts, times, the level and an example are those of the window; before is counted apart', () => {
    const miner = createMiner();
    miner.push(line('job 1 failed', 'error', true, 5));
    miner.push(line('job 2 failed', 'error', false, 20));
    miner.push(line('job 3 failed', 'fatal', false, 10));
    expect(miner.end().patterns).toEqual([
      {
        ...{ template: 'job <*> failed', example: 'job 2 failed', count: 2, before: 1 },
        ...{ firstMs: 10, lastMs: 20, level: 'fatal' },
      },
    ]);
  });
});

describe('logs that mean harm', () => {
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  const noise = (r: () => number, words: number) =>
    Array.from({ length: words }, () =>
      Array.from({ length: 3 + r() * 8 }, () => letters[Math.floor(r() * 26)]).join(''),
    ).join(' ');

  test('lines that have nothing in common are counted, in bounded room and time; one error among them is told', () => {
    const r = random(9);
    const miner = createMiner({ mostShapes: 2_000 });
    const from = cpuNowMs();
    for (let i = 0; i < 20_000; i++) miner.push(line(noise(r, 1 + Math.floor(r() * 12))));
    miner.push(line('disk sdb is broken', 'error'));
    const { patterns } = miner.end();
    expect(cpuNowMs() - from).toBeLessThan(15_000);
    expect(patterns.reduce((n, p) => n + p.count, 0)).toBe(20_001);
    expect(patterns.length).toBeLessThan(3_000);
    expect(patterns.find((p) => p.level === 'error')).toMatchObject({ template: 'disk sdb is broken', count: 1 });
  }, 30_000);

  test('long lines of marks, of digits, of one word cost no more than others', () => {
    const from = cpuNowMs();
    for (const part of [
      '(',
      '"',
      '/',
      '=',
      ', a',
      '<1',
      '1a',
      ':',
      '::',
      '.',
      '@',
      '\\',
      'Mon ',
      '<*> ',
      '(1)',
      '0x',
      '-',
    ])
      mined(Array.from({ length: 200 }, (_, i) => `${part.repeat(16_000 / part.length)} ${i}`));
    expect(cpuNowMs() - from).toBeLessThan(5_000);
  });

  test('a line that looks like a template is a line', () => {
    expect(mined(['<*> <*> <*>', 'a <*> b', '<*>']).patterns.reduce((n, p) => n + p.count, 0)).toBe(3);
    expect(() => mined(['__proto__ constructor', 'toString', '', ' ', '\u0000', '\ud800'])).not.toThrow();
  });

  test('twice the lines take about twice the time', () => {
    const all = corpus(7, { templates: 200, lines: 30_000 }).map((l) => l.text);
    const ms = (n: number) => {
      const from = cpuNowMs();
      mined(all.slice(0, n));
      return cpuNowMs() - from;
    };
    ms(5_000);
    const best = (n: number) => Math.min(ms(n), ms(n), ms(n));
    expect(best(30_000) / best(7_500)).toBeLessThan(4 * 3);
  }, 30_000);
});
