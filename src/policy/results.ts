/**
 * Kept results and running work, as one principal may see them: a handle serves only whom it was made for, and only
 * while that one still holds the scopes of the call that made it. The three ways not to have it look the same.
 */
import type { KeptResult, Principal, Results } from '../core/call.ts';
import { holds, type Scope } from '../core/scopes.ts';
import type { KeptRow } from '../store/kept.ts';
import type { WorkRow } from '../store/work.ts';
import { pause } from './deadline.ts';
import type { Clock } from './ports.ts';

/** How often a wait looks: the work may run in another process, so there is nothing to be told by. */
const POLL_MS = 100;

export interface ResultStore {
  /** Rows of that principal only. */
  kept(handle: string, principal: string): KeptRow | null;
  work(handle: string, principal: string): WorkRow | null;
  requestCancel(handle: string, principal: string): boolean;
}

export function resultsFor(store: ResultStore, clock: Clock): (principal: Principal) => Results {
  return (who) => {
    const mine = <R extends { scopes: Scope[] }>(row: R | null): R | null =>
      row && who.valid() && row.scopes.every((s) => holds(who.scopes, s)) ? row : null;

    function get(handle: string): KeptResult | null {
      if (handle.startsWith('w_')) {
        const work = mine(store.work(handle, who.id));
        if (!work) return null;
        const kept = work.kept ? mine(store.kept(work.kept, who.id)) : null;
        const { scopes: _, kept: __, ...rest } = work;
        return { ...rest, data: kept?.data ?? null, foreignPaths: kept?.foreignPaths ?? [], lists: kept?.lists ?? [] };
      }
      const row = mine(store.kept(handle, who.id));
      if (!row) return null;
      const { scopes: _, ...rest } = row;
      return { ...rest, state: 'done', error: null, progress: null };
    }

    return {
      get,
      cancel: (handle) => mine(store.work(handle, who.id)) !== null && store.requestCancel(handle, who.id),
      async wait(handle, ms, signal) {
        const until = clock.elapsed() + ms;
        for (;;) {
          const now = get(handle);
          if (now?.state !== 'running' || clock.elapsed() >= until) return now;
          await pause(POLL_MS, signal, clock);
        }
      },
    };
  };
}
