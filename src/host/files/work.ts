/**
 * What a file thread is asked for, and which part does it. Everything that is needed comes with the request; nothing is remembered but
 * the deny list, which is made from the settings once.
 */
import type { Expected, FileBounds, FileRoot, FindBounds, FindWhat, ScanFor } from '../../core/files.ts';
import { looker } from './content.ts';
import { find } from './find.ts';
import { move } from './move.ts';
import { hashBytes, listEntries, readBytes } from './read.ts';
import { check, readNow, writeFile } from './replace.ts';
import { scanBytes } from './scan.ts';
import type { Task } from './task.ts';
import { emptyTrash, remove, restore, trash, trashed } from './trash.ts';
import type { Ground } from './walk.ts';

/** The rules under which a path is reached. */
export interface Rules {
  root: FileRoot;
  inner: readonly FileRoot[];
  /** Absolute paths of our own state, settings and keys. */
  ours: readonly string[];
  /** Names and paths that the owner adds to the deny list. */
  deny: readonly string[];
  /** Of the caller, where it has any. */
  caller?: FileBounds | undefined;
}

export type Work = { path: Uint8Array } & (
  | { op: 'read'; offset?: number; limit: number }
  | { op: 'list'; limit: number; stat?: boolean }
  | { op: 'hash'; maxBytes: number }
  | { op: 'scan'; what: ScanFor }
  | { op: 'find'; what: FindWhat; bounds: Omit<FindBounds, 'signal'>; only?: string[] }
  | { op: 'now'; maxBytes: number }
  | { op: 'check'; keepOwner: boolean }
  | { op: 'write'; bytes: Uint8Array; expected: Expected; mode?: number | undefined; keepOwner: boolean }
  | { op: 'move'; to: Rules & { path: Uint8Array }; is: string }
  | { op: 'trash'; is: string; token?: string | undefined }
  | { op: 'trashed' | 'restore'; token: string }
  | { op: 'remove'; is: string; maxEntries: number }
  | { op: 'emptyTrash'; olderThanMs: number }
);

export async function work(q: Work, ground: Ground, groundOf: (r: Rules) => Ground, task: Task): Promise<unknown> {
  const { path } = q;
  switch (q.op) {
    case 'read':
      return readBytes(ground, path, { offset: q.offset ?? 0, length: q.limit });
    case 'list':
      return listEntries(ground, path, { limit: q.limit, stat: q.stat === true });
    case 'hash':
      return hashBytes(ground, path, q.maxBytes, task);
    case 'scan':
      return scanBytes(ground, path, q.what, task);
    case 'find':
      return find(ground, path, q.what, q.bounds, q.what.content ? await looker(q.what.content) : null, task, q.only);
    case 'now':
      return readNow(ground, path, q.maxBytes, task);
    case 'check':
      return check(ground, path, q.keepOwner);
    case 'write':
      return writeFile(ground, path, q.bytes, q, task);
    case 'move':
      return move({ ground, path }, { ground: groundOf(q.to), path: q.to.path }, q.is, task);
    case 'trash': {
      const { counted: _, ...said } = trash(ground, path, { id: q.is, token: q.token }, task);
      return said;
    }
    case 'trashed':
      return trashed(ground, path, q.token);
    case 'restore':
      return restore(ground, path, q.token, task);
    case 'remove':
      return remove(ground, path, { id: q.is, most: q.maxEntries }, task);
    case 'emptyTrash':
      return emptyTrash(ground, q.olderThanMs, task);
  }
}
