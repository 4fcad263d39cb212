/**
 * The way back of an upload: the old bytes in its place, or the file it made removed, as long as what stands there is what was uploaded.
 * It may be too large for memory, and so is known by its digest alone.
 */
import type { ToolContext } from '../core/call.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import type { FileStat } from '../core/files.ts';
import { rfc3339, bytes as size } from '../core/text.ts';
import type { Undo, Undoable } from '../core/tool.ts';
import { called, plain, statFacts } from './file_change.ts';

interface Input {
  path: string;
  keep_owner: boolean;
}

interface Now {
  path: string;
  is: { stat: FileStat; sha256: string } | null;
  was: Uint8Array | null;
  nothing: boolean;
}

export const uploadUndo: Extract<Undo<Input>, { kind: 'revert' }> = {
  kind: 'revert',

  async preview(receipt, ctx) {
    const { path, is, was, nothing } = await now(receipt, ctx);
    const summary = nothing
      ? `${called(path)} is as it was before: there is nothing to take back.`
      : was
        ? `Put the old content of ${called(path)} back (${size(was.length)}).`
        : `Remove ${called(path)}, which the upload made, for good.`;
    const digest = JSON.stringify(is && [is.sha256, is.stat.mode, is.stat.uid, is.stat.gid]);
    return { summary, before: facts(is, ctx), digest };
  },

  async revert(receipt, ctx) {
    const { path, is, was, nothing } = await now(receipt, ctx);
    if (nothing || !is) return { summary: `${called(path)} is as it was before; nothing was changed.` };
    const { changer } = ctx.host.files;
    ctx.commit();
    if (!was) {
      await changer.remove(path, { id: is.stat.id, maxEntries: 1 });
      return { summary: `${called(path)} is gone again.`, before: facts(is, ctx), after: facts(null, ctx) };
    }
    const done = await changer.write(path, was, {
      expected: { sha256: is.sha256 },
      keepOwner: receipt.input.keep_owner,
    });
    return {
      summary: `The old content of ${called(path)} is back.`,
      before: facts(is, ctx),
      after: facts(done, ctx),
    };
  },
};

const facts = (is: Now['is'], ctx: ToolContext): Record<string, unknown> =>
  is ? { exists: true, ...statFacts(is.stat, ctx), sha256: is.sha256 } : { exists: false };

async function now(receipt: Undoable<Input>, ctx: ToolContext): Promise<Now> {
  const { input, data, before } = receipt;
  const path = plain(input.path);
  const is = await standingAt(path, ctx);
  const old = data.existed === true ? before?.sha256 : null;
  if ((is?.sha256 ?? null) === old) return { path, is, was: null, nothing: true };
  if (is?.sha256 !== data.made)
    throw new OpsError(
      'conflict',
      is
        ? `${called(path)} has moved on: it was changed at ${rfc3339(is.stat.modifiedMs)} to other content than was uploaded.`
        : `${called(path)} is not there any more.`,
      { hint: 'Look at what is there now; what is wanted of it can be changed by a call of its own.' },
    );
  const was = data.existed === true ? receipt.blob('was') : null;
  if (data.existed === true && !was)
    throw new OpsError('unavailable', `The old content of ${called(path)} is lost: its copy is gone or damaged.`, {
      hint: 'Put it back from a backup.',
    });
  return { path, is, was, nothing: false };
}

async function standingAt(path: string, ctx: ToolContext): Promise<Now['is']> {
  try {
    const source = await ctx.host.files.transfers.open(path, { signal: ctx.signal });
    try {
      return { stat: source.stat, sha256: await source.digest({ signal: ctx.signal }) };
    } finally {
      await source.close();
    }
  } catch (thrown) {
    if (toOpsError(thrown).code === 'not_found') return null;
    throw thrown;
  }
}
