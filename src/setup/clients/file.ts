/**
 * A settings file on disk: read whole, written in one step or not at all. Decides what is refused (no file, no UTF-8, too large, changed
 * since it was read), and that owner, permissions and a symbolic link in front of it stay. What is in it is for others.
 */

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { OpsError } from '../../core/errors.ts';

const MOST_BYTES = 32 * 1024 ** 2;

export interface Settings {
  /** As it was named. */
  file: string;
  /** Behind symbolic links: what is replaced. */
  real: string;
  /** Null: not there. */
  bytes: Buffer | null;
  text: string;
  mode: number;
  owner: { uid: number; gid: number } | null;
}

export function readSettings(file: string): Settings {
  const seen = lstatOf(file);
  if (!seen) return { file, real: file, bytes: null, text: '', mode: 0o600, owner: null };
  let real: string;
  try {
    real = realpathSync(file);
  } catch (cause) {
    throw new OpsError('not_found', `${file} is a link to nothing.`, {
      hint: 'Remove the link, or make what it points to.',
      cause,
    });
  }
  const fd = openSync(real, 'r');
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile())
      throw new OpsError('validation', `${file} is no file.`, { hint: 'Name the file with --config FILE.' });
    if (stat.size > MOST_BYTES)
      throw new OpsError('limit', `${file} is larger than 32 MiB.`, {
        hint: 'Write the entry by hand: deckhand client print',
      });
    const bytes = readFileSync(fd);
    const owner = { uid: stat.uid, gid: stat.gid };
    return { file, real, bytes, text: textOf(bytes, file), mode: stat.mode & 0o7777, owner };
  } finally {
    closeSync(fd);
  }
}

function textOf(bytes: Buffer, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new OpsError('validation', `${file} is not UTF-8. Nothing was written.`, {
      hint: 'Save it as UTF-8 in an editor, or write the entry by hand: deckhand client print',
    });
  }
}

const lstatOf = (file: string) => lstatSync(file, { throwIfNoEntry: false }) ?? null;

/** Null takes the file away. `secret`: for nobody else to read from now on. */
export function writeSettings(from: Settings, bytes: Buffer | null, { secret = false, makeFolder = false } = {}): void {
  const { real, file } = from;
  const folder = dirname(real);
  if (!existsSync(folder) && makeFolder) mkdirSync(folder, { recursive: true, mode: 0o700 });
  unchanged(from);
  if (bytes === null) {
    rmSync(real);
    return;
  }
  // A temporary name beside it: the same file system, so that the last step is one step.
  const next = join(folder, `.${basename(real)}.${randomBytes(6).toString('hex')}.tmp`);
  let fd: number | null = null;
  try {
    fd = openSync(next, 'wx', 0o600);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    if (process.platform !== 'win32') {
      const us = fstatSync(fd);
      const { owner } = from;
      if (owner && (owner.uid !== us.uid || owner.gid !== us.gid)) fchownSync(fd, owner.uid, owner.gid);
      fchmodSync(fd, secret ? from.mode & 0o700 : from.mode);
    }
    fsyncSync(fd);
    closeSync(fd);
    fd = null;
    unchanged(from);
    renameSync(next, real);
    syncFolder(folder);
  } catch (thrown) {
    if (fd !== null) closeSync(fd);
    rmSync(next, { force: true });
    if (thrown instanceof OpsError) throw thrown;
    const errno = String((thrown as NodeJS.ErrnoException).code ?? thrown);
    throw new OpsError('permission', `${file} cannot be written (${errno}). It is as it was.`, {
      hint: 'Run it as who may write there, or name another file with --config FILE.',
      cause: thrown,
    });
  }
}

/** The client, or an editor, may write it at any time. */
function unchanged({ file, real, bytes }: Settings): void {
  let now: Buffer | null = null;
  try {
    now = readFileSync(real);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
  }
  if (now === null ? bytes === null : bytes !== null && now.equals(bytes)) return;
  throw new OpsError('conflict', `${file} was changed by another program just now. Nothing was written.`, {
    hint: 'Run it again; if the client keeps writing its file, quit it first.',
  });
}

function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
