/**
 * Whether a backup is whole and can be restored: every byte that its manifest names, a database that SQLite finds in order, an audit
 * whose chain holds, tokens that can be read. Changes nothing and makes no file: a bad one stays as it was found.
 */
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { auditProblems, FORMAT, MANIFEST, sumOf } from '../../store/backup.ts';
import { lookAtFile } from '../../store/backup_file.ts';
import { lookAtCopy } from '../../store/db_copy.ts';
import { readTokens } from '../../store/tokens.ts';
import { type Backup, openTo } from './place.ts';

export interface Verdict {
  ok: boolean;
  /** Each keeps it from being restored. */
  problems: string[];
  /** What the owner should know of it nevertheless. */
  notes: string[];
}

const MOST = 50;

export async function verifyBackup(
  { path, manifest }: Backup,
  signal: AbortSignal,
  credentials: string | null = null,
): Promise<Verdict> {
  const problems: string[] = [];
  const notes: string[] = [];
  const verdict = () => ({ ok: problems.length === 0, problems: problems.slice(0, MOST), notes });
  if (manifest === null) {
    problems.push(existsSync(join(path, MANIFEST)) ? `${MANIFEST} cannot be read as one` : `${MANIFEST} is missing`);
    return verdict();
  }
  if (manifest.format !== FORMAT) {
    problems.push(`it is of format ${manifest.format}, and this Deckhand knows ${FORMAT}: a newer one made it`);
    return verdict();
  }
  if (sumOf(manifest) !== manifest.sha256) problems.push(`${MANIFEST} was changed: its own hash does not fit`);
  const whole = await files(path, manifest.files, problems, signal);
  const open = openTo(path);
  if (open) notes.push(`the folder ${open.what}. Run: ${open.mend}`);
  // Of files that are not what was written nothing is opened: SQLite would make others beside them.
  if (whole.has('deckhand.db')) database(path, manifest, problems);
  else if (manifest.schema !== null && !manifest.files.some((f) => f.path === 'deckhand.db'))
    problems.push('deckhand.db is not in it');
  if (whole.has('tokens.json')) {
    const why = readTokens(readFileSync(join(path, 'tokens.json'), 'utf8')).problem;
    if (why) problems.push(`tokens.json ${why}`);
  }
  const audit = manifest.files.filter((f) => f.path.startsWith('audit'));
  if (audit.every((f) => whole.has(f.path))) {
    const found = auditProblems(path, credentials);
    if (found === null)
      notes.push('its audit cannot be verified here: the key is missing, or a credential of the service');
    else if (found > (manifest.auditProblems ?? 0)) problems.push(`its audit has ${found} problems`);
    else if (found > 0)
      notes.push(`the audit had ${found} problems when it was copied; deckhand audit verify names them`);
  }
  if (manifest.lostBlobs.length)
    notes.push(
      `contents of ${manifest.lostBlobs.length} receipts were lost before it was made: these changes cannot be undone`,
    );
  return verdict();
}

async function files(
  path: string,
  listed: readonly { path: string; bytes: number; sha256: string }[],
  problems: string[],
  signal: AbortSignal,
): Promise<Set<string>> {
  const whole = new Set<string>();
  for (const f of listed) {
    const found = await lookAtFile(join(path, f.path), signal).catch((error: NodeJS.ErrnoException) => {
      if (signal.aborted) throw error;
      return error.code ?? 'unreadable';
    });
    if (found === null) problems.push(`${f.path} is missing`);
    else if (typeof found === 'string') problems.push(`${f.path} cannot be read (${found})`);
    else if (found.bytes !== f.bytes) problems.push(`${f.path} has ${found.bytes} bytes, not ${f.bytes}`);
    else if (found.sha256 !== f.sha256) problems.push(`${f.path} was changed: its hash does not fit`);
    else whole.add(f.path);
  }
  const known = new Set([MANIFEST, ...listed.map((f) => f.path)]);
  for (const e of readdirSync(path, { withFileTypes: true, recursive: true })) {
    const name = relative(path, join(e.parentPath, e.name));
    if (!e.isDirectory() && !known.has(name)) problems.push(`${name} does not belong to it`);
  }
  return whole;
}

function database(
  path: string,
  { schema, lostBlobs, files }: NonNullable<Backup['manifest']>,
  problems: string[],
): void {
  const file = join(path, 'deckhand.db');
  if (!lstatSync(file).isFile()) return;
  const seen = lookAtCopy(file);
  problems.push(...seen.problems.map((p) => `deckhand.db: ${p}`));
  if (seen.problems.length) return;
  if (seen.schema !== schema) problems.push(`deckhand.db has schema ${seen.schema}, not ${schema}`);
  if (seen.schema > seen.known)
    problems.push(
      `deckhand.db has schema ${seen.schema}, and this Deckhand knows ${seen.known}: restore it with the version that made it`,
    );
  const there = new Set([...files.map((f) => f.path.split('/').at(-1)), ...lostBlobs]);
  const missing = seen.blobs.filter((sha) => !there.has(sha)).length;
  if (missing) problems.push(`contents of ${missing} receipts are not in it`);
}
