/**
 * Names of a folder that is held, as its bytes: read from it, or proposed by somebody else. Decides in which steps a folder is read; what
 * of it is looked at, and whether a proposed name may be, is find.ts's business.
 */
import fs from 'node:fs';
import type { FileKind } from '../../core/files.ts';

/** A directory as small as this on the disk is read at once, which is quicker; a larger one in pieces. */
const AT_ONCE = 256 * 1024;

/** One byte to the character, so that nothing of a name is lost and most are text already. */
export interface Name {
  latin: string;
  kind: FileKind | null;
}

export const latinOf = (name: Uint8Array) => Buffer.from(name).toString('latin1');
export const ASCII = /^[\x00-\x7f]*$/;
export const textOf = (latin: string) => (ASCII.test(latin) ? latin : Buffer.from(latin, 'latin1').toString('utf8'));

/** Names that somebody proposes, by folder, a folder's with `/` at its end: only they are looked at, and that as everything else. */
export type Tree = Map<string, Tree>;

export function treeOf(paths: readonly string[]): Tree {
  const tree: Tree = new Map();
  for (const path of paths) {
    let at = tree;
    const folder = path.endsWith('/');
    const parts = (folder ? path.slice(0, -1) : path).split('/');
    // Opened below a folder that is held, these would be another one.
    if (parts.some((p) => p === '' || p === '.' || p === '..')) continue;
    for (const part of parts) {
      const below = at.get(part) ?? new Map();
      at.set(part, below);
      at = below;
    }
    if (folder) at.set('', new Map());
  }
  return tree;
}

export function* namesIn(tree: Tree, at: readonly string[], fd: number): Generator<Name> {
  let here: Tree | undefined = tree;
  for (const part of at) here = here?.get(textOf(part));
  const unsure = new Set<string>();
  for (const [name, below] of here ?? []) {
    // Only says that this is a folder.
    if (name === '') continue;
    // It came as text: which bytes these were, only the folder itself knows.
    if (name.includes('\ufffd')) unsure.add(name);
    else yield { latin: latinOf(Buffer.from(name)), kind: below.size > 0 ? 'directory' : 'file' };
  }
  if (unsure.size > 0)
    for (const entry of entries(fd, fs.fstatSync(fd).size)) if (unsure.has(textOf(entry.latin))) yield entry;
}

const encoding = 'latin1' as BufferEncoding;
const WITH_KINDS = { encoding, withFileTypes: true } as const;

/** `size`: of the folder itself, as its stat has it. */
export function entries(fd: number, size: number): Iterable<Name> {
  const here = `/proc/self/fd/${fd}`;
  if (size <= 0 || size > AT_ONCE) return inPieces(here);
  const all: Name[] = [];
  for (const e of fs.readdirSync(here, WITH_KINDS)) all.push({ latin: e.name, kind: kindIn(e) });
  return all;
}

function* inPieces(here: string): Generator<Name> {
  const dir = fs.opendirSync(here, { encoding, bufferSize: 512 });
  try {
    for (let e = dir.readSync(); e !== null; e = dir.readSync()) yield { latin: e.name, kind: kindIn(e) };
  } finally {
    dir.closeSync();
  }
}

function kindIn(e: fs.Dirent): FileKind | null {
  if (e.isFile()) return 'file';
  if (e.isDirectory()) return 'directory';
  if (e.isSymbolicLink()) return 'symlink';
  if (e.isFIFO()) return 'fifo';
  if (e.isSocket()) return 'socket';
  if (e.isBlockDevice()) return 'block-device';
  return e.isCharacterDevice() ? 'character-device' : null;
}
