/**
 * Receipts as one principal may have them, and the way back through the tool that made the change. Decides whose a receipt
 * is, what of it is shown, and that one undo of it runs once. The tool `undo` asks this; that it walks the door like any other
 * change, with the rights, the risk and the locks of the change it takes back, the pipeline decides.
 */
import * as z from 'zod';
import type { KeptResult, Principal } from '../core/call.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import { compileForeign, shape } from '../core/foreign.ts';
import type { ReceiptLine, Receipts, ShownReceipt } from '../core/receipt.ts';
import { foreign } from '../core/schema.ts';
import { holds } from '../core/scopes.ts';
import { rfc3339 } from '../core/text.ts';
import type { Target, Undo, Undoable } from '../core/tool.ts';
import type { Receipt, ReceiptLine as Row, Undone } from '../store/receipts.ts';
import type { Policy } from './ports.ts';

type Parts = Pick<Policy, 'access' | 'catalog' | 'off' | 'receipts' | 'redactor' | 'log'>;

/** `call`: the one that undoes, for whoever reads later who took it back. */
export function receiptsFor(who: Principal, p: Parts, call = ''): Receipts {
  // A line of the list does not say what it was about: what policy keeps from this one is left out when it is asked for.
  const may = (row: Row & { targets?: Target[] }) =>
    who.valid() &&
    (row.principal === who.id || holds(who.scopes, 'admin')) &&
    row.scopes.every((s) => holds(who.scopes, s)) &&
    p.access.handle(who, row.tool, { scopes: row.scopes, targets: row.targets ?? [] });

  function mine(id: string): Receipt {
    const row = p.receipts.get(id);
    if (row && may(row)) return row;
    throw new OpsError('not_found', `There is no receipt ${id} for you.`, {
      hint: 'It expired, or is not yours, or never was; `deckhand undo list` on the host lists what can be undone.',
    });
  }

  return {
    list(limit) {
      const principal = holds(who.scopes, 'admin') ? undefined : who.id;
      return p.receipts
        .list({ limit, principal })
        .filter(may)
        .map((row) => lineOf(row, p));
    },
    get(id) {
      const row = p.receipts.get(id);
      return row && may(row) ? shown(row, p) : null;
    },
    actsAs(id) {
      const { scopes, risk, targets, tool } = mine(id);
      return { undoOf: id, tool, scopes, risk, targets };
    },
    async preview(id, ctx) {
      const row = mine(id);
      const way = wayBack(row, p);
      return way.preview(undoable(row), ctx);
    },
    async revert(id, ctx) {
      const row = mine(id);
      const way = wayBack(row, p);
      let claimed = false;
      const claim = () => {
        if (claimed) return;
        if (!p.receipts.claimUndo(id, { principal: who.id, call })) throw already(mine(id));
        claimed = true;
      };
      try {
        const changed = await way.revert(undoable(row), {
          ...ctx,
          // The claim is the last thing before the effect: an undo that stops earlier has taken nothing from anybody.
          commit() {
            ctx.commit();
            claim();
          },
        });
        claim(); // nothing was there to be put back: it is undone all the same
        ended('done');
        const { revert: _, ...rest } = changed;
        return rest;
      } catch (thrown) {
        if (!claimed) throw thrown;
        ended('failed');
        const error = toOpsError(thrown);
        throw new OpsError(error.code, error.message, {
          ...error.details,
          hint: `${error.details.hint ?? ''} The undo had begun and stopped half way: it is not tried again. Look at the target, and put back by hand what is missing: result_query {"handle":"${id}"} shows the state before.`.trim(),
          cause: error.cause ?? error,
        });
      }

      function ended(how: 'done' | 'failed'): void {
        try {
          p.receipts.endUndo(id, how);
        } catch (thrown) {
          // The claim stands, so it is not undone twice.
          p.log.error({ call, receipt: id, err: thrown }, `an undo is ${how}, and its receipt could not be told`);
        }
      }
    },
  };
}

