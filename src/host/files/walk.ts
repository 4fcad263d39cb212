/**
 * The way from a root to a thing in it: component by component, each opened below the descriptor of the one before
 * (/proc/self/fd/N/name, O_PATH | O_NOFOLLOW), so that nothing is looked at by one name and used by another. Decides what may be
 * reached; what is done with it there is read.ts's business.
 *
 * A link inside the root is followed by reading it and walking on from a directory already held, never by the kernel, and its
 * `..` goes back to the descriptor we came from, never to the kernel's parent, which a rename can have moved out of the root.
 *
 * All calls are synchronous and may hang with their mount: this runs in a thread (pool.ts).
 */
import fs from 'node:fs';
import { OpsError, toOpsError } from '../../core/errors.ts';
import type { FileKind, FilePath, FileRoot, FileStat } from '../../core/files.ts';
import type { DeniedName } from './deny.ts';

const { O_RDONLY, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK, O_NOCTTY } = fs.constants;
/** Not among Node's constants; the same number on x86-64 and arm64. */
const O_PATH = 0o10000000;

const MAX_NAME = 255;
const MAX_PATH = 4096;
const MAX_HOPS = 40;
/** Every component holds a descriptor while the walk lasts. */
const MAX_DEPTH = 200;

/** File systems whose files are the kernel's answers, by f_type: of no size, endless, or with effects of being read. */
const KERNEL = new Set([
  0x9fa0, 0x62656572, 0x64626720, 0x74726163, 0x73636673, 0x62656570, 0xcafe4a11, 0xf97cff8c, 0x27e0eb, 0x63677270,
  0x6165676c, 0xde5e81e4, 0x1cd1, 0x42494e4d, 0x65735543, 0x19800202, 0x6e736673, 0x50494446,
]);

/** Of what a descriptor is on. */
export const isKernel = (fd: number) => KERNEL.has(fs.statfsSync(`/proc/self/fd/${fd}`).type);

/** The few calls that make or end a descriptor, so that the tests can count them. */
export interface Descriptors {
  open(path: string | Buffer, flags: number): number;
  close(fd: number): void;
}
const NODE: Descriptors = { open: (path, flags) => fs.openSync(path, flags), close: (fd) => fs.closeSync(fd) };

export interface Ground {
  root: FileRoot;
  denied: DeniedName;
  /** Device and inode of what is ours (`idOf`): denied under every name. */
  ours: ReadonlySet<string>;
  /** Of the caller: whether it may have what these components lead to. Absent: it has no bounds. */
  allowed?: (components: readonly Uint8Array[]) => boolean;
  /** Roots below this one. Their own rules hold there, so a link must not lead into them under the rules of this one. */
  inner?: readonly FileRoot[];
  descriptors?: Descriptors;
}

/** What was reached, held by an O_PATH descriptor, and the directory that it is in. Both end with `using`. */
export interface Place extends Disposable {
  fd: number;
  stat: fs.BigIntStats;
  /** The directory's O_PATH descriptor; null for the root itself. */
  parent: number | null;
  name: Buffer;
  /** All components from `/`, after links. */
  components: readonly Buffer[];
}

export interface Want {
  /** `write`: the root must allow it, and other names of the file (hard links) are refused. */
  access: 'read' | 'write';
  /** A link that ends the path is itself what is wanted. */
  link?: boolean;
  /** It is only on the way: whether the caller may have it is asked of what is wanted there. */
  onTheWay?: boolean;
}

export const idOf = (s: fs.BigIntStats) => `${s.dev}:${s.ino}`;
export const shown = (components: readonly Buffer[]) => `/${components.map((c) => c.toString('utf8')).join('/')}`;
const below = (fd: number, name: Buffer) => Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);

/** Absolute path → components. What no tool should be asked for is refused here, before anything is touched. */
export function componentsOf(path: FilePath): Buffer[] {
  const bytes = typeof path === 'string' ? Buffer.from(path, 'utf8') : Buffer.from(path);
  const bad = (message: string) =>
    new OpsError('validation', message, { hint: 'Give an absolute path, such as /etc/hosts.' });
  if (typeof path === 'string' && !path.isWellFormed()) throw bad('The path is no valid text.');
  if (bytes[0] !== 0x2f) throw bad('The path is not absolute.');
  if (bytes.length >= MAX_PATH) throw bad(`The path is longer than ${MAX_PATH - 1} bytes.`);
  if (bytes.some((b) => b < 0x20 || b === 0x7f)) throw bad('The path has control characters in it.');
  const parts = split(bytes);
  for (const part of parts) {
    if (part.length > MAX_NAME) throw bad(`A name in the path is longer than ${MAX_NAME} bytes.`);
    if (part.equals(UP)) throw bad('The path has ".." in it.');
  }
  if (parts.length > MAX_DEPTH) throw bad(`The path has more than ${MAX_DEPTH} components.`);
  return parts;
}

const UP = Buffer.from('..');
const HERE = Buffer.from('.');

