/**
 * The trash: a folder of ours (0700, one for each user) at the top of a root, or of the mount in it, so that what is thrown away goes and
 * comes back by one rename. Each entry is a folder named by a token, with the thing and a record of where it was. Decides where the trash
 * is and when an entry is old.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { OpsError } from '../../core/errors.ts';
import type { FileStat, Trashed } from '../../core/files.ts';
import { below, conflict, digest, O_PATH, OURS, stillThere, type Target, target, whole } from './standing.ts';
import type { Task } from './task.ts';
import { mountsIn, removeTree, type Survey, survey } from './tree.ts';
import { componentsOf, failedToChange, type Ground, idOf, shown, statOf, walk } from './walk.ts';

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY } = fs.constants;
const TRASH = `${OURS}trash-`;
export const isTrash = (name: Uint8Array): boolean => Buffer.from(name).toString('latin1').startsWith(TRASH);

const TOKEN = /^[a-z2-7]{16,40}$/;
const ITEM = 'item';
const RECORD = 'record.json';
/** A folder with more in it is moved piece by piece, so that counting it first stays a matter of seconds. */
const MOST_ENTRIES = 500_000;
const MOST_HASHED = 64 * 1024 * 1024;

interface Record_ {
  path: string;
  atMs: number;
  sha256: string | null;
  entries: number;
  totalBytes: number;
  /** To be removed for good; a kill left the rest. */
  purge?: true;
}

export const newToken = (): string =>
  Array.from(randomBytes(26), (b) => 'abcdefghijklmnopqrstuvwxyz234567'[b & 31]).join('');

function mustBeToken(token: string): void {
  if (!TOKEN.test(token)) throw new OpsError('validation', 'That is no token of the trash.');
}

/** The trash for what lies in this folder, opened; null where there is none and none is made. */
function openTrash(ground: Ground, folder: readonly Buffer[], make: boolean): number | null {
  const path = shown(folder);
  const root = ground.root.path;
  const top = mountsIn(root)
    .filter((m) => path === m || path.startsWith(`${m}/`))
    .reduce((a, b) => (b.length > a.length ? b : a), root);
  return trashAt(ground, top, make);
}

function trashAt(ground: Ground, top: string, make: boolean): number | null {
  using place = walk(ground, componentsOf(top), { access: 'read', onTheWay: true });
  if (!place.stat.isDirectory())
    throw new OpsError('permission', `The root ${top} is one file, and has no folder for a trash.`);
  const name = `${TRASH}${process.geteuid?.() ?? 0}`;
  const at = below(place.fd, name);
  if (make) {
    try {
      fs.mkdirSync(at, { mode: 0o700 });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST')
        throw new OpsError(code === 'ENOSPC' ? 'limit' : 'permission', `There can be no trash in ${top} (${code}).`, {
          hint: `On the host, make ${top === '/' ? '' : top}/${name} with mode 0700 for this service’s user, or delete for good.`,
          cause: error,
        });
    }
  }
  let fd: number;
  try {
    fd = fs.openSync(at, O_RDONLY | O_NOFOLLOW | O_DIRECTORY);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !make) return null;
    throw notOurs(top, name);
  }
  const stat = fs.fstatSync(fd, { bigint: true });
  if (stat.uid === BigInt(process.geteuid?.() ?? 0) && (stat.mode & 0o077n) === 0n && stat.dev === place.stat.dev)
    return fd;
  fs.closeSync(fd);
  throw notOurs(top, name);
}

const notOurs = (top: string, name: string) =>
  new OpsError('conflict', `${top}/${name} is not the trash of this service.`, {
    hint: 'It must be a folder of this service’s user with mode 0700; see who made it, and move it away.',
  });

