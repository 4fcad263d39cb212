/**
 * The clock of this machine, and time-outs that nearly never fire. Each call has two of those, of seconds; a timer of its own for each
 * would be made, ordered and thrown away with every call. `roughly` keeps them in a set that one interval looks through ten times a second:
 * it fires up to TICK_MS late, never early. Decides nothing about what times out.
 */
import type { Clock } from './ports.ts';

const TICK_MS = 100;
/** A shorter time-out is one of its own: there the lateness would count. */
const SHORTEST_MS = 1_000;
/** So many looks at nothing, and an idle server is woken no more. */
const IDLE_TICKS = 20;

type Fire = () => void;

/** `every` as setInterval; tests bring their own. */
export function createRoughly(
  elapsed: () => number,
  precise: (ms: number, fire: Fire) => Fire,
  every: (fire: Fire, ms: number) => NodeJS.Timeout = setInterval,
): (ms: number, fire: Fire) => Fire {
  const waiting = new Set<{ at: number; fire: Fire }>();
  let timer: NodeJS.Timeout | null = null;
  let idle = 0;

  function look(): void {
    idle = waiting.size === 0 ? idle + 1 : 0;
    const now = elapsed();
    for (const one of waiting)
      if (one.at <= now) {
        remove(one);
        one.fire();
      }
    if (idle < IDLE_TICKS || !timer) return;
    clearInterval(timer);
    timer = null;
  }
  /** A process with nothing else to do may end once nobody waits. */
  function remove(one: { at: number; fire: Fire }): void {
    if (waiting.delete(one) && waiting.size === 0) timer?.unref();
  }

  return (ms, fire) => {
    if (ms < SHORTEST_MS) return precise(ms, fire);
    const one = { at: elapsed() + ms, fire };
    waiting.add(one);
    timer ??= every(look, TICK_MS);
    if (waiting.size === 1) timer.ref();
    return () => remove(one);
  };
}

function after(ms: number, fire: Fire): Fire {
  const timer = setTimeout(fire, ms);
  return () => clearTimeout(timer);
}
const elapsed = () => performance.now();

export const machineClock: Required<Clock> = {
  now: Date.now,
  elapsed,
  after,
  roughly: createRoughly(elapsed, after),
};
