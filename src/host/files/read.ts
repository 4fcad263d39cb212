/**
 * Bounded reading of what a walk has reached. Believes no st_size: a file can grow under the read, claim nothing and go on
 * for ever, or claim a tebibyte of holes. Decides how much is read and that no private key is among it; runs in a thread.
 */
import fs from 'node:fs';
import { OpsError } from '../../core/errors.ts';
import type { FileBytes, FileEntry, FileKind, FileListing, FileStat } from '../../core/files.ts';
import { KEY_REACH, secretContent } from './deny.ts';
import { mountPoints } from './inside_mounts.ts';
import { digest, isOurs } from './standing.ts';
import type { Task } from './task.ts';
import {
  componentsOf,
  deniedError,
  failed,
  type Ground,
  kindOf,
  linkOf,
  type Place,
  reopen,
  shown,
  statOf,
  walk,
} from './walk.ts';

/** The most that one read or list holds in memory, whatever a caller asks for. */
export const MAX_READ = 8 * 1024 * 1024;
export const MAX_ENTRIES = 50_000;

const bounded = (n: number, most: number) => (Number.isFinite(n) ? Math.min(Math.max(0, Math.trunc(n)), most) : most);

export function readBytes(ground: Ground, path: Uint8Array, o: { offset?: number; length: number }): FileBytes {
  using place = walk(ground, componentsOf(path), { access: 'read' });
  const name = shown(place.components);
  if (place.stat.isDirectory())
    throw new OpsError('validation', `That is a folder: ${name}.`, { hint: 'Use file_list for folders.' });
  let fd: number | undefined;
  try {
    fd = reopen(place, ground.descriptors);
    const length = bounded(o.length, MAX_READ);
    const asked = Math.trunc(o.offset ?? 0);
    const size = Number(place.stat.size);
    const offset = asked < 0 ? Math.max(0, size + asked) : asked;
    if (!Number.isSafeInteger(offset)) throw new OpsError('validation', 'The offset is no whole number of bytes.');
    // With what stands before the range, so that no key is read from its middle; one byte more says whether there is more.
    const reach = Math.min(offset, KEY_REACH);
    const all = take(fd, offset - reach, reach + length + 1);
    if (secretContent(all) || (offset > reach && secretContent(take(fd, 0, KEY_REACH)))) throw deniedError();
    const stat = statOf(place.stat);
    const bytes = Uint8Array.from(all.subarray(reach, reach + length));
    return { path: name, stat, bytes, offset, truncated: all.length > reach + length };
  } catch (error) {
    throw failed(error, name);
  } finally {
    if (fd !== undefined) (ground.descriptors?.close ?? fs.closeSync)(fd);
  }
}

/** Of all of it; no more than `most`, and never of what may not be read. */
export function hashBytes(
  ground: Ground,
  path: Uint8Array,
  most: number,
  task: Task,
): { path: string; stat: FileStat; sha256: string } {
  using place = walk(ground, componentsOf(path), { access: 'read' });
  const name = shown(place.components);
  if (!place.stat.isFile())
    throw new OpsError('validation', `That is no file: ${name}.`, { hint: 'Only files have a hash.' });
  try {
    return { path: name, stat: statOf(place.stat), sha256: digest(place.fd, task, { most, path: name }) };
  } catch (error) {
    throw failed(error, name);
  }
}

/** Up to `length` bytes from `from`: fewer only at the end of the file. */
function take(fd: number, from: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let got = 0;
  while (got < length) {
    const n = fs.readSync(fd, buffer, got, length - got, from + got);
    if (n === 0) break;
    got += n;
  }
  return buffer.subarray(0, got);
}

export function listEntries(ground: Ground, path: Uint8Array, o: { limit: number; stat?: boolean }): FileListing {
  using place = walk(ground, componentsOf(path), { access: 'read', link: true });
  const name = shown(place.components);
  const stat = statOf(place.stat);
  if (place.stat.isSymbolicLink())
    return { path: name, stat, entries: null, truncated: false, target: linkText(place, name) };
  if (!place.stat.isDirectory()) return { path: name, stat, entries: null, truncated: false };
  const limit = bounded(o.limit, MAX_ENTRIES);
  try {
    const here = `/proc/self/fd/${place.fd}`;
    // The magic link leads to the directory we hold, whatever its name is now. Read in pieces: it may have millions of entries.
    const mounted = mountPoints().get(Buffer.from(name).toString('latin1'));
    const dir = fs.opendirSync(here, { encoding: 'buffer' as BufferEncoding, bufferSize: 256 });
    const entries: FileEntry[] = [];
    let truncated = false;
    try {
      for (let e = dir.readSync(); e !== null; e = dir.readSync()) {
        // Temporary files and the trash are our own business.
        if (isOurs(e.name as unknown as Buffer)) continue;
        if (entries.length >= limit) {
          truncated = true;
          break;
        }
        const bytes = e.name as unknown as Buffer;
        // A mount in it may hang, and is named without being touched.
        const look = o.stat === true && !mounted?.has(bytes.toString('latin1'));
        entries.push(entryOf(ground, place.components, here, bytes, look, dirKind(e)));
      }
    } finally {
      dir.closeSync();
    }
    return { path: name, stat, entries, truncated };
  } catch (error) {
    throw failed(error, name);
  }
}

function linkText(place: Place, path: string): Uint8Array {
  try {
    return place.parent === null ? new Uint8Array() : Uint8Array.from(linkOf(place.parent, place.name));
  } catch (error) {
    throw failed(error, path);
  }
}

function entryOf(
  ground: Ground,
  above: readonly Buffer[],
  here: string,
  name: Buffer,
  withStat: boolean,
  kind: FileKind | null,
): FileEntry {
  const text = name.toString('utf8');
  const bytes = Buffer.from(text, 'utf8').equals(name) ? null : Uint8Array.from(name);
  const entry: FileEntry = { name: text, bytes, kind, stat: null, denied: ground.denied([...above, name]) };
  if (entry.denied || !withStat) return entry;
  try {
    const found = fs.lstatSync(Buffer.concat([Buffer.from(`${here}/`), name]), { bigint: true });
    if (ground.ours.has(`${found.dev}:${found.ino}`)) return { ...entry, denied: true };
    return { ...entry, kind: kindOf(found), stat: statOf(found) };
  } catch {
    // It went away, or may not be looked at: it is listed with what the directory said of it.
    return entry;
  }
}

function dirKind(e: fs.Dirent): FileKind | null {
  if (e.isFile()) return 'file';
  if (e.isDirectory()) return 'directory';
  if (e.isSymbolicLink()) return 'symlink';
  if (e.isFIFO()) return 'fifo';
  if (e.isSocket()) return 'socket';
  if (e.isBlockDevice()) return 'block-device';
  return e.isCharacterDevice() ? 'character-device' : null;
}
