/**
 * Asks a thread of its own what fills a file system, beside the threads that read files: a scan takes long, and those must not wait for it.
 * Decides when one is given up that makes no step any more, and that equal questions share one scan. How it walks is walk.ts's.
 */
import type { DiskHost, DiskScan, OpenDeletedList } from '../../core/disk.ts';
import { OpsError } from '../../core/errors.ts';
import { programUrl } from '../program.ts';
import type { Root } from '../system/files.ts';
import type { Mount } from '../system/mounts.ts';
import { type ModuleThread, moduleThread } from '../worker.ts';
import type { Question } from './thread.ts';

const LOOK_MS = 200;
/** One call of a healthy disk takes milliseconds, one of a busy one a second: a thread without a step for so long hangs. */
const HUNG_MS = 8_000;
const AT_ONCE = 4;

export interface DiskOptions {
  root: Root;
  mounts: () => readonly Mount[];
  ours: readonly string[];
  /** What the owner adds to the deny list. */
  deny: readonly string[];
  hungMs?: number;
  /** The thread's program: the tests bring one that hangs when told. */
  program?: URL;
}

export interface OpenDisk extends DiskHost {
  close(): void;
}

interface Running {
  work: Promise<unknown>;
  wanted: number;
  listeners: Set<(p: { bytes: number; entries: number }) => void>;
  stop(): void;
}

const hung = (mount: string) =>
  new OpsError('unavailable', `The file system at ${mount} does not answer.`, {
    hint: 'See system_overview for its mount.',
  });

export function diskAt(o: DiskOptions): OpenDisk {
  const running = new Map<string, Running>();
  /** Questions in which a thread hangs. */
  const lost = new Set<string>();

  function shared(q: Pick<Question, 'op' | 'mount' | 'used' | 'maxMs'>): Running {
    const key = `${q.op} ${q.mount}`;
    const has = running.get(key);
    if (has) return has;
    if (running.size >= AT_ONCE)
      throw new OpsError('limit', 'Other disks are being looked at.', { hint: 'Try again.', retryAfterMs: 5_000 });
    if (lost.has(key)) throw hung(q.mount);
    const memory = new SharedArrayBuffer(4 * Float64Array.BYTES_PER_ELEMENT);
    const cells = new Float64Array(memory);
    const listeners: Running['listeners'] = new Set();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    let [turns, at] = [-1, performance.now()];
    const thread: ModuleThread = moduleThread({
      url: o.program ?? programUrl('disk'),
      name: 'deckhand-disk',
      heapMb: 192,
      onMessage: (m) => {
        const { value, error } = m as {
          value?: unknown;
          error?: { code: 'internal'; message: string; details: object };
        };
        thread.calling(false);
        lost.delete(key);
        if (error) reject(new OpsError(error.code, error.message, error.details));
        else resolve(value);
        thread.end();
      },
      onGone: () => {
        lost.delete(key);
        reject(new OpsError('unavailable', 'The look at the disk failed.', { hint: 'Try again.' }));
      },
    });
    thread.calling(true);
    const prefix = o.root.of('/').replace(/\/+$/, '');
    thread.post({
      ...q,
      prefix,
      mounts: o.mounts().map((m) => m.path),
      ours: o.ours,
      deny: o.deny,
      shared: memory,
    } satisfies Question);
    // From here on it is known to be in a call; an unref'd thread keeps no process, so that this timer must.
    const timer = setInterval(() => {
      const now = performance.now();
      if (cells[1] !== turns) {
        [turns, at] = [cells[1] ?? 0, now];
        for (const tell of listeners) tell({ bytes: cells[3] ?? 0, entries: cells[2] ?? 0 });
      } else if (now - at > (o.hungMs ?? HUNG_MS)) {
        lost.add(key);
        reject(hung(q.mount));
      }
    }, LOOK_MS);
    const work = promise.finally(() => {
      clearInterval(timer);
      running.delete(key);
    });
    work.catch(() => {});
    const one: Running = { work, wanted: 0, listeners, stop: () => void cells.fill(1, 0, 1) };
    running.set(key, one);
    return one;
  }

  /** Who leaves does not stop it for others; the last one does. */
  async function ask<T>(
    q: Pick<Question, 'op' | 'mount' | 'used' | 'maxMs'>,
    signal: AbortSignal | undefined,
    tell?: (p: { bytes: number; entries: number }) => void,
  ): Promise<T> {
    signal?.throwIfAborted();
    const one = shared(q);
    one.wanted++;
    if (tell) one.listeners.add(tell);
    const { promise, reject } = Promise.withResolvers<never>();
    const leave = () => reject(signal?.reason as Error);
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return (await Promise.race([one.work, promise])) as T;
    } finally {
      signal?.removeEventListener('abort', leave);
      if (tell) one.listeners.delete(tell);
      if (--one.wanted === 0) one.stop();
    }
  }

  return {
    async mountOf(path) {
      let best = '/';
      for (const { path: at } of o.mounts())
        if (at.length > best.length && (path === at || path.startsWith(`${at}/`))) best = at;
      return best;
    },
    scan: (mount, { used, maxMs, signal, onProgress }) =>
      ask<DiskScan>({ op: 'scan', mount, used, maxMs }, signal, onProgress),
    openDeleted: (mount, { signal } = {}) =>
      ask<OpenDeletedList>({ op: 'open', mount, used: { bytes: 0, inodes: null }, maxMs: 0 }, signal),
    close() {
      for (const one of running.values()) one.stop();
    },
  };
}