/** Empty components and `.` say nothing. */
function split(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at <= bytes.length; ) {
    const slash = bytes.indexOf(0x2f, at);
    const end = slash < 0 ? bytes.length : slash;
    const part = bytes.subarray(at, end);
    if (part.length > 0 && !part.equals(HERE)) parts.push(part);
    at = end + 1;
  }
  return parts;
}

/** The same words for what is there and what is not: they must tell nothing of what lies outside. */
export const outside = () =>
  new OpsError('permission', 'That path is outside the folders that may be used here.', {
    hint: 'The setting `files.roots` says which folders may be used.',
  });
export const deniedError = () =>
  new OpsError('permission', 'That path is on the deny list: it may hold keys or passwords.', {
    hint: 'Nothing that a caller can do opens it. Read it on the host itself.',
  });
const refused = (message: string, hint: string) => new OpsError('permission', message, { hint });

/** Of the caller's bounds. */
export function mustAllow(ground: Ground, components: readonly Uint8Array[]): void {
  if (ground.allowed?.(components) === false)
    throw refused('The policy of this host’s owner does not let you at that path.', 'Ask the owner of this host.');
}

/** The root that a path lies in, by its name alone: the deepest one that allows the access. */
export function rootOf(roots: readonly FileRoot[], parts: readonly Buffer[], access: Want['access']): FileRoot {
  let best: { root: FileRoot; length: number } | undefined;
  for (const root of roots) {
    const own = componentsOf(root.path);
    if (!own.every((c, i) => parts[i]?.equals(c))) continue;
    if (!best || own.length > best.length) best = { root, length: own.length };
  }
  if (!best) throw outside();
  if (access === 'write' && best.root.access !== 'write')
    throw refused('That folder may be read here, not written.', 'The setting `files.roots` says which may be written.');
  return best.root;
}

/** Node's error names /proc/self/fd/17: ours names the path, and its errno for the retry of reads. */
export function failed(error: unknown, what: string): OpsError {
  if (error instanceof OpsError) return error;
  const { code, details } = toOpsError(error);
  const errno = details.errno;
  if (!errno) return toOpsError(error);
  const words: Record<string, string> = {
    ENOENT: 'There is no such file or folder',
    ENOTDIR: 'A part of the path is not a folder',
    EACCES: 'The system does not let this service read it',
    EPERM: 'The system does not let this service read it',
  };
  return new OpsError(code, `${words[errno] ?? `It cannot be read (${errno})`}: ${what}.`, { errno, cause: error });
}

/** The same for changes: what could not be done is not that it cannot be read. */
export function failedToChange(error: unknown, what: string): OpsError {
  if (error instanceof OpsError) return error;
  const { code, details } = toOpsError(error);
  const errno = details.errno;
  if (!errno) return toOpsError(error);
  const words: Record<string, string> = {
    EACCES: 'The system does not let this service change',
    EPERM: 'The system does not let this service change',
    EROFS: 'Its file system is mounted read-only',
    ENOSPC: 'No space is left on its file system',
    EDQUOT: 'The quota of its file system is used up',
  };
  const hint = { EACCES: RIGHTS, EPERM: RIGHTS, ENOSPC: FULL, EDQUOT: FULL }[errno];
  return new OpsError(code, `${words[errno] ?? `It cannot be changed (${errno})`}: ${what}.`, {
    errno,
    cause: error,
    ...(hint ? { hint } : {}),
  });
}
const RIGHTS = '`deckhand doctor` prints what would make it writable.';
const FULL = 'Use diagnose with disk_full to see what takes the space.';

