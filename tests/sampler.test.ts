/** The sampler: one of all processes, bounded memory, no noise when the host cannot be read. */
import { expect, test } from 'vitest';
import { createSampler } from '../src/sampler.ts';
import { fakeClock } from './fakes/clock.ts';
import { fakeHost } from './fakes/host.ts';

function rig(lease: () => (Disposable & { sure: boolean }) | null, over: { fails?: () => boolean } = {}) {
  const clock = fakeClock();
  const warned: string[] = [];
  const { system } = fakeHost();
  const snapshot = () => {
    if (over.fails?.()) throw new Error('no /proc');
    return { ...system.snapshot(), atMs: clock.elapsed() };
  };
  const sampler = createSampler({
    system: { ...system, snapshot },
    lease,
    everyMs: 5_000,
    keep: 3,
    clock,
    log: { debug() {}, info() {}, error() {}, warn: (_f, m) => void warned.push(m) },
  });
  return { sampler, clock, warned };
}
const held = (sure = true) => ({ sure, [Symbol.dispose]() {} });

test('keeps the last few, newest last, and gives the lease back', async () => {
  let free = 0;
  const { sampler, clock } = rig(() => ({ sure: true, [Symbol.dispose]: () => void free++ }));
  sampler.start(0);
  await clock.advance(21_000);
  expect(sampler.recent().map((s) => s.atMs)).toEqual([10_000, 15_000, 20_000]);
  expect(sampler.recentProcesses()?.processes.length).toBeGreaterThan(0);
  expect(sampler.leads()).toBe(true);
  await sampler[Symbol.asyncDispose]();
  expect(free).toBe(1);
  expect(clock.waiting()).toBe(0);
});

test('without the lease it only turns, until the holder is gone', async () => {
  let theirs = true;
  const { sampler, clock } = rig(() => (theirs ? null : held()));
  sampler.start(0);
  await clock.advance(12_000);
  expect(sampler.recent()).toEqual([]);
  expect(sampler.lastTurn()).toBe(10_000);
  theirs = false;
  await clock.advance(5_000);
  expect(sampler.recent()).toHaveLength(1);
  await sampler[Symbol.asyncDispose]();
});

test('a lease that is not sure is asked for again at each turn', async () => {
  let asked = 0;
  const { sampler, clock } = rig(() => {
    asked++;
    return held(false);
  });
  sampler.start(0);
  await clock.advance(16_000);
  expect(asked).toBe(4);
  expect(sampler.recent().length).toBe(3);
  await sampler[Symbol.asyncDispose]();
});

test('a host that cannot be read is said once, and again only after it could be', async () => {
  let fails = true;
  const { sampler, clock, warned } = rig(() => held(), { fails: () => fails });
  sampler.start(0);
  await clock.advance(16_000);
  expect(warned).toHaveLength(1);
  fails = false;
  await clock.advance(5_000);
  fails = true;
  await clock.advance(5_000);
  expect(warned).toHaveLength(2);
  await sampler[Symbol.asyncDispose]();
});
