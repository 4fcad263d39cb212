/**
 * Who was here: for each principal, and each address of one, the first and the last use. Decides what is new, how much is kept and how
 * seldom it is written: a use that tells nothing new costs no write, but for one a minute. What becomes of news is policy's
 * (policy/security.ts). While the database is out of order nothing is called new; it is asked again when it is back.
 */
import type { Db, Sql } from './db.ts';

export interface Use {
  principal: string;
  /** Tells a credential from a later one of the same name: a token that was made anew is somebody new. */
  mark?: string | undefined;
  /** As limits count addresses; undefined where there is none. */
  address: string | undefined;
}

export interface Known {
  firstMs: number;
  lastMs: number;
  lastAddress: string | null;
  /** Requests, as far as they have been written: the last minute of a running server may be missing. */
  uses: number;
  /** On how many days (UTC). */
  days: number;
}

export interface Seen {
  /** What this use is the first of, as far as all processes on this state know; null: of nothing, or it cannot be told now. */
  note(use: Use): 'principal' | 'address' | null;
  /** `known` null: never, unless `why` says that it cannot be told. `mark`: only uses of this credential count. */
  of(principal: string, mark?: string): { known: Known | null; why: string | null };
  /** Writes what has not been written yet. */
  flush(): void;
}

const MOST = { principals: 1_000, addresses: 32, remembered: 4_096 };
const WRITTEN_EVERY_MS = 60_000;
/** The database itself rests so long after a failure. */
const ASKED_AGAIN_MS = 2_000;
const DAY_MS = 86_400_000;

interface Entry {
  principal: string;
  mark: string;
  address: string;
  /** The database knows of it. */
  settled: boolean;
  /** Not written yet. */
  uses: number;
  lastMs: number;
  /** Monotonic, of the last write or the last try. */
  triedMs: number;
}

export function openSeen(db: Db, b: { now(): number; elapsed(): number }, most = MOST): Seen {
  const entries = new Map<string, Entry>();

  function meet(entry: Entry): 'principal' | 'address' | null {
    entry.triedMs = b.elapsed();
    const { principal, mark, address } = entry;
    const found = db.attempt('tx', (sql) => {
      const own = sql.get("SELECT mark FROM seen WHERE principal = ? AND address = ''", principal);
      if (own && own.mark !== mark) sql.run('DELETE FROM seen WHERE principal = ?', principal);
      const stranger = own?.mark !== mark;
      const elsewhere =
        address !== '' && !sql.get('SELECT 1 FROM seen WHERE principal = ? AND address = ?', principal, address);
      write(sql, entry);
      if (stranger) prunePrincipals(sql, most.principals);
      else if (elsewhere) pruneAddresses(sql, principal, most.addresses);
      return stranger ? ('principal' as const) : elsewhere ? ('address' as const) : null;
    });
    if (!found) return null;
    entry.settled = true;
    entry.uses = 0;
    return found.value;
  }

  function flush(): void {
    const due = [...entries.values()].filter((e) => e.settled && e.uses > 0);
    if (due.length === 0) return;
    const done = db.attempt('tx', (sql) => {
      for (const entry of due) write(sql, entry);
      return true;
    });
    for (const entry of due) {
      entry.triedMs = b.elapsed();
      if (done) entry.uses = 0;
    }
  }

  return {
    note({ principal, mark = '', address = '' }) {
      const key = `${principal}\0${address}`;
      let entry = entries.get(key);
      if (entry?.mark !== mark) entry = undefined;
      if (!entry) {
        if (entries.size >= most.remembered) {
          flush();
          entries.clear();
        }
        entry = { principal, mark, address, settled: false, uses: 1, lastMs: b.now(), triedMs: 0 };
        entries.set(key, entry);
        return meet(entry);
      }
      entry.uses++;
      entry.lastMs = b.now();
      const sinceMs = b.elapsed() - entry.triedMs;
      if (!entry.settled) return sinceMs < ASKED_AGAIN_MS ? null : meet(entry);
      if (sinceMs >= WRITTEN_EVERY_MS) flush();
      return null;
    },

    of(principal, mark) {
      const found = db.attempt('read', (sql) =>
        sql.get(
          "SELECT mark, first, last, last_address, uses, days FROM seen WHERE principal = ? AND address = ''",
          principal,
        ),
      );
      if (!found) return { known: null, why: db.degraded() ?? 'the state database cannot be read' };
      const row = found.value;
      if (!row || (mark !== undefined && row.mark !== mark)) return { known: null, why: null };
      const known: Known = {
        firstMs: Number(row.first),
        lastMs: Number(row.last),
        lastAddress: row.last_address === '' ? null : String(row.last_address),
        uses: Number(row.uses),
        days: Number(row.days),
      };
      return { known, why: null };
    },

    flush,
  };
}

function write(sql: Sql, { principal, mark, address, uses, lastMs }: Entry): void {
  const day = Math.floor(lastMs / DAY_MS);
  // The principal's own row, and that of its address.
  for (const of of address === '' ? [''] : ['', address])
    sql.run(
      `INSERT INTO seen (principal, address, mark, first, last, last_address, uses, days) VALUES (?, ?, ?, ?, ?, ?, ?, 1)
        ON CONFLICT (principal, address) DO UPDATE SET
          last_address = CASE WHEN excluded.last >= last THEN excluded.last_address ELSE last_address END,
          days = days + (? > last / ${DAY_MS}),
          last = max(last, excluded.last), uses = uses + excluded.uses`,
      principal,
      of,
      mark,
      lastMs,
      lastMs,
      address,
      uses,
      day,
    );
}

/** Those that were not here for longest go, with their addresses. */
function prunePrincipals(sql: Sql, most: number): void {
  sql.run(
    `DELETE FROM seen WHERE principal IN
      (SELECT principal FROM seen WHERE address = '' ORDER BY last DESC, principal DESC LIMIT -1 OFFSET ?)`,
    most,
  );
}

function pruneAddresses(sql: Sql, principal: string, most: number): void {
  sql.run(
    `DELETE FROM seen WHERE principal = ? AND address IN
      (SELECT address FROM seen WHERE principal = ? AND address <> '' ORDER BY last DESC, address LIMIT -1 OFFSET ?)`,
    principal,
    principal,
    most,
  );
}
