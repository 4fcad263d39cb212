/**
 * Which Node goes into a release, and where its files come from: node_modules, where npm has put and checked them, else the package
 * as npm fetches it, whose checksum is pinned in this checkout. No registry is named: npm asks the one it is set up for.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../bundle.ts';
import { entriesOf } from './tar.ts';

export type Arch = 'x64' | 'arm64';
export const ARCHES: readonly Arch[] = ['x64', 'arm64'];

export interface NodeFiles {
  version: string;
  /** The package and its checksum, as npm writes it: for the list of what is inside. */
  package: string;
  integrity: string;
  program: Buffer;
  licence: Buffer;
}

interface Lock {
  packages: Record<string, { version?: string; integrity?: string; dependencies?: Record<string, string> }>;
}

export const lock = (): Lock => JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;

/** The one that the tests run on, in the tarball and in the executable. */
export function nodeOf(arch: Arch): NodeFiles {
  const name = `node-linux-${arch}`;
  const { version, integrity } = lock().packages[`node_modules/${name}`] ?? {};
  if (!version || !integrity) throw new Error(`package-lock.json does not pin ${name}`);
  return files(name, version, integrity, join(root, 'node_modules', name));
}

function files(name: string, version: string, integrity: string, installed: string): NodeFiles {
  const known = { version, package: name, integrity };
  if (versionIn(installed) === version)
    return {
      ...known,
      program: readFileSync(join(installed, 'bin/node')),
      licence: readFileSync(join(installed, 'LICENSE')),
    };
  const wanted = ['package/bin/node', 'package/LICENSE'];
  const [program, licence] = ((all) => wanted.map((path) => all.find((e) => e.path === path)?.data))(
    entriesOf(fetched(name, version, integrity), (path) => wanted.includes(path)),
  );
  if (!program || !licence) throw new Error(`${name}@${version} has no bin/node or no LICENSE`);
  return { ...known, program, licence };
}

function versionIn(folder: string): string | null {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
  } catch {
    return null;
  }
}

/** Kept in node_modules/.cache, and looked at anew each time: what does not have the pinned checksum is never used. */
function fetched(name: string, version: string, integrity: string): Buffer {
  const cache = join(root, 'node_modules/.cache/deckhand-release');
  const kept = join(cache, `${name}-${version}.tgz`);
  if (existsSync(kept)) {
    const data = readFileSync(kept);
    if (sha512(data) === integrity) return data;
    rmSync(kept);
  }
  mkdirSync(cache, { recursive: true });
  const part = mkdtempSync(join(cache, 'part-'));
  try {
    const args = ['pack', `${name}@${version}`, '--silent', '--ignore-scripts', '--pack-destination', part];
    // npm_execpath is the npm that runs us; else the one on PATH.
    const [npm, first] = process.env.npm_execpath ? [process.execPath, [process.env.npm_execpath]] : ['npm', []];
    const { status, stderr, error } = spawnSync(npm, [...first, ...args], {
      cwd: part,
      encoding: 'utf8',
      timeout: 300_000,
    });
    const [made] = readdirSync(part);
    if (status !== 0 || !made)
      throw new Error(
        `npm could not fetch ${name}@${version}: ${error?.message ?? stderr.trim().slice(-500)}\n` +
          `With no network: put the package as npm packs it into ${kept}.`,
      );
    const data = readFileSync(join(part, made));
    if (sha512(data) !== integrity)
      throw new Error(`${name}@${version} as npm fetched it is ${sha512(data)}, and ${integrity} is pinned: not used`);
    renameSync(join(part, made), kept);
    return data;
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

const sha512 = (data: Buffer): string => `sha512-${createHash('sha512').update(data).digest('base64')}`;
