/** What stands at a path, what a folder holds in all, and whether it may go: for changes of names, which read no content. Decides nothing. */
import { randomBytes } from 'node:crypto';
import type { ToolContext } from '../core/call.ts';
import { toOpsError } from '../core/errors.ts';
import type { FileListing, FileStat } from '../core/files.ts';
import { bytes as size } from '../core/text.ts';
import { called } from './file_change.ts';
import { pathOf } from './file_parts.ts';

/** Null: nothing. */
export async function somethingAt(path: string, ctx: ToolContext, limit = 1): Promise<FileListing | null> {
  try {
    return await ctx.host.files.reader.list(pathOf(path), { limit, signal: ctx.signal });
  } catch (thrown) {
    if (toOpsError(thrown).code === 'not_found') return null;
    throw thrown;
  }
}

/** Throws what taking it away from there would throw, before anything has begun. */
export async function mayLeave(path: string, { kind }: FileStat, ctx: ToolContext): Promise<void> {
  const folder = path.slice(0, path.lastIndexOf('/'));
  // Of a folder nobody asks for its content: what counts is that names beside it may be changed.
  const asked = kind === 'directory' ? `${folder}/${newToken()}` : path;
  await ctx.host.files.changer.check(pathOf(asked), { keepOwner: false, signal: ctx.signal });
}

/** 26 letters of base32, as the trash wants them. */
export function newToken(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz234567';
  return Array.from(randomBytes(26), (b) => letters[b & 31]).join('');
}

/** Device and inode: the same thing under any name. */
export const idOf = (stat: FileStat): string => stat.id;

/** The same thing, unchanged: an inode's number alone is given away again. A folder is the same whatever has come into it. */
export const sameAs = (stat: FileStat): string =>
  stat.kind === 'directory' ? `${stat.id} folder` : `${stat.id} ${stat.sizeBytes} ${stat.modifiedMs}`;

export interface Contents {
  things: number;
  bytes: number;
  /** How many of them are on the deny list; null: not all could be looked at. */
  denied: number | null;
}

const MOST_ENTRIES = 100_000;

export async function contentsOf(path: string, ctx: ToolContext): Promise<Contents> {
  const all = await ctx.host.files.find(
    pathOf(path),
    {},
    { depth: 200, limit: 1, maxEntries: MOST_ENTRIES, maxBytes: 1, maxMs: 5_000, signal: ctx.signal },
  );
  const { denied, unreadable, otherDevice } = all.passedOver;
  return {
    things: all.hits,
    bytes: all.totalBytes,
    denied: denied > 0 ? denied : all.stopped !== null || unreadable + otherDevice > 0 ? null : 0,
  };
}

/** `/srv/x (folder, 12 things, 3.1 MB)`. */
export function whatIs(stat: FileStat, path: string, folder: Contents | null = null): string {
  if (stat.kind !== 'directory') return `${called(path)} (${stat.kind}, ${size(stat.sizeBytes)})`;
  if (!folder) return `${called(path)} (folder)`;
  const least = folder.denied === null ? 'at least ' : '';
  return `${called(path)} (folder, ${least}${folder.things} ${folder.things === 1 ? 'thing' : 'things'} in it, ${size(folder.bytes)})`;
}
