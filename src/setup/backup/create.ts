/**
 * A backup made, looked at, and then an older one given up. Decides that a copy which is not in order is no backup, and which of the
 * older ones go: only those of this state on this host, and only for one that was found good.
 */
import { existsSync, lstatSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Log } from '../../core/call.ts';
import { OpsError } from '../../core/errors.ts';
import { openAudit } from '../../store/audit.ts';
import { copyStore } from '../../store/backup.ts';
import { openLeases } from '../../store/leases.ts';
import { finishRestore } from '../../store/restore.ts';
import { openState } from '../../store/state.ts';
import { type Backup, backupsIn, clearLeftOvers, findBackup, newName, privateFolder } from './place.ts';
import { type Verdict, verifyBackup } from './verify.ts';

export interface Create {
  stateDir: string;
  folder: string;
  keep: number;
  version: string;
  signal: AbortSignal;
  log: Log;
  /** Read by who may read them, before we became the state's owner. */
  extra: { path: string; content: Uint8Array }[];
  /** Where systemd put credentials: the audit's key may be one. */
  credentials?: string | null;
  now?: () => number;
}

export interface Created {
  backup: Backup;
  verdict: Verdict;
  /** Names of those that went. */
  removed: string[];
}

const MOST_EXTRA_BYTES = 1024 * 1024;

export async function createBackup(o: Create): Promise<Created> {
  const now = (o.now ?? Date.now)();
  const state = openState(o.stateDir);
  finishRestore(state);
  privateFolder(o.folder);
  using lease = openLeases(state, o.log).tryLease('backup');
  if (!lease)
    throw new OpsError('conflict', 'Another backup or restore of this state is under way.', {
      hint: 'Wait for it: deckhand backup list',
    });
  clearLeftOvers(o.folder, now);
  const path = join(o.folder, newName(now));
  await copyStore({ ...o, from: o.stateDir, to: path, now: () => now });
  const backup = findBackup(o.folder, o.stateDir, path);
  let verdict: Verdict;
  try {
    verdict = await verifyBackup(backup, o.signal, o.credentials);
  } catch (error) {
    rmSync(path, { recursive: true, force: true });
    throw error;
  }
  if (!verdict.ok) {
    rmSync(path, { recursive: true, force: true });
    throw new OpsError(
      'unavailable',
      `What was written to ${o.folder} is not what was copied: ${verdict.problems[0]}.`,
      {
        hint: 'It was removed, and older backups are untouched. Look at that disk: journalctl -k -p err, smartctl -a.',
      },
    );
  }
  const removed = await rotate(o, backup);
  record(o, backup, removed);
  return { backup, verdict, removed };
}

/** Older ones are looked at only where one is about to go. */
async function rotate(o: Create, made: Backup): Promise<string[]> {
  const older = backupsIn(o.folder, o.stateDir).filter((b) => b.ours && b.name !== made.name);
  if (older.length < o.keep) return [];
  const removed: string[] = [];
  let good = 1;
  for (const b of older) {
    if (good >= o.keep) {
      remove(b.path);
      removed.push(b.name);
    } else if ((await verifyBackup(b, o.signal, o.credentials)).ok) good++;
  }
  return removed;
}

/** First out of sight: half a backup never stands under a name that is looked for. */
function remove(path: string): void {
  const aside = join(path, '..', `.${basename(path)}.making-00000000`);
  rmSync(aside, { recursive: true, force: true });
  renameSync(path, aside);
  rmSync(aside, { recursive: true, force: true });
}

/** Its hash in the live audit: a backup that somebody made over does not have it. Without that it is a backup nevertheless. */
function record(o: Create, { path, manifest, bytes }: Backup, removed: string[]): void {
  const who = `cli:${process.getuid?.() ?? 0}`;
  const what = `A backup was made: ${path}`;
  try {
    const audit = openAudit(openState(o.stateDir, o.credentials), o.log);
    audit.append('backup', {
      who,
      what,
      path,
      sha256: manifest?.sha256,
      bytes,
      ...(removed.length ? { removed } : {}),
    });
    audit.close();
  } catch (error) {
    o.log.warn({ error: String(error) }, 'the backup is not on record in the audit');
  }
}

/** The config and, if asked for, the files of secrets that it names, for a backup: never put back by themselves. */
export function configFiles(file: string | null, secretFiles: readonly string[]): Create['extra'] {
  const paths = [...(file === null ? [] : [file]), ...secretFiles].map((p) => resolve(p));
  return [...new Set(paths)].filter(existsSync).map((path) => {
    if (!lstatSync(path).isFile() && !lstatSync(path).isSymbolicLink()) throw notTaken(path, 'is no file');
    const content = readFileSync(path);
    if (content.length > MOST_EXTRA_BYTES) throw notTaken(path, 'is larger than 1 MiB');
    return { path: `config${path.replace(/[^\w./~@+-]/g, '_')}`, content };
  });
}

const notTaken = (path: string, why: string): OpsError =>
  new OpsError('validation', `${path} ${why}, and is not taken into a backup.`, { hint: 'Leave --with-config away.' });