/** The tool's own way back, or why there is none (any more). */
function wayBack(row: Receipt, p: Parts): Extract<Undo<unknown>, { kind: 'revert' }> {
  // One whose process died at it may be tried again: the preview sees how far it came.
  if (row.undone && row.undone.state !== 'begun') throw already(row);
  const tool = p.catalog.tools.find((t) => t.name === row.tool);
  if (!tool?.change)
    throw new OpsError('unavailable', `${row.tool}, which made this change, is no tool of this version.`, {
      hint: `Undo it by hand: result_query {"handle":"${row.id}"} shows the state before.`,
    });
  const off = p.off(tool);
  if (off)
    throw new OpsError('unavailable', `${row.tool}, which made this change, is off: ${off.why}`, { hint: off.hint });
  const { undo } = tool.change;
  if (undo.kind === 'revert') return undo;
  throw new OpsError('validation', `A change by ${row.tool} cannot be undone here: ${undo.why}`, {
    hint: `result_query {"handle":"${row.id}"} shows the state before.`,
  });
}

/** Of a receipt whose undo was taken by a call. */
function already(row: Receipt): OpsError {
  const { state, by, atMs } = row.undone as Undone;
  const when = `at ${rfc3339(atMs)} by ${by}`;
  if (state === 'done')
    return new OpsError('conflict', `This was undone already, ${when}.`, {
      hint: 'Nothing is left to do; to have the change again, make it again.',
    });
  return state === 'begun'
    ? new OpsError('conflict', `This is being undone, since ${rfc3339(atMs)} by ${by}.`, {
        hint: 'Wait for that call to end.',
      })
    : new OpsError('conflict', `An undo of this began ${when}, and stopped half way.`, {
        hint: `It is not tried again. Look at the target: result_query {"handle":"${row.id}"} shows the state before.`,
      });
}

const undoable = ({ input, state, before, after, data, blob }: Receipt): Undoable<unknown> => ({
  input,
  state,
  before,
  after,
  data,
  blob,
});

/** Others wrote what stands in these: cleaned like any answer. */
const Shown = compileForeign(
  z.object({
    input: foreign(z.record(z.string(), z.unknown()), 'receipt'),
    before: foreign(z.record(z.string(), z.unknown()), 'receipt'),
    after: foreign(z.record(z.string(), z.unknown()), 'receipt'),
    targets: foreign(z.string(), 'receipt'),
    summary: foreign(z.string(), 'receipt'),
  }),
);
/** Of one part, as JSON: a receipt must fit into an answer. */
const PART_BYTES = 8_192;

function shown(row: Receipt, p: Parts): ShownReceipt {
  const { input, before, after } = row;
  const targets = row.targets.map((t) => `${t.kind}:${t.name}`).join(', ');
  const clean = shape({ input, before, after, targets }, Shown, p.redactor).data as Pick<
    ShownReceipt,
    'input' | 'before' | 'after' | 'targets'
  >;
  return {
    ...lineOf(row, p),
    targets: clean.targets,
    input: bounded(clean.input),
    before: bounded(clean.before),
    after: bounded(clean.after),
  };
}

function lineOf(row: Row, p: Parts): ReceiptLine {
  const { summary } = shape({ summary: row.summary }, Shown, p.redactor).data as { summary: string };
  return {
    receipt: row.id,
    tool: row.tool,
    summary,
    by: row.principal,
    call: row.call,
    atMs: row.createdAtMs,
    expiresAtMs: row.expiresAtMs,
    state: row.state === 'done' ? 'done' : 'unfinished',
    undone: row.undone,
  };
}

function bounded(part: unknown): unknown {
  const { length } = JSON.stringify(part);
  return length <= PART_BYTES ? part : `⟦${length} characters left out⟧`;
}

/** For `result_query`: no lists in it, so that it comes whole. */
export function receiptAsResult(r: ShownReceipt): KeptResult {
  const { receipt, tool, summary, targets, by, call, state, input, before, after } = r;
  const undone = r.undone && {
    state: r.undone.state,
    at: rfc3339(r.undone.atMs),
    by: r.undone.by,
    call: r.undone.call,
  };
  return {
    handle: receipt,
    tool,
    state: 'done',
    createdAtMs: r.atMs,
    expiresAtMs: r.expiresAtMs,
    data: { change: state, summary, targets, by, call, input, before, after, undone },
    foreignPaths: ['summary', 'targets', 'input', 'before', 'after'],
    lists: [],
    error: null,
    progress: null,
  };
}
