/**
 * A search that begins with the first files that are proposed, while others are still looked for. Decides in which batches, and how what
 * they found is one finding; each batch is walked to and looked into as everything else (find.ts).
 */
import type { Finding } from '../../core/files.ts';

export interface EarlyBounds {
  limit: number;
  maxEntries: number;
  maxBytes: number;
}
type Find = (only: string[], bounds: EarlyBounds) => Promise<Finding>;

export interface Early {
  /** Proposed, and not the last of them. */
  add(paths: readonly string[]): void;
  /** All of them: what was found in these, each looked into once. */
  end(all: readonly string[]): Promise<Finding>;
  /** They were worth nothing. */
  drop(): void;
}

/** Fewer wait for more of them: each batch costs a message, and a walk to the folder. */
const LEAST = 24;

export function early(o: EarlyBounds, find: Find, some: (found: Finding['found']) => void): Early {
  const asked = new Set<string>();
  let waiting: string[] = [];
  let sum: Finding | null = null;
  let running: Promise<void> | null = null;
  let failed = false;
  let dropped = false;

  /** The part of what one call may that is left. */
  const left = (): EarlyBounds => ({
    limit: o.limit,
    maxEntries: o.maxEntries - (sum?.looked.entries ?? 0),
    maxBytes: o.maxBytes - (sum?.looked.bytes ?? 0),
  });
  async function take(only: string[]): Promise<void> {
    for (const path of only) asked.add(path);
    const found = await find(only, left());
    sum = sum ? both(sum, found, o.limit) : found;
    if (!dropped) some(found.found);
  }
  /** One batch at a time: what comes meanwhile is the next one. */
  function go(): void {
    if (running || failed || dropped || waiting.length < LEAST || sum?.stopped) return;
    const only = waiting;
    waiting = [];
    running = take(only)
      .catch(() => {
        // What it was is said by the search of all of them.
        failed = true;
      })
      .finally(() => {
        running = null;
        go();
      });
  }

  return {
    add(paths) {
      waiting.push(...paths.filter((p) => !asked.has(p)));
      go();
    },
    async end(all) {
      waiting = [];
      await running;
      if (failed) return find([...all], o);
      const rest = all.filter((p) => !asked.has(p));
      if (!sum || (rest.length > 0 && !sum.stopped)) await take(rest);
      return sum as unknown as Finding;
    },
    drop() {
      dropped = true;
      waiting = [];
    },
  };
}

function both(a: Finding, b: Finding, limit: number): Finding {
  const plus = <T extends Record<string, number>>(x: T, y: T): T =>
    Object.fromEntries(Object.entries(x).map(([key, n]) => [key, n + (y[key] ?? 0)])) as T;
  return {
    found: [...a.found, ...b.found].slice(0, limit),
    hits: a.hits + b.hits,
    looked: plus(a.looked, b.looked),
    totalBytes: a.totalBytes + b.totalBytes,
    passedOver: plus(a.passedOver, b.passedOver),
    stopped: a.stopped ?? b.stopped,
  };
}
