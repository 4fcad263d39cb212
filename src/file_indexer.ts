/**
 * Keeps the index of files. One process of all that share the state does: it holds the lease. Goes through the roots that ask for it,
 * folder by folder as a caller's search would, and reads what is new or changed; nothing is opened in another way. Decides when, how much
 * at once, and what is not read into it: what redaction would hide something of. No call, no principal: not behind the door.
 */
import type { Log } from './core/call.ts';
import { OpsError } from './core/errors.ts';
import type { FileIndex, FileRoot, FilesHost } from './core/files.ts';
import type { Clock } from './policy/ports.ts';
import { type FileIndexFile, type FileIndexOptions, openFileIndex } from './store/file_index.ts';
import { type Fill, fillOf, type Read, type Seen, type ToRead } from './store/file_index_fill.ts';

export interface FileIndexer extends AsyncDisposable {
  start(delayMs: number): void;
  /** One round, if this process has the lease. */
  turn(): Promise<void>;
}

/** Of one folder: one with more is not known wholly, and so the root is of no use. */
const MOST_IN_FOLDER = 20_000;
const FOLDER_MS = 10_000;
/** A file that was changed just now may be changed once more without a new time. */
const SETTLED_MS = 2_000;
const READ_EACH = 64;
const READ_AT_ONCE = 4;
/** Worked in one go, at least; a step may take longer. */
const WORK_MS = 10;
/** Gone or refused: as a search, it passes these over. All else ends the round. */
const PASSED = new Set(['not_found', 'permission', 'validation', 'conflict']);

export function createFileIndexer(o: {
  files: FilesHost;
  index: FileIndexFile;
  lease: () => (Disposable & { sure: boolean }) | null;
  /** What callers see of a text. */
  redact: (text: string) => string;
  /** Texts that redaction knows: none of them stays in the index. */
  secrets: readonly string[];
  everyMs: number;
  maxBytes: number;
  maxFiles: number;
  fileBytes: number;
  clock: Clock;
  log: Log;
}): FileIndexer {
  const { files, index, clock, log } = o;
  const ending = new AbortController();
  const { signal } = ending;
  let held: (Disposable & { sure: boolean }) | null = null;
  let cancel = () => {};
  let turning: Promise<void> = Promise.resolve();
  let worked = clock.elapsed();
  let swept = false;
  let said = '';

  /** Half of the time is others': answers go before. */
  const rest = async () => {
    const spent = clock.elapsed() - worked;
    if (spent < WORK_MS) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.after(Math.min(50, spent / 2), resolve);
    await promise;
    signal.throwIfAborted();
    worked = clock.elapsed();
  };

  async function names(fill: Fill, root: FileRoot): Promise<void> {
    const began = clock.now();
    const others = new Set(files.roots().map((r) => r.path));
    const seen = new Set<number>();
    const ahead = [root.path];
    let count = 0;
    for (let path = ahead.pop(); path !== undefined; path = ahead.pop()) {
      const entries = await entriesOf(path);
      // One that has gone is none of them any more.
      if (!entries) continue;
      count += entries.length;
      if (entries.length >= MOST_IN_FOLDER || count > o.maxFiles) {
        const why =
          count > o.maxFiles ? `there are more than ${o.maxFiles} files (files.index.files)` : 'a folder is too large';
        fill.trouble(root.path, why);
        return;
      }
      seen.add(await fill.folder(root.path, path, entries, root.index === 'contents'));
      for (const e of entries) {
        const below = `${path === '/' ? '' : path}/${e.name}`;
        if (e.stat.kind === 'directory' && !e.odd && !others.has(below)) ahead.push(below);
      }
      await rest();
    }
    await fill.done(root.path, began, seen);
  }

  async function entriesOf(path: string): Promise<Seen[] | null> {
    try {
      const bounds = { depth: 1, limit: MOST_IN_FOLDER, maxEntries: MOST_IN_FOLDER, maxBytes: 1, maxMs: FOLDER_MS };
      const { found, stopped } = await files.find(path, {}, { ...bounds, signal });
      if (stopped === 'time') throw new OpsError('timeout', `${path} takes too long.`);
      const at = path === '/' ? 1 : path.length + 1;
      return found.map((f) => ({ name: f.path.slice(at), stat: f.stat, odd: f.bytes !== null }));
    } catch (thrown) {
      if (thrown instanceof OpsError && PASSED.has(thrown.code)) return null;
      throw thrown;
    }
  }

  async function texts(fill: Fill): Promise<void> {
    let after = 0;
    for (;;) {
      const some = fill.toRead(after, READ_EACH);
      if (some.length === 0) return;
      if (fill.full()) {
        tell('files.index.maxBytes is reached: what is not in the index of files is looked through as ever');
        return;
      }
      after = some.at(-1)?.id ?? after;
      const read: Read[] = [];
      for (let at = 0; at < some.length; at += READ_AT_ONCE) {
        for (const one of await Promise.all(some.slice(at, at + READ_AT_ONCE).map(textOf))) if (one) read.push(one);
        await rest();
      }
      await fill.texts(read);
    }
  }

  async function textOf({ id, path, sizeBytes }: ToRead): Promise<Read | null> {
    try {
      const { stat, bytes, truncated } = await files.reader.read(path, { length: sizeBytes, signal });
      // It has grown, or may go on changing: the next round sees it as it is then.
      if (truncated || stat.kind !== 'file' || Math.abs(clock.now() - stat.changedMs) < SETTLED_MS) return null;
      const text = Buffer.from(bytes).toString('utf8');
      return { id, stat, bytes: o.redact(text) === text ? bytes : null };
    } catch (thrown) {
      // It stays unread, and is proposed to each search, which passes over it by itself.
      if (thrown instanceof OpsError && PASSED.has(thrown.code)) return null;
      throw thrown;
    }
  }

  function tell(what: string, err?: unknown): void {
    if (said !== what) log.warn(err === undefined ? {} : { err }, what);
    said = what;
  }

  async function turn(): Promise<void> {
    held ??= o.lease();
    // Without a lock another may be filling it as well.
    if (held && !held.sure) {
      held[Symbol.dispose]();
      held = null;
    }
    if (!held) return;
    worked = clock.elapsed();
    try {
      const fill = fillOf(index, { ...o, rest });
      if (!swept) await fill.never(o.secrets);
      swept = true;
      for (const root of index.roots) {
        try {
          await names(fill, root);
        } catch (err) {
          signal.throwIfAborted();
          tell(`the index of ${root.path} could not be kept; searches go without it once it is old`, err);
        }
      }
      await texts(fill);
    } catch (err) {
      if (!signal.aborted) tell('the index of files could not be kept; searches go without it', err);
    }
  }

  function next(afterMs: number): void {
    cancel = clock.after(afterMs, () => {
      turning = turn().finally(() => {
        if (!signal.aborted) next(o.everyMs);
      });
    });
  }

  return {
    start: next,
    turn,
    async [Symbol.asyncDispose]() {
      ending.abort();
      cancel();
      await turning;
      held?.[Symbol.dispose]();
      held = null;
    },
  };
}

