/**
 * Slow facts: each is asked on its own, kept for a while, and never holds up who can do without it. Decides how long an answer
 * serves and who waits; what is asked, and within which time, is the caller's business.
 */
import { toOpsError } from '../core/errors.ts';
import type { Bounded, Reading } from '../core/host.ts';
import { unknown } from './system/files.ts';

/** What could not be known is tried again sooner: the lock may be gone. */
const KEEP_UNKNOWN_MS = 300_000;
const STALE_MS = 120_000;
export const STILL_ASKED = 'Still being asked: ask again in some seconds.';

/**
 * One slow fact. Asked anew when it is old; who reads meanwhile gets what is known, and where nothing is known yet waits for
 * as long as they have patience. It goes on without them: the next one finds it.
 */
export function part<T>(
  ask: () => Promise<Reading<T>>,
  keepMs: number,
  clocks: { monotonic: () => number },
  /** How long an answer that has run out serves while the next one is on its way. */
  staleMs = STALE_MS,
) {
  let last: { at: number; is: Reading<T> } | null = null;
  let asking: Promise<Reading<T>> | null = null;
  return async (patience: AbortSignal): Promise<Reading<T>> => {
    const keep = last?.is.value === null ? Math.min(keepMs, KEEP_UNKNOWN_MS) : keepMs;
    if (!asking && (!last || clocks.monotonic() - last.at >= keep))
      asking = ask()
        .catch((error: unknown): Reading<T> => unknown(toOpsError(error).message))
        .then((is) => {
          last = { at: clocks.monotonic(), is };
          asking = null;
          return is;
        });
    // A process may have slept for days between two questions: what is that old is not known any more.
    if (last && clocks.monotonic() - last.at < keep + staleMs) return last.is;
    if (!asking) return unknown(STILL_ASKED);
    const { promise, resolve } = Promise.withResolvers<Reading<T>>();
    const enough = () => resolve(unknown(STILL_ASKED));
    if (patience.aborted) enough();
    else patience.addEventListener('abort', enough, { once: true });
    return Promise.race([asking, promise]).finally(() => patience.removeEventListener('abort', enough));
  };
}

/** Hands `ask` the patience of this caller: it ends with the time, or with the caller, who is then told nothing more. */
export async function patiently<T>(
  { signal, waitMs }: Bounded & { waitMs: number },
  ask: (patience: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), waitMs);
  const leave = () => patience.abort();
  signal?.addEventListener('abort', leave, { once: true });
  try {
    const answer = await ask(patience.signal);
    signal?.throwIfAborted();
    return answer;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', leave);
  }
}
