/** What every part of the bench measures with: medians, interleaved rounds, and what the kernel says a process has used. */
import { readdirSync, readFileSync } from 'node:fs';

/** What must hold for a figure, always said against something that was measured in the same run. */
export interface Budget {
  /** At most this many times the reference. */
  times?: number;
  /** At least this part of the reference. */
  atLeast?: number;
  /** At most this much more than the reference. */
  over?: number;
  /** At most this, by itself. */
  most?: number;
  /** What we would like, as a ratio (or by itself, where there is no reference). */
  aim?: number;
}

export interface Row {
  part: string;
  what: string;
  value: number;
  unit: string;
  reference: { what: string; value: number } | null;
  /** value / reference. */
  ratio: number | null;
  budget: Budget;
  /** Null: nothing is asked of it. */
  met: boolean | null;
  note: string;
}

export function row(
  part: string,
  what: string,
  value: number,
  unit: string,
  o: { against?: { what: string; value: number }; budget?: Budget; note?: string } = {},
): Row {
  const { against = null, budget = {}, note = '' } = o;
  const ratio = against && against.value > 0 ? value / against.value : null;
  const asked: boolean[] = [];
  if (budget.times !== undefined) asked.push(ratio !== null && ratio <= budget.times);
  if (budget.atLeast !== undefined) asked.push(ratio !== null && ratio >= budget.atLeast);
  if (budget.over !== undefined) asked.push(against !== null && value - against.value <= budget.over);
  if (budget.most !== undefined) asked.push(value <= budget.most);
  const met = asked.length === 0 ? null : asked.every(Boolean);
  return { part, what, value, unit, reference: against, ratio, budget, met, note };
}

export function median(xs: readonly number[]): number {
  return quantile(xs, 0.5);
}

export function quantile(xs: readonly number[], q: number): number {
  const sorted = [...xs].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/** Runs each in turn, round after round, so that all see the same machine; gives what each measured. */
export async function interleaved<K extends string>(
  rounds: number,
  works: Record<K, () => number | Promise<number>>,
): Promise<Record<K, number[]>> {
  const names = Object.keys(works) as K[];
  const out = Object.fromEntries(names.map((n) => [n, [] as number[]])) as Record<K, number[]>;
  for (let i = 0; i < rounds; i++)
    // Every second round backwards: whoever comes after the heaviest would else always pay for its garbage.
    for (const name of i % 2 ? [...names].reverse() : names) out[name].push(await works[name]());
  return out;
}

/** µs of one call of `work`, as the median of `times` calls. */
export async function microseconds(times: number, work: () => unknown): Promise<number> {
  const us: number[] = [];
  for (let i = 0; i < times; i++) {
    const from = performance.now();
    const pending = work();
    if (pending instanceof Promise) await pending;
    us.push((performance.now() - from) * 1_000);
  }
  return median(us);
}

/** Milliseconds of processor time of a process so far, all its threads; the scheduler counts nanoseconds. */
export function cpuMs(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`))
    try {
      ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    } catch {
      // A thread that has just ended.
    }
  return ns / 1e6;
}

export function rssMb(pid: number): number {
  const kb = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kb) / 1_024;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
