import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProcessInfo, ProcessList } from '../../src/core/host.ts';
import { descendants, ordered, processUses, totals, treeOf } from '../../src/insight/processes.ts';
import { cpuNowMs } from '../fakes/cpu_time.ts';
import { fakeProcesses } from '../fakes/host.ts';

const model = fakeProcesses(0).processes[0] as ProcessInfo;
const make = (pid: number, ppid: number, over: Partial<ProcessInfo> = {}): ProcessInfo => ({
  ...model,
  pid,
  ppid,
  startTicks: pid,
  cpuMs: 0,
  rssBytes: 0,
  ...over,
});
const list = (processes: ProcessInfo[], atMs = 0, over: Partial<ProcessList> = {}): ProcessList => ({
  atMs,
  processes,
  hidden: null,
  notRead: 0,
  ...over,
});
const shape = (rows: ReturnType<typeof treeOf>) => rows.map((r) => `${'.'.repeat(r.depth)}${r.use.info.pid}`);

describe('CPU of processes', () => {
  it('is percent of one core over the window, from the start for one born in it', () => {
    const { windowMs, uses } = processUses(fakeProcesses(0), fakeProcesses(1));
    expect(windowMs).toBe(1000);
    const of = (pid: number) => uses.find((u) => u.info.pid === pid)?.cpuPercent;
    expect([of(900), of(311), of(950), of(1)]).toEqual([90, 5, 1, 0]);
  });

  it('does not take a reused pid for the process it knew', () => {
    const before = list([make(7, 1, { cpuMs: 90_000 }), make(8, 1)]);
    const after = list([make(7, 1, { startTicks: 900, cpuMs: 30 })], 1000);
    expect(processUses(before, after).uses[0]?.cpuPercent).toBe(3);
  });

  it('is unknown for a process that is older than the window but was not in the first list', () => {
    const old = make(7, 1, { startTicks: 5, cpuMs: 3_600_000 });
    expect(processUses(list([make(9, 1)]), list([old], 1000)).uses[0]?.cpuPercent).toBeNull();
    const bounded = list([make(3, 1)], 0, { notRead: 10 });
    expect(processUses(bounded, list([old], 1000)).uses[0]?.cpuPercent).toBeNull();
  });

  it('is unknown without a first list, with no time between, or when the counter fell', () => {
    const p = make(7, 1, { cpuMs: 500 });
    expect(processUses(null, list([p], 5)).uses[0]?.cpuPercent).toBeNull();
    expect(processUses(list([p], 5), list([p], 5)).uses[0]?.cpuPercent).toBeNull();
    expect(processUses(list([p], 0), list([{ ...p, cpuMs: 400 }], 5)).uses[0]?.cpuPercent).toBeNull();
  });

  it('gives I/O rates where both lists have the counters', () => {
    const { uses } = processUses(fakeProcesses(0, { io: true }), fakeProcesses(1, { io: true }));
    const nginx = uses.find((u) => u.info.pid === 311);
    expect(nginx).toMatchObject({ readBytesPerSecond: 4 * 2 ** 20, writtenBytesPerSecond: 0 });
    expect(uses.find((u) => u.info.pid === 1)?.readBytesPerSecond).toBeNull();
  });
});

describe('order and tree', () => {
  it('puts unknown figures last and keeps them', () => {
    const { uses } = processUses(
      null,
      list([make(1, 0, { fds: null }), make(2, 1, { fds: 3 }), make(3, 1, { fds: 9 })]),
    );
    expect(ordered(uses, 'fds').map((u) => u.info.pid)).toEqual([3, 2, 1]);
  });

  it('puts the heaviest branch first, by all that hangs in it', () => {
    const { uses } = processUses(
      null,
      list([
        make(1, 0, { rssBytes: 1 }),
        make(10, 1, { rssBytes: 50 }),
        make(20, 1, { rssBytes: 1 }),
        make(21, 20, { rssBytes: 40 }),
        make(22, 20, { rssBytes: 45 }),
      ]),
    );
    expect(shape(treeOf(uses, 'memory'))).toEqual(['1', '.20', '..22', '..21', '.10']);
  });

  it('makes roots of orphans, of a process that is its own parent, and of one in a loop', () => {
    const { uses } = processUses(
      null,
      list([
        make(5, 99),
        make(6, 6),
        make(7, 8, { rssBytes: 3 }),
        make(8, 9, { rssBytes: 2 }),
        make(9, 7, { rssBytes: 1 }),
      ]),
    );
    expect(shape(treeOf(uses, 'memory'))).toEqual(['7', '.9', '..8', '5', '6']);
  });

  it('holds every process once, parents first, whatever the parents are', () => {
    const parents = fc.array(fc.nat(30), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(parents, fc.array(fc.nat(100), { minLength: 30, maxLength: 30 }), (ppids, sizes) => {
        const { uses } = processUses(
          null,
          list(ppids.map((ppid, pid) => make(pid, ppid, { rssBytes: sizes[pid] ?? 0 }))),
        );
        const rows = treeOf(uses, 'memory');
        expect(rows.map((r) => r.use.info.pid).toSorted((a, b) => a - b)).toEqual(ppids.map((_, pid) => pid));
        rows.forEach((row, i) => {
          if (row.depth === 0) return;
          const parent = rows.slice(0, i).findLast((r) => r.depth < row.depth);
          expect(parent?.depth).toBe(row.depth - 1);
          expect(parent?.use.info.pid).toBe(row.use.info.ppid);
        });
        for (const pid of [0, 5]) expect(descendants(uses, pid).length).toBeLessThanOrEqual(uses.length);
      }),
    );
  });

  it('takes a chain of 5,000 and a crowd of 5,000 in its stride', () => {
    const chain = processUses(null, list(Array.from({ length: 5_000 }, (_, i) => make(i + 1, i)))).uses;
    const crowd = processUses(null, list(Array.from({ length: 5_000 }, (_, i) => make(i + 1, i === 0 ? 0 : 1)))).uses;
    const began = cpuNowMs();
    expect(treeOf(chain, 'cpu').at(-1)?.depth).toBe(4_999);
    expect(treeOf(crowd, 'cpu')).toHaveLength(5_000);
    expect(descendants(chain, 2_501)).toHaveLength(2_500);
    expect(cpuNowMs() - began).toBeLessThan(1_000);
  });

  it('counts by state', () => {
    expect(totals(fakeProcesses(1).processes)).toEqual({ processes: 8, threads: 11, byState: { S: 6, R: 1, Z: 1 } });
  });
});
