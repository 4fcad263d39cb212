/**
 * Work that outlasts its call: what runs, how far it is, whether it was asked to stop, and what became of it, also for
 * another process of the same principal. The owner's memory is the truth while it lives; rows of a dead owner are `lost`.
 */
import type { Progress, WorkState } from '../core/call.ts';
import type { Scope } from '../core/scopes.ts';
import type { Target } from '../core/tool.ts';
import type { Db, Row, Sql } from './db.ts';
import { newHandle } from './handles.ts';
import { isAlive, type Owner } from './owner.ts';

export interface WorkRow {
  handle: string;
  principal: string;
  scopes: Scope[];
  targets: Target[];
  tool: string;
  state: WorkState;
  createdAtMs: number;
  /** When the row is forgotten; while it runs that is half an hour from now. */
  expiresAtMs: number;
  progress: Progress | null;
  /** Handle of the kept result. */
  kept: string | null;
  error: WorkError | null;
}
export interface WorkError {
  code: string;
  message: string;
  hint?: string;
}
export interface WorkEnd {
  state: Exclude<WorkState, 'running' | 'lost'>;
  kept?: string | null;
  error?: WorkError;
}

export interface Work {
  /** Null when this principal, or all together, have too much under way. */
  begin(work: { principal: string; scopes: Scope[]; targets?: Target[]; tool: string }): string | null;
  progress(handle: string, progress: Progress): void;
  finish(handle: string, end: WorkEnd): void;
  /** False when there is nothing of this principal's to stop. */
  requestCancel(handle: string, principal: string): boolean;
  /** Asked by the owner, as often as it likes: the database is looked at no more than every quarter of a second. */
  cancelRequested(handle: string): boolean;
  get(handle: string, principal: string): WorkRow | null;
}

export interface WorkBounds {
  perPrincipal: number;
  all: number;
  lifeMs: number;
  now: () => number;
}
const BOUNDS: WorkBounds = { perPrincipal: 8, all: 32, lifeMs: 30 * 60_000, now: Date.now };

const PROGRESS_MS = 1_000;
const CANCEL_MS = 250;
/** Ended work that could not be written (a full disk) stays in memory, this many. */
const UNWRITTEN = 100;

/** `seen`: when its owner last wrote; decides only where the owner cannot be looked up. */
interface Mine extends WorkRow {
  cancel: boolean;
  seenMs: number;
  askedMs: number;
}

