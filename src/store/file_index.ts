/**
 * Names and texts of files in a database of their own, which may be deleted at any time. Decides what it proposes to a search, and when
 * it is of no use. Of a text it holds only which three characters stand together in which piece of which file; of the files, what a
 * listing shows. What may be read, and whether a proposal is right, the host says; what gets into it, file_index_fill.ts.
 */
import { createHash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../core/call.ts';
import type { FileIndex, FileRoot, FindWhat } from '../core/files.ts';
import { type Db, openDb, type Row, type Sql } from './db.ts';
import type { StateDir } from './state.ts';
import { asked, literalOf } from './trigrams.ts';

/** One more with each change of what stands in it: an index of another number is begun anew. */
const FORMAT = 1;
const STEPS = [
  `CREATE TABLE about (id INTEGER PRIMARY KEY CHECK (id = 1), key TEXT NOT NULL);
   CREATE TABLE probe (id INTEGER PRIMARY KEY, at INTEGER);
   CREATE TABLE roots (path TEXT PRIMARY KEY, began INTEGER, trouble TEXT);
   CREATE TABLE folders (id INTEGER PRIMARY KEY, root TEXT NOT NULL, path TEXT NOT NULL UNIQUE);
   CREATE TABLE entries (id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, name TEXT NOT NULL, stamp TEXT NOT NULL,
     state INTEGER NOT NULL, pieces INTEGER NOT NULL DEFAULT 0, UNIQUE (folder, name));
   CREATE INDEX unread ON entries (state, id) WHERE state <= 1;
   CREATE VIRTUAL TABLE names USING fts5(name, tokenize = 'trigram', content = '', contentless_delete = 1, detail = none);
   CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = 'trigram', content = '', contentless_delete = 1, detail = none);`,
];

/** What an entry's text is. Up to `apart` it is proposed to every search, because nothing is known of it. */
export const STATE = { toRead: 0, apart: 1, read: 2, nothing: 3, folder: 4 } as const;
/** Pieces of one file follow one another. */
export const PIECES = 64;

/** With more of them a search is no quicker than without. */
const MOST_PROPOSED = 20_000;
const MOST_FOLDERS = 50_000;
/** Older by so many rounds, nobody keeps it any more. */
const OLD_ROUNDS = 10;
const OLD_MS = 600_000;
/** Clocks of file systems go by ticks, those of others apart from ours. */
const MARGIN_MS = 2_000;

export interface FileIndexOptions {
  state: StateDir;
  log: Log;
  roots: readonly FileRoot[];
  deny: readonly string[];
  ours: readonly string[];
  seconds: number;
  now: () => number;
}

export interface FileIndexFile extends FileIndex {
  path: string;
  roots: readonly FileRoot[];
  /** For what fills it. Begun anew where the rules are not those under which it was filled. */
  db(): Db;
  restart(): void;
  close(): void;
}

export function openFileIndex(o: FileIndexOptions): FileIndexFile {
  const path = join(o.state.dir, 'files-index.db');
  const roots = o.roots.filter((r) => r.index === 'names' || r.index === 'contents');
  // Whatever decides what may be read. A change throws the whole of it away.
  const key = createHash('sha256')
    .update(JSON.stringify([FORMAT, o.roots, o.deny, o.ours]))
    .digest('hex');
  let open: Db | null = null;

  const remove = () => {
    for (const part of ['-wal', '-shm', '']) rmSync(path + part, { force: true });
    return path;
  };
  const opened = () => {
    open ??= openDb({ ...o.state, db: path }, o.log, undefined, { steps: STEPS, putAside: remove });
    return open;
  };
  const isOurs = (sql: Sql) => sql.get('SELECT key FROM about')?.key === key;
  function restart(): void {
    open?.close();
    open = null;
    remove();
  }
  function db(): Db {
    let found: Db;
    try {
      found = opened();
      if (found.read(isOurs)) return found;
      const empty = found.read((sql) => sql.get('SELECT key FROM about')) === undefined;
      if (!empty) restart();
    } catch (error) {
      // Of a later version.
      if (!(error instanceof Error && 'code' in error && error.code === 'conflict')) throw error;
      restart();
    }
    found = opened();
    found.tx((sql) => sql.run('INSERT OR REPLACE INTO about VALUES (1, ?)', key));
    return found;
  }

  /** The root whose index holds what lies below; null: none does. */
  function rootOf(folder: string): FileRoot | null {
    const above = o.roots.filter((r) => within(r.path, folder));
    const inner = above.reduce<FileRoot | null>((a, b) => (a && a.path.length > b.path.length ? a : b), null);
    return inner && roots.includes(inner) ? inner : null;
  }

  function ready<T>(work: (sql: Sql) => T): { value: T } | { unused: string } {
    if (!open && !existsSync(path)) return { unused: 'it has not been built yet' };
    try {
      const found = opened().attempt('read', (sql) => (isOurs(sql) ? { value: work(sql) } : null));
      if (!found) return { unused: 'its database is out of order' };
      return found.value ?? { unused: 'it was built for other settings' };
    } catch (error) {
      o.log.debug({ err: error }, 'the index of files cannot be used');
      return { unused: 'its database is out of order' };
    }
  }

  return {
    path,
    roots,
    db,
    restart,
    propose(folder, what) {
      const root = rootOf(folder);
      const question = root && questionOf(root, what);
      if (!root || !question) return null;
      if (o.roots.some((r) => r.path !== folder && within(folder, r.path)))
        return { unused: 'another root lies in this folder' };
      const said = ready((sql) => {
        const kept = sql.get('SELECT began, trouble FROM roots WHERE path = ?', root.path);
        if (typeof kept?.trouble === 'string') return { unused: kept.trouble };
        if (typeof kept?.began !== 'number') return { unused: 'it is being built' };
        const ageMs = Math.max(0, o.now() - kept.began);
        if (ageMs > Math.max(OLD_MS, OLD_ROUNDS * o.seconds * 1_000))
          return { unused: `it is ${Math.round(ageMs / 1_000)} s old` };
        if (!sql.get('SELECT 1 FROM folders WHERE path = ?', folder)) return { unused: 'it does not know this folder' };
        const rows = question(sql, folder);
        if (rows.length > MOST_PROPOSED) return { unused: 'it would propose too many files, or is still reading them' };
        return { paths: rows.map((r) => below(folder, r)), ageMs, sinceMs: kept.began - MARGIN_MS };
      });
      return 'value' in said ? said.value : said;
    },
    folders(folder) {
      const said = ready((sql) =>
        sql.all(`SELECT path FROM folders WHERE ${BELOW} LIMIT ?`, ...range(folder), MOST_FOLDERS + 1),
      );
      if (!('value' in said) || said.value.length > MOST_FOLDERS) return null;
      const from = folder === '/' ? 1 : folder.length + 1;
      return said.value.map((r) => String(r.path).slice(from));
    },
    names(folder) {
      const said = ready((sql) => {
        const row = sql.get('SELECT id FROM folders WHERE path = ?', folder);
        return row ? sql.all('SELECT name FROM entries WHERE folder = ?', row.id as number) : null;
      });
      return 'value' in said && said.value ? new Set(said.value.map((r) => String(r.name))) : null;
    },
    close() {
      open?.close();
      open = null;
    },
  };
}

const within = (above: string, path: string) => path === above || path.startsWith(above === '/' ? '/' : `${above}/`);

const BELOW = 'path > ? AND path < ?';
/** Paths below a folder, `0` being what follows `/`. */
const range = (folder: string): [string, string] => (folder === '/' ? ['/', '0'] : [`${folder}/`, `${folder}0`]);
const FOUND = 'SELECT f.path, e.name, e.state FROM entries e JOIN folders f ON f.id = e.folder';
const IN = `(f.path = ? OR (f.${BELOW.replace('path <', 'f.path <')}))`;

function below(folder: string, { path, name, state }: Row): string {
  const at = String(path);
  const lead = at === folder ? '' : `${at.slice(folder === '/' ? 1 : folder.length + 1)}/`;
  return `${lead}${name}${state === STATE.folder ? '/' : ''}`;
}

/** How the tables are asked; null: they cannot tell. */
function questionOf(root: FileRoot, what: FindWhat): ((sql: Sql, folder: string) => Row[]) | null {
  const most = MOST_PROPOSED + 1;
  if (what.content) {
    const { text, regex, holds } = what.content;
    const match = root.index === 'contents' ? asked((regex ? holds : text) ?? '') : null;
    if (!match) return null;
    return (sql, folder) => [
      ...sql.all(
        `${FOUND} WHERE e.id IN (SELECT DISTINCT rowid / ${PIECES} FROM texts WHERE texts MATCH ?) AND e.state = ${STATE.read} AND ${IN} LIMIT ?`,
        match,
        folder,
        ...range(folder),
        most,
      ),
      ...sql.all(`${FOUND} WHERE e.state <= ${STATE.apart} AND ${IN} LIMIT ?`, folder, ...range(folder), most),
    ];
  }
  if (what.glob === undefined) return null;
  const literal = literalOf(what.glob);
  if (!/^[\x20-\x7e]+$/.test(literal)) return null;
  const match = asked(literal);
  if (match)
    return (sql, folder) =>
      sql.all(
        `${FOUND} WHERE e.id IN (SELECT rowid FROM names WHERE names MATCH ?) AND ${IN} LIMIT ?`,
        match,
        folder,
        ...range(folder),
        most,
      );
  return (sql, folder) =>
    sql.all(`${FOUND} WHERE instr(e.name, ?) > 0 AND ${IN} LIMIT ?`, literal, folder, ...range(folder), most);
}
