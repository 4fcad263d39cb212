/**
 * How many entries there were, and how many of them bad, over time: by the minute, and by longer steps when the time is long. Bounded,
 * whatever times a stream brings. Pure.
 */

export interface Spread {
  fromMs: number;
  stepMs: number;
  /** One figure for each step, without gaps. */
  entries: number[];
  bad: number[];
}

export interface Buckets {
  add(atMs: number, bad: boolean): void;
  /** Null when nothing was counted. */
  spread(most: number): Spread | null;
  /** Both together. */
  merge(other: Buckets): void;
  each(): Iterable<[startMs: number, entries: number, bad: number]>;
  stepMs(): number;
}

const MINUTE = 60_000;
const MOST = 512;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1_440, 10_080, 43_200, 525_600, 5_256_000].map(
  (m) => m * MINUTE,
);

export function createBuckets(): Buckets {
  let step = 0;
  let counts = new Map<number, [number, number]>();
  let lastStart = Number.NaN;
  let last: [number, number] = [0, 0];

  function coarser(to: number): void {
    step = to;
    const old = counts;
    counts = new Map();
    lastStart = Number.NaN;
    for (const [start, [entries, bad]] of old) put(start, entries, bad);
  }
  function put(atMs: number, entries: number, bad: number): void {
    const width = STEPS[step] as number;
    const start = Math.floor(atMs / width) * width;
    if (start !== lastStart) {
      lastStart = start;
      const found = counts.get(start);
      if (found) last = found;
      else {
        last = [0, 0];
        counts.set(start, last);
      }
    }
    last[0] += entries;
    last[1] += bad;
    if (counts.size > MOST && step < STEPS.length - 1) coarser(step + 1);
  }

  return {
    add: (atMs, bad) => put(atMs, 1, bad ? 1 : 0),
    each: () => [...counts].map(([start, [entries, bad]]) => [start, entries, bad] as [number, number, number]),
    stepMs: () => STEPS[step] as number,
    merge(other) {
      const wanted = STEPS.indexOf(other.stepMs());
      if (wanted > step) coarser(wanted);
      for (const [start, entries, bad] of other.each()) put(start, entries, bad);
    },
    spread(most) {
      if (counts.size === 0) return null;
      const starts = [...counts.keys()];
      const [from, to] = [Math.min(...starts), Math.max(...starts)];
      const wide =
        STEPS.find((s, i) => i >= step && Math.floor(to / s) - Math.floor(from / s) < most) ?? (STEPS.at(-1) as number);
      const first = Math.floor(from / wide);
      const size = Math.min(most, Math.floor(to / wide) - first + 1);
      const entries = new Array<number>(size).fill(0);
      const bad = new Array<number>(size).fill(0);
      for (const [start, [n, b]] of counts) {
        const i = Math.min(size - 1, Math.floor(start / wide) - first);
        entries[i] = (entries[i] as number) + n;
        bad[i] = (bad[i] as number) + b;
      }
      return { fromMs: first * wide, stepMs: wide, entries, bad };
    },
  };
}