export function openWork(db: Db, self: Owner, over: Partial<WorkBounds> = {}): Work {
  const b = { ...BOUNDS, ...over };
  const mine = new Map<string, Mine>();
  const running = () => [...mine.values()].filter((w) => w.state === 'running');

  const alive = (row: Row) =>
    row.owner === self
      ? mine.get(row.handle as string)?.state === 'running'
      : isAlive(row.owner as string, b.now() - Number(row.seen));

  /** Rows of others that still run, by the word of the system. */
  function others(sql: Sql): Row[] {
    return sql
      .all("SELECT handle, principal, owner, seen FROM work WHERE state = 'running' AND owner <> ?", self)
      .filter((row) => {
        if (alive(row)) return true;
        sql.run("UPDATE work SET state = 'lost', ended = ? WHERE handle = ?", b.now(), row.handle as string);
        return false;
      });
  }

  function write(w: Mine): boolean {
    const ended = w.state === 'running' ? null : b.now();
    return (
      db.attempt('tx', (sql) => {
        sql.run(
          `INSERT INTO work (handle, principal, scopes, tool, owner, state, created, seen, ended, progress, kept, error, targets)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (handle) DO UPDATE SET state = excluded.state, seen = excluded.seen, ended = excluded.ended,
             progress = excluded.progress, kept = excluded.kept, error = excluded.error`,
          w.handle,
          w.principal,
          JSON.stringify(w.scopes),
          w.tool,
          self,
          w.state,
          w.createdAtMs,
          b.now(),
          ended,
          w.progress && JSON.stringify(w.progress),
          w.kept,
          w.error && JSON.stringify(w.error),
          JSON.stringify(w.targets),
        );
      }) !== null
    );
  }

  return {
    begin({ principal, scopes, targets = [], tool }) {
      const now = b.now();
      const found = db.attempt('tx', (sql) => {
        sql.run('DELETE FROM work WHERE ended <= ?', now - b.lifeMs);
        return others(sql);
      });
      const all = [...running(), ...(found?.value ?? [])];
      if (all.length >= b.all || all.filter((w) => w.principal === principal).length >= b.perPrincipal) return null;
      const w: Mine = {
        handle: newHandle('w'),
        principal,
        scopes,
        targets,
        tool,
        state: 'running',
        createdAtMs: now,
        expiresAtMs: now + b.lifeMs,
        progress: null,
        kept: null,
        error: null,
        cancel: false,
        seenMs: now,
        askedMs: now,
      };
      mine.set(w.handle, w);
      write(w);
      return w.handle;
    },

    progress(handle, progress) {
      const w = mine.get(handle);
      if (w?.state !== 'running') return;
      w.progress = progress;
      if (b.now() - w.seenMs < PROGRESS_MS) return;
      w.seenMs = b.now();
      write(w);
    },

    finish(handle, end) {
      const w = mine.get(handle);
      if (w?.state !== 'running') return;
      Object.assign(w, {
        state: end.state,
        kept: end.kept ?? null,
        error: end.error ?? null,
        expiresAtMs: b.now() + b.lifeMs,
      });
      if (write(w)) mine.delete(handle);
      const ended = [...mine.values()].filter((m) => m.state !== 'running');
      for (const old of ended.slice(0, -UNWRITTEN)) mine.delete(old.handle);
    },

    requestCancel(handle, principal) {
      const own = mine.get(handle);
      if (own) {
        if (own.principal !== principal || own.state !== 'running') return false;
        own.cancel = true;
        return true;
      }
      const done = db.attempt('tx', (sql) => {
        const row = sql.get(
          "SELECT * FROM work WHERE handle = ? AND principal = ? AND state = 'running'",
          handle,
          principal,
        );
        return row !== undefined && alive(row) && sql.run('UPDATE work SET cancel = 1 WHERE handle = ?', handle) > 0;
      });
      return done?.value ?? false;
    },

    cancelRequested(handle) {
      const w = mine.get(handle);
      if (!w) return false;
      if (!w.cancel && b.now() - w.askedMs >= CANCEL_MS) {
        w.askedMs = b.now();
        w.cancel =
          db.attempt('read', (sql) => sql.get('SELECT cancel FROM work WHERE handle = ?', handle))?.value?.cancel === 1;
      }
      return w.cancel;
    },

    get(handle, principal) {
      const own = mine.get(handle);
      if (own) {
        const { cancel: _, seenMs: __, askedMs: ___, ...row } = own;
        if (own.principal !== principal) return null;
        if (own.state === 'running') return { ...row, expiresAtMs: b.now() + b.lifeMs };
        return own.expiresAtMs > b.now() ? row : null;
      }
      const row = db.attempt('read', (sql) =>
        sql.get('SELECT * FROM work WHERE handle = ? AND principal = ?', handle, principal),
      )?.value;
      if (!row) return null;
      const expires = row.ended === null ? b.now() + b.lifeMs : Number(row.ended) + b.lifeMs;
      if (expires <= b.now()) return null;
      return {
        ...fromRow(row, expires),
        ...(row.state === 'running' && !alive(row) ? { state: 'lost' as const } : {}),
      };
    },
  };
}

const parsed = <T>(text: unknown): T | null => (typeof text === 'string' ? (JSON.parse(text) as T) : null);

function fromRow(row: Row, expiresAtMs: number): WorkRow {
  return {
    handle: row.handle as string,
    principal: row.principal as string,
    scopes: JSON.parse(row.scopes as string),
    targets: JSON.parse(row.targets as string),
    tool: row.tool as string,
    state: row.state as WorkState,
    createdAtMs: row.created as number,
    expiresAtMs,
    progress: parsed(row.progress),
    kept: row.kept as string | null,
    error: parsed(row.error),
  };
}
