/**
 * How often one principal may call, across all processes that share the state. Points are reserved from the store in
 * blocks, so that a call costs no write; what a block leaves unspent at the end of its window is forfeit.
 * Per-address limits belong to the HTTP face: they come before anybody is known.
 */
import type { Clock, Rate } from './ports.ts';

const WINDOW_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Every principal is a token in the owner's file or a local uid; the bound only guards against our own mistakes. */
const MAX_PRINCIPALS = 1_000;

/** Grants up to `points` out of `max` in the window that holds `now`; null when the store cannot say. */
export type Reserve = (key: string, points: number, windowMs: number, max: number, now: number) => number | null;

/** What is forfeit is at most a sixth of the limit; what is written, at most some fifty times a second. */
const blockOf = (perMinute: number): number =>
  Math.max(1, Math.min(Math.max(20, Math.floor(perMinute / 3_000)), Math.floor(perMinute / 6)));

export interface RateLimits {
  /** Of each principal that has no own limit. */
  perMinute: number;
  changesPerHour: number;
  changesPerDay: number;
}

export function createRate(o: RateLimits & { reserve: Reserve; clock: Clock }): Rate {
  const buckets = new Map<string, { window: number; left: number; alone: number }>();

  function bucket(principal: string, now: number, perMinute: number) {
    const window = Math.floor(now / WINDOW_MS);
    let b = buckets.get(principal);
    if (!b || b.window !== window) {
      if (buckets.size >= MAX_PRINCIPALS) buckets.clear();
      b = { window, left: 0, alone: perMinute };
      buckets.set(principal, b);
    }
    return b;
  }

  function enough(principal: string, points: number, perMinute = o.perMinute): number | null {
    const now = o.clock.now();
    const b = bucket(principal, now, perMinute);
    if (b.left < points) {
      const want = Math.max(blockOf(perMinute), points - b.left);
      const granted = o.reserve(`calls:${principal}`, want, WINDOW_MS, perMinute, now);
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
    take(principal, points, perMinute = o.perMinute) {
      const wait = enough(principal, points, perMinute);
      if (wait === null) bucket(principal, o.clock.now(), perMinute).left -= points;
      return wait;
    },
    // Changes are few and matter: each is counted in the store, and only there. No store, no change. The hour first: one that the
    // hour refuses must not take from the day.
    takeChange(principal, perDay = o.changesPerDay) {
      const now = o.clock.now();
      if (!o.reserve(`changes:${principal}`, 1, HOUR_MS, o.changesPerHour, now)) return HOUR_MS - (now % HOUR_MS);
      // A day of UTC: windows begin at multiples of their length since 1970.
      return o.reserve(`changes-day:${principal}`, 1, DAY_MS, perDay, now) ? null : DAY_MS - (now % DAY_MS);
    },
  };
}
