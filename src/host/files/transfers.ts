/**
 * Files that pass in pieces: held open between requests by descriptors that belong to the whole process, touched only in threads of their
 * own, so that neither a hung mount nor a slow client takes along who reads otherwise. Decides what one step is and that steps of
 * one file follow one another; the steps are stage.ts's.
 */
import { createHash, randomBytes } from 'node:crypto';
import { OpsError } from '../../core/errors.ts';
import type {
  FileBounds,
  FilePath,
  FileRoot,
  FileSource,
  FileStage,
  FileStat,
  FileTransfers,
  SharedBytes,
} from '../../core/files.ts';
import { type Asked, FilePool, type FilePoolOptions } from './pool.ts';
import type { Held, HeldStage, Step } from './stage.ts';
import { componentsOf, rootOf, shown } from './walk.ts';

/** A gigabyte reaches its disk in that: shorter, and a slow disk would pass for a hung one. */
const DEADLINE_MS = 60_000;
const PIECE = 1024 * 1024;
const SYNC_EVERY = 32 * PIECE;

export interface OpenTransfers extends FileTransfers {
  within(bounds: FileBounds): FileTransfers;
  abandoned(): number;
  close(): void;
}

export function transferHost(o: {
  roots: readonly FileRoot[];
  ours: readonly string[];
  deny?: readonly string[];
  mountOf(path: string): string;
  pool?: Pick<FilePoolOptions, 'idleMs'>;
}): OpenTransfers {
  // Loaded with the first transfer only: threads cost memory.
  let made: FilePool | null = null;
  let closed = false;
  const pool = () => {
    if (closed) throw new OpsError('unavailable', 'The server is stopping.', { hint: 'Call again in a moment.' });
    made ??= new FilePool({ deadlineMs: DEADLINE_MS, atOnce: 2, maxLost: 2, ...o.pool, sharesFds: true });
    return made;
  };
  // The pool carries what it is given; what a step is, the thread knows.
  const ask = <T>(mount: string, step: Step) => pool().ask<T>(mount, { op: 'transfer', step } as unknown as Asked);

  function where(path: FilePath, access: 'read' | 'write', bounds: FileBounds | undefined) {
    const parts = componentsOf(path);
    const root = rootOf(o.roots, parts, access);
    const inner = o.roots.filter((r) => r !== root && r.path.startsWith(`${root.path.replace(/\/+$/, '')}/`));
    const bytes = Buffer.concat(parts.flatMap((p) => [Buffer.from('/'), p]));
    const ground = { root, inner, ours: o.ours, deny: o.deny ?? [], caller: bounds };
    return { mount: o.mountOf(shown(parts)), at: { ...ground, path: Uint8Array.from(bytes) } };
  }

  const view = (bounds?: FileBounds): FileTransfers => ({
    // No signal with what opens: an answer that nobody waits for would leave a descriptor open.
    async open(path, { signal } = {}) {
      const { mount, at } = where(path, 'read', bounds);
      const held = await ask<Held>(mount, { do: 'open', ...at });
      const source = sourceOf(held, (step) => ask(mount, step));
      if (!signal?.aborted) return source;
      await source.close();
      throw signal.reason;
    },

    async stage(path, { signal, expected, keepOwner, mode, sizeBytes }) {
      const { mount, at } = where(path, 'write', bounds);
      const temporary = `.deckhand-${randomBytes(12).toString('hex')}`;
      const want = { expected, keepOwner, mode: mode ?? null, sizeBytes, temporary };
      const held = await ask<HeldStage>(mount, { do: 'stage', ...at, ...want });
      const stage = stageOf(held, (step) => ask(mount, step), { ...at, sizeBytes });
      if (!signal?.aborted) return stage;
      await stage.discard();
      throw signal.reason;
    },
  });

  return {
    ...view(),
    within: view,
    abandoned: () => made?.abandoned() ?? 0,
    close() {
      closed = true;
      made?.close();
    },
  };
}

type Do = <T>(step: Step) => Promise<T>;

/** Steps of one file follow one another; when it is ended the one under way ends first, because its number may soon be another file's. */
function oneByOne() {
  let last: Promise<unknown> = Promise.resolve();
  let over = false;
  return {
    step<T>(work: () => Promise<T>): Promise<T> {
      if (over) return Promise.reject(new OpsError('unavailable', 'The transfer has ended.'));
      const next = last.then(work, work);
      last = next.catch(() => {});
      return next;
    },
    end(work: () => Promise<unknown>): Promise<void> {
      if (!over) {
        over = true;
        last = last.then(work).catch(() => {});
      }
      return last as Promise<void>;
    },
  };
}

function sourceOf(held: Held, ask: Do): FileSource {
  const line = oneByOne();
  const read = (into: SharedBytes, offset: number, scan: boolean) =>
    line.step(() => ask<number>({ do: 'piece', fd: held.fd, is: held.is, into, offset, scan, path: held.path }));
  return {
    path: held.path,
    stat: held.stat,
    async read(into, offset, { signal } = {}) {
      signal?.throwIfAborted();
      return read(into, offset, false);
    },
    async digest({ signal, onBytes }) {
      const hash = createHash('sha256');
      // Two, so that one is read while the other is counted.
      const pieces = [0, 1].map(() => new Uint8Array(new SharedArrayBuffer(PIECE)));
      let coming = read(pieces[0] as SharedBytes, 0, true);
      for (let n = 0, at = 0; ; n++) {
        signal?.throwIfAborted();
        const got = await coming;
        if (got === 0) break;
        at += got;
        coming = read(pieces[(n + 1) % 2] as SharedBytes, at, true);
        // Whoever throws below must not leave a rejection that nobody hears.
        coming.catch(() => {});
        hash.update((pieces[n % 2] as SharedBytes).subarray(0, got));
        onBytes?.(at);
      }
      return hash.digest('hex');
    },
    close: () => line.end(() => ask({ do: 'close', fds: [held.fd] })),
  };
}

function stageOf(held: HeldStage, ask: Do, at: Omit<Extract<Step, { do: 'ready' }>, 'do' | 'held'>): FileStage {
  const line = oneByOne();
  let size = 0;
  let stage = held;
  let unsynced = 0;
  let syncing: Promise<unknown> | null = null;
  // On its way to the disk while the next bytes come, or all of it would have to wait at the end.
  function toDisk(length: number): void {
    unsynced += length;
    if (syncing || unsynced < SYNC_EVERY) return;
    unsynced = 0;
    syncing = ask({ do: 'sync', fd: held.fd })
      .catch(() => {}) // the last one, in `ready`, says so too
      .finally(() => {
        syncing = null;
      });
  }
  return {
    path: held.path,
    size: () => size,
    append: (bytes, length) =>
      line.step(async () => {
        if (size + length > at.sizeBytes)
          throw new OpsError('validation', `More than the ${at.sizeBytes} bytes that were declared.`);
        await ask({ do: 'append', fd: held.fd, from: bytes, length, offset: size });
        size += length;
        toDisk(length);
      }),
    truncate: () =>
      line.step(async () => {
        await ask({ do: 'truncate', fd: held.fd });
        size = 0;
      }),
    ready: () =>
      line.step(async () => {
        await syncing;
        stage = await ask<HeldStage>({ do: 'ready', ...at, held: stage });
        return { unkept: stage.unkept };
      }),
    commit: () =>
      line.step(async () => {
        const done = await ask<{ path: string; stat: FileStat }>({ do: 'commit', held: stage });
        stage = { ...stage, done: true };
        return done;
      }),
    discard: () =>
      line.end(async () => {
        await syncing;
        await ask({ do: 'discard', held: stage });
      }),
  };
}