/** A new entry, on the disk with its record before anything is put into it. The caller closes it. */
function enter(trash: number, token: string, record: Record_): number {
  try {
    fs.mkdirSync(below(trash, token), { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw conflict('The trash', 'has that token already');
    throw error;
  }
  const entry = fs.openSync(below(trash, token), O_RDONLY | O_NOFOLLOW | O_DIRECTORY);
  try {
    const fd = fs.openSync(below(entry, RECORD), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      fs.writeSync(fd, JSON.stringify(record));
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.fsyncSync(entry);
    fs.fsyncSync(trash);
    return entry;
  } catch (error) {
    fs.closeSync(entry);
    throw error;
  }
}

export function trash(
  ground: Ground,
  path: Uint8Array,
  o: { id: string; token?: string | undefined; purge?: true; most?: number },
  task: Task,
): Trashed & { counted: Survey } {
  using t = target(ground, path);
  const held: number[] = [];
  try {
    const { fd, stat } = whole(t, o.id);
    const counted = stat.isDirectory()
      ? survey(ground, t, o.most ?? MOST_ENTRIES, task)
      : { entries: 1, allocatedBytes: Number(stat.blocks) * 512, totalBytes: Number(stat.size) };
    const hashed = stat.isFile() && stat.size <= MOST_HASHED;
    const sha256 = hashed ? digest(fd, task, { most: MOST_HASHED, path: t.path }) : null;
    const token = o.token ?? newToken();
    mustBeToken(token);
    const bin = openTrash(ground, t.components.slice(0, -1), true) as number;
    held.push(bin);
    const { entries, totalBytes } = counted;
    const record = {
      path: t.path,
      atMs: task.now,
      sha256,
      entries,
      totalBytes,
      ...(o.purge ? { purge: o.purge } : {}),
    };
    const entry = enter(bin, token, record);
    held.push(entry);
    try {
      task.tick();
      stillThere(t);
      fs.renameSync(below(t.dir, t.name), below(entry, ITEM));
    } catch (error) {
      removeTree(bin, Buffer.from(token), task);
      throw error;
    }
    const is = fs.lstatSync(below(entry, ITEM), { bigint: true });
    if (idOf(is) !== o.id) {
      // In that very moment another took the name: it goes back to where it stood.
      putBack(entry, t, is);
      throw conflict(t.path, 'is another file now');
    }
    fs.fsyncSync(entry);
    fs.fsyncSync(t.dir);
    return { token, path: t.path, stat: statOf(is), sha256, entries, totalBytes, counted };
  } catch (error) {
    throw failedToChange(error, t.path);
  } finally {
    for (const fd of held) fs.closeSync(fd);
  }
}

/** Never over what stands there: a file by a link; a folder, which has none, by a rename that replaces nothing but an empty folder. */
function putBack(entry: number, t: Target, item: fs.BigIntStats): void {
  const from = below(entry, ITEM);
  const to = below(t.dir, t.name);
  if (!item.isDirectory()) {
    try {
      fs.linkSync(from, to);
      fs.unlinkSync(from);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') throw conflict(t.path, 'is there now');
      if (code !== 'EPERM' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error;
    }
  }
  if (fs.lstatSync(to, { throwIfNoEntry: false })) throw conflict(t.path, 'is there now');
  fs.renameSync(from, to);
}

/** With the entry of that token; null where there is none. */
function withEntry<T>(ground: Ground, t: Target, token: string, work: (trash: number, entry: number) => T): T | null {
  mustBeToken(token);
  const bin = openTrash(ground, t.components.slice(0, -1), false);
  if (bin === null) return null;
  let entry: number | null = null;
  try {
    entry = fs.openSync(below(bin, token), O_RDONLY | O_NOFOLLOW | O_DIRECTORY);
    return work(bin, entry);
  } catch (error) {
    if (entry === null && (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  } finally {
    if (entry !== null) fs.closeSync(entry);
    fs.closeSync(bin);
  }
}

function recordOf(entry: number): Record_ | null {
  try {
    return JSON.parse(fs.readFileSync(below(entry, RECORD), 'utf8')) as Record_;
  } catch {
    return null;
  }
}
const itemOf = (entry: number) => fs.lstatSync(below(entry, ITEM), { bigint: true, throwIfNoEntry: false });

export function trashed(ground: Ground, path: Uint8Array, token: string): Trashed | null {
  using t = target(ground, path);
  try {
    return withEntry(ground, t, token, (_, entry) => {
      const record = recordOf(entry);
      const item = itemOf(entry);
      if (!record || !item || record.purge || record.path !== t.path) return null;
      const { sha256, entries, totalBytes } = record;
      return { token, path: t.path, stat: statOf(item), sha256, entries, totalBytes };
    });
  } catch (error) {
    throw failedToChange(error, t.path);
  }
}

export function restore(ground: Ground, path: Uint8Array, token: string, task: Task): { path: string; stat: FileStat } {
  using t = target(ground, path);
  try {
    const done = withEntry(ground, t, token, (bin, entry) => {
      const item = itemOf(entry);
      if (!item || recordOf(entry)?.purge) return null;
      if (t.is) {
        // A kill between link and unlink: it is back, and has its second name here still.
        if (idOf(t.is.stat) !== idOf(item)) throw conflict(t.path, 'is there now');
        fs.unlinkSync(below(entry, ITEM));
      } else putBack(entry, t, item);
      fs.fsyncSync(t.dir);
      const stat = statOf(fs.lstatSync(below(t.dir, t.name), { bigint: true }));
      removeTree(bin, Buffer.from(token), task);
      return { path: t.path, stat };
    });
    if (!done)
      throw new OpsError('not_found', `The trash has nothing of ${t.path} under that token any more.`, {
        hint: 'It was put back already, or its days in the trash are over.',
      });
    return done;
  } catch (error) {
    throw failedToChange(error, t.path);
  }
}

/** For good: a file at once; a folder by one rename into the trash, where what a kill leaves of it is found again. */
export function remove(
  ground: Ground,
  path: Uint8Array,
  o: { id: string; most: number },
  task: Task,
): { entries: number; freedBytes: number } {
  using t = target(ground, path);
  try {
    const { stat } = whole(t, o.id);
    if (!stat.isDirectory()) {
      task.tick();
      stillThere(t);
      fs.unlinkSync(below(t.dir, t.name));
      fs.fsyncSync(t.dir);
      return { entries: 1, freedBytes: Number(stat.blocks) * 512 };
    }
    const { token } = trash(ground, path, { id: o.id, purge: true, most: o.most }, task);
    const gone = withEntry(ground, t, token, (bin) => {
      const all = removeTree(bin, Buffer.from(token), unstoppable(task));
      return { entries: all.entries - 2, freedBytes: all.allocatedBytes };
    });
    return gone ?? { entries: 0, freedBytes: 0 };
  } catch (error) {
    throw failedToChange(error, t.path);
  }
}

/** What has begun to go for good is not left half gone because its caller went away. */
const unstoppable = (task: Task): Task => ({ ...task, stopped: () => false, tick: task.beat });

/** Of this root and of the mounts in it. */
export function emptyTrash(ground: Ground, olderThanMs: number, task: Task): { entries: number; freedBytes: number } {
  const sum = { entries: 0, freedBytes: 0 };
  for (const top of [ground.root.path, ...mountsIn(ground.root.path)]) {
    let bin: number | null = null;
    if (task.hung.has(top) || (ground.root.oneFilesystem && top !== ground.root.path)) continue;
    task.on(top === ground.root.path ? null : top);
    try {
      bin = trashAt(ground, top, false);
      if (bin === null) continue;
      for (const token of fs.readdirSync(`/proc/self/fd/${bin}`)) {
        task.tick();
        const record = withinEntry(bin, token);
        if (record && task.now - record.atMs < (record.purge ? PURGE_MS : olderThanMs)) continue;
        const gone = removeTree(bin, Buffer.from(token), task);
        sum.entries += Math.max(0, gone.entries - 2);
        sum.freedBytes += gone.allocatedBytes;
      }
    } catch (error) {
      if (task.stopped()) throw error;
      // A mount that is gone or refused by the root's rules, a trash that is not ours: the others are emptied all the same.
    } finally {
      if (bin !== null) fs.closeSync(bin);
    }
  }
  return sum;
}
/** A removal that was under way is left to end. */
const PURGE_MS = 10 * 60_000;

/** Its record, or what its folder says of its age. Null: what is no entry goes at once. */
function withinEntry(bin: number, token: string): Pick<Record_, 'atMs' | 'purge'> | null {
  if (!TOKEN.test(token)) return null;
  let fd: number;
  try {
    fd = fs.openSync(below(bin, token), O_PATH | O_NOFOLLOW | O_DIRECTORY);
  } catch {
    return null;
  }
  try {
    return recordOf(fd) ?? { atMs: Number(fs.fstatSync(fd).mtimeMs) };
  } finally {
    fs.closeSync(fd);
  }
}
