/**
 * The steps of a transfer, as a file thread takes them: open what is to be given away, make the file that is to come beside the one that
 * it is to be, fill it, and put it in the other's place. Decides what may stand in a target's place and that nothing of it is touched
 * before all else has succeeded. Descriptors stay open between steps and are named by number; transfers.ts keeps them apart.
 */
import fs from 'node:fs';
import { OpsError } from '../../core/errors.ts';
import type { Expected, FileRoot, FileStat, SharedBytes } from '../../core/files.ts';
import { MARK_BYTES, MOST_LOOKED, secretContent } from './deny.ts';
import { check, inherit, putNew, sweep } from './replace.ts';
import { asExpected, below, conflict, ordinary, stillThere, type Target, target } from './standing.ts';
import type { Task } from './task.ts';
import {
  componentsOf,
  deniedError,
  failed,
  failedToChange,
  type Ground,
  idOf,
  reopen,
  shown,
  statOf,
  walk,
} from './walk.ts';

export interface At {
  root: FileRoot;
  inner: readonly FileRoot[];
  ours: readonly string[];
  deny: readonly string[];
  path: Uint8Array;
}

/** A file that is given away: what it is held by, and what it was at that moment. */
export interface Held {
  fd: number;
  path: string;
  stat: FileStat;
  is: string;
}

export interface HeldStage {
  fd: number;
  /** The folder (O_PATH), and which it is. */
  dir: number;
  dirId: string;
  id: string;
  temporary: string;
  /** Of the target, in its folder. */
  name: Uint8Array;
  path: string;
  expected: Expected;
  /** Of what stands there; null: nothing does. */
  beforeIs: string | null;
  mode: number;
  keepOwner: boolean;
  unkept: string | null;
  done: boolean;
}

export type Step =
  | ({ do: 'open' } & At)
  | { do: 'piece'; fd: number; is: string; path: string; into: SharedBytes; offset: number; scan: boolean }
  | ({
      do: 'stage';
      expected: Expected;
      keepOwner: boolean;
      mode: number | null;
      sizeBytes: number;
      temporary: string;
    } & At)
  | { do: 'append'; fd: number; from: SharedBytes; length: number; offset: number }
  | { do: 'sync' | 'truncate'; fd: number }
  | ({ do: 'ready'; held: HeldStage; sizeBytes: number } & At)
  | { do: 'commit' | 'discard'; held: HeldStage }
  | { do: 'close'; fds: number[] };

export function take(step: Step, groundOf: (at: At) => Ground, task: Task): unknown {
  switch (step.do) {
    case 'open':
      return open(groundOf(step), step.path);
    case 'piece':
      return piece(step);
    case 'stage':
      return stage(groundOf(step), step, task);
    case 'append':
      return append(step);
    case 'sync':
      return fs.fdatasyncSync(step.fd);
    case 'truncate':
      return fs.ftruncateSync(step.fd, 0);
    case 'ready':
      return ready(groundOf(step), step, task);
    case 'commit':
      return commit(step.held);
    case 'discard':
      return discard(step.held);
    case 'close':
      for (const fd of step.fds) fs.closeSync(fd);
      return null;
  }
}

function open(ground: Ground, path: Uint8Array): Held {
  using place = walk(ground, componentsOf(path), { access: 'read' });
  const name = shown(place.components);
  if (place.stat.isDirectory())
    throw new OpsError('validation', `That is a folder: ${name}.`, {
      hint: 'Files go one by one; file_list names them.',
    });
  try {
    const fd = reopen(place);
    return { fd, path: name, stat: statOf(place.stat), is: signature(place.stat) };
  } catch (error) {
    throw failed(error, name);
  }
}

/** Looked at after the reading: what was changed before shows as well. */
function piece(q: Extract<Step, { do: 'piece' }>): number {
  const { fd, into, offset } = q;
  try {
    const got = readInto(fd, into, offset);
    if (signature(fs.fstatSync(fd, { bigint: true })) !== q.is) throw changed(q.path);
    if (q.scan && marked(fd, into.subarray(0, got), offset)) throw deniedError();
    return got;
  } catch (error) {
    throw failed(error, q.path);
  }
}

function readInto(fd: number, into: Uint8Array, offset: number): number {
  let got = 0;
  while (got < into.length) {
    const n = fs.readSync(fd, into, got, into.length - got, offset + got);
    if (n === 0) break;
    got += n;
  }
  return got;
}

/** A mark of a key in this piece, or across its beginning. */
function marked(fd: number, piece: SharedBytes, offset: number): boolean {
  const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
  if (secretContent(bytes)) return true;
  const across = Buffer.alloc(Math.min(offset, MARK_BYTES) + Math.min(MARK_BYTES, bytes.length));
  const got = readInto(fd, across, offset - Math.min(offset, MARK_BYTES));
  return offset > 0 && secretContent(across.subarray(0, got));
}

