/**
 * Another state put in the place of the present one, within the state folder: the folder itself may be a mount point, and its owner
 * may not rename it. What is to happen is written down first (restore.json); from then on it is the new state, whoever is killed when:
 * the next process that opens the state finishes it. The present one is put aside, and nothing of it is lost. Which state is put in
 * the place, and whether that may be, is setup/backup's.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { OpsError } from '../core/errors.ts';
import { exclusively } from './leases.ts';
import { isAlive } from './owner.ts';
import type { StateDir } from './state.ts';
import { syncFolder, writeWhole } from './write_whole.ts';

const JOURNAL = 'restore.json';
const WAIT_MS = 30_000;
/** What is switched. Logs of the old database go before another one comes; all else in the folder stays where it is. */
const PARTS = [
  'deckhand.db-wal',
  'deckhand.db-shm',
  'deckhand.db',
  'audit',
  'audit.key',
  'blobs',
  'tls',
  'tokens.json',
];
export const STAGED = /^restoring-[0-9a-f]{8}$/;
export const ASIDE = /^before-restore-\d{8}T\d{6}Z(?:-[0-9a-f]{4})?$/;

interface Journal {
  /** Folder in the state's, whose parts come into the place. */
  from: string;
  /** Folder in the state's, where those go that were there. */
  aside: string;
  /** Parts that `from` had when this was written. */
  parts: string[];
}

/** From the moment that this has written the journal the state is that of `from`. */
export function switchState(state: StateDir, from: string, aside: string): void {
  const parts = PARTS.filter((name) => existsSync(join(state.dir, from, name)));
  mkdirSync(join(state.dir, aside), { mode: 0o700 });
  syncFolder(state.dir);
  try {
    writeWhole(join(state.dir, JOURNAL), JSON.stringify({ from, aside, parts } satisfies Journal));
  } catch (error) {
    if (!restoreBegun(state)) rmdirSync(join(state.dir, aside));
    throw error;
  }
  finishRestore(state);
}

export const restoreBegun = (state: StateDir): boolean => existsSync(join(state.dir, JOURNAL));

/** True when there was one to finish. Before anything else is opened; one look at the folder where there is none. */
export function finishRestore(state: StateDir): boolean {
  const path = join(state.dir, JOURNAL);
  if (!existsSync(path)) return false;
  return exclusively(join(state.leases, 'restore'), WAIT_MS, () => {
    if (!existsSync(path)) return false;
    const { from, aside, parts } = journal(path);
    for (const name of PARTS) replace(state.dir, name, { from, aside, coming: parts.includes(name) });
    for (const folder of [join(state.dir, aside), state.dir]) syncFolder(folder);
    rmSync(path);
    // Its parts are in the place; what is left are locks of who prepared it.
    rmSync(join(state.dir, from), { recursive: true, force: true });
    syncFolder(state.dir);
    return true;
  });
}

/** Each step may have been done already. */
function replace(dir: string, name: string, o: { from: string; aside: string; coming: boolean }): void {
  const staged = join(dir, o.from, name);
  const place = join(dir, name);
  const put = join(dir, o.aside, name);
  const arrived = o.coming && !lstatSync(staged, { throwIfNoEntry: false });
  if (arrived) return;
  const there = lstatSync(place, { throwIfNoEntry: false });
  if (there) {
    if (!lstatSync(put, { throwIfNoEntry: false })) renameSync(place, put);
    // Put aside before; who opened the folder since made an empty one. A full one would stop us, and is not ours to remove.
    else if (there.isDirectory() && readdirSync(place).every((n) => n === 'running')) removeEmpty(place);
  }
  if (o.coming) renameSync(staged, place);
}

function removeEmpty(folder: string): void {
  for (const inner of readdirSync(folder)) rmdirSync(join(folder, inner));
  rmdirSync(folder);
}

function journal(path: string): Journal {
  const broken = (cause?: unknown) =>
    new OpsError('conflict', `${path} is no list of what is to be restored.`, {
      hint: 'Nothing is opened before that is clear. docs/backup.md says how to finish it by hand.',
      cause,
    });
  let read: Journal;
  try {
    read = JSON.parse(readFileSync(path, 'utf8')) as Journal;
  } catch (error) {
    throw broken(error);
  }
  const named = (STAGED.test(read.from) || ASIDE.test(read.from)) && ASIDE.test(read.aside) && read.from !== read.aside;
  if (!named || !Array.isArray(read.parts)) throw broken();
  return read;
}

/** Processes of this machine that write the audit in this folder. Those of other containers cannot be looked up. */
export function writersOf(folder: string): number[] {
  const running = join(folder, 'audit', 'running');
  const names = existsSync(running) ? readdirSync(running) : [];
  const owners = names.map((n) => n.split('~')[1] ?? '').filter((owner) => isAlive(owner, Number.POSITIVE_INFINITY));
  return [...new Set(owners.map((o) => Number(o.split('.')[0])))].filter((pid) => pid !== process.pid);
}
