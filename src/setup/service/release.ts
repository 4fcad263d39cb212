/**
 * A release in a folder: brought there from a tarball or from an unpacked one, checked file by file, and named only when all of it is on
 * the disk. Decides what makes a folder a release for this machine. A signature there is none: who is believed is whoever said the SHA-256.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  fchmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { OpsError } from '../../core/errors.ts';
import { syncFolder } from '../../store/write_whole.ts';
import { readArchive, refuse } from './archive.ts';
import { syncTree, textOf } from './files.ts';
import type { Place } from './place.ts';
import { ensureFolder, folderOf, VERSION_TEXT } from './record.ts';

export const SUMS = 'SHA256SUMS';
const NAME = /^deckhand-(?<version>[\w.+-]+)-linux-(?<arch>x64|arm64)$/;
/** e_machine of ELF. */
const MACHINES: Record<number, string> = { 62: 'x64', 183: 'arm64' };

export interface Release {
  version: string;
  arch: string;
}

export function releaseOf(folderName: string, arch: string = process.arch): Release {
  const { version = '', arch: its = '' } = NAME.exec(folderName)?.groups ?? {};
  if (!VERSION_TEXT.test(version)) throw refuse(`its folder is called ${JSON.stringify(folderName.slice(0, 100))}.`);
  if (its !== arch)
    throw new OpsError('validation', `This release is for ${its}, and this machine is ${arch}.`, {
      hint: `Fetch deckhand-${version}-linux-${arch}.tar.gz. Nothing was changed.`,
    });
  return { version, arch: its };
}

/** `<hex>  <path>` a line, as sha256sum writes it. */
export function sumsOf(text: string): Map<string, string> {
  const sums = new Map<string, string>();
  for (const line of text.split('\n').filter((l) => l !== '')) {
    const m = /^([0-9a-f]{64}) [ *](.+)$/.exec(line);
    if (!m) throw refuse(`${SUMS} cannot be understood.`);
    sums.set((m[2] as string).replace(/^\.\//, ''), m[1] as string);
  }
  return sums;
}

/** What differs between the list and what is there; `dist/.compile-cache` is Node's own, made later. */
function compare(want: ReadonlyMap<string, string>, have: ReadonlyMap<string, string>): string[] {
  const wrong = [...want]
    .filter(([path, sum]) => have.get(path) !== sum)
    .map(([path]) => (have.has(path) ? `${path} is not what was released` : `${path} is missing`));
  const more = [...have.keys()]
    .filter((path) => !want.has(path) && path !== SUMS)
    .map((path) => `${path} was not released`);
  return [...wrong, ...more];
}

/** Problems of an installed version, file by file. */
export function verifyFolder(folder: string): string[] {
  const text = textOf(join(folder, SUMS));
  if (text === null) return [`${SUMS} is missing`];
  try {
    return compare(sumsOf(text), hashes(folder));
  } catch (error) {
    return [error instanceof OpsError ? error.message : `it cannot be read (${(error as Error).message})`];
  }
}

function hashes(folder: string, below = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (path === 'dist/.compile-cache') continue;
    if (entry.isDirectory()) for (const [p, s] of hashes(folder, path)) found.set(p, s);
    else found.set(path, entry.isFile() ? hashOf(join(folder, path)) : 'no plain file');
  }
  return found;
}

export function hashOf(path: string): string {
  const hash = createHash('sha256');
  const fd = openSync(path, 'r');
  try {
    const part = Buffer.allocUnsafe(1024 * 1024);
    for (let n = -1; n !== 0; ) {
      n = readSync(fd, part, 0, part.length, null);
      hash.update(part.subarray(0, n));
    }
    return hash.digest('hex');
  } finally {
    closeSync(fd);
  }
}

function archOfNode(folder: string): string {
  const fd = openSync(join(folder, 'node/bin/node'), 'r');
  try {
    const head = Buffer.alloc(20);
    readSync(fd, head, 0, 20, 0);
    return head.readUInt32BE(0) === 0x7f454c46 ? (MACHINES[head.readUInt16LE(18)] ?? 'another machine') : 'no program';
  } finally {
    closeSync(fd);
  }
}

export interface Fetched extends Release {
  /** Of the tarball. */
  sha256: string;
  /** Puts it in its place under versions/. */
  keep(): void;
  drop(): void;
}

/** Reads the tarball to its end, beside the versions; nothing is in its place before `keep`. `dry`: nothing is written either. */
export async function fetchTarball(
  place: Place,
  from: string,
  o: { sha256: string | null; arch?: string; dry?: boolean },
): Promise<Fetched> {
  if (!lstatSync(from, { throwIfNoEntry: false }))
    throw new OpsError('not_found', `There is no file ${from}.`, {
      hint: 'Name the release tarball: --from deckhand-VERSION-linux-ARCH.tar.gz',
    });
  const making = join(place.versions, `.new-${randomBytes(4).toString('hex')}`);
  const sums = new Map<string, string>();
  let list = '';
  let release: Release | null = null;
  let about = '';
  let head: Buffer = Buffer.alloc(0);
  if (!o.dry) {
    ensureFolder(place.versions);
    mkdirSync(making, { mode: 0o755 });
    chmodSync(making, 0o755);
  }
  try {
    const sha256 = await readArchive(from, {
      begin(folder) {
        release = releaseOf(folder, o.arch);
      },
      file({ path, executable, size }) {
        const hash = createHash('sha256');
        if ((path === SUMS || path === 'package.json') && size > 8 * 1024 * 1024) throw refuse(`${path} is too large.`);
        const fd = o.dry ? null : openNew(join(making, path), executable);
        return {
          write(part) {
            hash.update(part);
            if (path === SUMS) list += part.toString('utf8');
            if (path === 'package.json') about += part.toString('utf8');
            if (path === 'node/bin/node' && head.length < 20) head = Buffer.concat([head, part.subarray(0, 20)]);
            if (fd !== null) for (let at = 0; at < part.length; ) at += writeSync(fd, part, at);
          },
          end() {
            sums.set(path, hash.digest('hex'));
            if (fd !== null) closeSync(fd);
          },
        };
      },
    });
    const is = release as Release | null;
    if (is === null) throw refuse('it is empty.');
    if (o.sha256 !== null && o.sha256 !== sha256)
      throw refuse(`its SHA-256 is ${sha256}, and ${o.sha256} was asked for.`);
    judge(is, compare(sumsOf(list), sums), about);
    if (!o.dry) {
      const its = archOfNode(making);
      if (its !== is.arch) throw refuse(`its Node is for ${its}.`);
    }
    return {
      ...is,
      sha256,
      keep: () => keep(place, making, is.version),
      drop: () => rmSync(making, { recursive: true, force: true }),
    };
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    throw error;
  }
}

function judge(release: Release, problems: readonly string[], about: string): void {
  if (problems.length > 0)
    throw refuse(
      `${problems.slice(0, 3).join('; ')}${problems.length > 3 ? `; and ${problems.length - 3} more` : ''}.`,
    );
  let version: unknown;
  try {
    version = (JSON.parse(about) as { version?: unknown }).version;
  } catch {
    // Judged with the next line.
  }
  if (version !== release.version)
    throw refuse(`its package.json says version ${String(version).slice(0, 40)}, its name ${release.version}.`);
}

function openNew(path: string, executable: boolean): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const fd = openSync(path, 'wx', 0o755);
  fchmodSync(fd, executable ? 0o755 : 0o644);
  return fd;
}

