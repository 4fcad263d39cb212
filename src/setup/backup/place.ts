/** Where backups lie and what they are called; who else may reach that place; which of them are of this state. */
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { OpsError } from '../../core/errors.ts';
import { type Manifest, readManifest } from '../../store/backup.ts';
import { ASIDE } from '../../store/restore.ts';

/** `20261121T040000Z-3f2a`. Only such names are ever removed by us. */
const OURS = /^\d{8}T\d{6}Z-[0-9a-f]{4}$/;
const LEFT_OVER = /^\.\d{8}T\d{6}Z-[0-9a-f]{4}\.making-[0-9a-f]{8}$/;
/** Made so long ago, it is being made no more, by whichever host. */
const LEFT_OVER_MS = 6 * 60 * 60_000;
/** Of entries in the folder. */
const MOST_LISTED = 2_000;

export interface Backup {
  name: string;
  path: string;
  /** Null: nothing there can be read as one. */
  manifest: Manifest | null;
  bytes: number;
  /** Made by `backup create`, and of this state on this host. */
  ours: boolean;
}

export const stampOf = (ms: number): string =>
  new Date(ms)
    .toISOString()
    .replace(/[-:]/g, '')
    .replace(/\.\d+Z$/, 'Z');
export const newName = (ms: number): string => `${stampOf(ms)}-${randomBytes(2).toString('hex')}`;

export const folderOf = (stateDir: string, configured: string | null, given?: string): string =>
  given !== undefined ? resolve(given) : (configured ?? join(resolve(stateDir), 'backups'));

/** Who can write there puts tokens of his own into the next restore; who can read there has the audit's key. */
export function privateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const why = openTo(folder);
  if (why !== null)
    throw new OpsError('permission', `${folder} ${why.what}: a backup holds tokens’ hashes and keys.`, {
      hint: `Run: ${why.mend}, or name another folder: --to FOLDER or backup.dir.`,
    });
}

/** Null when only we (and root) can write and read there, by the path too. */
export function openTo(path: string): { what: string; mend: string } | null {
  const us = process.geteuid?.() ?? 0;
  const s = lstatSync(path);
  if (s.isSymbolicLink()) return { what: 'is a symbolic link', mend: `rm ${path}` };
  if (s.uid !== us && s.uid !== 0) return { what: `belongs to uid ${s.uid}`, mend: `chown -R ${us} ${path}` };
  if (s.mode & 0o077)
    return {
      what: `is open to others (mode ${(s.mode & 0o777).toString(8).padStart(4, '0')})`,
      mend: `chmod go-rwx ${path}`,
    };
  for (let above = dirname(path); ; above = dirname(above)) {
    const { mode } = statSync(above);
    if (mode & 0o002 && !(mode & 0o1000))
      return { what: `lies in ${above}, which everybody can write`, mend: `chmod o-w ${above}` };
    if (above === dirname(above)) return null;
  }
}

/** Newest first. */
export function backupsIn(folder: string, stateDir: string): Backup[] {
  const found = names(folder)
    .filter((name) => !name.startsWith('.'))
    .map((name) => backupAt(join(folder, name), stateDir))
    .filter((b): b is Backup => b !== null && (b.manifest !== null || OURS.test(b.name)));
  return found.sort((a, b) => (timeOf(a) < timeOf(b) ? 1 : -1)).slice(0, MOST_LISTED);
}

const timeOf = (b: Backup): string => b.manifest?.at.replace(/[-:]|\.\d+/g, '') ?? b.name;

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function backupAt(path: string, stateDir: string): Backup | null {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) return null;
  const manifest = readManifest(path);
  const name = basename(path);
  return {
    name,
    path,
    manifest,
    bytes: manifest?.files.reduce((sum, f) => sum + f.bytes, 0) ?? 0,
    ours:
      OURS.test(name) && (manifest === null || (manifest.host === hostname() && manifest.state === resolve(stateDir))),
  };
}

/** By its name in the folder, or by its path; the newest without either. */
export function findBackup(folder: string, stateDir: string, given: string | undefined): Backup {
  if (given === undefined) {
    const newest = backupsIn(folder, stateDir)[0];
    if (newest) return newest;
    throw new OpsError('not_found', `There is no backup in ${folder}.`, { hint: 'Make one: deckhand backup create' });
  }
  const path = given.includes('/') || isAbsolute(given) ? resolve(given) : join(folder, given);
  const found = backupAt(path, stateDir);
  if (found) return found;
  throw new OpsError('not_found', `There is no backup ${given}.`, {
    candidates: backupsIn(folder, stateDir)
      .slice(0, 5)
      .map((b) => b.name),
    hint: 'deckhand backup list shows them; one elsewhere is named by its path.',
  });
}

/** States that a restore put aside. */
export const asides = (stateDir: string): string[] =>
  names(stateDir)
    .filter((name) => ASIDE.test(name))
    .sort();

export function clearLeftOvers(folder: string, nowMs: number): void {
  for (const name of names(folder)) {
    if (!LEFT_OVER.test(name)) continue;
    const s = lstatSync(join(folder, name), { throwIfNoEntry: false });
    if (s && nowMs - s.mtimeMs > LEFT_OVER_MS) rmSync(join(folder, name), { recursive: true, force: true });
  }
}
