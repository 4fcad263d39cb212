/**
 * The database as a file that can be carried away, and a look at such a file. Decides how it is copied beside writers and what of it
 * holds for another day. Beside db.ts the only node:sqlite: none of this may touch the connection that serves calls.
 *
 * VACUUM INTO, not backup(): one read transaction, so writers go on and what comes out is one moment. backup() copies by steps and
 * begins anew after each write of another process; measured beside 350 writes a second, 2 MiB took 460 steps, 100 MiB never ended
 * (VACUUM INTO: 40 and 350 ms). Rows that were deleted are not in it either.
 */
import { closeSync, openSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { OpsError } from '../core/errors.ts';
import { BUSY_MS } from './db.ts';
import { MIGRATIONS } from './migrations.ts';
import { isBusy, isCorrupt } from './sqlite_codes.ts';

/** What belongs to processes that run, or to the half hour after: another day it would be untrue. */
const FLEETING = ['kept', 'work', 'locks', 'quotas', 'approval_links'];
/** A question that waited, and a yes that was not used: taken out of a copy it would be given a second time. */
const OPEN_QUESTIONS = "UPDATE approvals SET state = 'expired' WHERE state IN ('waiting', 'granted')";

/** Makes `to`, private. Returns the schema. The caller brings it to the disk, and removes what is left after an error. */
export function copyDb(from: string, to: string): number {
  closeSync(openSync(to, 'wx', 0o600));
  try {
    using source = new DatabaseSync(from, { timeout: BUSY_MS, readOnly: true });
    source.prepare('VACUUM INTO ?').run(to);
    using copy = new DatabaseSync(to);
    // Nobody else has it, and half a copy is thrown away.
    copy.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON');
    const tables = new Set(
      copy
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
        .all()
        .map((r) => r.name),
    );
    for (const table of FLEETING) if (tables.has(table)) copy.exec(`DELETE FROM ${table}`);
    if (tables.has('approvals')) copy.exec(OPEN_QUESTIONS);
    if (Number(copy.prepare('PRAGMA freelist_count').get()?.freelist_count) > 0) copy.exec('VACUUM');
    return Number(copy.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  } catch (error) {
    if (isBusy(error))
      throw new OpsError('unavailable', 'The state database was busy for too long.', {
        hint: 'Try again; `deckhand doctor` says who holds it.',
        retryAfterMs: 1_000,
        cause: error,
      });
    if (isCorrupt(error))
      throw new OpsError('unavailable', `The state database ${from} is damaged: ${(error as Error).message}.`, {
        hint: 'Restart Deckhand: it moves the file aside and begins a new one. `deckhand backup list` shows what can be restored.',
        cause: error,
      });
    throw error;
  }
}

export interface CopySeen {
  /** What SQLite's integrity check found; empty when all is well. */
  problems: string[];
  schema: number;
  /** Schema that this Deckhand knows. */
  known: number;
  /** Contents that receipts need, by name. */
  blobs: string[];
}

/** Of a copy that nobody writes: without a log file, looking changes no byte and makes no file. Throws nothing for a bad one. */
export function lookAtCopy(path: string): CopySeen {
  const seen: CopySeen = { problems: [], schema: 0, known: MIGRATIONS.length, blobs: [] };
  try {
    if (statSync(path).size === 0) return { ...seen, problems: ['the file is empty'] };
    using db = new DatabaseSync(path, { readOnly: true });
    const verdicts = db
      .prepare('PRAGMA integrity_check(10)')
      .all()
      .map((r) => String(r.integrity_check));
    seen.problems = verdicts.filter((v) => v !== 'ok');
    seen.problems.push(
      ...db
        .prepare('PRAGMA foreign_key_check')
        .all()
        .slice(0, 10)
        .map((r) => `a row of ${r.table} points nowhere`),
    );
    seen.schema = Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0);
    if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'blobs'").get())
      seen.blobs = db
        .prepare('SELECT sha FROM blobs ORDER BY sha')
        .all()
        .map((r) => String(r.sha));
  } catch (error) {
    seen.problems.push((error as Error).message);
  }
  return seen;
}
