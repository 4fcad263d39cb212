/** Five thousand processes, made of files: all are listed, and the loop turns while they are read. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ProcessAnswer } from '../../src/tools/process_list.ts';
import { machine } from '../fakes/machine.ts';

const MANY = 5_000;
const FIRST = 10_000;

function crowd(folder: string, ticks: (i: number) => number, from = 0): void {
  for (let i = from; i < MANY; i++) {
    const pid = FIRST + i;
    const dir = join(folder, `proc/${pid}`);
    mkdirSync(dir, { recursive: true });
    writeFileSync(
      join(dir, 'stat'),
      `${pid} (worker ${i}) S 1 ${pid} ${pid} 0 -1 4194560 10 0 0 0 ${ticks(i)} 0 0 0 20 0 2 0 ${1000 + i} 9000000 ${100 + i} 18446744073709551615\n`,
    );
    writeFileSync(join(dir, 'cmdline'), `/opt/app/worker\0--number\0${i}\0--token=secret${i}\0`);
  }
}

/** Turns of the loop while `work` runs. */
async function turnsDuring<T>(work: () => Promise<T>): Promise<{ value: T; turns: number }> {
  let turns = 0;
  let on = true;
  const turn = () => {
    turns++;
    if (on) setImmediate(turn);
  };
  setImmediate(turn);
  const value = await work();
  on = false;
  return { value, turns };
}

test('5,000 processes: all counted, the busiest shown, the rest kept, and others are served meanwhile', async () => {
  using m = await machine('vm', { prepare: (folder) => crowd(folder, () => 1_000) });
  m.later();
  // The last hundred worked: each a little more than the one before it.
  crowd(m.folder, (i) => 1_000 + i - (MANY - 101), MANY - 100);
  const all = MANY + 7;
  const read = await turnsDuring(() => m.host.system.processes({ commands: true }));
  expect(read.value.processes).toHaveLength(all);
  expect(read.value.notRead).toBe(0);
  // It takes tens of milliseconds, in slices of three: how many depends on the machine, that there are many does not.
  expect(read.turns).toBeGreaterThanOrEqual(5);

  const { value: list, turns } = await turnsDuring(() =>
    m.call<ProcessAnswer & { more: { handle: string } }>('process_list'),
  );
  expect(turns).toBeGreaterThanOrEqual(5);
  expect(list.data).toMatchObject({ total: all, matched: all, more: { total: 5_000, shown: 15 } });
  expect(list.bytes).toBeLessThanOrEqual(16 * 1024);
  const workers = list.data.processes.filter((p) => p.pid >= FIRST);
  expect(workers[0]).toMatchObject({ pid: FIRST + MANY - 1, cpuPercent: 20, threads: 2 });
  expect(workers.map((p) => p.pid)).toEqual(workers.map((_, n) => FIRST + MANY - 1 - n));
  expect(JSON.stringify(m.rig.kept.get(list.data.more.handle))).not.toMatch(/secret\d/);
  const one = await m.call<ProcessAnswer>('process_list', { name: 'worker 4711' });
  expect(one.data.processes).toMatchObject([{ pid: FIRST + 4711, command: expect.stringContaining('--number 4711') }]);
});
