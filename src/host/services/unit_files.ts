/**
 * A unit's file and drop-ins, as they are on the disk. Decides which places are read: those that only the system's owner writes. A unit
 * that somebody linked from elsewhere could be replaced by a link to any file of root's, and we would read that to whoever asks.
 */
import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync, statSync } from 'node:fs';
import type { Reading } from '../../core/host.ts';
import type { UnitFile } from '../../core/services.ts';
import { known, type Root, unknown, whyUnread } from '../system/files.ts';

const MAX_BYTES = 64 * 1024;
const MAX_FILES = 32;

/** The last is where NixOS has them. */
const PLACES = [
  '/etc/systemd/',
  '/run/systemd/',
  '/usr/lib/systemd/',
  '/lib/systemd/',
  '/usr/local/lib/systemd/',
  '/nix/store/',
];
const NAMES = /\.(?:service|socket|target|timer|mount|automount|swap|path|slice|scope|device|conf)$/;

export function unitFiles(root: Root, paths: readonly string[]): Reading<{ path: string; text: string }[]> {
  if (paths.length === 0) return unknown('It has no file on the disk: systemd made it while it runs.');
  const files: { path: string; text: string }[] = [];
  for (const path of paths.slice(0, MAX_FILES)) {
    const read = oneFile(root, path);
    if (read.value === null) return unknown(read.why);
    files.push({ path, text: read.value });
  }
  return known(files);
}

function oneFile(root: Root, path: string): Reading<string> {
  let fd: number;
  try {
    // Not waiting for a pipe that somebody put there.
    fd = openSync(root.of(path), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (thrown) {
    return unknown(whyUnread(thrown, path));
  }
  try {
    // Where the opened one really lies, whatever links led there.
    const lies = readlinkSync(`/proc/self/fd/${fd}`);
    if (!fstatSync(fd).isFile()) return unknown(`${path} is no plain file.`);
    if (!PLACES.some((place) => lies.startsWith(place)) || !NAMES.test(lies))
      return unknown(
        `${path} lies outside systemd's own folders: file_read reads it where the owner opened that place.`,
      );
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    let filled = 0;
    for (let n = 1; n > 0 && filled < buffer.length; filled += n)
      n = readSync(fd, buffer, filled, buffer.length - filled, filled);
    if (filled > MAX_BYTES) return unknown(`${path} is longer than a unit file is.`);
    return known(buffer.toString('utf8', 0, filled));
  } catch (thrown) {
    return unknown(whyUnread(thrown, path));
  } finally {
    closeSync(fd);
  }
}

/** By the change of the inode: a package keeps the time at which its files were built. */
export function changeTimes(root: Root, paths: readonly string[]): UnitFile[] {
  const found = paths.slice(0, MAX_FILES).flatMap((path) => {
    try {
      const is = statSync(root.of(path));
      return [{ path, atMs: Math.floor(is.ctimeMs), executable: is.isFile() && (is.mode & 0o111) !== 0 }];
    } catch {
      return [];
    }
  });
  return found.sort((a, b) => b.atMs - a.atMs);
}
