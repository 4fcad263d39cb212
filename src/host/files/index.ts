/**
 * The host's files: which root a path lies in, and which mount, by names alone and without touching either; the rest happens in a
 * thread. Decides nothing about principals.
 */
import { readFileSync } from 'node:fs';
import type {
  FileBounds,
  FileBytes,
  FileChanger,
  FileIndex,
  FileListing,
  FileNow,
  FilePath,
  FileRoot,
  FileScan,
  FileStat,
  FilesHost,
  FindBounds,
  Finding,
  FindWhat,
  ScanFor,
  Trashed,
  Written,
} from '../../core/files.ts';
import type { Bounded } from '../../core/host.ts';
import { parseMountinfo } from '../system/mounts.ts';
import { early } from './early.ts';
import { byIndex, type Indexed } from './indexed.ts';
import { FilePool, type FilePoolOptions } from './pool.ts';
import type { Propose } from './ripgrep.ts';
import { transferHost } from './transfers.ts';
import { componentsOf, rootOf, shown } from './walk.ts';
import type { Rules } from './work.ts';

export interface OpenFiles extends FilesHost {
  /** Threads that a mount has taken. */
  abandoned(): number;
  close(): void;
}

export interface FilesOptions {
  roots: readonly FileRoot[];
  /** State folder, settings, tokens, audit key: absolute paths. */
  ours: readonly string[];
  /** What the owner denies besides the list that is built in (deny.ts). */
  deny?: readonly string[];
  /** How long the trash keeps what lies in it. */
  trashDays?: number;
  pool?: FilePoolOptions;
  /** Wall clock in ms. */
  now?: () => number;
  /** What knows where a text may be; absent: everything is looked through. */
  propose?: Propose;
  /** Names and texts that are kept of roots which ask for it. */
  index?: FileIndex | undefined;
}

export const DAY_MS = 86_400_000;
export const TRASH_DAYS = 7;

