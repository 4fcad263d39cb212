/**
 * Contents that a receipt needs to take a change back: one compressed file for one content, named by its SHA-256, private.
 * Which are still needed, and how many bytes there may be, receipts.ts decides.
 */
import { hash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync, inflateSync } from 'node:zlib';
import { syncFolder, writeWhole } from './write_whole.ts';

const SHA = /^[0-9a-f]{64}$/;
/** A blob is written before the row that needs it: younger ones are nobody's yet, but not waste. */
const SETTLED_MS = 60 * 60_000;

export interface Blobs {
  /** Bytes on the disk. */
  put(content: Uint8Array): { sha: string; bytes: number };
  /** Null when it is gone, or no longer what it was. */
  get(sha: string): Uint8Array | null;
  /** Removes all that `needed` does not hold, but for those just written. */
  sweep(needed: ReadonlySet<string>, nowMs: number): void;
}

export function openBlobs(folder: string): Blobs {
  const path = (sha: string) => join(folder, sha.slice(0, 2), sha);
  const blobs: Blobs = {
    put(content) {
      const sha = hash('sha256', content);
      const file = path(sha);
      try {
        // Known already: its age begins anew, so that a sweep of this moment leaves it.
        const now = new Date();
        utimesSync(file, now, now);
        if (blobs.get(sha)) return { sha, bytes: statSync(file).size };
        // Damaged: what stands there would take nothing back.
      } catch {
        // Not there yet.
      }
      const packed = deflateSync(content);
      // The folder's own name must outlive a power cut too.
      if (mkdirSync(join(folder, sha.slice(0, 2)), { recursive: true, mode: 0o700 })) syncFolder(folder);
      writeWhole(file, packed);
      return { sha, bytes: packed.length };
    },

    get(sha) {
      if (!SHA.test(sha)) return null;
      try {
        const content = inflateSync(readFileSync(path(sha)));
        return hash('sha256', content) === sha ? content : null;
      } catch {
        return null;
      }
    },

    sweep(needed, nowMs) {
      for (const part of readdirSync(folder))
        for (const name of readdirSync(join(folder, part))) {
          // Half-written files of a process that died are named `<sha>.<random>.tmp`, and go the same way.
          if (needed.has(name)) continue;
          const file = join(folder, part, name);
          if (nowMs - statSync(file).mtimeMs > SETTLED_MS) rmSync(file, { force: true });
        }
    },
  };
  return blobs;
}
