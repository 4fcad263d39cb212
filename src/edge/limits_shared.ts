/**
 * Counting together with other instances, in a Valkey or Redis of theirs. Decides when that server is asked and for how long it is
 * waited for: never longer than a quarter of a second, and after it failed not at all for a while. Each request is counted here too; so
 * what this instance alone knows to be too much is refused without asking, and when the server is away that count is what holds.
 * What speaks to the server is limits_redis.ts, loaded only where `limits.shared.url` names one.
 */
import type { Log } from '../core/call.ts';
import type { Taken } from './limits_window.ts';

export interface SharedCount {
  ok: boolean;
  left: number;
  resetMs: number;
}

/** One window of a minute for all instances. Rejects when the server cannot tell. */
export interface SharedStore {
  take(key: string, limit: number): Promise<SharedCount>;
  close(): Promise<void>;
}

export interface Shared {
  /** Never rejects. Null: ask yourself, the server is away or too slow. */
  take(key: string, limit: number): Promise<Taken | null>;
  /** Why it is not asked at present, null when it is. */
  trouble(): string | null;
  close(): Promise<void>;
}

export const ANSWERS_WITHIN_MS = 250;
const PAUSE_MS = 5_000;
/** One late answer may be our own fault; so many in a row are the server's. */
const LATE_IN_A_ROW = 3;
/** More questions than this at a time are not put: it is slow, and they would only pile up. */
const MOST_WAITING = 1_000;

export function createShared(o: {
  store: SharedStore;
  log: Log;
  now(): number;
  withinMs?: number;
  pauseMs?: number;
}): Shared {
  const { store, log, now, withinMs = ANSWERS_WITHIN_MS, pauseMs = PAUSE_MS } = o;
  let trouble: string | null = null;
  let askAgainAt = 0;
  let waiting = 0;
  let lateInARow = 0;
  /** After a pause one question is put, and the others wait for what becomes of it. */
  let trying = false;

  function failed(why: string): void {
    askAgainAt = now() + pauseMs;
    if (trouble === null)
      log.warn({ why, fix: 'deckhand doctor' }, 'limits.shared does not answer: this instance counts for itself');
    trouble = why;
  }

  function answered(): void {
    lateInARow = 0;
    if (trouble !== null) log.info({}, 'limits.shared answers again: requests are counted together');
    trouble = null;
  }

  return {
    async take(key, limit) {
      if (waiting >= MOST_WAITING) return null;
      if (trouble !== null) {
        if (trying || now() < askAgainAt) return null;
        trying = true;
      }
      waiting++;
      const { promise: late, resolve } = Promise.withResolvers<'late'>();
      // What has arrived meanwhile is read before it is called late, also where this process itself stood still.
      const timer = setTimeout(() => setImmediate(resolve, 'late'), withinMs);
      try {
        const found = await Promise.race([store.take(key, limit), late]);
        if (found === 'late') {
          if (++lateInARow >= LATE_IN_A_ROW) failed(`no answer within ${withinMs} ms`);
          return null;
        }
        answered();
        return { ...found, limit };
      } catch (thrown) {
        failed(thrown instanceof Error ? thrown.message : 'unknown');
        return null;
      } finally {
        clearTimeout(timer);
        waiting--;
        trying = false;
      }
    },
    trouble: () => trouble,
    close: () => store.close(),
  };
}