export function walk(ground: Ground, path: readonly Buffer[], want: Want): Place {
  const { root, denied, ours } = ground;
  const io = ground.descriptors ?? NODE;
  const base = componentsOf(root.path);
  const inner = (ground.inner ?? []).map((r) => componentsOf(r.path));
  const held: { fd: number; stat: fs.BigIntStats }[] = [];
  /** Resolved components from `/`. The descriptor of the i-th is held[i + 1]; held[0] is `/`. */
  const at: Buffer[] = [];
  const pending = [...path];
  let hops = 0;
  let last: { fd: number; stat: fs.BigIntStats } | undefined;
  let kept = false;

  const release = () => {
    for (const { fd } of held.splice(0)) io.close(fd);
    if (last) io.close(last.fd);
    last = undefined;
  };
  const hold = (name: Buffer, parent: number | null, flags: number) => {
    const fd = io.open(parent === null ? '/' : below(parent, name), O_PATH | O_NOFOLLOW | flags);
    try {
      const stat = fs.fstatSync(fd, { bigint: true });
      if (ours.has(idOf(stat))) throw deniedError();
      return { fd, stat };
    } catch (error) {
      io.close(fd);
      throw error;
    }
  };
  const top = () => held.at(-1) as { fd: number; stat: fs.BigIntStats };
  /** Where the device changes, the file system may be the kernel's own. */
  const checkDevice = (fd: number, stat: fs.BigIntStats, inRoot: boolean) => {
    if (stat.dev === top().stat.dev || stat.isSymbolicLink()) return;
    if (isKernel(fd))
      throw refused('That is not a file on a disk, but an answer of the kernel.', 'Ask the system tools instead.');
    if (inRoot && root.oneFilesystem)
      throw refused(
        'That lies on another file system than its root.',
        'The root allows it with `oneFilesystem: false` in `files.roots`.',
      );
  };

  try {
    held.push(hold(HERE, null, O_DIRECTORY));
    while (pending.length > 0) {
      const name = pending.shift() as Buffer;
      if (name.equals(UP)) {
        // Only a link brings one here. Above the root there is nothing to hold: names must lead back to it.
        at.pop();
        if (held.length > at.length + 1) io.close((held.pop() as { fd: number }).fd);
        continue;
      }
      if (at.length < base.length && !base[at.length]?.equals(name)) throw outside();
      at.push(name);
      if (denied(at)) throw deniedError();
      if (inner.some((r) => r.length === at.length && r.every((c, i) => at[i]?.equals(c))))
        throw refused('A symbolic link there leads into another root.', 'Ask for the path that it leads to.');
      const deep = at.length - base.length;
      if (deep > root.depth || at.length > MAX_DEPTH)
        throw refused(
          'That lies deeper in its root than may be reached.',
          'The root allows more with `depth` in `files.roots`.',
        );

      const entry = hold(name, top().fd, 0);
      let own = true;
      try {
        checkDevice(entry.fd, entry.stat, deep > 0);
        if (entry.stat.isSymbolicLink() && !(want.link && pending.length === 0 && deep > 0)) {
          if (deep <= 0)
            throw new OpsError('unavailable', 'A root in the settings goes through a symbolic link.', {
              hint: 'Write its real path into `files.roots`.',
            });
          if (root.symlinks === 'refuse')
            throw refused(
              'A symbolic link is on that path.',
              'The root allows links inside it with `symlinks: inside` in `files.roots`.',
            );
          if (++hops > MAX_HOPS) throw new OpsError('validation', 'Too many symbolic links are on that path.');
          at.pop();
          const target = linkOf(top().fd, name);
          if (target[0] === 0x2f) {
            at.length = 0;
            for (const { fd } of held.splice(1)) io.close(fd);
          }
          pending.unshift(...split(target));
          if (pending.length > MAX_DEPTH * 2) throw new OpsError('validation', 'A symbolic link there is too long.');
        } else if (entry.stat.isDirectory()) {
          held.push(entry);
          own = false;
        } else if (pending.length > 0) {
          throw new OpsError('not_found', `A part of the path is not a folder: ${shown(path as Buffer[])}.`);
        } else {
          last = entry;
          own = false;
        }
      } finally {
        if (own) io.close(entry.fd);
      }
    }
    if (at.length < base.length) throw outside();
    if (!want.onTheWay) mustAllow(ground, at);

    const isRoot = !last && at.length === base.length;
    const found = last ?? top();
    if (want.access === 'write' && found.stat.isFile() && found.stat.nlink > 1n)
      throw refused(
        'That file has other names (hard links), which a change would reach too.',
        'Change it on the host itself.',
      );
    kept = true;
    return {
      fd: found.fd,
      stat: found.stat,
      parent: isRoot ? null : ((last ? top() : (held.at(-2) as { fd: number })).fd ?? null),
      name: at.at(-1) ?? HERE,
      components: at,
      [Symbol.dispose]: release,
    };
  } catch (error) {
    throw failed(error, shown(path as Buffer[]));
  } finally {
    if (!kept) release();
  }
}

/** What was a link when it was opened may be another thing by now: then the path has changed under us, and is asked anew. */
export function linkOf(parent: number, name: Buffer): Buffer {
  try {
    return fs.readlinkSync(below(parent, name), { encoding: 'buffer' }) as Buffer;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
    throw new OpsError('conflict', 'The path changed while it was read.', { hint: 'Try again.' });
  }
}

/** For the bytes or the entries: the same thing that was looked at, by its descriptor. Never blocks on what it is. */
export function reopen(place: Place, io: Descriptors = NODE): number {
  if (!place.stat.isFile() && !place.stat.isDirectory())
    throw refused(`That is a ${kindOf(place.stat)}, not a file.`, 'Only ordinary files and folders are read.');
  return io.open(`/proc/self/fd/${place.fd}`, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

export function kindOf(s: fs.BigIntStats): FileKind {
  if (s.isFile()) return 'file';
  if (s.isDirectory()) return 'directory';
  if (s.isSymbolicLink()) return 'symlink';
  if (s.isFIFO()) return 'fifo';
  if (s.isSocket()) return 'socket';
  return s.isBlockDevice() ? 'block-device' : 'character-device';
}

export const statOf = (s: fs.BigIntStats): FileStat => ({
  kind: kindOf(s),
  sizeBytes: Number(s.size),
  allocatedBytes: Number(s.blocks) * 512,
  mode: Number(s.mode & 0o7777n),
  uid: Number(s.uid),
  gid: Number(s.gid),
  links: Number(s.nlink),
  modifiedMs: Number(s.mtimeMs),
  changedMs: Number(s.ctimeMs),
  accessedMs: Number(s.atimeMs),
  id: idOf(s),
});
