/**
 * Takes back one change by its receipt. Everything that matters is elsewhere: whose the receipt is and that it is used once,
 * `ctx.receipts`; rights, risk, locks and approval, the door, which asks for those of the change; how, the tool that made it.
 */
import * as z from 'zod';
import { defineChange } from '../core/define.ts';
import { Handle, WaitS } from '../core/schema.ts';

export const undo = defineChange({
  name: 'undo',
  title: 'Undo a change',
  description:
    'Use this to take back one change, with the receipt that it gave; dry_run shows what that would do. It needs the rights and the approval of that change, and is refused when the target has moved on since. To only look at a receipt use result_query.',
  toolset: 'triage',
  core: true,
  input: () => z.strictObject({ receipt: Handle(), wait_s: WaitS() }),
  scopes: { least: null },
  risk: { least: 'change', worst: 'destroy', of: () => 'destroy' },
  targets: () => [],
  actsAs: ({ receipt }, ctx) => ctx.receipts.actsAs(receipt),
  annotations: { idempotent: true, openWorld: false },
  perPrincipal: true,
  long: true,
  limits: { timeoutMs: 600_000 },
  undo: { kind: 'none', why: 'an undo leaves no receipt; to have the change again, make it again.' },

  preview: ({ receipt }, ctx) => ctx.receipts.preview(receipt, ctx),
  apply: ({ receipt }, ctx) => ctx.receipts.revert(receipt, ctx),
});
