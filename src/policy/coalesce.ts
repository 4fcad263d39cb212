/**
 * Equal reads that start within 250 ms share one execution (a client that asks twice, eight windows that poll). Only
 * principals with equal rights share, only reads, and never across a change: the door forgets all when one commits.
 */
import { raced } from './deadline.ts';
import type { Clock } from './ports.ts';

const WINDOW_MS = 250;
const MAX_GROUPS = 128;

interface Group {
  at: number;
  work: Promise<unknown>;
  users: number;
  settled: boolean;
  /** What came of it; null: nothing yet. */
  done: { value: unknown } | null;
  stop: AbortController;
}

export interface Coalescer {
  /** Runs `start`, or joins an equal run. The run is aborted when the last caller has left it. */
  share<T>(key: string, caller: AbortSignal, start: (signal: AbortSignal) => Promise<T>): Promise<T>;
  forget(): void;
}

export function createCoalescer(clock: Clock): Coalescer {
  const groups = new Map<string, Group>();

  function begin(key: string, now: number, start: (signal: AbortSignal) => Promise<unknown>): Group {
    for (const [k, g] of groups) if (now - g.at > WINDOW_MS || groups.size >= MAX_GROUPS) groups.delete(k);
    const stop = new AbortController();
    const group: Group = { at: now, users: 0, settled: false, done: null, stop, work: Promise.resolve() };
    const drop = () => {
      if (groups.get(key) === group) groups.delete(key);
    };
    // A failure is not shared once it is known: the next caller tries for itself.
    group.work = start(stop.signal).then(
      (value) => {
        group.settled = true;
        group.done = { value };
        return value;
      },
      (thrown) => {
        group.settled = true;
        drop();
        throw thrown;
      },
    );
    group.work.catch(() => {}); // every user may have left before it fails
    groups.set(key, group);
    return group;
  }

  return {
    async share<T>(key: string, caller: AbortSignal, start: (signal: AbortSignal) => Promise<T>): Promise<T> {
      const now = clock.elapsed();
      const known = groups.get(key);
      const group = known && now - known.at <= WINDOW_MS ? known : begin(key, now, start);
      if (group.done && !caller.aborted) return group.done.value as T;
      group.users++;
      try {
        return (await raced(group.work, caller)) as T;
      } finally {
        group.users--;
        if (group.users === 0 && !group.settled) {
          if (groups.get(key) === group) groups.delete(key);
          group.stop.abort(new DOMException('Every caller has left.', 'AbortError'));
        }
      }
    },
    forget: () => groups.clear(),
  };
}
