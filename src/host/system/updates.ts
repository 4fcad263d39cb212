/**
 * Pending updates, as the host's own package manager counts them from the lists it already has: nothing is fetched, nothing
 * is locked, nothing is written. How old those lists are is part of the answer: "none pending" of last year is not news.
 */
import { statSync } from 'node:fs';
import { toOpsError } from '../../core/errors.ts';
import type { Health } from '../../core/host.ts';
import type { Binary, Exec } from '../exec.ts';
import { known, namesIn, type Root, textOrNull, unknown } from './files.ts';
import { uint } from './procfs.ts';

export type Updates = Health['updates'];

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 4 * 1024 * 1024;

function modifiedMs(path: string): number | null {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return null;
  }
}

const newest = (root: Root, paths: string[]): number | null => {
  const times = paths.map((p) => modifiedMs(root.of(p))).filter((t) => t !== null);
  return times.length > 0 ? Math.max(...times) : null;
};

const age = (at: number | null, nowMs: number): number | null =>
  at === null ? null : Math.max(0, Math.round(nowMs - at));

/** "Inst libc6 [2.41-12] (2.41-12+deb13u1 Debian-Security:13/stable-security [amd64])" */
export function parseAptSimulation(stdout: string): { pending: number; security: number } {
  let pending = 0;
  let security = 0;
  for (const line of stdout.split('\n')) {
    if (!line.startsWith('Inst ')) continue;
    pending++;
    if (/\(\S+ [^)]*-security|Debian-Security:/i.test(line)) security++;
  }
  return { pending, security };
}

/** Ubuntu's own note: "12 updates can be applied immediately.\n3 of these updates are standard security updates." */
export function parseUpdateNotifier(text: string): { pending: number; security: number | null } | null {
  const lines = text.split('\n').map((l) => l.trim());
  const count = (has: RegExp) => {
    const line = lines.find((l) => has.test(l));
    return line === undefined ? null : uint({ text: line, at: 0 });
  };
  const pending = count(/updates? can be (?:applied|installed)/);
  return pending === null ? null : { pending, security: count(/security updates?/) };
}

/** `dnf check-update`: "name.arch  version  repo" lines up to an empty line and "Obsoleting Packages". */
export function parseDnf(stdout: string): number {
  const upTo = stdout.split(/^Obsoleting/m)[0] ?? '';
  return upTo.split('\n').filter((l) => /^\S+\.\S+\s+\S+\s+\S+\s*$/.test(l)).length;
}

/** `apk list --upgradable`: one line each. */
export const parseApk = (stdout: string): number =>
  stdout.split('\n').filter((l) => l.includes('[upgradable from')).length;

export async function pendingUpdates(
  root: Root,
  exec: Exec,
  has: (b: Binary) => boolean,
  nowMs: number,
): Promise<Updates> {
  if (root.foreign) {
    const note = textOrNull(root.of('/var/lib/update-notifier/updates-available'));
    const parsed = note === null ? null : parseUpdateNotifier(note);
    if (parsed) return known({ ...parsed, listAgeMs: age(newest(root, APT_LISTS), nowMs) });
    return unknown('Commands cannot be run on a mounted host.');
  }
  try {
    if (has('apt-get')) return await apt(root, exec, nowMs);
    if (has('dnf')) return await dnf(root, exec, nowMs);
    if (has('apk')) return await apk(root, exec, nowMs);
  } catch (error) {
    return unknown(`The package manager could not be asked: ${toOpsError(error).message}`);
  }
  return unknown('No package manager that is understood here (apt, dnf, apk).');
}

const APT_LISTS = ['/var/lib/apt/lists', '/var/lib/apt/lists/partial', '/var/lib/apt/periodic/update-success-stamp'];

async function apt(root: Root, exec: Exec, nowMs: number): Promise<Updates> {
  if (!namesIn(root.of('/var/lib/apt/lists')).some((n) => n.endsWith('_Packages') || n.includes('_Packages.')))
    return unknown('There are no package lists: apt-get update has not run, or an image dropped them.');
  // Root's apt writes its cache anew when that is stale. A read must not: without a cache file it is built in memory.
  const cache = modifiedMs(root.of('/var/cache/apt/pkgcache.bin'));
  const since = newest(root, ['/var/lib/apt/lists', '/var/lib/dpkg/status', '/etc/apt', '/etc/apt/sources.list.d']);
  const stale = cache === null || since === null || since >= cache;
  const { code, stdout } = await exec({
    binary: 'apt-get',
    args: [
      '-s',
      '-qq',
      '-o',
      'Debug::NoLocking=true',
      '-o',
      'APT::Get::Show-User-Simulation-Note=false',
      ...(stale ? ['-o', 'Dir::Cache::pkgcache=', '-o', 'Dir::Cache::srcpkgcache='] : []),
      'dist-upgrade',
    ],
    timeoutMs: TIMEOUT_MS,
    maxBytes: MAX_BYTES,
  });
  if (code !== 0) return unknown(`apt-get -s dist-upgrade ended with code ${code}: dpkg or the sources need a mend.`);
  return known({ ...parseAptSimulation(stdout), listAgeMs: age(newest(root, APT_LISTS), nowMs) });
}

async function dnf(root: Root, exec: Exec, nowMs: number): Promise<Updates> {
  const { code, stdout } = await exec({
    binary: 'dnf',
    args: ['-q', '-C', 'check-update'],
    timeoutMs: TIMEOUT_MS,
    maxBytes: MAX_BYTES,
  });
  // 100: there are updates; 0: none; 1: no cached metadata, or trouble.
  if (code !== 0 && code !== 100) return unknown('dnf has no cached metadata; dnf makecache fetches it.');
  const at = newest(root, ['/var/cache/dnf', '/var/cache/libdnf5']);
  return known({ pending: code === 0 ? 0 : parseDnf(stdout), security: null, listAgeMs: age(at, nowMs) });
}

async function apk(root: Root, exec: Exec, nowMs: number): Promise<Updates> {
  const indexed = [...namesIn(root.of('/var/cache/apk')), ...namesIn(root.of('/lib/apk/db'))];
  if (!indexed.some((n) => n.startsWith('APKINDEX.')))
    return unknown('There is no package index: apk update fetches it.');
  const { code, stdout } = await exec({
    binary: 'apk',
    args: ['list', '--upgradable', '--no-network'],
    timeoutMs: TIMEOUT_MS,
    maxBytes: MAX_BYTES,
  });
  if (code !== 0) return unknown(`apk list --upgradable ended with code ${code}.`);
  return known({
    pending: parseApk(stdout),
    security: null,
    listAgeMs: age(newest(root, ['/var/cache/apk']), nowMs),
  });
}
