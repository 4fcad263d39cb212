/**
 * The only node:sqlite. Decides how the state database is opened, shared by several processes, given up when the disk is
 * full and taken up again; what a row means is decided in the file of its table. Everything here is synchronous: a
 * transaction cannot be interleaved with another one of this process.
 */
import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { Log } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { renameAside } from './corrupt.ts';
import { MIGRATIONS } from './migrations.ts';
import { migrate, type Step } from './schema.ts';
import { isBusy, isCorrupt, isFull, isOutage } from './sqlite_codes.ts';
import type { StateDir } from './state.ts';

export type Row = Record<string, string | number | Uint8Array | null>;

export interface Sql {
  get(sql: string, ...values: SQLInputValue[]): Row | undefined;
  all(sql: string, ...values: SQLInputValue[]): Row[];
  /** How many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
}

export interface Db {
  read<T>(work: (sql: Sql) => T): T;
  /**
   * BEGIN IMMEDIATE: the write lock is taken first, so that no reader has to be upgraded (which SQLite refuses with BUSY).
   * `durable` outlives a power cut; without it the last moments may be lost, never the order.
   */
  tx<T>(work: (sql: Sql) => T, o?: { durable?: boolean }): T;
  /** For what is only convenience: null when the database is out of order, never a throw for that. */
  attempt<T>(kind: 'read' | 'tx', work: (sql: Sql) => T): { value: T } | null;
  /** Why the database cannot be written now, or null. Tries again when the last try is 2 s old. */
  degraded(): string | null;
  close(): void;
}

type OpenDb = { steps?: readonly Step[]; putAside?: (path: string) => string };
export const BUSY_MS = 5_000;
const RETRY_MS = 2_000;
/** How often it is asked whether the file under the path is still the one that is open. */
const SAME_MS = 500;
const OPENING_MS = 15_000;

interface Connection {
  db: DatabaseSync;
  sql: Sql;
  inode: string;
}

/** Sleeps without the event loop: only while opening, where nothing of ours runs yet. */
const pause = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/**
 * SQLite would make the file readable for all. It is made before the first open and never opened by us again: closing any
 * descriptor of a file drops all locks that this process has on it (POSIX), also SQLite's.
 */
