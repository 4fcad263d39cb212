/**
 * A search by what an index proposes. Decides whether it helps, and looks for a moment at what has changed since it was last kept, so that
 * new files are found as well. It proposes names only: each is walked to, opened and looked into by find.ts under the rules of now.
 */
import { OpsError } from '../../core/errors.ts';
import type { FileIndex, Finding, FindWhat } from '../../core/files.ts';

export interface LookAt {
  depth: number;
  limit: number;
  maxMs: number;
}
/** Names below the folder, none opened. `only`: no more than these. */
export type Look = (folder: string, what: FindWhat, o: LookAt, only?: string[]) => Promise<Finding>;

export interface Indexed {
  /** Null: all is to be looked through. */
  only: string[] | null;
  said: NonNullable<Finding['index']> | null;
}

/** So long is looked for what has changed: in the thread, and with what waits before it. */
const CHECK_MS = 300;
const MOST_MS = 2_000;
/** With more of them than this the index is of no use. */
const MOST_CHANGED = 5_000;
const DEEP = 200;

export async function byIndex(
  index: FileIndex,
  folder: string,
  what: FindWhat,
  look: Look,
  elapsed: () => number = () => performance.now(),
): Promise<Indexed> {
  const proposed = index.propose(folder, what);
  if (!proposed) return { only: null, said: null };
  if ('unused' in proposed) return { only: null, said: proposed };
  const began = elapsed();
  let spent = 0;
  const left = () => (elapsed() - began > MOST_MS ? 0 : Math.ceil(CHECK_MS - spent));
  const only = new Set(proposed.paths);
  const from = folder === '/' ? '/' : `${folder}/`;
  const since = { changedAfterMs: proposed.sinceMs };
  let complete = true;

  /** What fits, below: all of it, or as much as there was time and room for. */
  async function all(at: string, fits: FindWhat, depth: number, known?: string[]) {
    if (left() <= 0) {
      complete = false;
      return [];
    }
    try {
      const found = await look(at, fits, { depth, limit: MOST_CHANGED, maxMs: left() }, known);
      spent += found.looked.ms;
      if (found.stopped !== null || found.hits > found.found.length) complete = false;
      return found.found;
    } catch (thrown) {
      // What the search itself meets, it says itself.
      if (!(thrown instanceof OpsError)) throw thrown;
      complete = false;
      return [];
    }
  }
  const relative = (path: string) => path.slice(from.length);

  /** A folder that has changed: what it has in it that is not known, and whole folders that came with all that they hold. */
  async function fresh(at: string): Promise<void> {
    const known = index.names(at);
    const found = await all(at, known ? since : {}, known ? 1 : DEEP);
    for (const f of found) {
      const folderToo = f.stat.kind === 'directory';
      if (known?.has(f.path.slice(at === '/' ? 1 : at.length + 1))) continue;
      only.add(`${relative(f.path)}${folderToo ? '/' : ''}`);
      if (known && folderToo) await fresh(f.path);
    }
  }

  const folders = index.folders(folder);
  const moved = folders
    ? await all(
        folder,
        { ...since, kinds: ['directory'] },
        DEEP,
        folders.map((f) => `${f}/`),
      )
    : [];
  if (!folders) complete = false;
  // The folder itself stands in none that is looked through.
  for (const at of [folder, ...moved.map((f) => f.path)]) await fresh(at);
  if (what.content) {
    // Nothing but the file tells that its content has changed.
    const written = await all(folder, { ...since, kinds: ['file'] }, DEEP);
    for (const f of written) only.add(relative(f.path));
  }
  return { only: [...only], said: { ageMs: proposed.ageMs, complete } };
}
