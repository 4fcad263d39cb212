/**
 * Whole answers whose shown part was cut, so that `result_query` can page them: in the database, so that any process may
 * answer, and in a small part of memory while that is out of order. Decides what is kept and for how long; redaction is
 * done before (what comes in is what a caller may see), and scopes are asked by who serves it.
 */
import { deflateSync, inflateSync } from 'node:zlib';
import type { Scope } from '../core/scopes.ts';
import type { Target } from '../core/tool.ts';
import type { Db, Row, Sql } from './db.ts';
import { newHandle } from './handles.ts';

export interface KeptRow {
  handle: string;
  principal: string;
  /** What the call that made it needed; asked again at each reading. */
  scopes: Scope[];
  /** What that call was about. */
  targets: Target[];
  tool: string;
  createdAtMs: number;
  expiresAtMs: number;
  data: Record<string, unknown>;
  foreignPaths: string[];
  lists: string[];
}

export type KeptInput = Pick<KeptRow, 'principal' | 'scopes' | 'tool' | 'data' | 'foreignPaths' | 'lists'> & {
  targets?: Target[];
  /** Running work gives its own, so that one handle serves before and after. */
  handle?: string;
};

export interface Kept {
  /** Null when it is too big to be kept. */
  put(result: KeptInput): string | null;
  /** Null when there is none, it expired, or it is another principal's: nobody can tell which. */
  get(handle: string, principal: string): KeptRow | null;
}

export interface KeptBounds {
  totalBytes: number;
  oneBytes: number;
  count: number;
  lifeMs: number;
  memoryBytes: number;
  now: () => number;
}

const BOUNDS: KeptBounds = {
  totalBytes: 64 * 1024 * 1024,
  oneBytes: 8 * 1024 * 1024,
  count: 2_000,
  lifeMs: 30 * 60_000,
  memoryBytes: 8 * 1024 * 1024,
  now: Date.now,
};

/** Measured: above this, level 1 costs less time than the pages it saves (2.6 MB: 13 + 1 ms against 23 ms). */
const PACK_FROM = 4 * 1024;
/** What an entry of the map costs beside its text, so that a flood of small ones is bounded too. */
const ENTRY = 512;

interface Held {
  row: Omit<KeptRow, 'data'>;
  text: Buffer;
}

export function openKept(db: Db, over: Partial<KeptBounds> = {}): Kept {
  const b = { ...BOUNDS, ...over };
  /** In order of age. */
  const memory = new Map<string, Held>();
  let memoryBytes = 0;

  function forget(handle: string): void {
    const held = memory.get(handle);
    if (!held) return;
    memory.delete(handle);
    memoryBytes -= held.text.length + ENTRY;
  }

  function hold(row: Omit<KeptRow, 'data'>, text: Buffer): string | null {
    const cost = text.length + ENTRY;
    if (cost > b.memoryBytes) return null;
    forget(row.handle);
    for (const [handle, held] of memory)
      if (held.row.expiresAtMs <= b.now() || memoryBytes + cost > b.memoryBytes) forget(handle);
    memory.set(row.handle, { row, text });
    memoryBytes += cost;
    return row.handle;
  }

  function makeRoom(sql: Sql, bytes: number, now: number): void {
    // By age, which has an index; a scan of the table would read every blob's page.
    sql.run('DELETE FROM kept WHERE created <= ?', now - b.lifeMs);
    const found = sql.get('SELECT count(*) AS n, coalesce(sum(bytes), 0) AS bytes FROM kept');
    let count = Number(found?.n);
    let total = Number(found?.bytes);
    while (count > 0 && (total + bytes > b.totalBytes || count >= b.count)) {
      const oldest = sql.get('SELECT handle, bytes FROM kept ORDER BY created LIMIT 1');
      if (!oldest) return;
      sql.run('DELETE FROM kept WHERE handle = ?', oldest.handle as string);
      count--;
      total -= Number(oldest.bytes);
    }
  }

  return {
    put({ data, handle = newHandle('r'), targets = [], ...rest }) {
      const text = Buffer.from(JSON.stringify(data));
      if (text.length > b.oneBytes) return null;
      const packed = text.length > PACK_FROM;
      const stored = packed ? deflateSync(text, { level: 1 }) : text;
      const now = b.now();
      const row = { handle, targets, ...rest, createdAtMs: now, expiresAtMs: now + b.lifeMs };
      const done = db.attempt('tx', (sql) => {
        makeRoom(sql, stored.length, now);
        sql.run(
          `INSERT INTO kept (handle, principal, scopes, tool, created, expires, bytes, packed, foreign_paths, lists, data, targets)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          handle,
          row.principal,
          JSON.stringify(row.scopes),
          row.tool,
          now,
          row.expiresAtMs,
          stored.length,
          packed ? 1 : 0,
          JSON.stringify(row.foreignPaths),
          JSON.stringify(row.lists),
          stored,
          JSON.stringify(targets),
        );
      });
      return done ? handle : hold(row, text);
    },

    get(handle, principal) {
      const now = b.now();
      const held = memory.get(handle);
      if (held) {
        if (held.row.expiresAtMs <= now) forget(handle);
        else if (held.row.principal === principal) return { ...held.row, data: JSON.parse(held.text.toString()) };
        return null;
      }
      const found = db.attempt('read', (sql) =>
        sql.get('SELECT * FROM kept WHERE handle = ? AND principal = ? AND expires > ?', handle, principal, now),
      );
      return found?.value ? fromRow(found.value) : null;
    },
  };
}

function fromRow(row: Row): KeptRow {
  const data = row.data as Uint8Array;
  return {
    handle: row.handle as string,
    principal: row.principal as string,
    scopes: JSON.parse(row.scopes as string),
    targets: JSON.parse(row.targets as string),
    tool: row.tool as string,
    createdAtMs: row.created as number,
    expiresAtMs: row.expires as number,
    foreignPaths: JSON.parse(row.foreign_paths as string),
    lists: JSON.parse(row.lists as string),
    data: JSON.parse((row.packed ? inflateSync(data) : Buffer.from(data)).toString()),
  };
}
