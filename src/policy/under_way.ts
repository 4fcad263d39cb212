/**
 * What is under way in this process, so that a stop ends in good order: reads, and changes that have not begun, are stopped; a change
 * after its first effect runs to its verdict, and everything gets its record, as far as the time goes. What is cut off then is
 * found by its intent at the next start.
 */
import { OpsError } from '../core/errors.ts';
import { type Deadline, deadline } from './deadline.ts';
import type { Clock } from './ports.ts';

export interface UnderWay {
  /** A deadline that a stop brings forward, unless its change has been committed. */
  deadline(caller: AbortSignal, timeoutMs: number): Deadline;
  /** A stop waits for this. */
  hold<T>(work: Promise<T>): Promise<T>;
  /** Counts work that outlasts its call until it has really ended; false when there is too much of it. */
  lasts(work: Promise<unknown>): boolean;
  /** Once. Gives how much was still running when the time was up. */
  stop(ms: number): Promise<number>;
}

/** Twice what the store lets run: only handlers deaf to their signal, whose work is called ended, can be more. */
const MOST_LASTING = 64;

export function createUnderWay(clock: Clock): UnderWay {
  const deadlines = new Set<Deadline>();
  const held = new Set<Promise<unknown>>();
  let lasting = 0;
  let stopping = false;
  return {
    deadline(caller, timeoutMs) {
      const d = deadline(caller, timeoutMs, clock);
      if (stopping) d.abort(stopped());
      deadlines.add(d);
      return {
        ...d,
        [Symbol.dispose]() {
          deadlines.delete(d);
          d[Symbol.dispose]();
        },
      };
    },
    hold(work) {
      const over = () => void held.delete(ended);
      const ended = work.then(over, over);
      held.add(ended);
      return work;
    },
    lasts(work) {
      if (lasting >= MOST_LASTING) return false;
      lasting++;
      const over = () => void lasting--;
      work.then(over, over);
      return true;
    },
    async stop(ms) {
      stopping = true;
      for (const d of deadlines) if (!d.committed()) d.abort(stopped());
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const cancel = clock.after(ms, resolve);
      // What ends may have been the first half of something that is held only then.
      const all = async () => {
        while (held.size > 0) await Promise.all(held);
      };
      await Promise.race([all(), late]);
      cancel();
      return held.size;
    },
  };
}

const STOPPED = 'The server was stopped before this had ended.';
const stopped = () =>
  new OpsError('unavailable', STOPPED, { hint: 'Call the tool again once the server is back; nothing was changed.' });

export const wasStopped = (thrown: unknown): boolean => thrown instanceof OpsError && thrown.message === STOPPED;
