/**
 * One of all processes does a thing (the sampler): a lease is a lock of the operating system, which dies with its holder
 * and costs no writes. What is done under it is decided by who asks. The same lock, held for moments, keeps writers of a
 * file apart: unlike a file that only lies there, it needs no guess whether its owner is still alive.
 */
import { basename, join } from 'node:path';
import type { Log } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { type Exclusive, openExclusive } from './db.ts';
import type { StateDir } from './state.ts';

export interface Lease extends Disposable {
  /** False when the folder takes no lock file (a full disk): the holder may not be the only one, and should ask again later. */
  readonly sure: boolean;
}

/** A collected database object would close its file and so give the lease up behind its holder's back. */
const held = new Set<Exclusive>();

export function openLeases(state: StateDir, log: Log): { tryLease(name: string): Lease | null } {
  return {
    tryLease(name) {
      if (!/^[a-z][a-z0-9-]{0,31}$/.test(name)) throw new Error(`Not a lease's name: ${name}`);
      let lock: Exclusive | null;
      try {
        state.ensure();
        lock = openExclusive(join(state.leases, name), 0);
      } catch (error) {
        // Better two samplers than none: liveness depends on one.
        log.warn({ lease: name, error: String(error) }, 'no lease could be taken in the state folder; going on alone');
        return { sure: false, [Symbol.dispose]: () => {} };
      }
      if (!lock) return null;
      const taken = lock;
      held.add(taken);
      return {
        sure: true,
        [Symbol.dispose]() {
          held.delete(taken);
          taken.release();
        },
      };
    },
  };
}

/** Runs `work` while no other process does. Throws `unavailable` when another one holds it for `waitMs`. */
export function exclusively<T>(path: string, waitMs: number, work: () => T): T {
  const held = openExclusive(path, waitMs);
  if (!held)
    throw new OpsError('unavailable', `Another process holds ${basename(path)} for more than ${waitMs} ms.`, {
      retryAfterMs: 1_000,
    });
  try {
    return work();
  } finally {
    held.release();
  }
}
