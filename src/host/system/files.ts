/**
 * How the files of the kernel are read: synchronously, bounded, and the ones read every few seconds through descriptors
 * that stay open. Decides nothing about what the text means (procfs.ts) or what it is worth (snapshot.ts).
 *
 * fs.promises is not used for /proc: it costs 10 to 20 times more, and these reads do not wait for a device.
 */
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import type { Reading } from '../../core/host.ts';

/** Where the host's files are: '/' on the host itself, another folder when its views are mounted there. */
export interface Root {
  /** The real path of a path on the host. */
  of(path: string): string;
  /** Not '/': commands, our own user and our own PID are then no help in reading it. */
  foreign: boolean;
}

export function rootAt(folder: string): Root {
  const prefix = folder.replace(/\/+$/, '');
  return { of: prefix === '' ? (path) => path : (path) => prefix + path, foreign: prefix !== '' };
}

export const known = <T>(value: T): Reading<T> => ({ value });
export const unknown = (why: string): { value: null; why: string } => ({ value: null, why });

const errnoOf = (thrown: unknown): string =>
  thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unreadable';

/** One sentence, with the path as the host knows it. */
export function whyUnread(thrown: unknown, path: string): string {
  const errno = errnoOf(thrown);
  if (errno === 'ENOENT' || errno === 'ENOTDIR') return `${path} is not there.`;
  if (errno === 'EACCES' || errno === 'EPERM') return `This user may not read ${path}.`;
  if (errno === 'ENOTCONN')
    return `${path} does not answer: lxcfs has died, and restarting the container brings it back.`;
  if (errno === 'EOPNOTSUPP' && path.includes('pressure'))
    return 'The kernel does not measure pressure; psi=1 on its command line turns that on.';
  if (errno === 'EMPTY') return `${path} is empty.`;
  if (errno === 'TOOBIG') return `${path} is larger than can be true.`;
  return `${path} cannot be read (${errno}).`;
}

export const garbled = (path: string): { value: null; why: string } =>
  unknown(`${path} holds nothing that can be understood.`);

class ReadFailure extends Error {
  readonly code: 'EMPTY' | 'TOOBIG';
  constructor(code: 'EMPTY' | 'TOOBIG') {
    super(code);
    this.code = code;
  }
}

/** Nothing in /proc or /sys that we read is larger; a fixture or a FUSE mount over /proc could be. */
const MAX_BYTES = 4 * 1024 * 1024;

/** One buffer for every synchronous read of this process: each text is copied out before the next read begins. */
let buffer = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * Reads from the start of the file. The kernel hands out line-wise files (diskstats, mountinfo) in pieces of a page, so
 * that only an empty read tells their end; for the others (`whole`) a read that did not fill the buffer was all of it.
 */
function readAll(fd: number, whole: boolean): number {
  let filled = 0;
  for (;;) {
    const n = readSync(fd, buffer, filled, buffer.length - filled, filled);
    filled += n;
    if (n === 0 || (whole && filled < buffer.length)) return filled;
    if (filled === buffer.length) {
      if (buffer.length >= MAX_BYTES) throw new ReadFailure('TOOBIG');
      const larger = Buffer.allocUnsafeSlow(buffer.length * 2);
      buffer.copy(larger, 0, 0, filled);
      buffer = larger;
    }
  }
}

/** A whole small file as latin1: one character a byte, the fastest text there is. Names are decoded where they are used. */
export function readText(realPath: string): string {
  const fd = openSync(realPath, 'r');
  try {
    return buffer.toString('latin1', 0, readAll(fd, false));
  } finally {
    closeSync(fd);
  }
}

/** For the many files of the process list: one read, which is all of them. */
export function readOnce(realPath: string): string {
  const fd = openSync(realPath, 'r');
  try {
    return buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(fd);
  }
}

/** The trimmed text, or null for any reason: for the facts that are only evidence. */
export function textOrNull(realPath: string): string | null {
  try {
    return utf8(readText(realPath)).trim();
  } catch {
    return null;
  }
}

export function namesIn(realPath: string): string[] {
  try {
    return readdirSync(realPath);
  } catch {
    return [];
  }
}

/** Text read as latin1, with its other bytes taken for what they are. */
export function utf8(latin1: string): string {
  for (let i = 0; i < latin1.length; i++)
    if (latin1.charCodeAt(i) > 127) return Buffer.from(latin1, 'latin1').toString('utf8');
  return latin1;
}

/** Files read again and again. A descriptor that fails (its cgroup was moved, lxcfs restarted) is opened anew, once. */
export class KeptFiles {
  readonly #fds = new Map<string, number>();
  readonly #root: Root;

  constructor(root: Root) {
    this.#root = root;
  }

  /** `whole`: one read gives all of it (see readAll). Throws what whyUnread explains. */
  read(path: string, whole: boolean): string {
    const kept = this.#fds.get(path);
    if (kept !== undefined) {
      try {
        const n = readAll(kept, whole);
        if (n > 0) return buffer.toString('latin1', 0, n);
      } catch {
        // Opened anew below: that attempt's error is the one to tell.
      }
      this.#fds.delete(path);
      closeSync(kept);
    }
    const fd = openSync(this.#root.of(path), 'r');
    try {
      const n = readAll(fd, whole);
      if (n === 0) throw new ReadFailure('EMPTY');
      this.#fds.set(path, fd);
      return buffer.toString('latin1', 0, n);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Reads and parses; null from the parser means garbage. */
  reading<T>(path: string, whole: boolean, parse: (text: string) => T | null): Reading<T> {
    let text: string;
    try {
      text = this.read(path, whole);
    } catch (error) {
      return unknown(whyUnread(error, path));
    }
    const value = parse(text);
    return value === null ? garbled(path) : { value };
  }

  close(): void {
    for (const fd of this.#fds.values()) closeSync(fd);
    this.#fds.clear();
  }
}
