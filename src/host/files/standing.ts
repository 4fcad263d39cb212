/**
 * The place of a change: a directory that we hold and a name in it, with what stands there now. Decides what may be changed at all (no
 * link, no second name, nothing that runs with another's rights, no private key); what is done there is others' business.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { OpsError } from '../../core/errors.ts';
import type { Expected } from '../../core/files.ts';
import { MARK_BYTES, secretContent } from './deny.ts';
import type { Task } from './task.ts';
import { componentsOf, deniedError, failed, type Ground, idOf, kindOf, mustAllow, shown, walk } from './walk.ts';

const { O_RDONLY, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK, O_NOCTTY } = fs.constants;
export const O_PATH = 0o10000000;
/** Names of ours in folders of others. They are on the deny list, and in no list. */
export const OURS = '.deckhand-';
export const isOurs = (name: Uint8Array): boolean =>
  Buffer.from(name.subarray(0, OURS.length)).toString('latin1') === OURS;

export interface Target extends Disposable {
  /** The directory, opened for reading: names below it, and its fsync. */
  dir: number;
  name: Buffer;
  path: string;
  /** From `/`, after links on the way. */
  components: readonly Buffer[];
  /** What stands there, held by an O_PATH descriptor; null: nothing does. */
  is: { fd: number; stat: fs.BigIntStats } | null;
}

export const below = (fd: number, name: Uint8Array | string): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), typeof name === 'string' ? Buffer.from(name) : name]);
const refused = (message: string, hint: string) => new OpsError('permission', message, { hint });
const gone = (path: string) =>
  new OpsError('not_found', `There is no such file or folder: ${path}.`, { errno: 'ENOENT' });

/** Its folder must be there; it itself need not. */
export function target(ground: Ground, path: Uint8Array): Target {
  const parts = componentsOf(path);
  const said = shown(parts);
  const base = componentsOf(ground.root.path);
  if (ground.root.access !== 'write')
    throw refused('That folder may be read here, not written.', 'The setting `files.roots` says which may be written.');
  if (parts.length <= base.length)
    throw refused('That is a root itself: what is in it can be changed, it cannot.', 'Name something in it.');
  using parent = walk(ground, parts.slice(0, -1), { access: 'read', onTheWay: true });
  if (!parent.stat.isDirectory()) throw gone(said);
  const name = parts.at(-1) as Buffer;
  const components = [...parent.components, name];
  // Also where nothing stands: a name on the deny list is not made either.
  if (ground.denied(components)) throw deniedError();
  mustAllow(ground, components);
  if (components.length - base.length > ground.root.depth)
    throw refused(
      'That lies deeper in its root than may be reached.',
      'The root allows more with `depth` in `files.roots`.',
    );
  const held: number[] = [];
  const release = () => {
    for (const fd of held.splice(0)) fs.closeSync(fd);
  };
  try {
    const dir = fs.openSync(`/proc/self/fd/${parent.fd}`, O_RDONLY | O_DIRECTORY);
    held.push(dir);
    const is = standing(dir, name);
    if (is) {
      held.push(is.fd);
      if (ground.ours.has(idOf(is.stat))) throw deniedError();
      if (is.stat.dev !== parent.stat.dev)
        throw new OpsError('validation', `Another file system is mounted there: ${said}.`, {
          hint: 'What is mounted is changed on the host itself.',
        });
      if ((ground.inner ?? []).some((r) => shown(componentsOf(r.path)) === shown(components)))
        throw refused('That is a root itself: what is in it can be changed, it cannot.', 'Name something in it.');
    }
    return { dir, name, path: shown(components), components, is, [Symbol.dispose]: release };
  } catch (error) {
    release();
    throw failed(error, said);
  }
}

