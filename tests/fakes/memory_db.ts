/** The tables of the state database, without a file: real SQL for tests that need no second process. */
import { DatabaseSync } from 'node:sqlite';
import type { Db, Row, Sql } from '../../src/store/db.ts';
import { MIGRATIONS } from '../../src/store/migrations.ts';

export function memoryDb(): Db {
  const db = new DatabaseSync(':memory:');
  for (const step of MIGRATIONS) db.exec(step);
  const sql: Sql = {
    get: (text, ...values) => db.prepare(text).get(...values) as Row | undefined,
    all: (text, ...values) => db.prepare(text).all(...values) as Row[],
    run: (text, ...values) => Number(db.prepare(text).run(...values).changes),
  };
  const tx = <T>(work: (sql: Sql) => T): T => {
    db.exec('BEGIN IMMEDIATE');
    try {
      const value = work(sql);
      db.exec('COMMIT');
      return value;
    } catch (thrown) {
      db.exec('ROLLBACK');
      throw thrown;
    }
  };
  return {
    read: (work) => work(sql),
    tx,
    attempt: (kind, work) => ({ value: kind === 'tx' ? tx(work) : work(sql) }),
    degraded: () => null,
    close: () => db.close(),
  };
}
