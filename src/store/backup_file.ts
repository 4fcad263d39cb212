/** One file of a backup: copied with its hash, private, and brought to the disk. Which files there are is backup.ts's. */
import { createHash } from 'node:crypto';
import { constants, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf } from './state.ts';
import { syncFolder } from './write_whole.ts';

export interface Copied {
  /** Inside the backup, with `/`. */
  path: string;
  bytes: number;
  sha256: string;
}

const CHUNK = 1024 * 1024;
/** Files that are synced at a time: as many threads as Node has for that. */
const AT_ONCE = 4;
const PRIVATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const PLAIN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

async function hashed(from: FileHandle, to: FileHandle | null, most: number, signal: AbortSignal) {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(1, most)));
  let bytes = 0;
  while (bytes < most) {
    signal.throwIfAborted();
    const { bytesRead } = await from.read(buffer, 0, Math.min(buffer.length, most - bytes), bytes);
    if (bytesRead === 0) break;
    const piece = buffer.subarray(0, bytesRead);
    hash.update(piece);
    for (let at = 0; to && at < bytesRead; ) at += (await to.write(piece, at)).bytesWritten;
    bytes += bytesRead;
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** `from` null: it stands in the backup already and is only hashed. Null when it is gone, or shorter than `bytes`. */
export async function copyFile(
  making: string,
  path: string,
  from: string,
  signal: AbortSignal,
  bytes?: number,
): Promise<Copied | null>;
export async function copyFile(making: string, path: string, from: null, signal: AbortSignal): Promise<Copied>;
export async function copyFile(
  making: string,
  path: string,
  from: string | null,
  signal: AbortSignal,
  bytes?: number,
): Promise<Copied | null> {
  let source: FileHandle;
  try {
    source = await open(join(from ?? making, path), PLAIN);
  } catch (error) {
    if (from !== null && errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
  await using _ = source;
  const most = bytes ?? (await source.stat()).size;
  if (from === null) return { path, ...(await hashed(source, null, most, signal)) };
  mkdirSync(dirname(join(making, path)), { recursive: true, mode: 0o700 });
  await using target = await open(join(making, path), PRIVATE, 0o600);
  const copied = await hashed(source, target, most, signal);
  return copied.bytes === most ? { path, ...copied } : null;
}

export async function writeFile(
  making: string,
  path: string,
  content: Uint8Array,
  signal: AbortSignal,
): Promise<Copied> {
  signal.throwIfAborted();
  mkdirSync(dirname(join(making, path)), { recursive: true, mode: 0o700 });
  await using target = await open(join(making, path), PRIVATE, 0o600);
  await target.writeFile(content);
  return { path, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
}

/** Hash and size of a file as it is now; null when it is gone or no plain file. */
export async function lookAtFile(path: string, signal: AbortSignal): Promise<{ bytes: number; sha256: string } | null> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isFile()) return null;
  await using file = await open(path, PLAIN);
  // Awaited here: returned as it is, it would go on after the file is closed.
  return await hashed(file, null, (await file.stat()).size, signal);
}

/** Every file and folder of it. Together at the end: one by one they would each wait for the disk. */
export async function syncAll(folder: string, signal: AbortSignal): Promise<void> {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  const files = entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name));
  const one = async () => {
    for (let path = files.pop(); path !== undefined; path = files.pop()) {
      signal.throwIfAborted();
      await using file = await open(path, 'r');
      await file.sync();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  for (const e of entries) if (e.isDirectory()) syncFolder(join(e.parentPath, e.name));
  syncFolder(folder);
}
