/**
 * The program of a file thread: takes one request at a time, walks, reads, answers. Everything in it may hang with a mount, and so
 * it shares nothing with the process but messages. Decides nothing: rules come with the request, bounds are read.ts's.
 */
import fs from 'node:fs';
import { toOpsError } from '../../core/errors.ts';
import type { FileRoot } from '../../core/files.ts';
import { denyNames } from './deny.ts';
import { listEntries, readBytes } from './read.ts';
import { idOf } from './walk.ts';

export interface Request {
  id: number;
  op: 'read' | 'list';
  root: FileRoot;
  inner: readonly FileRoot[];
  /** Absolute paths of our own state, settings and keys. */
  ours: readonly string[];
  path: Uint8Array;
  offset?: number;
  limit: number;
  stat?: boolean;
}

/** A hard link gives these an innocent name, where the kernel lets users make one. */
const PASSWORDS = ['/etc/shadow', '/etc/shadow-', '/etc/gshadow', '/etc/gshadow-'];

/** Their identity of this moment: a rotated key or a new database is a new inode. What is not there yet cannot be read either. */
function identities(paths: readonly string[]): Set<string> {
  const ids = new Set<string>();
  for (const path of paths) {
    const found = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
    if (found) ids.add(idOf(found));
  }
  return ids;
}

export function answer(q: Request): object {
  try {
    const ours = identities([...PASSWORDS, ...q.ours]);
    const ground = { root: q.root, inner: q.inner, denied: denyNames(q.ours), ours };
    if (q.op === 'list')
      return { id: q.id, value: listEntries(ground, q.path, { limit: q.limit, stat: q.stat === true }) };
    return { id: q.id, value: readBytes(ground, q.path, { offset: q.offset ?? 0, length: q.limit }) };
  } catch (thrown) {
    const { code, message, details } = toOpsError(thrown);
    return { id: q.id, error: { code, message, details } };
  }
}

/** Of the thread's port; node:worker_threads itself is ../worker.ts's alone. */
interface Port {
  on(event: 'message', listener: (q: Request) => void): unknown;
  postMessage(message: object): void;
}

export function serve(port: Port): void {
  port.on('message', (q) => {
    port.postMessage({ id: q.id, started: true });
    port.postMessage(answer(q));
  });
}
