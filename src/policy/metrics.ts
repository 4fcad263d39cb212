/** Counts and times of calls, by tool and outcome. Bounded by the catalog: unknown tools share one name. */
import type { Metrics } from './ports.ts';

export const BUCKETS_MS = [1, 5, 20, 100, 500, 2_000, 10_000, 60_000] as const;

export interface CallStats {
  tool: string;
  outcome: string;
  count: number;
  totalMs: number;
  /** How many took at most BUCKETS_MS[i]; the last entry holds all that took longer. */
  buckets: number[];
}

export function createMetrics(): Metrics & { read(): CallStats[] } {
  const stats = new Map<string, CallStats>();
  return {
    observe(tool, outcome, ms) {
      const key = `${tool} ${outcome}`;
      let s = stats.get(key);
      if (!s) {
        s = { tool, outcome, count: 0, totalMs: 0, buckets: new Array(BUCKETS_MS.length + 1).fill(0) };
        stats.set(key, s);
      }
      s.count++;
      s.totalMs += ms;
      const at = BUCKETS_MS.findIndex((bound) => ms <= bound);
      const i = at < 0 ? BUCKETS_MS.length : at;
      s.buckets[i] = (s.buckets[i] as number) + 1; // as many as bounds, and one more
    },
    read: () => [...stats.values()],
  };
}
