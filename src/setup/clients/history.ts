/**
 * What was done to clients' settings, to take it back: for each file the bytes before, and how the entry was put in. In a folder of the
 * person's own, for nobody else to read, since settings hold secrets. The last ten changes of a file are kept.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OpsError } from '../../core/errors.ts';
import type { Trace } from './text.ts';

const MOST = 10;

export interface Change {
  client: string;
  file: string;
  name: string;
  did: 'add' | 'replace' | 'remove';
  at: string;
  /** SHA-256; null: the file was not there. */
  before: string | null;
  after: string;
  mode: number;
  /** Of the entry, and of what stands beside it. */
  traces: (Trace | null)[];
}

export interface Kept extends Change {
  id: string;
}

export const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const folderOf = (kept: string, client: string, file: string) =>
  join(kept, `${client}-${createHash('sha256').update(file).digest('hex').slice(0, 12)}`);

export function changesOf(kept: string, client: string, file: string): Kept[] {
  const folder = folderOf(kept, client, file);
  if (!existsSync(folder)) return [];
  return idsIn(folder).map((id) => ({
    ...(JSON.parse(readFileSync(join(folder, `${id}.json`), 'utf8')) as Change),
    id,
  }));
}

/** Newest first. */
const idsIn = (folder: string) =>
  readdirSync(folder)
    .flatMap((name) => /^(\d{6})\.json$/.exec(name)?.[1] ?? [])
    .sort()
    .reverse();

/** Before the settings are written: without a way back they are not. */
export function keep(kept: string, change: Change, before: Buffer | null): string {
  const folder = folderOf(kept, change.client, change.file);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const ids = idsIn(folder);
    const id = String(Number(ids[0] ?? 0) + 1).padStart(6, '0');
    if (before) writeFileSync(join(folder, `${id}.before`), before, { mode: 0o600, flush: true });
    const next = join(folder, `${id}.tmp`);
    writeFileSync(next, `${JSON.stringify(change)}\n`, { mode: 0o600, flush: true });
    renameSync(next, join(folder, `${id}.json`));
    for (const old of ids.slice(MOST - 1)) forget(kept, { ...change, id: old });
    return id;
  } catch (cause) {
    const errno = String((cause as NodeJS.ErrnoException).code ?? cause);
    throw new OpsError('permission', `The copy for undo cannot be kept in ${folder} (${errno}). Nothing was written.`, {
      hint: 'Make that folder writable for you.',
      cause,
    });
  }
}

export function bytesBefore(kept: string, change: Kept): Buffer | null {
  if (change.before === null) return null;
  const bytes = readFileSync(join(folderOf(kept, change.client, change.file), `${change.id}.before`));
  if (digest(bytes) === change.before) return bytes;
  throw new OpsError('conflict', 'The copy that was kept is damaged. Nothing was written.', {
    hint: `It is in ${kept}.`,
  });
}

export function forget(kept: string, change: Kept): void {
  const folder = folderOf(kept, change.client, change.file);
  rmSync(join(folder, `${change.id}.json`), { force: true });
  rmSync(join(folder, `${change.id}.before`), { force: true });
}
