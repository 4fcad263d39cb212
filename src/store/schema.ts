/**
 * Which code may use which schema. Decides whether a database is brought up to date, used as it is by code that is older, or refused;
 * what the steps are is said in migrations.ts, or by the file of another database of ours.
 */
import { OpsError } from '../core/errors.ts';

/**
 * One step of a schema. A plain text only adds, so that code of before goes on working beside it: new tables, new columns that are
 * nullable or have a default. Any other step says from which schema on code can use what it leaves.
 */
export type Step = string | { sql: string; readableFrom: number };

/** The little of a database that this asks for: node:sqlite itself is db.ts's. */
interface Connection {
  isTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): { get(): Record<string, unknown> | undefined };
}

const READABLE =
  'CREATE TABLE IF NOT EXISTS readable (id INTEGER PRIMARY KEY CHECK (id = 1), since INTEGER NOT NULL) STRICT';

/** The oldest schema whose code can use what these steps make. */
export const readableSince = (steps: readonly Step[]): number =>
  steps.reduce((since, step) => (typeof step === 'string' ? since : Math.max(since, step.readableFrom)), 1);

export function migrate(db: Connection, steps: readonly Step[]): void {
  const version = () => Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (version() === steps.length) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    // Asked again under the lock: seven others may have started with us.
    const done = version();
    if (done > steps.length) refuseUnreadable(db, done, steps.length);
    else if (done < steps.length) {
      for (const step of steps.slice(done)) db.exec(typeof step === 'string' ? step : step.sql);
      db.exec(READABLE);
      db.exec(`INSERT OR REPLACE INTO readable (id, since) VALUES (1, ${readableSince(steps)})`);
      db.exec(`PRAGMA user_version = ${steps.length}`);
    }
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** A newer version went back to this one, or runs beside it: the schema stays the newer one's. */
function refuseUnreadable(db: Connection, done: number, ours: number): void {
  const says = db.prepare("SELECT 1 AS there FROM sqlite_schema WHERE type = 'table' AND name = 'readable'").get();
  const since = says ? Number(db.prepare('SELECT since FROM readable WHERE id = 1').get()?.since ?? done) : done;
  if (since <= ours) return;
  throw new OpsError(
    'conflict',
    `The state was written by a newer Deckhand (schema ${done}; this one knows ${ours}).`,
    {
      hint: 'Start the newer version, or name another folder with --state-dir. A copy from before the upgrade: sudo deckhand service rollback --restore-store.',
    },
  );
}