function stage(ground: Ground, q: Extract<Step, { do: 'stage' }>, task: Task): HeldStage {
  using t = target(ground, q.path);
  const temporary = below(t.dir, q.temporary);
  let fd: number | null = null;
  try {
    check(ground, q.path, q.keepOwner);
    asExpected(t, q.expected, task);
    sweep(t, task);
    const { bavail, bsize } = fs.statfsSync(`/proc/self/fd/${t.dir}`, { bigint: true });
    if (bavail * bsize < BigInt(q.sizeBytes) + SPARE)
      throw new OpsError('limit', `Its file system has ${bavail * bsize} bytes left, and ${q.sizeBytes} are to come.`, {
        hint: 'Use diagnose with disk_full to see what takes the space.',
      });
    fd = fs.openSync(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    const held: HeldStage = {
      fd,
      dir: fs.openSync(`/proc/self/fd/${t.dir}`, O_RDONLY | O_DIRECTORY),
      dirId: idOf(fs.fstatSync(t.dir, { bigint: true })),
      id: idOf(fs.fstatSync(fd, { bigint: true })),
      temporary: q.temporary,
      name: Uint8Array.from(t.name),
      path: t.path,
      expected: q.expected,
      beforeIs: t.is && signature(t.is.stat),
      mode: (q.mode ?? 0o644) & 0o777,
      keepOwner: q.keepOwner,
      unkept: null,
      done: false,
    };
    fd = null;
    return held;
  } catch (error) {
    if (fd !== null) {
      fs.closeSync(fd);
      fs.unlinkSync(temporary);
    }
    throw failedToChange(error, t.path);
  }
}

const { O_RDWR, O_RDONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY } = fs.constants;

/** The same as long as nobody has written to it, named it otherwise or changed its rights. */
const signature = (s: fs.BigIntStats) => `${idOf(s)}:${s.size}:${s.mtimeNs}:${s.ctimeNs}`;
const changed = (path: string) => conflict(path, 'was changed meanwhile');

/** Beyond what comes: for the folder's own growth, and so that a disk is not filled to its last block. */
const SPARE = 16n * 1024n * 1024n;

function append({ fd, from, length, offset }: Extract<Step, { do: 'append' }>): null {
  try {
    for (let put = 0; put < length; ) put += fs.writeSync(fd, from, put, length - put, offset + put);
    // What could not be read again through here is not written either; as far as other ways look, too.
    if (offset < MOST_LOOKED && marked(fd, from.subarray(0, length), offset)) throw deniedError();
    return null;
  } catch (error) {
    throw failedToChange(error, 'the file that is coming');
  }
}

function ready(ground: Ground, q: Extract<Step, { do: 'ready' }>, task: Task): HeldStage {
  const { held } = q;
  using t = target(ground, q.path);
  try {
    const is = t.is ? ordinary(t) : null;
    const unkept = is ? inherit(held.fd, is, held.path, held.keepOwner) : null;
    if (!is) fs.fchmodSync(held.fd, held.mode);
    fs.fsyncSync(held.fd);
    const own = fs.fstatSync(held.fd, { bigint: true });
    const named = fs.lstatSync(below(t.dir, held.temporary), { bigint: true, throwIfNoEntry: false });
    const dirId = idOf(fs.fstatSync(t.dir, { bigint: true }));
    if (dirId !== held.dirId || !named || idOf(named) !== held.id || own.nlink !== 1n) throw changed(held.path);
    if (Number(own.size) !== q.sizeBytes) throw changed(held.path);
    // The very same as at the beginning, or at least the same content.
    if ((is && signature(is.stat)) !== held.beforeIs) asExpected(t, held.expected, task);
    stillThere(t);
    return { ...held, beforeIs: is && signature(is.stat), unkept };
  } catch (error) {
    throw failedToChange(error, held.path);
  }
}

function commit(held: HeldStage): { path: string; stat: FileStat } {
  const at = (name: string | Uint8Array) => below(held.dir, name);
  try {
    const there = fs.lstatSync(at(held.name), { bigint: true, throwIfNoEntry: false });
    if ((there ? signature(there) : null) !== held.beforeIs) throw changed(held.path);
    if (there) fs.renameSync(at(held.temporary), at(held.name));
    // A rename would replace what came in between; a link does not.
    else putNew(at(held.temporary), placeOf(held));
    fs.fsyncSync(held.dir);
    return { path: held.path, stat: statOf(fs.fstatSync(held.fd, { bigint: true })) };
  } catch (error) {
    throw failedToChange(error, held.path);
  }
}

const placeOf = (held: HeldStage): Target => ({
  dir: held.dir,
  name: Buffer.from(held.name),
  path: held.path,
  components: [],
  is: null,
  [Symbol.dispose]() {},
});

function discard(held: HeldStage): null {
  try {
    if (!held.done) {
      const name = below(held.dir, held.temporary);
      const found = fs.lstatSync(name, { bigint: true, throwIfNoEntry: false });
      // What somebody has put under that name meanwhile is not ours to remove.
      if (found && idOf(found) === held.id) fs.unlinkSync(name);
    }
  } finally {
    fs.closeSync(held.fd);
    fs.closeSync(held.dir);
  }
  return null;
}
