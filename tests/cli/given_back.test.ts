/** What a start over stdio leaves behind is collected once, later, and the flag that this takes is not left standing. */
import v8 from 'node:v8';
import vm from 'node:vm';
import { afterEach, expect, test, vi } from 'vitest';
import { giveBackLater, giveBackWhenQuiet } from '../../src/cli/given_back.ts';

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

test('a server collects when it is quiet and has grown, and not again until it has grown again', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'setTimeout'] });
  const collect = vi.fn();
  vi.spyOn(vm, 'runInNewContext').mockReturnValue(collect);
  let heap = 60;
  vi.spyOn(v8, 'getHeapStatistics').mockImplementation(() => ({ total_heap_size: heap * 2 ** 20 }) as v8.HeapInfo);
  let utilization = 0.5;
  vi.spyOn(performance, 'eventLoopUtilization').mockImplementation(() => ({ idle: 0, active: 0, utilization }));
  collect.mockImplementation(() => {
    heap = 20;
  });
  giveBackWhenQuiet();
  utilization = 0.01;
  vi.advanceTimersByTime(60_000);
  expect(collect, 'as it was started').not.toHaveBeenCalled();
  utilization = 0.5;
  heap = 90;
  vi.advanceTimersByTime(60_000);
  expect(collect, 'in the middle of its work').not.toHaveBeenCalled();
  utilization = 0.01;
  vi.advanceTimersByTime(15_000);
  expect(collect).toHaveBeenCalledTimes(1);
  heap = 27;
  vi.advanceTimersByTime(600_000);
  expect(collect).toHaveBeenCalledTimes(1);
  heap = 40;
  vi.advanceTimersByTime(15_000);
  expect(collect).toHaveBeenCalledTimes(2);
  vi.clearAllTimers();
});
