/** How a change's answer reads: one text for all of them. */
import { expect, test } from 'vitest';
import type { View } from '../../src/core/tool.ts';
import { renameTool } from '../fakes/tools.ts';

const say = (answer: object) => renameTool.text({ summary: 's', ...answer } as never, {} as View);
const before = { name: 'nginx', start: 3, unit: null, at: undefined, parts: ['a'] };

test('who decides sees what stands there now: the diff, or the state before in one line', () => {
  expect(say({ state: 'pending', handle: 'a_x', next: 'ask', before })).toBe(
    'pending: s\nnow: name nginx; start 3; unit ?; at ?; parts ["a"]\nhandle a_x\nnext: ask',
  );
  expect(say({ state: 'dry_run', before, diff: '-a\n+b' })).toBe('dry_run: s\n-a\n+b');
});

test('who has changed it sees what was done, and the receipt', () => {
  expect(say({ state: 'done', before, receipt: 't_x' })).toBe('done: s\nreceipt t_x');
  expect(say({ state: 'done' })).toBe('done: s');
});

test('what the thing itself said of its failure is shown', () => {
  expect(say({ state: 'rolled_back', after: { state: 'running', log: ['no such file', 7] } })).toBe(
    'rolled_back: s\nno such file\n7',
  );
  expect(say({ state: 'done', after: { log: 'x' } })).toBe('done: s');
});
