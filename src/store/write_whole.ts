/** A small file, private unless said otherwise, is there whole or not at all, also after a power cut. What is in it is decided by who writes it. */
import { randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** `mode`: whatever the umask would take of it. */
export function writeWhole(path: string, content: string | Uint8Array, mode?: number): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    try {
      if (mode !== undefined) fchmodSync(fd, mode);
      const bytes = Buffer.from(content as string);
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } finally {
    // After a rename there is nothing left of it; otherwise no half file stays.
    rmSync(temporary, { force: true });
  }
  syncFolder(dirname(path));
}

/** The names in a folder reach the disk. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