/** The first round, when the process has answered whom it was started for. */
const FIRST_MS = 3_000;

interface IndexSettings {
  roots: readonly FileRoot[];
  deny: readonly string[];
  index: { maxBytes: number; files: number; fileBytes: number; seconds: number };
}

/** The index and what keeps it, for a process that may be given the lease; without a root that asks for one there is neither. */
export function openIndexing(
  o: Pick<FileIndexOptions, 'state' | 'ours' | 'log'> & {
    settings: IndexSettings;
    lease: (name: string) => (Disposable & { sure: boolean }) | null;
    clock: Clock;
  },
): {
  index: FileIndex | undefined;
  start(by: { files: FilesHost; redactor: { text(s: string): string }; secrets: readonly string[] }): void;
  close(): Promise<void>;
} {
  const { roots, deny, index: bounds } = o.settings;
  if (!roots.some((r) => r.index === 'names' || r.index === 'contents'))
    return { index: undefined, start: () => {}, close: async () => {} };
  const index = openFileIndex({ ...o, roots, deny, seconds: bounds.seconds, now: o.clock.now });
  let indexer: FileIndexer | null = null;
  return {
    index,
    start({ files, redactor, secrets }) {
      const lease = () => o.lease('files-index');
      const rules = { everyMs: bounds.seconds * 1_000, maxFiles: bounds.files, ...bounds, secrets, lease };
      indexer = createFileIndexer({ ...o, ...rules, files, index, redact: redactor.text });
      indexer.start(FIRST_MS);
    },
    async close() {
      await indexer?.[Symbol.asyncDispose]();
      index.close();
    },
  };
}