function makePrivate(path: string): void {
  try {
    closeSync(openSync(path, 'ax', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (statSync(path).mode & 0o077) chmodSync(path, 0o600);
  }
}

const inodeOf = (path: string): string => {
  const { dev, ino } = statSync(path);
  return `${dev}:${ino}`;
};

function connect(path: string, steps: readonly Step[]): Connection {
  const deadline = Date.now() + OPENING_MS;
  for (;;) {
    makePrivate(path);
    const inode = inodeOf(path);
    const db = new DatabaseSync(path, { timeout: BUSY_MS, enableForeignKeyConstraints: true });
    try {
      // Changing to WAL needs the file alone and does not wait for it by itself: hence the loop.
      if (db.prepare('PRAGMA journal_mode').get()?.journal_mode !== 'wal') db.exec('PRAGMA journal_mode = WAL');
      // A quarter of SQLite's own size for the log: on a small disk 4 MiB of it are half the room.
      db.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 256; PRAGMA journal_size_limit = 1048576');
      migrate(db, steps);
      return { db, sql: statements(db), inode };
    } catch (error) {
      db.close();
      if (!isBusy(error) || Date.now() > deadline) throw error;
      pause(5 + Math.random() * 20);
    }
  }
}

/** All SQL text is constant, so the cache is as bounded as the source. */
function statements(db: DatabaseSync): Sql {
  const cache = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    const statement = cache.get(sql) ?? db.prepare(sql);
    cache.set(sql, statement);
    return statement;
  };
  return {
    get: (sql, ...values) => prepared(sql).get(...values) as Row | undefined,
    all: (sql, ...values) => prepared(sql).all(...values) as Row[],
    run: (sql, ...values) => Number(prepared(sql).run(...values).changes),
  };
}

/** `how`: of another database of ours than the state's. */
export function openDb(state: StateDir, log: Log, monotonic = () => performance.now(), how: OpenDb = {}): Db {
  const { steps = MIGRATIONS, putAside = renameAside } = how;
  let open: Connection | null = null;
  let trouble: { why: string; atMs: number } | null = null;
  let lookedMs = Number.NEGATIVE_INFINITY;
  let closed = false;

  function drop(): void {
    try {
      open?.db.close();
    } catch {
      // It is given up either way.
    }
    open = null;
  }

  function troubled(why: string): OpsError {
    if (trouble?.why !== why)
      log.warn({ why, path: state.db }, 'state database is out of order; what is only convenience waits in memory');
    trouble = { why, atMs: monotonic() };
    return down(why);
  }
  const down = (why: string) =>
    new OpsError('unavailable', `The state database cannot be used: ${why}.`, {
      hint: `Make room under ${state.dir}; it is tried again by itself.`,
      retryAfterMs: RETRY_MS,
    });
  const resting = () => trouble !== null && monotonic() - trouble.atMs < RETRY_MS;

  function connection(): Connection {
    if (closed) throw down('it was closed');
    if (open && monotonic() - lookedMs > SAME_MS) {
      lookedMs = monotonic();
      let now = '';
      try {
        now = inodeOf(state.db);
      } catch {
        // Removed under us; the next lines begin a new one.
      }
      // Another process moved a corrupt file aside: locks taken in the old file would exclude nobody.
      if (now !== open.inode) drop();
    }
    if (open) return open;
    if (resting() && trouble) throw down(trouble.why);
    const full = state.full();
    if (full) throw troubled(full);
    state.ensure();
    try {
      open = connect(state.db, steps);
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      moveAside(error);
      open = connect(state.db, steps);
    }
    lookedMs = monotonic();
    return open;
  }

  function moveAside(error: unknown): void {
    drop();
    using held = openExclusive(join(state.leases, 'db'), BUSY_MS);
    if (!held) throw error;
    try {
      // Another process may have done it while we waited: a new file must not be moved aside again.
      const { db } = connect(state.db, steps);
      const verdict = db.prepare('PRAGMA integrity_check(1)').get()?.integrity_check;
      db.close();
      if (verdict === 'ok') return;
    } catch (again) {
      if (!isCorrupt(again)) throw again;
    }
    const where = putAside(state.db);
    log.error(
      { error: String(error), aside: where },
      'state database is corrupt: moved aside, a new one is begun (tokens and audit are not in it)',
    );
  }

  /** The connection, or `unavailable`: while we run, whatever stands in its way is only an outage. */
  function reach(write: boolean): Connection {
    if (write && resting() && trouble) throw down(trouble.why);
    let reached: Connection;
    try {
      reached = connection();
    } catch (error) {
      const known = translate(error);
      throw known instanceof OpsError && known.code === 'unavailable' ? known : troubled((known as Error).message);
    }
    const full = write ? state.full() : null;
    if (full) throw troubled(full);
    return reached;
  }

  /** Runs `work` on the connection; a second time where the first failed for a reason that was then removed. */
  function guarded<T>(write: boolean, work: (c: Connection) => T): T {
    for (let again = false; ; again = true) {
      const c = reach(write);
      try {
        const value = work(c);
        if (write && trouble) {
          log.info({ path: state.db }, 'state database is in order again');
          trouble = null;
        }
        return value;
      } catch (error) {
        // After a corrupt page the connection is dropped, and taken up again on the file that is then there.
        if (!again && isCorrupt(error) && aside(error)) continue;
        if (!again && isFull(error) && shrink()) continue;
        throw translate(error);
      }
    }
  }

  function aside(error: unknown): boolean {
    try {
      moveAside(error);
      return true;
    } catch {
      return false;
    }
  }

  function translate(error: unknown): unknown {
    if (isBusy(error))
      return new OpsError('unavailable', 'The state database was busy for too long.', {
        retryAfterMs: 1_000,
        cause: error,
      });
    const system = error instanceof Error && 'syscall' in error;
    if (!system && !isOutage(error)) return error;
    // After FULL the connection is good; after the others nobody says so.
    if (!isFull(error)) drop();
    return troubled((error as Error).message);
  }

  /** The log may hold pages that fit into the file itself: writing them back can make the room that is missing. */
  function shrink(): boolean {
    try {
      return open?.db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy === 0;
    } catch {
      return false;
    }
  }

  const db: Db = {
    read: (work) => guarded(false, (c) => work(c.sql)),
    tx: (work, o) =>
      guarded(true, ({ db, sql }) => {
        if (db.isTransaction) throw new Error('A transaction inside a transaction: pass the outer one on.');
        if (o?.durable) db.exec('PRAGMA synchronous = FULL');
        try {
          db.exec('BEGIN IMMEDIATE');
          const value = work(sql);
          db.exec('COMMIT');
          return value;
        } catch (error) {
          if (db.isTransaction) db.exec('ROLLBACK');
          throw error;
        } finally {
          if (o?.durable) db.exec('PRAGMA synchronous = NORMAL');
        }
      }),
    attempt(kind, work) {
      try {
        return { value: kind === 'tx' ? db.tx(work) : db.read(work) };
      } catch (error) {
        if (error instanceof OpsError && error.code === 'unavailable') return null;
        throw error;
      }
    },
    degraded() {
      if (trouble && !resting() && !closed)
        db.attempt('tx', (sql) =>
          sql.run(
            'INSERT INTO probe (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at',
            Date.now(),
          ),
        );
      return trouble?.why ?? null;
    },
    close() {
      closed = true;
      drop();
    },
  };
  try {
    connection();
  } catch (error) {
    const known = translate(error);
    // A newer schema or a folder that is not ours stops the start; a full disk does not.
    if (!(known instanceof OpsError) || known.code !== 'unavailable') throw known;
  }
  return db;
}

export interface Exclusive extends Disposable {
  release(): void;
}

/**
 * A lock of the operating system: it dies with its process, whatever killed that, and costs no write. Node has no flock, so
 * SQLite takes it: an empty file, held in an exclusive transaction that never writes. Null when another one has it.
 */
export function openExclusive(path: string, waitMs: number): Exclusive | null {
  makePrivate(path);
  const db = new DatabaseSync(path, { timeout: waitMs });
  try {
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (isBusy(error)) return null;
    throw error;
  }
  const release = () => {
    if (db.isOpen) db.close();
  };
  return { release, [Symbol.dispose]: release };
}
