/**
 * How many of something one key may have in any minute: a ring of five-second slots, all of which are counted in full. So never more than
 * the limit pass in sixty seconds, wherever they begin (two fixed windows let twice as many through at their border), and one who waits
 * as long as he is told is let in. What is refused is not counted: who calls steadily too often gets his share and not nothing.
 * The map is bounded: a flood costs neither memory nor a timer for each address.
 */
export const SLOTS = 12;
const SLOT_MS = 60_000 / SLOTS;
/** The slot that is filling, and twelve whole ones before it. */
const KEPT = SLOTS + 1;
const MOST_KEYS = 10_000;

export interface Taken {
  ok: boolean;
  /** The limit, and how much of it is left. */
  limit: number;
  left: number;
  /** Milliseconds until there is more; when it was refused: until one more is let in. */
  resetMs: number;
}

export interface Window {
  /** `limit`: this key's own. */
  take(key: string, limit?: number): Taken;
  size(): number;
}

interface Ring {
  slot: number;
  counts: number[];
  sum: number;
}

export function createWindow(o: { perMinute: number; now(): number; most?: number }): Window {
  const most = o.most ?? MOST_KEYS;
  const rings = new Map<string, Ring>();

  function ringOf(key: string, slot: number): Ring {
    let ring = rings.get(key);
    if (!ring) {
      // More keys than we remember: the oldest starts anew, which is milder than forgetting all or refusing strangers.
      if (rings.size >= most) rings.delete(rings.keys().next().value as string);
      ring = { slot, counts: new Array<number>(KEPT).fill(0), sum: 0 };
      rings.set(key, ring);
      return ring;
    }
    const passed = slot - ring.slot;
    if (passed === 0) return ring;
    // Also when the clock was set back.
    if (passed >= KEPT || passed < 0) {
      ring.counts.fill(0);
      ring.sum = 0;
    } else
      for (let s = ring.slot + 1; s <= slot; s++) {
        ring.sum -= ring.counts[s % KEPT] as number;
        ring.counts[s % KEPT] = 0;
      }
    ring.slot = slot;
    return ring;
  }

  /** Until `more` of them are forgotten. */
  function freeMs(ring: Ring, now: number, more: number): number {
    let freed = 0;
    for (let s = ring.slot - SLOTS; s <= ring.slot; s++) {
      freed += s < 0 ? 0 : (ring.counts[s % KEPT] as number);
      if (freed >= more) return (s + KEPT) * SLOT_MS - now;
    }
    return 60_000;
  }

  return {
    take(key, limit = o.perMinute) {
      const now = o.now();
      const slot = Math.floor(now / SLOT_MS);
      const ring = ringOf(key, slot);
      if (ring.sum >= limit) return { ok: false, limit, left: 0, resetMs: freeMs(ring, now, ring.sum - limit + 1) };
      ring.counts[slot % KEPT] = (ring.counts[slot % KEPT] as number) + 1;
      ring.sum++;
      return { ok: true, limit, left: limit - ring.sum, resetMs: freeMs(ring, now, 1) };
    },
    size: () => rings.size,
  };
}
