/**
 * Tar files, written and read here: the same entries give the same bytes whatever tar the machine has (GNU's `--sort`, `--mtime`
 * and `--owner` are not everybody's), and nothing has to be laid out in a folder first, with whose modes and dates whatever. ustar is
 * a header of 512 bytes and the file; that is all of it.
 */

import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';

export interface Entry {
  /** Without a leading or a trailing slash. */
  path: string;
  data: Buffer;
  executable?: boolean;
}

const BLOCK = 512;

/** Sorted, root's, of one date; folders are made of the paths. gzip without name and time. */
export function tarball(entries: readonly Entry[], epochS: number): Buffer {
  const folders = new Set(entries.flatMap(({ path }) => parents(path)));
  const all = [
    ...[...folders].map((path) => ({ path: `${path}/`, data: Buffer.alloc(0), mode: 0o755 })),
    ...entries.map((e) => ({ path: e.path, data: e.data, mode: e.executable ? 0o755 : 0o644 })),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
  const parts = all.flatMap(({ path, data, mode }) => [
    header(path, data.length, mode, epochS),
    data,
    Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK),
  ]);
  // Node's gzip writes no name and no time. Its highest level takes three times as long for 0.3 % less.
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]));
}

function parents(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, i) => names.slice(0, i + 1).join('/'));
}

function header(path: string, size: number, mode: number, epochS: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const text = (at: number, value: string, most: number) => {
    if (Buffer.byteLength(value) > most) throw new Error(`too long for a tar file: ${path}`);
    block.write(value, at, 'utf8');
  };
  const octal = (at: number, value: number, digits: number) =>
    text(at, value.toString(8).padStart(digits, '0'), digits);
  // A long path is split at a slash: at most 155 bytes before it, 100 after.
  const split = Buffer.byteLength(path) <= 100 ? -1 : path.indexOf('/', path.length - 101);
  text(0, path.slice(split + 1), 100);
  if (split > 0) text(345, path.slice(0, split), 155);
  octal(100, mode, 7);
  octal(108, 0, 7);
  octal(116, 0, 7);
  octal(124, size, 11);
  octal(136, epochS, 11);
  text(156, path.endsWith('/') ? '5' : '0', 1);
  text(257, 'ustar\0' + '00', 8);
  text(265, 'root', 32);
  text(297, 'root', 32);
  block.fill(' ', 148, 156);
  octal(
    148,
    block.reduce((sum, byte) => sum + byte, 0),
    6,
  );
  block[154] = 0;
  return block;
}

export interface Found extends Entry {
  mode: number;
  mtimeS: number;
  uid: number;
  gid: number;
  type: string;
}

/** What is in one, for packages of npm and for the tests. No long names beyond ustar's: neither has any. */
export function entriesOf(gzipped: Buffer, wanted: (path: string) => boolean = () => true): Found[] {
  const tar = gunzipSync(gzipped);
  const found: Found[] = [];
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0; ) {
    const text = (from: number, length: number) =>
      tar.toString('utf8', at + from, at + from + length).replace(/\0[\s\S]*$/, '');
    const octal = (from: number, length: number) => Number.parseInt(text(from, length).trim() || '0', 8);
    const size = octal(124, 12);
    const prefix = text(345, 155);
    const path = `${prefix ? `${prefix}/` : ''}${text(0, 100)}`;
    if (wanted(path))
      found.push({
        path,
        data: tar.subarray(at + BLOCK, at + BLOCK + size),
        mode: octal(100, 8),
        uid: octal(108, 8),
        gid: octal(116, 8),
        mtimeS: octal(136, 12),
        type: text(156, 1),
      });
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return found;
}

export const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

/** As `sha256sum -c` reads it. */
export const sums = (files: readonly { path: string; data: Buffer }[]): string =>
  [...files]
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, data }) => `${sha256(data)}  ${path}\n`)
    .join('');
