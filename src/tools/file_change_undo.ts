/**
 * The way back of a changed content: the old bytes over the new ones, or a created file removed, as long as the file holds just what was
 * written. Decides what counts as moved on; who may undo is policy's.
 */
import type { ToolContext } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import type { FileNow } from '../core/files.ts';
import { rfc3339, bytes as size } from '../core/text.ts';
import type { Undo, Undoable } from '../core/tool.ts';
import { difference } from '../insight/diff_text.ts';
import { called, digestOf, factsOf, plain, redactorOf, removeExactly, standing } from './file_change.ts';
import { pathOf } from './file_parts.ts';

interface Input {
  path: string;
  keep_owner: boolean;
}

interface Now {
  path: string;
  is: FileNow | null;
  /** What stood there before the change; null: nothing did. */
  was: Uint8Array | null;
  /** SHA-256 of what the change made. */
  made: string;
  nothing: boolean;
}

export const contentUndo: Extract<Undo<Input>, { kind: 'revert' }> = {
  kind: 'revert',

  async preview(receipt, ctx) {
    const { path, is, was, nothing } = await now(receipt, ctx);
    const before = factsOf(is, ctx);
    const digest = digestOf(is);
    if (nothing)
      return { summary: `${called(path)} is as it was before: there is nothing to take back.`, before, digest };
    const diff = difference(called(path), is?.bytes ?? null, was, redactorOf(ctx));
    const summary = was
      ? `Put the old content of ${called(path)} back (${size(was.length)}).`
      : `Remove ${called(path)}, which the change created.`;
    return { summary, before, ...(diff ? { diff: diff.text } : {}), digest };
  },

  async revert(receipt, ctx) {
    const { path, is, was, made, nothing } = await now(receipt, ctx);
    if (nothing)
      return { summary: `${called(path)} is as it was before; nothing was changed.`, after: factsOf(is, ctx) };
    ctx.commit();
    if (!was) {
      await removeExactly(path, made, ctx);
      return { summary: `${called(path)} is gone again.`, before: factsOf(is, ctx), after: factsOf(null, ctx) };
    }
    const done = await ctx.host.files.changer.write(pathOf(path), was, {
      expected: { sha256: made },
      keepOwner: receipt.input.keep_owner,
    });
    return {
      summary: `The old content of ${called(path)} is back.`,
      before: factsOf(is, ctx),
      after: factsOf({ ...done, bytes: was }, ctx),
    };
  },
};

async function now(receipt: Undoable<Input>, ctx: ToolContext): Promise<Now> {
  const { input, data, before, after, state } = receipt;
  const path = plain(input.path);
  const made = String(data.made);
  const is = await standing(path, ctx);
  const old = data.existed === true ? before?.sha256 : null;
  const current = is?.sha256 ?? null;
  if (current === old) return { path, is, was: null, made, nothing: true };
  if (current !== made) {
    const left = state === 'done' && after?.bytes !== undefined ? ` It was left with ${after.bytes} bytes.` : '';
    throw new OpsError(
      'conflict',
      is
        ? `${called(path)} has moved on: it was changed at ${rfc3339(is.stat.modifiedMs)} to other content (${is.stat.sizeBytes} bytes) than this change wrote.${left}`
        : `${called(path)} is not there any more.`,
      { hint: 'Look at what is there now; what is wanted of it can be changed by a call of its own.' },
    );
  }
  const was = data.existed === true ? receipt.blob('was') : null;
  if (data.existed === true && !was)
    throw new OpsError('unavailable', `The old content of ${called(path)} is lost: its copy is gone or damaged.`, {
      hint: 'Put it back from a backup.',
    });
  return { path, is, was, made, nothing: false };
}
