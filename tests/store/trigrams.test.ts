import { expect, test } from 'vitest';
import { asked, literalOf, pieces } from '../../src/store/trigrams.ts';

const threes = (t: string) => new Set(Array.from({ length: Math.max(0, t.length - 2) }, (_, i) => t.slice(i, i + 3)));
const plain = (t: string) => new Set([...threes(t.toLowerCase())].filter((x) => /^[\x20-\x7e]{3}$/.test(x)));

test('what is left of a text has every three characters that stand together in it, and no others of them', () => {
  let seed = 1;
  const random = (n: number) => {
    seed = (seed * 48_271) % 0x7fffffff;
    return seed % n;
  };
  for (let n = 0; n < 300; n++) {
    const all = Array.from({ length: random(400) }, () => 'abAB \n\xe4.'[random(8)]).join('');
    const [short = '', more] = [...pieces(Buffer.from(all, 'latin1'))];
    expect(more).toBeUndefined();
    expect(plain(short)).toEqual(plain(all));
    expect(short.length).toBeLessThanOrEqual(all.length);
  }
});

test('a text over the border of two pieces lies in one of them', () => {
  const bytes = Buffer.alloc(300_000, '-');
  bytes.write('a needle here', 128 * 1024 - 5);
  expect([...pieces(bytes)].filter((p) => p.includes('a needle here')).length).toBeGreaterThan(0);
});

test('of what is asked only plain characters count', () => {
  expect(asked('Ab"c')).toBe('"ab""" AND "b""c"');
  expect([asked('ab'), asked('äöü'), asked('aüb')]).toEqual([null, null, null]);
  expect(asked('x'.repeat(500))).toBe('"xxx"');
  expect(asked('abcdefghijklmnopqrstuvwxyz0123456789'.repeat(5))?.split(' AND ').length).toBe(24);
});

test('of a pattern the part that stands there as written', () => {
  expect(['*.conf', '**/x/a*bcd', 'a[bc]defg', 'a\\*longer', '**', '?'].map(literalOf)).toEqual([
    '.conf',
    'bcd',
    'a',
    'a',
    '',
    '',
  ]);
});