function standing(dir: number, name: Buffer): Target['is'] {
  let fd: number;
  try {
    fd = fs.openSync(below(dir, name), O_PATH | O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return { fd, stat: fs.fstatSync(fd, { bigint: true }) };
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/** What stands there must be an ordinary file of one name, that runs with nobody's rights but the caller's. */
export function ordinary(t: Target): { fd: number; stat: fs.BigIntStats } {
  if (!t.is) throw gone(t.path);
  const { stat } = t.is;
  if (stat.isSymbolicLink())
    throw refused(`That is a symbolic link: ${t.path}.`, 'Change what it leads to, by its own path.');
  if (stat.isDirectory()) throw new OpsError('validation', `That is a folder: ${t.path}.`);
  if (!stat.isFile()) throw refused(`That is a ${kindOf(stat)}, not a file.`, 'Only ordinary files are changed.');
  if (stat.nlink > BigInt(1 + otherNames(t).length))
    throw refused(
      'That file has other names (hard links), which a change would part it from.',
      'Change it on the host itself.',
    );
  if ((stat.mode & 0o6000n) !== 0n)
    throw refused(
      'That file runs with the rights of its owner or group (setuid, setgid).',
      'Change it on the host itself.',
    );
  return t.is;
}

/** What goes as a whole: a file of one name, or a folder; the very one that was looked at. */
export function whole(t: Target, id: string): { fd: number; stat: fs.BigIntStats } {
  if (!t.is) throw gone(t.path);
  if (idOf(t.is.stat) !== id) throw conflict(t.path, 'is another file now');
  const left = otherNames(t);
  for (const name of left) fs.rmSync(below(t.dir, name), { force: true });
  if (left.length > 0) t.is.stat = fs.fstatSync(t.is.fd, { bigint: true });
  const { stat } = t.is;
  if (stat.isDirectory()) return t.is;
  if (stat.isSymbolicLink())
    throw refused(`That is a symbolic link: ${t.path}.`, 'Remove or rename it on the host itself.');
  if (!stat.isFile())
    throw refused(`That is a ${kindOf(stat)}, not a file.`, 'Only ordinary files and folders are moved.');
  if (stat.nlink > 1n)
    throw refused('That file has other names (hard links), which stay behind.', 'Change it on the host itself.');
  return t.is;
}

/** Names that a killed change of ours left this very file, beside it. They do not count, and the next change removes them. */
export function otherNames(t: Target): Buffer[] {
  if (!t.is?.stat.isFile() || t.is.stat.nlink < 2n) return [];
  const id = idOf(t.is.stat);
  return (fs.readdirSync(`/proc/self/fd/${t.dir}`, { encoding: 'buffer' }) as Buffer[]).filter((name) => {
    if (!isOurs(name)) return false;
    const found = fs.lstatSync(below(t.dir, name), { bigint: true, throwIfNoEntry: false });
    return found !== undefined && idOf(found) === id;
  });
}

const PIECE = 1024 * 1024;

/** SHA-256 of all of it, and whether a private key is in it. `most`: more bytes are `limit`. */
export function digest(
  fd: number,
  task: Task,
  o: { most: number; path: string; onBytes?: (b: Buffer) => void },
): string {
  const open = fs.openSync(`/proc/self/fd/${fd}`, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  try {
    const hash = createHash('sha256');
    // A key's mark may stand across two pieces.
    const buffer = Buffer.allocUnsafe(PIECE + MARK_BYTES);
    let carried = 0;
    for (let at = 0; ; ) {
      task.tick();
      const n = fs.readSync(open, buffer, carried, PIECE, at);
      if (n === 0) break;
      at += n;
      if (at > o.most)
        throw new OpsError('limit', `The file is larger than ${o.most} bytes: ${o.path}.`, {
          hint: 'Take a part of it, or ask for less.',
        });
      const all = buffer.subarray(0, carried + n);
      if (secretContent(all)) throw deniedError();
      const piece = all.subarray(carried);
      hash.update(piece);
      o.onBytes?.(piece);
      carried = Math.min(MARK_BYTES, all.length);
      buffer.copy(buffer, 0, all.length - carried, all.length);
    }
    return hash.digest('hex');
  } finally {
    fs.closeSync(open);
  }
}

export const conflict = (path: string, what: string) =>
  new OpsError('conflict', `${path} ${what}.`, { hint: 'Look at it again; nothing was changed.' });

/** Whether what stands there is what was expected: by its bytes. */
export function asExpected(t: Target, expected: Expected, task: Task): void {
  if (expected.missing) {
    if (t.is) throw conflict(t.path, 'is there, and was expected to be missing');
    return;
  }
  if (!t.is) throw conflict(t.path, 'is not there any more');
  const { fd } = ordinary(t);
  if (digest(fd, task, { most: MOST_COMPARED, path: t.path }) !== expected.sha256)
    throw conflict(t.path, 'has another content than expected');
}
const MOST_COMPARED = 16 * 1024 ** 3;

/** The same question once more, right before the change: by what the name leads to now. */
export function stillThere(t: Target): void {
  const now = fs.lstatSync(below(t.dir, t.name), { bigint: true, throwIfNoEntry: false });
  if (!now !== !t.is) throw conflict(t.path, now ? 'is there now' : 'is not there any more');
  if (!now || !t.is) return;
  const was = t.is.stat;
  if (idOf(now) !== idOf(was)) throw conflict(t.path, 'is another file now');
  // A folder is itself whatever comes and goes in it.
  if (was.isDirectory()) return;
  if (now.size !== was.size || now.mtimeNs !== was.mtimeNs || now.ctimeNs !== was.ctimeNs)
    throw conflict(t.path, 'was changed meanwhile');
}
