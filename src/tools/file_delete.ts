/**
 * A file or a folder away: to the trash of its file system, from where undo brings it back; or for good. Decides that a folder goes only
 * when that is said, and what is told of the room it frees; when the trash is emptied is the host's.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineChange } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import type { FileListing } from '../core/files.ts';
import { once } from '../core/schema.ts';
import { duration, rfc3339, bytes as size } from '../core/text.ts';
import type { Undo, Undoable } from '../core/tool.ts';
import { AnyPath, called, plain, statFacts } from './file_change.ts';
import { pathOf, targetOf } from './file_parts.ts';
import { type Contents, contentsOf, idOf, mayLeave, newToken, sameAs, somethingAt, whatIs } from './file_standing.ts';

const input = once(() =>
  z.strictObject({
    path: AnyPath(),
    recursive: z.boolean().default(false).describe('A folder with what is in it.'),
    permanent: z.boolean().default(false).describe('Not to the trash: for good.'),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

const MOST_ENTRIES = 100_000;

const undo: Extract<Undo<Input>, { kind: 'revert' }> = {
  kind: 'revert',

  async preview(receipt, ctx) {
    const { path, token, nothing } = await wayBack(receipt, ctx);
    const digest = JSON.stringify([path, token, nothing]);
    if (nothing) return { summary: `${called(path)} is where it was: there is nothing to take back.`, digest };
    return { summary: `Bring ${called(path)} back from the trash.`, before: { exists: false }, digest };
  },

  async revert(receipt, ctx) {
    const { path, token, nothing } = await wayBack(receipt, ctx);
    if (nothing) return { summary: `${called(path)} is where it was; nothing was changed.` };
    ctx.commit();
    const back = await ctx.host.files.changer.restore(token, pathOf(path));
    return {
      summary: `${called(path)} is back from the trash.`,
      before: { exists: false },
      after: { exists: true, ...statFacts(back.stat, ctx) },
    };
  },
};

export const fileDelete = defineChange({
  name: 'file_delete',
  title: 'Delete a file',
  description:
    'Use this to delete one file or folder: it goes to the trash, undo brings it back, and its room is freed later; `permanent` frees it now and needs an approval. To see what fills a disk use diagnose.',
  toolset: 'files',
  core: false,
  input,
  scopes: { least: 'files:write' },
  risk: { least: 'change', worst: 'destroy', of: (i) => (i.permanent ? 'destroy' : 'change') },
  targets: (i) => [{ kind: 'path', name: targetOf(plain(i.path)) }],
  annotations: { idempotent: false, openWorld: false },
  limits: { timeoutMs: 60_000 },
  undo,

  async preview(i, ctx) {
    const { path, is, folder } = await planOf(i, ctx);
    const what = whatIs(is.stat, path, folder);
    const said = i.permanent
      ? [`Remove ${what} for good; that frees ${freed(is, folder)}, and cannot be undone.`]
      : [`Move ${what} to the trash.`, whenFreed(is, folder, ctx)];
    return {
      summary: said.join(' '),
      before: { exists: true, ...statFacts(is.stat, ctx), ...(folder ? { holds: folder } : {}) },
      digest: JSON.stringify([idOf(is.stat), is.stat.kind, is.stat.sizeBytes, is.stat.modifiedMs, folder]),
    };
  },

  async apply(i, ctx) {
    const { path, is, folder } = await planOf(i, ctx);
    const { changer } = ctx.host.files;
    const id = idOf(is.stat);
    const before = { exists: true, ...statFacts(is.stat, ctx) };
    if (i.permanent) {
      ctx.commit();
      const gone = await changer.remove(pathOf(path), { id, maxEntries: MOST_ENTRIES });
      const much = folder ? `, with ${gone.entries} ${gone.entries === 1 ? 'thing' : 'things'},` : '';
      return {
        summary: `${called(path)} is gone for good${much} and ${size(gone.freedBytes)} are free.`,
        before,
        after: { exists: false, freedBytes: gone.freedBytes },
      };
    }
    const token = newToken();
    ctx.commit({ data: { token, is: sameAs(is.stat) } });
    await changer.trash(pathOf(path), { id, token });
    return {
      summary: `${called(path)} is in the trash. ${whenFreed(is, folder, ctx)}`,
      before,
      after: { exists: false, freedBytes: 0, freedAt: rfc3339(ctx.now() + changer.trashKeepsMs()) },
    };
  },
});

async function planOf(i: Input, ctx: ToolContext): Promise<{ path: string; is: FileListing; folder: Contents | null }> {
  const path = plain(i.path);
  const is = await somethingAt(path, ctx);
  if (!is) throw new OpsError('not_found', `${called(path)} is not there.`, { hint: 'Look with file_list.' });
  const { kind } = is.stat;
  if (kind !== 'file' && kind !== 'directory')
    throw new OpsError('permission', `${called(path)} is a ${kind}.`, {
      hint: 'Only ordinary files and folders are deleted here: remove it on the host itself.',
    });
  await mayLeave(path, is.stat, ctx);
  if (kind === 'file') return { path, is, folder: null };
  const folder = await contentsOf(path, ctx);
  if (!i.recursive && (folder.things > 0 || folder.denied !== 0))
    throw new OpsError('validation', `${whatIs(is.stat, path, folder)} is not empty.`, {
      hint: '`recursive: true` deletes it with what is in it; dry_run tells how much that is.',
    });
  if (i.permanent && folder.denied !== 0)
    throw new OpsError(
      'permission',
      folder.denied === null
        ? `${called(path)} holds too much to be looked through, or what cannot be looked at.`
        : `${called(path)} holds what is on the deny list.`,
      { hint: 'It can go to the trash; or remove it on the host itself.' },
    );
  return { path, is, folder };
}

/** Other names of a file keep its room; so does a process that has it open, which nobody can see from here. */
function freed({ stat }: FileListing, folder: Contents | null): string {
  if (folder) return size(folder.bytes);
  return stat.links > 1 ? 'nothing, because it has other names (hard links)' : size(stat.allocatedBytes);
}

function whenFreed(is: FileListing, folder: Contents | null, ctx: ToolContext): string {
  const keepsMs = ctx.host.files.changer.trashKeepsMs();
  return `Nothing is freed before ${rfc3339(ctx.now() + keepsMs)}, when it goes for good (${freed(is, folder)}); for ${duration(keepsMs)} undo brings it back.`;
}

async function wayBack(receipt: Undoable<Input>, ctx: ToolContext) {
  const path = plain(receipt.input.path);
  const token = String(receipt.data.token);
  const is = await somethingAt(path, ctx);
  if (!(await ctx.host.files.changer.trashed(token, pathOf(path), { signal: ctx.signal }))) {
    if (is && sameAs(is.stat) === receipt.data.is) return { path, token, nothing: true };
    throw new OpsError('conflict', `${called(path)} is not in the trash any more.`, {
      hint: 'It was brought back by other means, or has gone for good.',
    });
  }
  if (is)
    throw new OpsError('conflict', `Something else stands at ${called(path)} since ${rfc3339(is.stat.changedMs)}.`, {
      hint: 'Move it away first (file_move), or leave it.',
    });
  return { path, token, nothing: false };
}
