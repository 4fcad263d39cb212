/**
 * What is installed: the link that says which version, and installed.json, which says how it was asked for. The link decides; the record
 * remembers what cannot be seen, and what was under way when something was killed.
 */
import { randomBytes } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { OpsError } from '../../core/errors.ts';
import { syncFolder, writeWhole } from '../../store/write_whole.ts';
import type { Place } from './place.ts';

export interface Wanted {
  version: string;
  /** As given to --allow. */
  powers: string[];
  /** As given to --listen; null: what the config says. */
  listen: string | null;
}

export interface Installed extends Wanted {
  /** What `rollback` goes back to. */
  previous: string | null;
  at: string;
  /** A switch that has begun; gone once the service answers, or is back. */
  pending: { from: string | null; to: string; at: string } | null;
  /** The store as it was before a switch away from a version: folders in the state folder. */
  copies: { version: string; to: string; at: string; folder: string }[];
}

export const VERSION_TEXT = /^\d{1,6}\.\d{1,6}\.\d{1,6}(?:-[0-9A-Za-z][0-9A-Za-z.-]{0,60})?$/;

export function readInstalled(place: Place): Installed | null {
  let text: string;
  try {
    text = readFileSync(place.record, 'utf8');
  } catch {
    return null;
  }
  try {
    const read = JSON.parse(text) as Partial<Installed>;
    if (!VERSION_TEXT.test(String(read.version))) return null;
    const texts = (list: unknown) =>
      Array.isArray(list) ? list.filter((t): t is string => typeof t === 'string') : [];
    const version = (v: unknown) => (VERSION_TEXT.test(String(v)) ? String(v) : null);
    const { pending } = read;
    const to = version(pending?.to);
    return {
      version: String(read.version),
      powers: texts(read.powers),
      listen: typeof read.listen === 'string' ? read.listen : null,
      previous: version(read.previous),
      at: String(read.at ?? ''),
      pending: to === null ? null : { from: version(pending?.from), to, at: String(pending?.at ?? '') },
      copies: Array.isArray(read.copies)
        ? read.copies.filter((c) => typeof c?.folder === 'string' && VERSION_TEXT.test(c?.version))
        : [],
    };
  } catch {
    return null;
  }
}

export const writeInstalled = (place: Place, record: Installed): void =>
  writeWhole(place.record, `${JSON.stringify({ format: 1, ...record }, null, 2)}\n`, 0o644);

/** The version that the link names; null where there is none. */
export function currentVersion(place: Place): string | null {
  try {
    const version = basename(readlinkSync(place.current));
    return VERSION_TEXT.test(version) ? version : null;
  } catch {
    return null;
  }
}

export function installedVersions(place: Place): string[] {
  try {
    return readdirSync(place.versions)
      .filter((n) => VERSION_TEXT.test(n))
      .sort(byVersion);
  } catch {
    return [];
  }
}

export const folderOf = (place: Place, version: string): string => join(place.versions, version);

/** At once: whoever follows the link finds the one version or the other. */
export function switchTo(place: Place, version: string): void {
  const next = join(place.opt, `.current.${randomBytes(4).toString('hex')}`);
  if (!lstatSync(join(folderOf(place, version), 'bin/deckhand.mjs'), { throwIfNoEntry: false }))
    throw new OpsError('not_found', `Version ${version} is not in ${place.versions}.`);
  symlinkSync(`versions/${version}`, next);
  try {
    renameSync(next, place.current);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
  syncFolder(place.opt);
}

/** An install.sh that runs has none of our locks: what it makes is left for so long. */
const SCRIPT_MS = 3_600_000;

/** What a run that was killed left half made. */
export function sweepHalfMade(place: Place, nowMs: number): void {
  const old = (path: string) => nowMs - (lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? nowMs) > SCRIPT_MS;
  for (const [folder, half] of [
    [place.versions, /^\.(?:new|install)-/],
    [place.opt, /^\.current\.|\.tmp$/],
  ] as const)
    for (const name of lstatSync(folder, { throwIfNoEntry: false }) ? readdirSync(folder) : [])
      if (half.test(name) && (!name.startsWith('.install-') || old(join(folder, name))))
        rmSync(join(folder, name), { recursive: true, force: true });
}

export const ensureFolder = (path: string, mode = 0o755): void => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  mkdirSync(path, { recursive: true, mode });
};

/** As SemVer orders them, as far as ours go. */
export function byVersion(a: string, b: string): number {
  const [left = '', leftPre = ''] = split(a);
  const [right = '', rightPre = ''] = split(b);
  const l = left.split('.').map(Number);
  const r = right.split('.').map(Number);
  for (let i = 0; i < 3; i++) if (l[i] !== r[i]) return (l[i] ?? 0) - (r[i] ?? 0);
  if (leftPre === rightPre) return 0;
  // A version comes after what was its preview.
  if (leftPre === '' || rightPre === '') return leftPre === '' ? 1 : -1;
  return leftPre.localeCompare(rightPre, 'en', { numeric: true });
}

function split(version: string): [string, string] {
  const at = version.indexOf('-');
  return at < 0 ? [version, ''] : [version.slice(0, at), version.slice(at + 1)];
}
