/**
 * The host's files: which root a path lies in, and which mount, by names alone and without touching either; the rest happens in a
 * thread. Decides nothing about principals.
 */
import { readFileSync } from 'node:fs';
import type { FileBytes, FileListing, FilePath, FileRoot, FilesHost } from '../../core/files.ts';
import { parseMountinfo } from '../system/mounts.ts';
import { FilePool, type FilePoolOptions } from './pool.ts';
import { componentsOf, rootOf, shown } from './walk.ts';

export interface OpenFiles extends FilesHost {
  /** Threads that a mount has taken. */
  abandoned(): number;
  close(): void;
}

export function files(o: {
  roots: readonly FileRoot[];
  /** State folder, settings, tokens, audit key: absolute paths. */
  ours: readonly string[];
  pool?: FilePoolOptions;
}): OpenFiles {
  const pool = new FilePool(o.pool);
  // A root that cannot be one is an error of the settings, and said at the start.
  for (const root of o.roots) componentsOf(root.path);

  function where(path: FilePath) {
    const parts = componentsOf(path);
    const root = rootOf(o.roots, parts, 'read');
    const bytes = Buffer.concat(parts.flatMap((p) => [Buffer.from('/'), p]));
    const inner = o.roots.filter((r) => r !== root && r.path.startsWith(`${root.path.replace(/\/+$/, '')}/`));
    const asked = { root, inner, ours: o.ours, path: Uint8Array.from(bytes.length > 0 ? bytes : Buffer.from('/')) };
    return { asked, mount: mountOf(shown(parts)) };
  }

  return {
    roots: () => o.roots,
    reader: {
      // async, so that what the path itself says is a rejection as well.
      async list(path, { limit, stat, signal }) {
        const { asked, mount } = where(path);
        return pool.ask<FileListing>(mount, { ...asked, op: 'list', limit, stat: stat === true }, signal);
      },
      async read(path, { offset, length, signal }) {
        const { asked, mount } = where(path);
        return pool.ask<FileBytes>(mount, { ...asked, op: 'read', limit: length, offset: offset ?? 0 }, signal);
      },
    },
    abandoned: () => pool.abandoned(),
    close: () => pool.close(),
  };
}

/** By name: a link inside a root can lead to another mount, and then this is the mount of the link. */
function mountOf(path: string): string {
  let best = '/';
  for (const m of parseMountinfo(readFileSync('/proc/self/mountinfo', 'latin1')))
    if (m.path.length > best.length && (path === m.path || path.startsWith(`${m.path}/`))) best = m.path;
  return best;
}
