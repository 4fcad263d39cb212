/** Files without a host (no roots at all), and the real host on a folder of a test. */
import { realpathSync } from 'node:fs';
import type { FileRoot, FilesHost } from '../../src/core/files.ts';
import { files, type OpenFiles } from '../../src/host/files/index.ts';
import type { FilePoolOptions } from '../../src/host/files/pool.ts';
import type { Propose } from '../../src/host/files/ripgrep.ts';

export const fakeFiles = (): FilesHost => files({ roots: [], ours: [] });

export interface FilesIn extends Partial<Omit<FileRoot, 'path'>> {
  /** Roots besides it. */
  more?: readonly FileRoot[];
  ours?: readonly string[];
  deny?: readonly string[];
  pool?: FilePoolOptions;
  propose?: Propose;
  /** The wall clock, for the age of what lies in the trash. */
  now?: () => number;
}

/**
 * The real host, with its threads, on a folder made by mkdtemp, as one root: to read, unless `access: 'write'`. Its path is resolved,
 * because a root may not go through a link. Close it: `afterEach(() => open.close())`.
 */
export function filesIn(
  dir: string,
  { more = [], ours = [], deny = [], pool, now, propose, ...rules }: FilesIn = {},
): OpenFiles {
  const root: FileRoot = {
    path: realpathSync(dir),
    access: 'read',
    depth: 64,
    oneFilesystem: true,
    symlinks: 'inside',
    ...rules,
  };
  return files({
    roots: [root, ...more],
    ours,
    deny,
    ...(pool ? { pool } : {}),
    ...(now ? { now } : {}),
    ...(propose ? { propose } : {}),
  });
}
