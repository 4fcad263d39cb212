/** An index beside a folder, filled by the product's own indexer, as the tests and the soak take it. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileRoot } from '../../src/core/files.ts';
import { createRedactor } from '../../src/core/redact.ts';
import { createFileIndexer } from '../../src/file_indexer.ts';
import { files } from '../../src/host/files/index.ts';
import { openFileIndex } from '../../src/store/file_index.ts';
import { openState } from '../../src/store/state.ts';
import { quiet } from '../fakes/policy.ts';

const MiB = 1024 ** 2;
export const BOUNDS = { depth: 200, limit: 20_000, maxEntries: 1e8, maxBytes: 1e12, maxMs: 600_000 };

export interface Lab {
  /** Of the folder that is indexed. */
  at(name: string): string;
  dir: string;
}

export function lab(): Lab & Disposable {
  const dir = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-index-')));
  fs.mkdirSync(join(dir, 'tree'));
  return {
    dir,
    at: (name) => join(dir, 'tree', name),
    [Symbol.dispose]: () => fs.rmSync(dir, { recursive: true, force: true }),
  };
}

export function indexed(
  { dir, at }: Lab,
  o: {
    root?: Partial<FileRoot>;
    /** Besides the one that is indexed. */
    roots?: FileRoot[];
    deny?: string[];
    maxBytes?: number;
    maxFiles?: number;
    fileBytes?: number;
    secrets?: string[];
    /** What the index takes for the time; files are of the system's. */
    now?: () => number;
    /** Why the disk takes no more. */
    full?: () => string | null;
    lease?: () => (Disposable & { sure: boolean }) | null;
  } = {},
) {
  const rules = { access: 'read', depth: 64, oneFilesystem: true, symlinks: 'inside', index: 'contents' } as const;
  const roots: FileRoot[] = [{ path: at(''), ...rules, ...o.root }, ...(o.roots ?? [])];
  const ours = [join(dir, 'state')];
  const deny = o.deny ?? [];
  const now = o.now ?? Date.now;
  const opened = openState(join(dir, 'state'));
  const index = openFileIndex({
    state: { ...opened, full: o.full ?? opened.full },
    log: quiet,
    roots,
    deny,
    ours,
    seconds: 60,
    now,
  });
  const host = files({ roots, ours, deny, index });
  const redactor = createRedactor({ values: o.secrets ?? [] });
  const indexer = createFileIndexer({
    files: host,
    index,
    lease: o.lease ?? (() => ({ sure: true, [Symbol.dispose]() {} })),
    redact: redactor.text,
    secrets: o.secrets ?? [],
    everyMs: 60_000,
    maxBytes: o.maxBytes ?? 256 * MiB,
    maxFiles: o.maxFiles ?? 500_000,
    fileBytes: o.fileBytes ?? MiB,
    clock: {
      now,
      elapsed: () => performance.now(),
      after(_, fire) {
        const next = setImmediate(fire);
        return () => clearImmediate(next);
      },
    },
    log: quiet,
  });
  const search = (what: Parameters<typeof host.find>[1], index = true, path = at('')) =>
    host.find(path, what, { ...BOUNDS, index });
  return {
    index,
    host,
    indexer,
    search,
    /** Shown paths below the folder, with an index or without. */
    async paths(what: Parameters<typeof host.find>[1], index = true, path = at('')) {
      const { found } = await search(what, index, path);
      return found.map((f) => f.path.slice(at('').length + 1)).sort();
    },
    async [Symbol.asyncDispose]() {
      await indexer[Symbol.asyncDispose]();
      host.close();
      index.close();
    },
  };
}

export const text = (t: string, regex = false) => ({ content: { text: t, regex, ignoreCase: true } });
