/**
 * A file gets new bytes, by a temporary file beside it and one rename (or one link, where nothing may stand there): whenever the process
 * dies, it is the old file or the new one, whole. Decides whose the new one is, and refuses before it begins where that cannot be kept.
 */
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { OpsError } from '../../core/errors.ts';
import type { Expected, FileNow, Written } from '../../core/files.ts';
import { copyAttributes } from '../exec.ts';
import { secretContent } from './deny.ts';
import {
  asExpected,
  below,
  conflict,
  digest,
  isOurs,
  OURS,
  ordinary,
  otherNames,
  stillThere,
  type Target,
  target,
} from './standing.ts';
import type { Task } from './task.ts';
import { isTrash } from './trash.ts';
import { deniedError, failedToChange, type Ground, idOf, statOf } from './walk.ts';

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
const PIECE = 1024 * 1024;
/** A write that takes longer than this without writing is none: an upload may wait for its client for hours. */
const LEFT_MS = 24 * 3_600_000;

export function readNow(ground: Ground, path: Uint8Array, most: number, task: Task): FileNow | null {
  using t = target(ground, path);
  mustBeWritable(t);
  if (!t.is) return null;
  try {
    const { fd, stat } = ordinary(t);
    const pieces: Buffer[] = [];
    const sha256 = digest(fd, task, { most, path: t.path, onBytes: (b) => pieces.push(Buffer.from(b)) });
    return { path: t.path, stat: statOf(stat), bytes: Uint8Array.from(Buffer.concat(pieces)), sha256 };
  } catch (error) {
    throw failedToChange(error, t.path);
  }
}

/** What a write there would meet, without writing. */
export function check(ground: Ground, path: Uint8Array, keepOwner: boolean): null {
  using t = target(ground, path);
  mustBeWritable(t);
  if (!t.is) return null;
  const { stat } = ordinary(t);
  const me = rights();
  const folder = fs.fstatSync(t.dir, { bigint: true });
  if ((folder.mode & 0o1000n) !== 0n && !me.fowner && stat.uid !== me.uid && folder.uid !== me.uid)
    throw new OpsError('permission', `Only its owner may replace ${t.path}: its folder has the sticky bit.`, {
      hint: 'Change it on the host itself.',
    });
  const mine = stat.uid === me.uid && (stat.gid === me.gid || me.groups.has(stat.gid));
  if (keepOwner && !mine && !me.chown) throw foreignOwner(t.path, stat);
  return null;
}

/** A write replaces a name in its folder: that is what must be allowed, whatever the file's own mode says. */
function mustBeWritable(t: Target): void {
  try {
    fs.accessSync(`/proc/self/fd/${t.dir}`, fs.constants.W_OK | fs.constants.X_OK);
  } catch (error) {
    throw failedToChange(error, t.path);
  }
}

interface Rights {
  uid: bigint;
  gid: bigint;
  groups: Set<bigint>;
  chown: boolean;
  fowner: boolean;
}

