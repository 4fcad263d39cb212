/** A file that ran in two texts is counted once: what either of them covered is covered, and what neither did stays open. */
import { expect, test } from 'vitest';
import { eachOnce } from './coverage_provider.ts';

const at = (line: number, column: number, end: number | null) => ({
  start: { line, column },
  end: { line, column: end },
});
/** The runner's text does not always know where a branch ends. */
const branch = (line: number, end: number | null) => ({
  type: 'cond-expr',
  loc: at(line, 4, end),
  locations: [at(line, 8, end), at(line, 12, end)],
});

test('branches, statements and functions that begin at one place are one', () => {
  const file = {
    statementMap: { 0: at(1, 0, 20), 1: at(1, 0, null), 2: at(2, 0, 20) },
    s: { 0: 0, 1: 3, 2: 0 },
    fnMap: { 0: { loc: at(1, 2, 20) }, 1: { loc: at(1, 2, null) } },
    f: { 0: 1, 1: 0 },
    branchMap: { 0: branch(1, 20), 1: branch(1, null), 2: branch(2, 20) },
    b: { 0: [2, 0], 1: [0, 5], 2: [0, 1] },
  };
  eachOnce(file);
  expect(file.s).toEqual({ 0: 3, 2: 0 });
  expect(file.f).toEqual({ 0: 1 });
  expect(file.b).toEqual({ 0: [2, 5], 2: [0, 1] });
  expect(Object.keys(file.branchMap)).toEqual(['0', '2']);
});
