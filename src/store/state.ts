/**
 * The state folder: where everything that outlives a call lies, whether we may trust it, and whose it is. It decides no
 * contents. A folder that others can write is refused: who can swap tokens.json is every principal.
 */
import { lstatSync, mkdirSync, realpathSync, type Stats, statfsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { OpsError } from '../core/errors.ts';

export interface StateDir {
  dir: string;
  db: string;
  audit: string;
  auditKey: string;
  /** What systemd passed to this service, where the audit's key may be (audit_key.ts); null: nothing. */
  credentials: string | null;
  tokens: string;
  blobs: string;
  leases: string;
  /** Makes what is missing; throws the system's error when it cannot (a full disk), OpsError when we must not. */
  ensure(): void;
  /** Why the disk takes no more, or null. Cheap (2 µs): asked before each write to the database. */
  full(): string | null;
}

/** What a full or read-only disk answers: the state is then begun later, and reads go on without it. */
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']);

/**
 * Less than this and SQLite is not touched: on file systems that copy on write a store into its mapped index needs room,
 * and without it the kernel answers with SIGBUS, which no handler survives.
 */
const LEAST_FREE = 64 * 1024;

export const isNoRoom = (error: unknown): boolean => NO_ROOM.has(errnoOf(error));
export const errnoOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : '';

export function openState(path: string, credentials: string | null = null): StateDir {
  const dir = resolve(path);
  const at = (name: string) => join(dir, name);
  const folders = [at('audit'), at('blobs'), at('leases')];
  const state: StateDir = {
    dir,
    db: at('deckhand.db'),
    audit: at('audit'),
    auditKey: at('audit.key'),
    credentials,
    tokens: at('tokens.json'),
    blobs: at('blobs'),
    leases: at('leases'),
    ensure() {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      check(dir);
      for (const folder of folders) mkdirSync(folder, { recursive: true, mode: 0o700 });
    },
    full() {
      try {
        const fs = statfsSync(dir);
        const free = (process.geteuid?.() === 0 ? fs.bfree : fs.bavail) * fs.bsize;
        // Some file systems count nothing and say 0 of 0.
        return fs.blocks > 0 && free < LEAST_FREE ? `no space left under ${dir} (${free} bytes free)` : null;
      } catch {
        return null;
      }
    },
  };
  try {
    state.ensure();
  } catch (error) {
    if (error instanceof OpsError) throw error;
    if (!isNoRoom(error)) throw unusable(dir, error);
  }
  return state;
}

function unusable(dir: string, error: unknown): OpsError {
  const errno = errnoOf(error);
  if (errno === 'ENOTDIR' || errno === 'EEXIST')
    return new OpsError('conflict', `${dir} is not a folder.`, {
      hint: 'Name another one with --state-dir.',
      cause: error,
    });
  return new OpsError('permission', `The state folder ${dir} cannot be used (${errno || String(error)}).`, {
    hint: `Run: sudo install -d -m 700 -o ${process.geteuid?.() ?? 0} ${quoted(dir)}, or name another one with --state-dir.`,
    cause: error,
  });
}

/** Throws with the exact command where the folder is not ours alone. */
function check(dir: string): void {
  const us = process.geteuid?.() ?? 0;
  const link = lstatSync(dir);
  if (link.isSymbolicLink() && link.uid !== us && link.uid !== 0)
    throw refuse(
      `${dir} is a symbolic link made by uid ${link.uid}, who could point it elsewhere.`,
      `rm ${quoted(dir)}`,
    );
  const found: Stats = statSync(dir);
  if (found.uid !== us)
    throw refuse(
      `The state folder ${dir} belongs to uid ${found.uid}, and this process is uid ${us}.`,
      us === 0 ? `chown -R 0:0 ${quoted(dir)}` : `sudo chown -R ${us} ${quoted(dir)}`,
    );
  if (found.mode & 0o077)
    throw refuse(
      `The state folder ${dir} is open to others (mode ${(found.mode & 0o777).toString(8).padStart(4, '0')}).`,
      `chmod 700 ${quoted(dir)}`,
    );
  // Who may write a parent may rename ours away and put theirs in its place; the sticky bit (/tmp) forbids that.
  for (let above = dirname(realpathSync(dir)); ; above = dirname(above)) {
    const { mode } = statSync(above);
    if (mode & 0o002 && !(mode & 0o1000))
      throw refuse(
        `Everybody can write ${above}, and so replace the state folder ${dir}.`,
        `chmod o-w ${quoted(above)}`,
      );
    if (above === dirname(above)) return;
  }
}

const refuse = (message: string, command: string): OpsError =>
  new OpsError('permission', message, { hint: `Run: ${command}, or name another folder with --state-dir.` });

const quoted = (path: string): string => (/^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`);

/**
 * The CLI run by root on a service's state becomes the service's user before it opens anything: otherwise root's files
 * would lie in the folder and the service could not write them. True when it changed.
 */
export function becomeOwner(path: string): boolean {
  if (process.geteuid?.() !== 0) return false;
  let owner: Stats;
  try {
    owner = statSync(path);
  } catch {
    return false;
  }
  if (owner.uid === 0) return false;
  try {
    // With the user's own groups (docker, systemd-journal …), so that root sees what the service sees.
    (process as { initgroups?(user: number, group: number): void }).initgroups?.(owner.uid, owner.gid);
  } catch {
    process.setgroups?.([owner.gid]);
  }
  process.setgid?.(owner.gid);
  process.setuid?.(owner.uid);
  return true;
}
