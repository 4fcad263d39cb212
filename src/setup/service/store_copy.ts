/**
 * The store as it was before a version changed: made while the old one serves, and put back only when asked, or when a new version never
 * came up and the old one cannot read what it left. Decides where copies lie and how many; what belongs into one, store/backup.ts.
 */
import { chmodSync, copyFileSync, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Log } from '../../core/call.ts';
import { OpsError } from '../../core/errors.ts';
import { copyStore } from '../../store/backup.ts';
import { openDb } from '../../store/db.ts';
import { openState } from '../../store/state.ts';
import { syncFolder } from '../../store/write_whole.ts';
import { syncTree } from './files.ts';
import type { Machine } from './machine.ts';
import type { Installed } from './record.ts';

type Copy = Installed['copies'][number];

const FOLDER = 'before-upgrade';
const MOST = 3;
const DB = 'deckhand.db';
const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

const stampOf = (ms: number) => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');

/** Null where there is no store yet. */
export async function copyBefore(m: Machine, from: string, to: string): Promise<Copy | null> {
  const ids = m.user();
  if (ids === null || !existsSync(join(m.place.state, DB))) return null;
  const at = m.now();
  const name = join(FOLDER, `${stampOf(at)}-${from}-to-${to}`);
  return m.asUser(ids, async () => {
    await copyStore({ from: m.place.state, to: join(m.place.state, name), version: from, signal: m.signal });
    const all = readdirSync(join(m.place.state, FOLDER))
      .filter((n) => /^\d{8}T\d{6}Z-/.test(n))
      .sort();
    for (const old of all.slice(0, -MOST)) rmSync(join(m.place.state, FOLDER, old), { recursive: true, force: true });
    return { version: from, to, at: new Date(at).toISOString(), folder: name };
  });
}

export const copiesThere = (m: Machine, copies: readonly Copy[]): Copy[] =>
  copies.filter((c) => /^before-upgrade\/[\w.+-]+$/.test(c.folder) && existsSync(join(m.place.state, c.folder, DB)));

/** What is in the store and not in the copy, as a sentence. */
export async function lostWith(m: Machine, copy: Copy): Promise<string> {
  const ids = m.user();
  const since = Date.parse(copy.at);
  let receipts: number | null = null;
  try {
    if (ids)
      receipts = await m.asUser(ids, async () => {
        const db = openDb(openState(m.place.state), silent);
        try {
          return Number(
            db.read((sql) => sql.get('SELECT count(*) AS n FROM receipts WHERE created > ?', since))?.n ?? 0,
          );
        } finally {
          db.close();
        }
      });
  } catch {
    // Of a schema that this version does not know: then nobody counts.
  }
  const changes =
    receipts === null ? 'receipts of changes' : `${receipts} receipt${receipts === 1 ? '' : 's'} of changes`;
  return `The store goes back to ${copy.at}: ${changes} made since cannot be undone any more, and open approvals are closed. Tokens and the audit are kept.`;
}

/** With the service stopped. The database that was there stays beside it, so that nothing is gone for good. */
export async function putBack(m: Machine, copy: Copy): Promise<string> {
  const ids = m.user();
  if (ids === null) throw new OpsError('not_found', 'The service’s user is not there.');
  const { state } = m.place;
  const from = join(state, copy.folder);
  return m.asUser(ids, async () => {
    const aside = `${DB}.replaced-${stampOf(m.now())}`;
    const making = join(state, `.${DB}.restoring`);
    rmSync(making, { force: true });
    copyFileSync(join(from, DB), making);
    chmodSync(making, 0o600);
    const blobs = join(from, 'blobs');
    if (lstatSync(blobs, { throwIfNoEntry: false }))
      for (const entry of readdirSync(blobs, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        const to = join(state, 'blobs', path.slice(blobs.length + 1));
        if (existsSync(to)) continue;
        mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
        copyFileSync(path, to);
      }
    syncTree(join(state, 'blobs'));
    for (const part of ['-wal', '-shm', ''])
      if (existsSync(join(state, DB + part))) renameSync(join(state, DB + part), join(state, aside + part));
    renameSync(making, join(state, DB));
    syncFolder(state);
    return join(state, aside);
  });
}
