/** What a start over stdio leaves behind is collected once, later, and the flag that this takes is not left standing. */
import v8 from 'node:v8';
import vm from 'node:vm';
import { afterEach, expect, test, vi } from 'vitest';
import { giveBackLater } from '../../src/cli/given_back.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test('collects once, after the compile cache is written, and takes its flag back', () => {
  vi.useFakeTimers();
  const flags = vi.spyOn(v8, 'setFlagsFromString');
  const collect = vi.fn();
  vi.spyOn(vm, 'runInNewContext').mockReturnValue(collect);
  giveBackLater();
  vi.advanceTimersByTime(2_000);
  expect(collect).not.toHaveBeenCalled();
  vi.advanceTimersByTime(10 * 60_000);
  expect(collect.mock.calls).toEqual([[{ type: 'major', execution: 'sync', flavor: 'last-resort' }]]);
  expect(flags.mock.calls).toEqual([['--expose-gc'], ['--no-expose-gc']]);
});

test('it is there in this V8, and nowhere else afterwards', () => {
  vi.useFakeTimers();
  const made = vi.spyOn(vm, 'runInNewContext');
  giveBackLater();
  vi.advanceTimersByTime(10_000);
  expect(typeof made.mock.results[0]?.value).toBe('function');
  made.mockRestore();
  expect('gc' in globalThis).toBe(false);
  expect(vm.runInNewContext('typeof gc')).toBe('undefined');
});

test('a V8 without it is left as it is', () => {
  vi.useFakeTimers();
  const flags = vi.spyOn(v8, 'setFlagsFromString');
  vi.spyOn(vm, 'runInNewContext').mockImplementation(() => {
    throw new ReferenceError('gc is not defined');
  });
  giveBackLater();
  expect(() => vi.advanceTimersByTime(10_000)).not.toThrow();
  expect(flags).toHaveBeenLastCalledWith('--no-expose-gc');
});