function rights(): Rights {
  let caps = 0n;
  try {
    caps = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(fs.readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0'}`);
  } catch {
    // Without /proc nothing here works anyway.
  }
  return {
    uid: BigInt(process.geteuid?.() ?? 0),
    gid: BigInt(process.getegid?.() ?? 0),
    groups: new Set((process.getgroups?.() ?? []).map(BigInt)),
    chown: (caps & 1n) !== 0n,
    fowner: (caps & 8n) !== 0n,
  };
}

const foreignOwner = (path: string, stat: fs.BigIntStats) =>
  new OpsError(
    'permission',
    `${path} belongs to user ${stat.uid}, group ${stat.gid}, which this service cannot give a file.`,
    {
      hint: 'With `keep_owner: false` the file may become this service’s own.',
    },
  );

export function writeFile(
  ground: Ground,
  path: Uint8Array,
  bytes: Uint8Array,
  o: { expected: Expected; mode?: number | undefined; keepOwner: boolean },
  task: Task,
): Written {
  using t = target(ground, path);
  let temporary: Buffer | null = null;
  let fd: number | null = null;
  try {
    check(ground, path, o.keepOwner);
    if (secretContent(bytes)) throw deniedError();
    asExpected(t, o.expected, task);
    sweep(t, task);
    temporary = below(t.dir, `${OURS}${randomBytes(12).toString('hex')}`);
    fd = fs.openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    for (let at = 0; at < bytes.length; ) {
      task.tick();
      at += fs.writeSync(fd, bytes, at, Math.min(PIECE, bytes.length - at), at);
    }
    const unkept = t.is ? inherit(fd, t.is, t.path, o.keepOwner) : null;
    if (!t.is) fs.fchmodSync(fd, (o.mode ?? 0o644) & 0o777);
    fs.fsyncSync(fd);
    // Last of all: what came meanwhile stays.
    asExpected(t, o.expected, task);
    task.tick();
    stillThere(t);
    if (t.is) fs.renameSync(temporary, below(t.dir, t.name));
    else {
      // A rename would replace what came this very moment; a link does not.
      putNew(temporary, t);
    }
    temporary = null;
    fs.fsyncSync(t.dir);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { path: t.path, stat: statOf(fs.fstatSync(fd, { bigint: true })), sha256, unkept };
  } catch (error) {
    throw failedToChange(error, t.path);
  } finally {
    if (fd !== null) fs.closeSync(fd);
    if (temporary) quietly(temporary);
  }
}

export function putNew(from: Buffer, t: Target): void {
  try {
    fs.linkSync(from, below(t.dir, t.name));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw conflict(t.path, 'is there now');
    if (!noLinks(code)) throw error;
    stillThere(t);
    fs.renameSync(from, below(t.dir, t.name));
    return;
  }
  fs.unlinkSync(from);
}

/** A file system without hard links (FAT, some of FUSE), or a kernel that lets nobody link what is another's. */
export const noLinks = (code: string | undefined) => code === 'EPERM' || code === 'EOPNOTSUPP' || code === 'ENOSYS';

/** Owner, group, mode, ACL and extended attributes of the file that it replaces; what it could not keep, in words. */
export function inherit(
  fd: number,
  is: { fd: number; stat: fs.BigIntStats },
  path: string,
  keepOwner: boolean,
): string | null {
  const { stat } = is;
  const own = fs.fstatSync(fd, { bigint: true });
  let mode = Number(stat.mode & 0o1777n);
  let lost: string | null = null;
  if (own.uid !== stat.uid || own.gid !== stat.gid) {
    try {
      fs.fchownSync(fd, Number(stat.uid), Number(stat.gid));
    } catch {
      if (keepOwner) throw foreignOwner(path, stat);
      lost = `its owner (user ${stat.uid}, group ${stat.gid})`;
      // Rights of a group that is not its group any more.
      mode &= 0o707;
    }
  }
  if (lost) {
    // An ACL names rights beside the owner's: under another owner they would be other rights.
    fs.fchmodSync(fd, mode);
    return `${lost}, and its ACL and extended attributes if it had any`;
  }
  const from = fs.openSync(`/proc/self/fd/${is.fd}`, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const copied = copyAttributes(from, fd);
    fs.fchmodSync(fd, mode);
    if (copied === 'done') return null;
    const words = 'its ACL and extended attributes, if it had any';
    if (copied === 'no tool') return `${words} (no program here could look: GNU cp)`;
    if (keepOwner)
      throw new OpsError('permission', `The ACL or an extended attribute of ${path} cannot be kept.`, {
        hint: 'With `keep_owner: false` the file goes without.',
      });
    return words;
  } finally {
    fs.closeSync(from);
  }
}

/** Temporary files of processes that died: of this folder, of this user, and old. And second names that a kill left this file. */
export function sweep(t: Target, task: Task): void {
  for (const name of otherNames(t)) quietly(below(t.dir, name));
  // Its number of names, and with it its ctime.
  if (t.is) t.is.stat = fs.fstatSync(t.is.fd, { bigint: true });
  const dir = fs.opendirSync(`/proc/self/fd/${t.dir}`, { encoding: 'buffer' as BufferEncoding, bufferSize: 256 });
  try {
    for (let n = 0, e = dir.readSync(); e !== null && n < 20_000; n++, e = dir.readSync()) {
      const name = e.name as unknown as Buffer;
      if (!isOurs(name) || isTrash(name)) continue;
      const found = fs.lstatSync(below(t.dir, name), { bigint: true, throwIfNoEntry: false });
      if (!found?.isFile() || found.uid !== BigInt(process.geteuid?.() ?? 0)) continue;
      if (task.now - Number(found.ctimeMs) > LEFT_MS && idOf(found) !== (t.is && idOf(t.is.stat)))
        quietly(below(t.dir, name));
    }
  } finally {
    dir.closeSync();
  }
}

function quietly(path: Buffer): void {
  try {
    fs.unlinkSync(path);
  } catch {
    // It went away, or a later sweep takes it.
  }
}