function keep(place: Place, making: string, version: string): void {
  for (const entry of readdirSync(making, { recursive: true, withFileTypes: true }))
    if (entry.isDirectory()) chmodSync(join(entry.parentPath, entry.name), 0o755);
  syncTree(making);
  const to = folderOf(place, version);
  // What lies there is damaged, or somebody would not have come here: it goes aside, and is never half of the one and half of the other.
  const aside = join(place.versions, `.new-old-${randomBytes(4).toString('hex')}`);
  if (lstatSync(to, { throwIfNoEntry: false })) renameSync(to, aside);
  renameSync(making, to);
  syncFolder(place.versions);
  rmSync(aside, { recursive: true, force: true });
}

/** The release that lies in `folder` already, unpacked by hand; checked before it is copied. */
export function adopt(
  place: Place,
  folder: string,
  arch: string = process.arch,
): Release & { needed: boolean; keep(): void } {
  const problems = verifyFolder(folder);
  const about = textOf(join(folder, 'package.json')) ?? '{}';
  const version = String((JSON.parse(about) as { version?: unknown }).version);
  if (!VERSION_TEXT.test(version)) throw refuse('its package.json names no version.');
  judge({ version, arch }, problems, about);
  const its = archOfNode(folder);
  if (its !== arch) throw new OpsError('validation', `This release is for ${its}, and this machine is ${arch}.`);
  const to = folderOf(place, version);
  const inPlace = dirname(folder) === place.versions && basename(folder) === version;
  // The same one is there already, and whole.
  const there = textOf(join(to, SUMS)) === textOf(join(folder, SUMS)) && verifyFolder(to).length === 0;
  return {
    version,
    arch,
    needed: !inPlace && !there,
    keep() {
      ensureFolder(place.versions);
      const making = join(place.versions, `.new-${randomBytes(4).toString('hex')}`);
      try {
        for (const path of [...sumsOf(readFileSync(join(folder, SUMS), 'utf8')).keys(), SUMS]) {
          const to = join(making, path);
          mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
          copyFileSync(join(folder, path), to);
          chmodSync(to, (lstatSync(join(folder, path)).mode & 0o100) !== 0 ? 0o755 : 0o644);
        }
        // What was copied, not what was looked at before.
        const wrong = verifyFolder(making);
        if (wrong.length > 0) throw refuse(`${wrong[0]}.`);
        keep(place, making, version);
      } finally {
        rmSync(making, { recursive: true, force: true });
      }
    },
  };
}

/** The sum that was published beside a tarball: by hand, or in SHA256SUMS there. */
export function publishedSum(from: string, given: string | undefined): string | null {
  if (given !== undefined) {
    if (!/^[0-9a-fA-F]{64}$/.test(given)) throw new OpsError('validation', '--sha256 takes 64 hexadecimal digits.');
    return given.toLowerCase();
  }
  const beside = textOf(join(dirname(from), SUMS));
  return beside === null ? null : (sumsOf(beside).get(basename(from)) ?? null);
}
