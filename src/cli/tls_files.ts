/**
 * Where a pair lies and how it is written: the key for its owner alone, both whole or not at all under their names, nothing of others
 * overwritten. Decides whose the files are: the user's that the server runs under, where that can be told by its state folder.
 */
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  constants,
  existsSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { OpsError } from '../core/errors.ts';
import type { PairFiles } from '../edge/tls_pair.ts';
import { shell } from './welcome.ts';

export interface Place extends PairFiles {
  dir: string;
  owner: { uid: number; gid: number } | null;
}

/** `out`: as it was said on the command line; otherwise in the state folder, which no file tool opens. */
export function placeOf(out: string | undefined, stateDir: string): Place {
  const dir = out === undefined ? join(stateDir, 'tls') : resolve(out);
  return { dir, certFile: join(dir, 'cert.pem'), keyFile: join(dir, 'key.pem'), owner: ownerOf(stateDir) };
}

/** Root writes for the service's user. Null: the files are ours. */
function ownerOf(stateDir: string): Place['owner'] {
  const state = statOf(stateDir);
  return process.geteuid?.() === 0 && state && state.uid !== 0 ? { uid: state.uid, gid: state.gid } : null;
}

export function refuseToOverwrite({ certFile, keyFile }: PairFiles): void {
  const there = [certFile, keyFile].find((file) => existsSync(file));
  if (there === undefined) return;
  throw new OpsError('conflict', `${there} exists already.`, {
    hint: 'With --force it is replaced, and clients have to be handed the new one; or name another folder with --out.',
  });
}

export function writePair(place: Place, { cert, key }: { cert: string; key: string }): void {
  const { dir, certFile, keyFile, owner } = place;
  try {
    const first = mkdirSync(dir, { recursive: true, mode: 0o700 });
    // Only what was made here is given away.
    if (first !== undefined && owner)
      for (let at = dir; ; at = dirname(at)) {
        chownSync(at, owner.uid, owner.gid);
        if (at === first) break;
      }
    const made = [
      { file: keyFile, at: written(dir, key, 0o600, owner) },
      { file: certFile, at: written(dir, cert, 0o644, owner) },
    ];
    for (const { file, at } of made) renameSync(at, file);
    synced(dir);
  } catch (thrown) {
    if (thrown instanceof OpsError) throw thrown;
    const errno = String((thrown as NodeJS.ErrnoException).code ?? thrown);
    throw new OpsError('permission', `The pair cannot be written to ${dir} (${errno}).`, {
      hint: `Run it as root, or as who may write there (ls -ld ${shell(dirname(dir))}), or name another folder with --out.`,
      cause: thrown,
    });
  }
}

/** Beside its place, complete on disk; gives the name that it has until then. */
function written(dir: string, text: string, mode: number, owner: Place['owner']): string {
  const path = join(dir, `.${randomBytes(8).toString('hex')}.tmp`);
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  try {
    writeFileSync(fd, text);
    if (owner) fchownSync(fd, owner.uid, owner.gid);
    fsyncSync(fd);
    return path;
  } catch (thrown) {
    rmSync(path, { force: true });
    throw thrown;
  } finally {
    closeSync(fd);
  }
}

function synced(dir: string): void {
  const fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function statOf(path: string): Stats | null {
  return statSync(path, { throwIfNoEntry: false }) ?? null;
}
