/**
 * What gets into the index of files: names by folder, as they differ from what stands there, and texts in pieces. Each step is a short
 * transaction, because the process answers calls meanwhile. When what is done is decided in ../file_indexer.ts.
 */
import type { FileStat } from '../core/files.ts';
import type { Row, Sql } from './db.ts';
import { type FileIndexFile, PIECES, STATE } from './file_index.ts';
import { asked, pieces } from './trigrams.ts';

/** A file as it was when it was looked at: another stamp, another text. */
export const stampOf = (s: FileStat): string => `${s.sizeBytes}:${s.modifiedMs}:${s.changedMs}:${s.id}`;

export interface Seen {
  name: string;
  stat: FileStat;
  /** The name is no text: several files may be shown under it. */
  odd: boolean;
}
/** A file's bytes, and the file as it was when they were read. Null: nothing is kept of them, and it is proposed always. */
export interface Read {
  id: number;
  stat: FileStat;
  bytes: Uint8Array | null;
}
export interface ToRead {
  id: number;
  path: string;
  sizeBytes: number;
}

const ROWS_EACH = 100;
/** Of text, in one transaction: some ten milliseconds. */
const BYTES_EACH = 64 * 1024;

export type Fill = ReturnType<typeof fillOf>;

/** `rest`: between two steps. */
export function fillOf(index: FileIndexFile, o: { maxBytes: number; fileBytes: number; rest: () => Promise<void> }) {
  const tx = <T>(work: (sql: Sql) => T): T => index.db().tx(work);

  function drop(sql: Sql, row: Row): void {
    const id = row.id as number;
    forget(sql, id, row.pieces as number);
    sql.run('DELETE FROM names WHERE rowid = ?', id);
    sql.run('DELETE FROM entries WHERE id = ?', id);
  }

  function put(sql: Sql, folder: number, { name, stat, odd }: Seen, contents: boolean, known: Row | undefined): void {
    const state = stateOf(stat, contents, odd);
    const stamp = state === STATE.folder ? 'folder' : stampOf(stat);
    if (known) {
      forget(sql, known.id as number, known.pieces as number);
      sql.run('UPDATE entries SET stamp = ?, state = ?, pieces = 0 WHERE id = ?', stamp, state, known.id as number);
      return;
    }
    sql.run('INSERT INTO entries (folder, name, stamp, state) VALUES (?, ?, ?, ?)', folder, name, stamp, state);
    sql.run('INSERT INTO names (rowid, name) VALUES (last_insert_rowid(), ?)', name);
  }

  function stateOf(stat: FileStat, contents: boolean, odd: boolean): number {
    if (stat.kind === 'directory') return STATE.folder;
    if (stat.kind !== 'file' || !contents || (stat.sizeBytes === 0 && !odd)) return STATE.nothing;
    return odd || stat.sizeBytes > o.fileBytes ? STATE.apart : STATE.toRead;
  }

  /** So many rows at a time, for they cost a search of the tables each. */
  async function inSteps<T>(all: readonly T[], work: (sql: Sql, item: T) => void): Promise<void> {
    for (let at = 0; at < all.length; at += ROWS_EACH) {
      tx((sql) => {
        for (const item of all.slice(at, at + ROWS_EACH)) work(sql, item);
      });
      await o.rest();
    }
  }

  async function removeFolders(ids: readonly number[]): Promise<void> {
    for (const id of ids) {
      await inSteps(
        index.db().read((sql) => sql.all('SELECT id, pieces FROM entries WHERE folder = ?', id)),
        drop,
      );
      tx((sql) => sql.run('DELETE FROM folders WHERE id = ?', id));
    }
  }

  return {
    /** What lies in a folder now. Gives the folder's number. */
    async folder(root: string, path: string, seen: readonly Seen[], contents: boolean): Promise<number> {
      const row = index.db().read((sql) => sql.get('SELECT id FROM folders WHERE path = ?', path));
      const id = (row?.id ??
        tx((sql) => {
          sql.run('INSERT INTO folders (root, path) VALUES (?, ?)', root, path);
          return sql.get('SELECT last_insert_rowid() AS id')?.id;
        })) as number;
      const rows = row
        ? index.db().read((sql) => sql.all('SELECT id, name, stamp, state, pieces FROM entries WHERE folder = ?', id))
        : [];
      const known = new Map(rows.map((r) => [r.name as string, r]));
      // Of two under one shown name either may be meant.
      const unique = new Map(seen.map((s) => [s.name, s]));
      const changed = [...unique.values()].filter((s) => {
        const before = known.get(s.name);
        return before?.stamp !== (s.stat.kind === 'directory' ? 'folder' : stampOf(s.stat));
      });
      await inSteps(changed, (sql, s) => put(sql, id, s, contents, known.get(s.name)));
      await inSteps(
        rows.filter((r) => !unique.has(r.name as string)),
        drop,
      );
      return id;
    },

    /** The round is through: folders that it did not come by are gone. */
    async done(root: string, began: number, seen: ReadonlySet<number>): Promise<void> {
      const rows = index.db().read((sql) => sql.all('SELECT id FROM folders WHERE root = ?', root));
      await removeFolders(rows.map((r) => r.id as number).filter((id) => !seen.has(id)));
      tx((sql) => sql.run('INSERT OR REPLACE INTO roots VALUES (?, ?, NULL)', root, began));
    },

    /** It cannot be used, and why. */
    trouble(root: string, why: string): void {
      tx((sql) => sql.run('INSERT OR REPLACE INTO roots VALUES (?, NULL, ?)', root, why));
    },

    toRead(after: number, most: number): ToRead[] {
      const rows = index.db().read((sql) =>
        sql.all(
          `SELECT e.id, f.path, e.name, e.stamp FROM entries e JOIN folders f ON f.id = e.folder
              WHERE e.state = ${STATE.toRead} AND e.id > ? ORDER BY e.id LIMIT ?`,
          after,
          most,
        ),
      );
      return rows.map((r) => ({
        id: r.id as number,
        path: `${r.path === '/' ? '' : r.path}/${r.name}`,
        sizeBytes: Number.parseInt(String(r.stamp), 10),
      }));
    },

    /** Several files at once: each transaction costs FTS5 a segment, which it merges with others later. */
    async texts(read: readonly Read[]): Promise<void> {
      let steps: ((sql: Sql) => void)[] = [];
      let size = 0;
      const write = async () => {
        tx((sql) => {
          for (const step of steps) step(sql);
        });
        steps = [];
        size = 0;
        await o.rest();
      };
      for (const { id, stat, bytes } of read) {
        const state = stateOfText(bytes);
        steps.push((sql) =>
          forget(sql, id, Number(sql.get('SELECT pieces FROM entries WHERE id = ?', id)?.pieces ?? 0)),
        );
        let count = 0;
        for (const piece of bytes && state === STATE.read ? pieces(bytes) : []) {
          const n = count++;
          steps.push((sql) => {
            // With its text, so that a process that ends here leaves nothing that nobody removes.
            sql.run('UPDATE entries SET pieces = ? WHERE id = ?', n + 1, id);
            sql.run('INSERT INTO texts (rowid, text) VALUES (?, ?)', id * PIECES + n, piece);
          });
          size += piece.length;
          if (size > BYTES_EACH) await write();
        }
        const stamp = stampOf(stat);
        steps.push((sql) => sql.run('UPDATE entries SET state = ?, stamp = ? WHERE id = ?', state, stamp, id));
      }
      await write();
    },

    /** All of these hold what must not stand in it. */
    async never(values: readonly string[]): Promise<void> {
      for (const value of values) {
        const match = asked(value);
        if (!match) continue;
        const rows = index
          .db()
          .read((sql) =>
            sql.all(
              `SELECT id, pieces FROM entries WHERE id IN (SELECT rowid / ${PIECES} FROM texts WHERE texts MATCH ?)`,
              match,
            ),
          );
        await inSteps(rows, (sql, r) => {
          forget(sql, r.id as number, r.pieces as number);
          sql.run(`UPDATE entries SET state = ${STATE.toRead}, pieces = 0 WHERE id = ?`, r.id as number);
        });
      }
    },

    /** No more goes into it. */
    full(): boolean {
      return index.db().read((sql) => {
        const of = (row: Row | undefined) => Number(Object.values(row ?? {})[0] ?? 0);
        const pages = of(sql.get('PRAGMA page_count')) - of(sql.get('PRAGMA freelist_count'));
        return pages * of(sql.get('PRAGMA page_size')) >= o.maxBytes;
      });
    },
  };
}

/** As a search has it: a zero among the first bytes makes it binary. */
function stateOfText(bytes: Uint8Array | null): number {
  if (!bytes) return STATE.apart;
  if (bytes.subarray(0, 8 * 1024).includes(0)) return STATE.nothing;
  return bytes.includes(0) ? STATE.apart : STATE.read;
}

function forget(sql: Sql, id: number, count: number): void {
  for (let n = 0; n < count; n++) sql.run('DELETE FROM texts WHERE rowid = ?', id * PIECES + n);
}
