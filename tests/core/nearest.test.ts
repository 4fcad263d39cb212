/** What was meant by a wrong name. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nearest } from '../../src/core/nearest.ts';

const tools = ['system_overview', 'system_metrics', 'process_list', 'result_query'];
const settings = ['http.port', 'http.host', 'log.level', 'audit.keep-days'];

describe('a slip of the hand', () => {
  test.each([
    ['a letter too few', 'proces_list'],
    ['a letter too many', 'process_listt'],
    ['another letter', 'process_lisk'],
    ['two letters swapped', 'porcess_list'],
    ['two letters swapped at the end', 'process_lits'],
    ['capitals', 'Process_List'],
    ['several at once', 'proces-lits'],
  ])('%s', (_what, word) => expect(nearest(word, tools)).toEqual(['process_list']));

  test('a swap is one slip, not two: in a short name two would be too many', () => {
    expect(nearest('prot', ['port'])).toEqual(['port']);
    expect(nearest('trop', ['port'])).toEqual([]);
  });
  test('what is no slip any more gets no guess', () => {
    expect(nearest('delete_everything', tools, 3)).toEqual([]);
    expect(nearest('pid', ['user', 'limit', 'name'], 3)).toEqual([]);
  });
});

test('the last part of a name stands for it, and only a whole part', () => {
  expect(nearest('port', settings)).toEqual(['http.port']);
  expect(nearest('overview', tools)).toEqual(['system_overview']);
  expect(nearest('days', settings)).toEqual(['audit.keep-days']);
  expect(nearest('ort', ['http.port'])).toEqual([]);
});

test('the nearest first, equals by their alphabet, and no more than asked for', () => {
  const names = ['cpu3', 'cpu1', 'cpu2', 'cpu'];
  expect(nearest('cpu', names, 9)).toEqual(['cpu', 'cpu1', 'cpu2', 'cpu3']);
  expect(nearest('cpu', names, 2)).toEqual(['cpu', 'cpu1']);
  expect(nearest('cpu1', new Set(names))).toEqual(['cpu1']);
});

test('nothing, and what is longer than any name, is like no name', () => {
  expect(nearest('', ['a', 'b'])).toEqual([]);
  expect(nearest('x'.repeat(65), ['x'.repeat(65)])).toEqual([]);
  expect(nearest('x'.repeat(64), ['x'.repeat(64)])).toHaveLength(1);
});

test('for any name: it is its own nearest, and one slip still finds it', () => {
  const name = fc.stringMatching(/^[a-z_]{3,24}$/);
  fc.assert(
    fc.property(name, fc.nat(23), fc.constantFrom('x', '7'), (known, at, letter) => {
      expect(nearest(known, [known])).toEqual([known]);
      const i = at % known.length;
      const slips = [
        known.slice(0, i) + letter + known.slice(i),
        known.slice(0, i) + letter + known.slice(i + 1),
        known.slice(0, i) + known.slice(i + 1),
        known.slice(0, i) +
          known
            .slice(i, i + 2)
            .split('')
            .reverse()
            .join('') +
          known.slice(i + 2),
      ];
      for (const slip of slips) expect(nearest(slip, [known]), slip).toEqual([known]);
    }),
  );
});
