/**
 * Whole folders, by directory descriptors held on the way: what is in one, and its removal. Decides that a folder is only moved or removed
 * as one when nothing in it is denied, another root, or of another mount; a link in it is a name and is never followed.
 */

/**
 * Whole folders, by directory descriptors held on the way: what is in one, and its removal. Decides that a folder is only moved or removed
 * as one when nothing in it is denied, another root, or of another mount; a link in it is a name and is never followed.
 */
import fs, { readFileSync } from 'node:fs';
import { OpsError } from '../../core/errors.ts';
import { parseMountinfo } from '../system/mounts.ts';
import { below, conflict, O_PATH } from './standing.ts';
import type { Task } from './task.ts';
import { componentsOf, type Ground, idOf, shown } from './walk.ts';

const { O_NOFOLLOW, O_DIRECTORY } = fs.constants;
/** Levels below a folder that is moved or removed as one: each holds a descriptor. */
const MAX_DEPTH = 200;

export interface Survey {
  /** Itself included. */
  entries: number;
  /** On the disk, of files that have no other name; so much becomes free. */
  allocatedBytes: number;
  totalBytes: number;
}

/** Reads a directory in pieces, and hands each name out with its descriptor's number still open. */
function* names(fd: number): Generator<Buffer> {
  const dir = fs.opendirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' as BufferEncoding, bufferSize: 512 });
  try {
    for (let e = dir.readSync(); e !== null; e = dir.readSync()) yield e.name as unknown as Buffer;
  } finally {
    dir.closeSync();
  }
}

function inside<T>(parent: number, name: Uint8Array, work: (fd: number, stat: fs.BigIntStats) => T): T {
  const fd = fs.openSync(below(parent, name), O_PATH | O_NOFOLLOW | O_DIRECTORY);
  try {
    return work(fd, fs.fstatSync(fd, { bigint: true }));
  } finally {
    fs.closeSync(fd);
  }
}

/** What is in the folder `name`; refuses what may not go along. `most`: more entries are `limit`. */
export function survey(
  ground: Ground,
  at: { dir: number; name: Buffer; components: readonly Buffer[] },
  most: number,
  task: Task,
): Survey {
  const path = shown(at.components);
  mustHoldNoRoot(ground, path);
  const seen: Survey = { entries: 0, allocatedBytes: 0, totalBytes: 0 };
  const count = (stat: fs.BigIntStats, components: readonly Buffer[]) => {
    if (++seen.entries > most)
      throw new OpsError('limit', `There are more than ${most} files and folders in ${path}.`, {
        hint: 'Take the folders in it one by one.',
      });
    if (ground.ours.has(idOf(stat)) || ground.denied(components))
      throw new OpsError('permission', `Something in ${path} is on the deny list, and would go along.`, {
        hint: 'Take what is in it piece by piece; file_list marks what is denied.',
      });
    if (stat.isDirectory() || stat.nlink === 1n) seen.allocatedBytes += Number(stat.blocks) * 512;
    if (!stat.isDirectory()) seen.totalBytes += Number(stat.size);
  };
  const visit = (fd: number, stat: fs.BigIntStats, components: readonly Buffer[], device: bigint) => {
    count(stat, components);
    if (stat.dev !== device) throw otherMount(path);
    if (components.length > at.components.length + MAX_DEPTH) throw tooDeep(path);
    for (const name of names(fd)) {
      task.tick();
      const child = fs.lstatSync(below(fd, name), { bigint: true, throwIfNoEntry: false });
      if (!child) continue;
      const there = [...components, name];
      if (child.isDirectory()) inside(fd, name, (sub, is) => visit(sub, is, there, device));
      else count(child, there);
    }
  };
  inside(at.dir, at.name, (fd, stat) => visit(fd, stat, at.components, stat.dev));
  return seen;
}

const otherMount = (path: string) =>
  new OpsError('validation', `Another file system is mounted in ${path}.`, {
    hint: 'What is mounted is changed on the host itself.',
  });
const tooDeep = (path: string) =>
  new OpsError('limit', `${path} is deeper than ${MAX_DEPTH} levels.`, { hint: 'Take the folders in it one by one.' });

function mustHoldNoRoot(ground: Ground, path: string): void {
  const under = (other: string) => other.startsWith(`${path}/`);
  if ((ground.inner ?? []).some((r) => under(shown(componentsOf(r.path)))))
    throw new OpsError('permission', `Another root of \`files.roots\` lies in ${path}.`, {
      hint: 'Take what is in it piece by piece.',
    });
  if (mountsIn(path).length > 0) throw otherMount(path);
}

/** Mount points below a path. A bind mount of the same file system has its device, and only this list tells. */
export function mountsIn(path: string): string[] {
  const prefix = path === '/' ? '/' : `${path}/`;
  return parseMountinfo(readFileSync('/proc/self/mountinfo', 'latin1'))
    .map((m) => m.path)
    .filter((p) => p.startsWith(prefix) && p !== '/');
}

/** Removes what stands under a name in a folder that we hold, and all below. Links are unlinked; other devices stop it. */
export function removeTree(parent: number, name: Uint8Array, task: Task): Survey {
  const gone: Survey = { entries: 0, allocatedBytes: 0, totalBytes: 0 };
  const drop = (dir: number, entry: Uint8Array, device: bigint | null, depth: number) => {
    task.tick();
    const path = below(dir, entry);
    const stat = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (!stat) return;
    if (device !== null && stat.dev !== device)
      throw conflict('The folder', 'has another file system mounted in it now');
    if (depth > MAX_DEPTH) throw tooDeep('The folder');
    if (stat.isDirectory()) {
      inside(dir, entry, (fd, is) => {
        // Names first: a directory that is read while it shrinks may skip some.
        for (;;) {
          const some: Buffer[] = [];
          for (const child of names(fd)) if (some.push(child) >= 1_000) break;
          for (const child of some) drop(fd, child, is.dev, depth + 1);
          if (some.length < 1_000) break;
        }
      });
      fs.rmdirSync(path);
    } else fs.unlinkSync(path);
    gone.entries++;
    if (stat.isDirectory() || stat.nlink === 1n) gone.allocatedBytes += Number(stat.blocks) * 512;
    if (!stat.isDirectory()) gone.totalBytes += Number(stat.size);
  };
  drop(parent, name, null, 0);
  return gone;
}
