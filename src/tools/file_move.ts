/**
 * A file or a folder under another name, never over something. Decides that a folder does not carry what is denied to where it is not; that
 * the move is one rename is the host's.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineChange } from '../core/define.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import type { FileListing } from '../core/files.ts';
import { once } from '../core/schema.ts';
import { rfc3339 } from '../core/text.ts';
import type { Undo, Undoable } from '../core/tool.ts';
import { AnyPath, called, plain, statFacts } from './file_change.ts';
import { pathOf, targetOf } from './file_parts.ts';
import { contentsOf, idOf, mayLeave, sameAs, somethingAt, whatIs } from './file_standing.ts';

const input = once(() =>
  z.strictObject({
    from: AnyPath().describe('Its path now.'),
    to: AnyPath().describe('Its new path, name included.'),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

const undo: Extract<Undo<Input>, { kind: 'revert' }> = {
  kind: 'revert',

  async preview(receipt, ctx) {
    const { from, to, is, nothing } = await wayBack(receipt, ctx);
    const digest = digestOf(nothing ? from : to, is);
    if (nothing) return { summary: `${called(from)} is where it was before: there is nothing to take back.`, digest };
    return {
      summary: `Move ${whatIs(is.stat, to)} back to ${called(from)}.`,
      before: { path: to, ...statFacts(is.stat, ctx) },
      digest,
    };
  },

  async revert(receipt, ctx) {
    const { from, to, is, nothing } = await wayBack(receipt, ctx);
    if (nothing)
      return { summary: `${called(from)} is where it was before; nothing was changed.`, after: { path: from } };
    ctx.commit();
    await ctx.host.files.changer.move(pathOf(to), pathOf(from), { id: idOf(is.stat) });
    return { summary: `${called(from)} is back.`, before: { path: to }, after: { path: from } };
  },
};

export const fileMove = defineChange({
  name: 'file_move',
  title: 'Move a file',
  description:
    'Use this to move or rename one file or folder within a file system, never over something that is there. To change what a file holds use file_edit.',
  toolset: 'files',
  core: false,
  input,
  scopes: { least: 'files:write' },
  risk: 'change',
  targets: (i) => [i.from, i.to].map((path) => ({ kind: 'path', name: targetOf(plain(path)) })),
  annotations: { idempotent: false, openWorld: false },
  limits: { timeoutMs: 30_000 },
  undo,

  async preview(i, ctx) {
    const { from, to, is } = await planOf(i, ctx);
    const folder = is.stat.kind === 'directory' ? await contentsOf(from, ctx) : null;
    if (folder && folder.denied !== 0)
      throw new OpsError(
        'permission',
        folder.denied === null
          ? `${called(from)} holds too much to be looked through, or what cannot be looked at.`
          : `${called(from)} holds what is on the deny list.`,
        { hint: 'Under another name it could be read. Move it on the host itself.' },
      );
    return {
      summary: `Move ${whatIs(is.stat, from, folder)} to ${called(to)}.`,
      before: { path: from, ...statFacts(is.stat, ctx) },
      digest: digestOf(from, is),
    };
  },

  async apply(i, ctx) {
    const { from, to, is } = await planOf(i, ctx);
    ctx.commit({ data: { is: sameAs(is.stat) } });
    const done = await ctx.host.files.changer.move(pathOf(from), pathOf(to), { id: idOf(is.stat) });
    return {
      summary: `Moved ${called(from)} to ${called(to)}.`,
      before: { path: from, ...statFacts(is.stat, ctx) },
      after: { path: to, ...statFacts(done.stat, ctx) },
    };
  },
});

async function planOf(i: Input, ctx: ToolContext): Promise<{ from: string; to: string; is: FileListing }> {
  const from = plain(i.from);
  const to = plain(i.to);
  if (to === from || to.startsWith(`${from}/`))
    throw new OpsError('validation', 'A thing cannot be moved to itself, or into itself.', {
      hint: 'Give another path.',
    });
  const is = await somethingAt(from, ctx);
  if (!is) throw new OpsError('not_found', `${called(from)} is not there.`, { hint: 'Look with file_list.' });
  await mayLeave(from, is.stat, ctx);
  const there = await somethingAt(to, ctx);
  if (there)
    throw new OpsError('conflict', `${called(to)} is there already, since ${rfc3339(there.stat.changedMs)}.`, {
      hint: 'Nothing is moved over something: give another name, or move that one away first.',
    });
  try {
    await ctx.host.files.changer.check(pathOf(to), { keepOwner: false, signal: ctx.signal });
  } catch (thrown) {
    const error = toOpsError(thrown);
    if (error.code !== 'not_found') throw error;
    throw new OpsError('not_found', error.message, { hint: 'Its folder must be there: folders are not made here.' });
  }
  return { from, to, is };
}

const digestOf = (path: string, { stat }: FileListing) =>
  JSON.stringify([path, idOf(stat), stat.kind, stat.mode, stat.uid, stat.gid]);

async function wayBack(receipt: Undoable<Input>, ctx: ToolContext) {
  const from = plain(receipt.input.from);
  const to = plain(receipt.input.to);
  const moved = receipt.data.is;
  const [atFrom, atTo] = [await somethingAt(from, ctx), await somethingAt(to, ctx)];
  const hint = 'Look at both with file_list; what is wanted can be moved by a call of its own.';
  if (atFrom && sameAs(atFrom.stat) === moved) return { from, to, is: atFrom, nothing: true };
  if (!atTo || sameAs(atTo.stat) !== moved)
    throw new OpsError(
      'conflict',
      atTo
        ? `${called(to)} is not what was moved there any more, since ${rfc3339(atTo.stat.changedMs)}.`
        : `${called(to)} is not there any more.`,
      { hint },
    );
  if (atFrom)
    throw new OpsError('conflict', `Something stands at ${called(from)} since ${rfc3339(atFrom.stat.changedMs)}.`, {
      hint,
    });
  return { from, to, is: atTo, nothing: false };
}
