/**
 * A circuit breaker for one engine: after a failure that cost time, nobody waits for it again until a single probe has found it well.
 * Decides when to ask; what a failure is, is the caller's to say.
 */

export interface Breaker {
  /** Milliseconds until the next try, or null: go on. While it is being probed, others are sent away. */
  refuses(): number | null;
  good(): void;
  bad(): void;
  /** The probe ended without a verdict (the caller left). */
  undecided(): void;
}

export function breakerFor(o: { elapsed: () => number; restMs: number }): Breaker {
  let openUntil: number | null = null;
  let probing = false;
  return {
    refuses() {
      if (openUntil === null) return null;
      const left = openUntil - o.elapsed();
      if (left > 0) return left;
      if (probing) return o.restMs;
      probing = true;
      return null;
    },
    good() {
      openUntil = null;
      probing = false;
    },
    bad() {
      openUntil = o.elapsed() + o.restMs;
      probing = false;
    },
    undecided() {
      probing = false;
    },
  };
}
