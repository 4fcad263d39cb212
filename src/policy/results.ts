/**
 * Kept results and running work, as one principal may see them: a handle serves only whom it was made for, and only
 * while that one still holds the scopes of the call that made it, and policy still lets that call through. The three ways not to have it look the same.
 */
import type { KeptResult, Principal, Results } from '../core/call.ts';
import type { ShownReceipt } from '../core/receipt.ts';
import { holds, type Scope } from '../core/scopes.ts';
import { rfc3339 } from '../core/text.ts';
import type { Target } from '../core/tool.ts';
import type { Approval } from '../store/approvals.ts';
import type { KeptRow } from '../store/kept.ts';
import type { WorkRow } from '../store/work.ts';
import type { Access } from './access.ts';
import { pause } from './deadline.ts';
import type { Clock } from './ports.ts';
import { receiptAsResult } from './undo.ts';

/** What is known of the call that made a row. */
interface Call {
  tool: string;
  scopes: Scope[];
  targets: Target[];
}

/** How often a wait looks: the work may run in another process, so there is nothing to be told by. */
const POLL_MS = 100;

export interface ResultStore {
  /** Rows of that principal only. */
  kept(handle: string, principal: string): KeptRow | null;
  work(handle: string, principal: string): WorkRow | null;
  requestCancel(handle: string, principal: string): boolean;
  /** Whoever's it is: the owner of the handle is asked for here. */
  approval(handle: string): Approval | null;
  /** Redacted; null unless it is for this principal. */
  receipt(handle: string, who: Principal): ShownReceipt | null;
}

export function resultsFor(
  store: ResultStore,
  clock: Clock,
  access: Pick<Access, 'handle'>,
): (principal: Principal) => Results {
  return (who) => {
    const mine = <R extends Call>(row: R | null): R | null =>
      row && who.valid() && row.scopes.every((s) => holds(who.scopes, s)) && access.handle(who, row.tool, row)
        ? row
        : null;

    function get(handle: string): KeptResult | null {
      if (handle.startsWith('a_')) {
        const asked = mine(store.approval(handle));
        return asked?.principal === who.id ? decisionOn(asked) : null;
      }
      if (handle.startsWith('t_')) {
        const receipt = store.receipt(handle, who);
        return receipt && receiptAsResult(receipt);
      }
      if (handle.startsWith('w_')) {
        const work = mine(store.work(handle, who.id));
        if (!work) return null;
        const kept = work.kept ? mine(store.kept(work.kept, who.id)) : null;
        const { scopes: _, targets: __, kept: ___, ...rest } = work;
        return { ...rest, data: kept?.data ?? null, foreignPaths: kept?.foreignPaths ?? [], lists: kept?.lists ?? [] };
      }
      const row = mine(store.kept(handle, who.id));
      if (!row) return null;
      const { scopes: _, targets: __, ...rest } = row;
      return { ...rest, state: 'done', error: null, progress: null };
    }

    return {
      get,
      cancel: (handle) => mine(store.work(handle, who.id)) !== null && store.requestCancel(handle, who.id),
      async wait(handle, ms, signal) {
        const until = clock.elapsed() + ms;
        for (;;) {
          const now = get(handle);
          if ((now?.state !== 'running' && now?.state !== 'waiting') || clock.elapsed() >= until) return now;
          await pause(POLL_MS, signal, clock);
        }
      },
    };
  };
}

/** What its principal may know of an approval: what it asked for itself, and what was decided. */
function decisionOn(a: Approval): KeptResult {
  const { id, tool, state, createdAtMs, expiresAtMs, summary, risk, targets, approver, decidedAtMs, because } = a;
  const decided = approver === null ? null : { by: approver, at: rfc3339(decidedAtMs), because };
  const on = targets.map((t) => `${t.kind}:${t.name}`).join(', ');
  const data = { summary, risk, targets: on, decided };
  const nothing = { lists: [], error: null, progress: null };
  return { handle: id, tool, state, createdAtMs, expiresAtMs, data, foreignPaths: ['summary', 'targets'], ...nothing };
}
