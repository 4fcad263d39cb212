/**
 * A copy of the state folder as it is at one moment, made while others write: which files belong to it, in which order they are
 * taken so that they fit together, and what is written down about them. Where copies lie, how many there are and when one is put
 * back is setup/backup's.
 *
 * Not in it: leases, locks and control.sock (they belong to processes that run), kept results and work under way (db_copy.ts), the
 * compile cache and files-index.db (made anew by themselves), files of a corrupt database, other backups.
 */
import { createHash, randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { canonical } from '../core/canonical.ts';
import { OpsError } from '../core/errors.ts';
import { readKey } from './audit_key.ts';
import { verifyAudit } from './audit_verify.ts';
import { copyAudit } from './backup_audit.ts';
import { type Copied, copyFile, syncAll, writeFile } from './backup_file.ts';
import { copyDb, lookAtCopy } from './db_copy.ts';
import { errnoOf, isNoRoom, openState, type StateDir } from './state.ts';
import { syncFolder } from './write_whole.ts';

export const MANIFEST = 'backup.json';
export const FORMAT = 1;

export interface Manifest {
  format: number;
  /** Of Deckhand that made it. */
  version: string;
  /** Of the database; null when there was none. */
  schema: number | null;
  at: string;
  host: string;
  /** The folder that it is of. */
  state: string;
  files: Copied[];
  /** Contents that a receipt names and that were not there any more when it was made. */
  lostBlobs: string[];
  /** What `audit verify` found then: a copy can be no better than what it is of. Null where its key was not at hand (a credential). */
  auditProblems: number | null;
  /** SHA-256 over all of the above. It shows damage; who can write here can make another one that fits. */
  sha256: string;
}

export interface CopyStore {
  /** The state folder. */
  from: string;
  /** The backup's own folder, which must not be there yet. */
  to: string;
  version: string;
  signal: AbortSignal;
  /** Where systemd put credentials: the audit's key may be one. */
  credentials?: string | null;
  /** Beside the state: `config/…`. */
  extra?: { path: string; content: Uint8Array }[];
  now?: () => number;
}

/** Room that must be left besides what is copied. */
const MARGIN_BYTES = 16 * 1024 * 1024;
/** How often it is begun anew because a file was cleared away meanwhile. */
const ROUNDS = 5;
/** In `tls/`, where `deckhand tls` puts a certificate. */
const MOST_TLS = 32;
const MOST_TLS_BYTES = 1024 * 1024;

export const sumOf = ({ sha256: _, ...rest }: Manifest): string =>
  createHash('sha256').update(canonical(rest)).digest('hex');

/** A whole copy under `to`, on the disk, or none. */
export async function copyStore(o: CopyStore): Promise<Manifest> {
  const state = openState(o.from);
  const parent = dirname(o.to);
  if (lstatSync(o.to, { throwIfNoEntry: false }))
    throw new OpsError('conflict', `${o.to} is there already.`, { hint: 'Name another folder.' });
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  roomFor(state, parent, o.extra ?? []);
  const making = join(parent, `.${basename(o.to)}.making-${randomBytes(4).toString('hex')}`);
  try {
    mkdirSync(making, { mode: 0o700 });
    const manifest = await fill(state, making, o);
    await writeFile(making, MANIFEST, Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`), o.signal);
    await syncAll(making, o.signal);
    renameSync(making, o.to);
    syncFolder(parent);
    return manifest;
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    throw isNoRoom(error) ? noRoom(parent, error) : error;
  }
}

async function fill(state: StateDir, making: string, o: CopyStore): Promise<Manifest> {
  const { signal } = o;
  const files: Copied[] = [];
  const at = new Date((o.now ?? Date.now)()).toISOString();
  const { schema, blobs, lost } = await database(state, making, signal);
  files.push(...blobs);
  if (schema !== null) files.push(await copyFile(making, 'deckhand.db', null, signal));
  for (const name of ['tokens.json', 'audit.key']) {
    const copied = await whole(state, making, name, signal);
    if (copied) files.push(copied);
  }
  files.push(...(await copyAudit(state, making, signal)), ...(await certificates(state, making, signal)));
  for (const { path, content } of o.extra ?? []) files.push(await writeFile(making, path, content, signal));
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const manifest: Manifest = {
    format: FORMAT,
    version: o.version,
    schema,
    at,
    host: hostname(),
    state: state.dir,
    files,
    lostBlobs: lost,
    auditProblems: auditProblems(making, o.credentials ?? null),
    sha256: '',
  };
  return { ...manifest, sha256: sumOf(manifest) };
}

/** The rows first, then what they name: a content is on the disk before its row. One that was swept meanwhile means anew. */
async function database(state: StateDir, making: string, signal: AbortSignal) {
  if (!lstatSync(state.db, { throwIfNoEntry: false })) return { schema: null, blobs: [], lost: [] };
  const to = join(making, 'deckhand.db');
  for (let round = 1; ; round++) {
    signal.throwIfAborted();
    rmSync(to, { force: true });
    const schema = copyDb(state.db, to);
    const blobs: Copied[] = [];
    const lost: string[] = [];
    for (const sha of lookAtCopy(to).blobs) {
      const path = join('blobs', sha.slice(0, 2), sha);
      const copied = await copyFile(making, path, state.dir, signal);
      if (copied) blobs.push(copied);
      else lost.push(sha);
    }
    // Still missing with rows that are newer: lost before us.
    if (lost.length === 0 || round === ROUNDS) return { schema, blobs, lost };
    rmSync(join(making, 'blobs'), { recursive: true, force: true });
  }
}

/** Those that are replaced by a rename: either the one before or the one after, never half of one. */
async function whole(state: StateDir, making: string, path: string, signal: AbortSignal): Promise<Copied | null> {
  const file = join(state.dir, path);
  if (!lstatSync(file, { throwIfNoEntry: false })) return null;
  return copyFile(making, path, state.dir, signal);
}

async function certificates(state: StateDir, making: string, signal: AbortSignal): Promise<Copied[]> {
  const folder = join(state.dir, 'tls');
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  const copied: Copied[] = [];
  for (const name of readdirSync(folder).sort().slice(0, MOST_TLS)) {
    const s = lstatSync(join(folder, name), { throwIfNoEntry: false });
    if (!s?.isFile() || s.size > MOST_TLS_BYTES) continue;
    const one = await copyFile(making, join('tls', name), state.dir, signal);
    if (one) copied.push(one);
  }
  return copied;
}

/** Of the audit in a folder that is laid out as the state is. Null where its key is not at hand: it may be a credential of the service. */
export function auditProblems(folder: string, credentials: string | null): number | null {
  const audit = join(folder, 'audit');
  if (!lstatSync(join(audit, 'index.jsonl'), { throwIfNoEntry: false })) return 0;
  let key: Buffer;
  try {
    key = readKey(join(folder, 'audit.key'), credentials);
  } catch {
    return null;
  }
  return verifyAudit(audit, key).problems.length;
}

/** Looked at before: half a copy would also take the room that Deckhand itself needs. */
function roomFor(state: StateDir, folder: string, extra: readonly { content: Uint8Array }[]): void {
  const size = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  let bytes = extra.reduce((sum, e) => sum + e.content.length, 0);
  // The database is written twice while rows are taken out of it.
  bytes += 2 * (size(state.db) + size(`${state.db}-wal`)) + size(state.tokens);
  for (const part of [state.audit, state.blobs])
    for (const entry of readdirSync(part, { withFileTypes: true, recursive: true }))
      if (entry.isFile()) bytes += size(join(entry.parentPath, entry.name));
  const fs = statfsSync(folder);
  const free = (process.geteuid?.() === 0 ? fs.bfree : fs.bavail) * fs.bsize;
  // Some file systems count nothing and say 0 of 0.
  if (fs.blocks > 0 && free < bytes + MARGIN_BYTES)
    throw new OpsError(
      'unavailable',
      `A backup takes up to ${mib(bytes)} MiB, and ${folder} has ${mib(free)} MiB left (16 of them stay free).`,
      { hint: 'Make room there, keep fewer (backup.keep), or name another place: --to FOLDER or backup.dir.' },
    );
}

const mib = (bytes: number): number => Math.ceil(bytes / 1024 / 1024);

const noRoom = (folder: string, cause: unknown): OpsError =>
  new OpsError(
    'unavailable',
    `The backup could not be written to ${folder} (${errnoOf(cause)}). Nothing of it is left.`,
    {
      hint: `Run: df -h ${folder}; another place is named with --to FOLDER or backup.dir.`,
      cause,
    },
  );

/** Null where there is none, or it is no manifest. */
export function readManifest(folder: string): Manifest | null {
  try {
    const path = join(folder, MANIFEST);
    if (!lstatSync(path).isFile() || statSync(path).size > 64 * 1024 * 1024) return null;
    const read = JSON.parse(readFileSync(path, 'utf8')) as Manifest;
    const text = [read.version, read.at, read.host, read.state, read.sha256].every((x) => typeof x === 'string');
    if (typeof read.format !== 'number' || !text || !Array.isArray(read.files) || !Array.isArray(read.lostBlobs))
      return null;
    return read.files.every(isFile) && !Number.isNaN(Date.parse(read.at)) ? read : null;
  } catch {
    return null;
  }
}

/** A path from a file is never trusted to stay inside. */
const isFile = (f: Partial<Copied> | null): boolean =>
  typeof f?.path === 'string' &&
  /^[\w.~@+-]+(?:\/[\w.~@+-]+)*$/.test(f.path) &&
  !f.path.split('/').some((part) => part === '.' || part === '..') &&
  Number.isSafeInteger(f.bytes) &&
  /^[0-9a-f]{64}$/.test(f.sha256 ?? '');