export function files(o: FilesOptions): OpenFiles {
  const pool = new FilePool({ ...o.pool, ...(o.now ? { now: o.now } : {}) });
  // A root that cannot be one is an error of the settings, and said at the start.
  for (const root of o.roots) componentsOf(root.path);

  const transfers = transferHost({ ...o, mountOf });

  return {
    ...view(),
    abandoned: () => pool.abandoned() + transfers.abandoned(),
    close() {
      pool.close();
      transfers.close();
    },
  };

  /** All of it as one caller has it: its bounds go with every request. */
  function view(bounds?: FileBounds): FilesHost {
    /** The root that the path lies in, with the rules that hold there. */
    function where(path: FilePath, access: 'read' | 'write') {
      const parts = componentsOf(path);
      const root = rootOf(o.roots, parts, access);
      const bytes = Buffer.concat(parts.flatMap((p) => [Buffer.from('/'), p]));
      return {
        asked: { ...rulesOf(root), path: Uint8Array.from(bytes.length > 0 ? bytes : Buffer.from('/')) },
        mount: mountOf(shown(parts)),
      };
    }
    function rulesOf(root: FileRoot): Rules {
      const inner = o.roots.filter((r) => r !== root && r.path.startsWith(`${root.path.replace(/\/+$/, '')}/`));
      return { root, inner, ours: o.ours, deny: o.deny ?? [], caller: bounds };
    }
    const own = ({ signal }: Bounded) => ({ signal });
    const change = ({ signal }: Bounded) => ({ signal, change: true });

    const changer: FileChanger = {
      // async, so that what the path itself says is a rejection as well.
      async now(path, { maxBytes, ...o }) {
        const { asked, mount } = where(path, 'write');
        return pool.ask<FileNow | null>(mount, { ...asked, op: 'now', maxBytes }, own(o));
      },
      async check(path, { keepOwner, ...o }) {
        const { asked, mount } = where(path, 'write');
        await pool.ask(mount, { ...asked, op: 'check', keepOwner }, own(o));
      },
      async write(path, bytes, { expected, mode, keepOwner, ...o }) {
        const { asked, mount } = where(path, 'write');
        return pool.ask<Written>(mount, { ...asked, op: 'write', bytes, expected, mode, keepOwner }, change(o));
      },
      async move(from, to, { id, ...o }) {
        const { asked, mount } = where(from, 'write');
        const goal = where(to, 'write').asked;
        type Moved = { from: string; to: string; stat: FileStat };
        return pool.ask<Moved>(mount, { ...asked, op: 'move', to: goal, is: id }, change(o));
      },
      async trash(path, { id, token, ...o }) {
        const { asked, mount } = where(path, 'write');
        return pool.ask<Trashed>(mount, { ...asked, op: 'trash', is: id, token }, change(o));
      },
      async trashed(token, path, o = {}) {
        const { asked, mount } = where(path, 'write');
        return pool.ask<Trashed | null>(mount, { ...asked, op: 'trashed', token }, own(o));
      },
      trashKeepsMs: () => (o.trashDays ?? TRASH_DAYS) * DAY_MS,
      async restore(token, path, o = {}) {
        const { asked, mount } = where(path, 'write');
        return pool.ask<{ path: string; stat: FileStat }>(mount, { ...asked, op: 'restore', token }, change(o));
      },
      async remove(path, { id, maxEntries, ...o }) {
        const { asked, mount } = where(path, 'write');
        type Gone = { entries: number; freedBytes: number };
        return pool.ask<Gone>(mount, { ...asked, op: 'remove', is: id, maxEntries }, change(o));
      },
      async emptyTrash({ olderThanMs, ...bounds }) {
        const sum = { entries: 0, freedBytes: 0 };
        let failure: unknown;
        for (const root of o.roots.filter((r) => r.access === 'write')) {
          try {
            const asked = { ...rulesOf(root), path: Buffer.from(root.path), op: 'emptyTrash' as const, olderThanMs };
            const gone = await pool.ask<typeof sum>(mountOf(root.path), asked, change(bounds));
            sum.entries += gone.entries;
            sum.freedBytes += gone.freedBytes;
          } catch (error) {
            // A root on a mount that hangs keeps no other from being emptied.
            failure ??= error;
          }
        }
        if (failure !== undefined && sum.entries === 0) throw failure;
        return sum;
      },
    };

    async function proposed(
      bytes: Uint8Array,
      what: FindWhat,
      bounds: Omit<FindBounds, 'signal'>,
      signal?: AbortSignal,
      some?: (paths: string[]) => void,
    ) {
      if (!o.propose) return null;
      const text = Buffer.from(bytes).toString('utf8');
      const path = Buffer.from(text).equals(bytes) ? text : null;
      const { depth, maxMs } = bounds;
      const mounts = mountsNow();
      return o.propose({ path, what, depth, maxMs, mounts, ...(signal ? { signal } : {}), ...(some ? { some } : {}) });
    }

    /** What the index proposes. A search that it does not help is made without it. */
    async function kept(bytes: Uint8Array | null, what: FindWhat, signal?: AbortSignal): Promise<Indexed> {
      const text = Buffer.from(bytes ?? []).toString('utf8');
      if (!o.index || !bytes || !Buffer.from(text).equals(bytes)) return { only: null, said: null };
      return byIndex(o.index, text, what, (folder, names, bounds, only) => {
        const { asked, mount } = where(folder, 'read');
        const all = { ...bounds, maxEntries: Number.POSITIVE_INFINITY, maxBytes: 0 };
        return pool.ask<Finding>(
          mount,
          { ...asked, op: 'find', what: names, bounds: all, ...(only ? { only } : {}) },
          { signal },
        );
      });
    }

    return {
      roots: () => o.roots,
      reader: {
        async list(path, { limit, stat, ...o }) {
          const { asked, mount } = where(path, 'read');
          return pool.ask<FileListing>(mount, { ...asked, op: 'list', limit, stat: stat === true }, own(o));
        },
        async read(path, { offset, length, ...o }) {
          const { asked, mount } = where(path, 'read');
          return pool.ask<FileBytes>(mount, { ...asked, op: 'read', limit: length, offset: offset ?? 0 }, own(o));
        },
        async scan(path, { offset, length, lines, text, ...o }) {
          const { asked, mount } = where(path, 'read');
          const what: ScanFor = {
            offset,
            length,
            ...(lines === undefined ? {} : { lines }),
            ...(text === undefined ? {} : { text }),
          };
          return pool.ask<FileScan>(mount, { ...asked, op: 'scan', what }, own(o));
        },
        async hash(path, { maxBytes, ...o }) {
          const { asked, mount } = where(path, 'read');
          type Hashed = { path: string; stat: FileStat; sha256: string };
          return pool.ask<Hashed>(mount, { ...asked, op: 'hash', maxBytes }, own(o));
        },
      },
      async find(path, what, { signal, index, some = () => {}, ...bounds }) {
        const { asked, mount } = where(path, 'read');
        const began = performance.now();
        const { only, said } = await kept(index ? asked.path : null, what, signal);
        const below = (names: readonly string[] | null, most = {}) => {
          const maxMs = Math.max(1, bounds.maxMs - (performance.now() - began));
          const now = { ...bounds, ...most, maxMs };
          const request = { ...asked, op: 'find' as const, what, bounds: now, ...(names ? { only: [...names] } : {}) };
          return pool.ask<Finding>(mount, request, { signal });
        };
        const begun = early(bounds, below, some);
        try {
          const names =
            only ?? (what.content ? await proposed(asked.path, what, bounds, signal, (p) => begun.add(p)) : null);
          const found = names && !only ? await begun.end(names) : await below(names);
          if (names && what.content) found.proposed = true;
          return said ? { ...found, index: said } : found;
        } finally {
          begun.drop();
        }
      },
      changer,
      transfers: bounds ? transfers.within(bounds) : transfers,
      within: (tighter) =>
        view(
          bounds ? { deny: [...bounds.deny, ...tighter.deny], allow: [...bounds.allow, ...tighter.allow] } : tighter,
        ),
    };
  }
}

const mountsNow = () => parseMountinfo(readFileSync('/proc/self/mountinfo', 'latin1'));

/** By name: a link inside a root can lead to another mount, and then this is the mount of the link. */
function mountOf(path: string): string {
  let best = '/';
  for (const m of mountsNow())
    if (m.path.length > best.length && (path === m.path || path.startsWith(`${m.path}/`))) best = m.path;
  return best;
}
