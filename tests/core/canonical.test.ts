/** One text for one value: what approvals, audit chains and shared reads compare. */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonical, digest } from '../../src/core/canonical.ts';

const codeOf = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (thrown) {
    return (thrown as { code?: unknown }).code ?? thrown;
  }
};
/** The same value, its keys the other way round at every level. */
const turned = (v: unknown): unknown => {
  if (Array.isArray(v)) return v.map(turned);
  if (typeof v !== 'object' || v === null) return v;
  return Object.fromEntries(
    Object.entries(v)
      .reverse()
      .map(([k, part]) => [k, turned(part)]),
  );
};
const asJson = (v: unknown): unknown => JSON.parse(JSON.stringify(v));
const nested = (levels: number): unknown => {
  let v: unknown = 1;
  for (let i = 0; i < levels; i++) v = [v];
  return v;
};

describe('for any JSON value', () => {
  test('the text is JSON of the same value, without white space beside its strings', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (v) => {
        expect(JSON.parse(canonical(v))).toEqual(asJson(v));
        expect(canonical(v)).toHaveLength(JSON.stringify(v).length);
      }),
    );
  });
  test('equal values have equal text, whatever the order of their keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (v) => {
        expect(canonical(turned(v))).toBe(canonical(v));
      }),
    );
  });
  test('values that differ have texts that differ', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(canonical(a) === canonical(b)).toBe(isDeepStrictEqual(asJson(a), asJson(b)));
      }),
    );
  });
  test('it is its own fixed point: written, read and written again it stays', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (v) => {
        expect(canonical(JSON.parse(canonical(v)))).toBe(canonical(v));
      }),
    );
  });
});

test.each([
  ['keys by code unit, not by locale', { b: 1, a: 2, B: 3, é: 4, '': 5 }, '{"":5,"B":3,"a":2,"b":1,"é":4}'],
  ['numbers as ECMAScript writes them', [1e21, 1.0, -0, 0.1], '[1e+21,1,0,0.1]'],
  ['what must be escaped', 'a"b\\c\n\u0001', '"a\\"b\\\\c\\n\\u0001"'],
  ['half of a pair, which no UTF-8 file could hold', 'a\ud800', '"a\\ud800"'],
  ['a property that is undefined is none, an element is null', { a: undefined, b: [undefined, 1] }, '{"b":[null,1]}'],
  // biome-ignore lint/suspicious/noSparseArray: a hole is meant
  ['a hole is null', [1, , 2], '[1,null,2]'],
  ['what says itself how it is written', { at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
  ['a key of that name that is no function', { toJSON: 'x' }, '{"toJSON":"x"}'],
  ['a key named as the prototype', JSON.parse('{"__proto__":{"a":1}}'), '{"__proto__":{"a":1}}'],
])('%s', (_what, value, text) => expect(canonical(value)).toBe(text));

test('many keys are written as few are, whatever was written before them', () => {
  // Written one by one, without what is remembered between records.
  const naive = (v: unknown): string =>
    typeof v !== 'object' || v === null || Array.isArray(v)
      ? JSON.stringify(v)
      : `{${Object.entries(v)
          .filter(([, part]) => part !== undefined)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([k, part]) => `${JSON.stringify(k)}:${naive(part)}`)
          .join(',')}}`;
  const name = fc.oneof(fc.constantFrom(...'abcdefghijklmnopq'), fc.string({ maxLength: 3 }));
  const leaf = fc.oneof(fc.integer(), fc.string(), fc.constant(undefined), fc.constant(null));
  const wide = fc.dictionary(name, leaf, { minKeys: 10, maxKeys: 30, noNullPrototype: true });
  const records = fc.array(fc.tuple(wide, fc.option(wide), fc.boolean()), { minLength: 2, maxLength: 6 });
  fc.assert(
    fc.property(records, (all) => {
      for (const [record, inside, again] of all)
        for (const v of again ? [record, { ...record, a: inside }, record] : [{ ...record, z: inside }])
          expect(canonical(v)).toBe(naive(v));
    }),
    { numRuns: 300 },
  );
});

test('what JSON cannot hold is refused and never written as something else', () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const refused = [Number.NaN, Number.POSITIVE_INFINITY, 1n, () => 1, Symbol('s'), undefined, cycle];
  for (const v of refused) {
    expect(codeOf(() => canonical(v))).toBe('validation');
    expect(codeOf(() => canonical([{ deep: v ?? Number.NaN }]))).toBe('validation');
  }
});

test('nesting has a bound, far below what overflows the stack', () => {
  expect(canonical(nested(64))).toBe(`${'['.repeat(64)}1${']'.repeat(64)}`);
  expect(codeOf(() => canonical(nested(65)))).toBe('validation');
  expect(codeOf(() => canonical(nested(100_000)))).toBe('validation');
});

test('a digest is SHA-256 of the text, so that others can make it again', () => {
  expect(digest({ b: 1, a: [2] })).toBe(createHash('sha256').update('{"a":[2],"b":1}').digest('hex'));
});
