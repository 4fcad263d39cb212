/**
 * A change that was let through: locked, previewed again, its approval used up, on record, its way back on the disk, and
 * only then made; from its first effect on it runs to its verdict whoever has left. What it does is the tool's.
 */
import type { Progress } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import type { CatalogChange, Changed, Preview, Revert, Undo } from '../core/tool.ts';
import type { Deadline } from './deadline.ts';
import { context, type Engine, type Job } from './job.ts';
import type { Policy } from './ports.ts';

/** What was said of it, and who let it through. */
export interface Granted {
  change: CatalogChange['change'];
  preview: Preview;
  by: string;
  /** Uses the approval up. False: another call was first. */
  use?(): boolean;
}

export async function runChange(
  job: Job,
  approved: Granted,
  d: Deadline,
  e: Engine,
  p: Policy,
  report: (x: Progress) => void,
): Promise<Record<string, unknown>> {
  const { tool, targets, who, call } = job;
  const { change } = approved;
  const locks: Disposable[] = [];
  try {
    // Each once: one that is named twice must not stand in its own way.
    for (const key of new Set(targets.map((t) => `${t.kind}:${t.name}`).sort())) {
      const lock = p.locks.acquire(key);
      if (!lock)
        throw new OpsError('conflict', `${key} is being changed by another call.`, {
          hint: 'Wait for that call to end.',
        });
      locks.push(lock);
    }
    // Under the lock, and against what was approved: between the approval and now others may have changed it.
    const now = await change.preview(job.input, context(job, d.signal, e, p));
    if (now.digest !== approved.preview.digest)
      throw new OpsError('conflict', 'The state has changed since this was previewed.', {
        hint: 'Repeat the call to see it as it is now.',
      });
    d.signal.throwIfAborted();
    // Only now, when nothing is in the way any more: a precondition that failed has not cost the person's yes. Of two
    // equal calls one gets it. Should the record below fail, it is used up all the same, and nothing happens.
    if (approved.use && !approved.use())
      throw new OpsError('conflict', 'The approval of this call has been used, or has expired meanwhile.', {
        hint: 'Repeat the call to ask for another one.',
      });
    // On record before anything changes; when it cannot be written, the change does not happen.
    p.audit.append(
      'intent',
      {
        call: call.id,
        who: who.id,
        credential: who.credential,
        address: call.address,
        listener: call.listener,
        tool: tool.name,
        risk: job.risk,
        targets,
        approval: approved.by,
        undoOf: job.undoOf,
        summary: p.redactor.text(now.summary),
      },
      { durable: true },
    );
    const receipt = receiptOf(job, change.undo, now, p);
    const changed = await change.apply(job.input, {
      ...context(job, d.signal, e, p, report),
      commit(revert) {
        d.signal.throwIfAborted();
        // Before the first effect, and before this counts as begun: without it nothing is changed.
        receipt.prepare(revert);
        d.commit();
        e.coalescer.forget();
      },
    });
    e.coalescer.forget();
    return { ...changeAnswer(changed), ...receipt.finish(changed) };
  } finally {
    for (const lock of locks) lock[Symbol.dispose]();
  }
}

/** What this change leaves to undo it: on the disk before its first effect where the tool knows it then, else afterwards. */
function receiptOf(job: Job, undo: Undo<unknown>, preview: Preview, p: Policy) {
  const { tool, who, scopes, risk, targets, input, call } = job;
  const facts = { principal: who.id, scopes, tool: tool.name, risk, call: call.id, input, targets };
  const beforeOf = (x: { before?: Record<string, unknown> }) => x.before ?? preview.before ?? null;
  return {
    prepare(revert: Revert | undefined): void {
      if (undo.kind !== 'revert' || !revert) return;
      if (job.receipt) throw new Error(`${tool.name} prepared a second receipt`);
      job.receipt = p.receipts.prepare({ ...facts, summary: preview.summary, before: beforeOf(preview), revert });
    },

    finish(changed: Changed): { receipt?: string; next?: string } {
      if (undo.kind !== 'revert') return { next: `It cannot be undone here: ${undo.why}` };
      const { summary, after = null, revert } = changed;
      const end = { summary, before: beforeOf(changed), after };
      try {
        if (job.receipt) p.receipts.finish(job.receipt, { ...end, revert });
        else if (revert) job.receipt = p.receipts.put({ ...facts, ...end, revert });
      } catch (thrown) {
        // The effect has happened: an error here would tell the caller that it has not.
        p.log.error({ call: call.id, err: thrown }, 'a change was done and its receipt could not be stored');
        if (!job.receipt)
          return { next: 'It is done, but its receipt could not be stored: undo it by hand, from `before`.' };
        return {
          receipt: job.receipt,
          next: 'It is done; its receipt knows only that it had begun, and can be used all the same.',
        };
      }
      return job.receipt ? { receipt: job.receipt } : {};
    },
  };
}

/** A change that failed after its receipt was on the disk may have happened: who is told so is told the way back too. */
export function withReceipt(error: OpsError, { receipt }: Pick<Job, 'receipt'>): OpsError {
  if (!receipt) return error;
  const { hint, ...details } = error.details;
  const way = `The change had begun: look at its target. undo {"receipt":"${receipt}"} takes back what there is of it.`;
  return new OpsError(error.code, error.message, {
    ...details,
    receipt,
    hint: hint === undefined ? way : `${hint} ${way}`,
    cause: error.cause,
  });
}

function changeAnswer({ revert: _, ...rest }: Changed): Record<string, unknown> {
  return { state: 'done', ...rest };
}
