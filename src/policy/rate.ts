/**
 * How often one principal may call, across all processes that share the state. Points are reserved from the store in
 * blocks, so that a call costs no write; what a block leaves unspent at the end of its window is forfeit.
 * Per-address limits belong to the HTTP face: they come before anybody is known.
 */
import type { Clock, Rate } from './ports.ts';

const WINDOW_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Every principal is a token in the owner's file or a local uid; the bound only guards against our own mistakes. */
const MAX_PRINCIPALS = 1_000;

/** Grants up to `points` out of `max` in the window that holds `now`; null when the store cannot say. */
export type Reserve = (key: string, points: number, windowMs: number, max: number, now: number) => number | null;

export function createRate(o: { reserve: Reserve; perMinute: number; changesPerHour: number; clock: Clock }): Rate {
  // What is forfeit is at most a sixth of the limit; what is written, at most some fifty times a second.
  const block = Math.max(1, Math.min(Math.max(20, Math.floor(o.perMinute / 3_000)), Math.floor(o.perMinute / 6)));
  const buckets = new Map<string, { window: number; left: number; alone: number }>();

  function bucket(principal: string, now: number) {
    const window = Math.floor(now / WINDOW_MS);
    let b = buckets.get(principal);
    if (!b || b.window !== window) {
      if (buckets.size >= MAX_PRINCIPALS) buckets.clear();
      b = { window, left: 0, alone: o.perMinute };
      buckets.set(principal, b);
    }
    return b;
  }

  function enough(principal: string, points: number): number | null {
    const now = o.clock.now();
    const b = bucket(principal, now);
    if (b.left < points) {
      const want = Math.max(block, points - b.left);
      const granted = o.reserve(`calls:${principal}`, want, WINDOW_MS, o.perMinute, now);
      if (granted !== null) b.left += granted;
      else {
        // Without a store each process keeps the whole limit for itself: looser, but never none.
        const own = Math.min(want, b.alone);
        b.alone -= own;
        b.left += own;
      }
    }
    return b.left >= points ? null : (b.window + 1) * WINDOW_MS - now;
  }

  return {
    peek: enough,
    take(principal, points) {
      const wait = enough(principal, points);
      if (wait === null) bucket(principal, o.clock.now()).left -= points;
      return wait;
    },
    // Changes are few and matter: each is counted in the store, and only there. No store, no change.
    takeChange(principal) {
      const now = o.clock.now();
      const granted = o.reserve(`changes:${principal}`, 1, HOUR_MS, o.changesPerHour, now);
      return granted ? null : HOUR_MS - (now % HOUR_MS);
    },
  };
}
