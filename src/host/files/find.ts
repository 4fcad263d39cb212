/**
 * A whole folder looked through, by directory descriptors held on the way down: names, sizes, times, and lines of files. Decides what is
 * passed over and when to stop; what is denied, and which bytes may be shown, is the walk's and the deny list's. Links are not followed.
 */
import fs from 'node:fs';
import type { FileKind, FileRoot, FindBounds, Finding, FindWhat, Found } from '../../core/files.ts';
import { type Looker, type Searched, searchLines } from './content.ts';
import { holdsKey } from './deny.ts';
import { bytewise, nameGlob, pathGlob } from './glob.ts';
import { deviceName, type MountPoint, type MountTree, mountTree } from './inside_mounts.ts';
import { ASCII, entries, latinOf, namesIn, textOf, treeOf } from './names.ts';
import { isOurs, O_PATH } from './standing.ts';
import type { Task } from './task.ts';
import { componentsOf, failed, type Ground, idOf, isKernel, kindOf, shown, statOf, walk } from './walk.ts';

const { O_RDONLY, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK, O_NOCTTY } = fs.constants;
/** Of what is answered, whatever a caller asks for. */
const MOST_FOUND = 20_000;
const MOST_LINES = 20_000;
/** Entries between two looks at the clock. */
const TICK = 64;

type Bounds = Omit<FindBounds, 'signal'>;
interface Here {
  root: FileRoot;
  /** Components of the root that holds here. */
  base: number;
  /** As a number, which holds any of them whole: the kernel's have 32 bits. */
  device: number;
  /** The mount that all of it is on, null: the one of the start. */
  mount: string | null;
  /** What is mounted in it or further below; null: nothing is. */
  mounts: MountTree | null;
}

class Stop extends Error {
  readonly why: NonNullable<Finding['stopped']>;
  constructor(why: NonNullable<Finding['stopped']>) {
    super(why);
    this.why = why;
  }
}

export function find(
  ground: Ground,
  path: Uint8Array,
  what: FindWhat,
  o: Bounds,
  look: Looker | null,
  task: Task,
  only: readonly string[] | null = null,
): Finding {
  using start = walk(ground, componentsOf(path), { access: 'read' });
  const began = performance.now();
  const out: Finding = {
    found: [],
    hits: 0,
    looked: { entries: 0, directories: 0, files: 0, bytes: 0, ms: 0 },
    totalBytes: 0,
    passedOver: { denied: 0, unreadable: 0, otherDevice: 0, links: 0, binary: 0 },
    stopped: null,
  };
  const over = out.passedOver;
  const limit = Math.max(0, Math.min(o.limit, MOST_FOUND));
  const inner = (ground.inner ?? []).map((root) => ({ root, parts: componentsOf(root.path).map(latinOf) }));
  const startedAt = start.components.length;
  const named = what.glob === undefined ? null : namedBy(what.glob);
  const statted = [what.minBytes, what.maxBytes, what.modifiedAfterMs, what.modifiedBeforeMs, what.changedAfterMs].some(
    (n) => n !== undefined,
  );
  // Of an inode's number a double may lose the last bits: one that is none of these is not ours, any other is looked at again.
  const oursAbout = new Set([...ground.ours].map((id) => Number(id.slice(id.indexOf(':') + 1))));
  const proposed = only ? treeOf(only) : null;
  let linesLeft = MOST_LINES;
  let beat = 0;

  const tick = () => {
    if (++beat % TICK !== 0) return;
    task.tick();
    if (performance.now() - began > o.maxMs) throw new Stop('time');
  };

  function visit(fd: number, at: string[], here: Here, size: number): void {
    out.looked.directories++;
    const folders: string[] = [];
    const mounted = here.mounts?.below;
    const deeper = at.length - startedAt < o.depth - 1 && at.length - here.base < here.root.depth - 1;
    for (const { latin, kind } of proposed ? namesIn(proposed, at.slice(startedAt), fd) : entries(fd, size)) {
      if (out.looked.entries >= o.maxEntries) throw new Stop('entries');
      if (latin.startsWith('.deckhand-') && isOurs(Buffer.from(latin, 'latin1'))) continue;
      out.looked.entries++;
      tick();
      if (ground.denied.entry(at, latin)) {
        over.denied++;
        continue;
      }
      const point = mounted?.get(latin)?.point;
      if (point && !mayTouch(point, at, latin, here)) continue;
      if (kind === 'symlink') over.links++;
      if (point) task.on(point.path);
      if (kind === 'directory' || kind === null) folders.push(latin);
      consider(fd, at, latin, kind);
      if (point) task.on(here.mount);
    }
    if (!deeper) return;
    for (const latin of folders) {
      at.push(latin);
      const mounts = mounted?.get(latin) ?? null;
      const point = mounts?.point;
      if (point) task.on(point.path);
      const below = mounts === here.mounts ? here : { ...here, mounts };
      descend(fd, at, latin, point ? { ...below, mount: point.path } : below);
      if (point) task.on(here.mount);
      at.pop();
    }
  }

  /** Another mount is told by the kernel's list, before it is touched: it may hang. */
  function mayTouch(point: MountPoint, at: string[], latin: string, here: Here): boolean {
    if (task.hung.has(point.path)) {
      over.unreadable++;
      return false;
    }
    const root = inner.find((r) => r.parts.length === at.length + 1 && r.parts.join('/') === [...at, latin].join('/'));
    if (root || !here.root.oneFilesystem || point.device === deviceName(here.device)) return true;
    over.otherDevice++;
    return false;
  }

  function descend(parent: number, at: string[], latin: string, above: Here): void {
    let fd: number;
    try {
      fd = fs.openSync(pathIn(parent, latin), O_PATH | O_NOFOLLOW | O_DIRECTORY);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // No folder after all, or a kind that the directory did not tell.
      if (code !== 'ENOTDIR' && code !== 'ELOOP' && code !== 'ENOENT') over.unreadable++;
      return;
    }
    try {
      const own = inner.find((r) => r.parts.length === at.length && r.parts.every((p, i) => p === at[i]));
      const stat = fs.fstatSync(fd);
      if (oursAbout.has(stat.ino) && ground.ours.has(idOf(fs.fstatSync(fd, { bigint: true })))) over.denied++;
      else if (stat.dev !== above.device && (isKernel(fd) || ((own?.root ?? above.root).oneFilesystem && !own)))
        over.otherDevice++;
      else {
        const there = stat.dev === above.device ? above : { ...above, device: stat.dev };
        visit(fd, at, own ? { ...there, root: own.root, base: at.length } : there, stat.size);
      }
    } catch (error) {
      if (error instanceof Stop || !(error as NodeJS.ErrnoException).code || isOps(error)) throw error;
      over.unreadable++;
    } finally {
      fs.closeSync(fd);
    }
  }

  function consider(fd: number, at: string[], latin: string, kind: FileKind | null): void {
    if (kind !== null && what.kinds && !what.kinds.includes(kind)) return;
    if (look && kind !== null && kind !== 'file') return;
    if (named && !named(at, latin, startedAt)) return;
    if (look) {
      inFile(fd, at, latin);
      return;
    }
    const stat = statIn(fd, latin);
    if (!stat) return;
    if (ground.ours.has(idOf(stat))) {
      over.denied++;
      return;
    }
    if (what.kinds && !what.kinds.includes(kindOf(stat))) return;
    if (statted && !fitting(stat, what)) return;
    hit(at, latin, stat, null);
  }

  function hit(at: string[], latin: string | null, stat: fs.BigIntStats, searched: Searched | null): void {
    out.hits++;
    out.totalBytes += Number(stat.size);
    if (out.found.length >= limit) return;
    const parts = [...at, ...(latin === null ? [] : [latin])].map((p) => Buffer.from(p, 'latin1'));
    const text = shown(parts);
    const bytes = Buffer.concat(parts.flatMap((p) => [SLASH, p]));
    const found: Found = {
      path: text,
      bytes: Buffer.from(text).equals(bytes) ? null : Uint8Array.from(bytes),
      stat: statOf(stat),
    };
    if (searched) {
      found.lines = searched.lines.slice(0, linesLeft);
      found.matches = searched.matches;
      linesLeft -= found.lines.length;
    }
    out.found.push(found);
  }

  function inFile(parent: number, at: string[], latin: string): void {
    let held: number | undefined;
    try {
      held = fs.openSync(pathIn(parent, latin), O_PATH | O_NOFOLLOW);
      const stat = fs.fstatSync(held, { bigint: true });
      if (!stat.isFile() || (statted && !fitting(stat, what))) return;
      if (ground.ours.has(idOf(stat))) over.denied++;
      else if (stat.size > 0n) inOpened(held, at, latin, stat);
    } catch (error) {
      skip(error);
    } finally {
      if (held !== undefined) fs.closeSync(held);
    }
  }

  function inOpened(held: number, at: string[], latin: string | null, stat: fs.BigIntStats): void {
    const fd = fs.openSync(`/proc/self/fd/${held}`, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    try {
      out.looked.files++;
      const left = o.maxBytes - out.looked.bytes;
      if (left <= 0) throw new Stop('bytes');
      const searched = searchLines(fd, Number(stat.size), look as Looker, {
        limit: Math.min(limit, linesLeft),
        maxBytes: left,
        tick: () => {
          task.tick();
          if (performance.now() - began > o.maxMs) throw new Stop('time');
        },
      });
      out.looked.bytes += searched.bytes;
      if (searched.binary) over.binary++;
      // The lines of a key would show what reading refuses, and a count that it holds this text.
      else if (searched.matches > 0 && !holdsKey(fd, task.tick)) hit(at, latin, stat, searched);
      if (searched.bounded) throw new Stop('bytes');
    } finally {
      fs.closeSync(fd);
    }
  }

  function statIn(fd: number, latin: string): fs.BigIntStats | null {
    try {
      return fs.lstatSync(pathIn(fd, latin), { bigint: true });
    } catch (error) {
      skip(error);
      return null;
    }
  }

  function skip(error: unknown): void {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof Stop || isOps(error) || !code) throw error;
    if (code !== 'ENOENT') over.unreadable++;
  }

  try {
    const at = start.components.map(latinOf);
    if (start.stat.isDirectory()) {
      const base = componentsOf(ground.root.path).length;
      let mounts: MountTree | null = mountTree();
      for (const part of at) mounts = mounts?.below.get(part) ?? null;
      if (o.depth > 0 && at.length - base < ground.root.depth) {
        const device = Number(start.stat.dev);
        visit(start.fd, at, { root: ground.root, base, device, mount: null, mounts }, Number(start.stat.size));
      }
    } else if (look && start.stat.isFile()) {
      out.looked.entries = 1;
      inOpened(start.fd, at, null, start.stat);
    } else if (!look && fitting(start.stat, what)) {
      out.looked.entries = 1;
      hit(at, null, start.stat, null);
    }
  } catch (error) {
    if (!(error instanceof Stop)) throw failed(error, shown(start.components));
    out.stopped = error.why;
  }
  out.looked.ms = performance.now() - began;
  return out;
}

const SLASH = Buffer.from('/');
const isOps = (error: unknown) => error instanceof Error && error.name === 'OpsError';
const pathIn = (fd: number, latin: string): string | Buffer =>
  ASCII.test(latin) ? `/proc/self/fd/${fd}/${latin}` : Buffer.from(`/proc/self/fd/${fd}/${latin}`, 'latin1');

function namedBy(glob: string): (at: string[], latin: string, start: number) => boolean {
  if (!glob.includes('/')) {
    const fits = nameGlob(glob);
    // A byte below 128 is that character in any encoding that we know, and so is an end or a beginning of such.
    return bytewise(glob) ? (_, latin) => fits(latin) : (_, latin) => fits(textOf(latin));
  }
  const fits = pathGlob(glob);
  return (at, latin, start) => fits([...at.slice(start), latin].map(textOf));
}

function fitting(stat: fs.BigIntStats, what: FindWhat): boolean {
  const size = Number(stat.size);
  const modified = Number(stat.mtimeMs);
  return (
    size >= (what.minBytes ?? 0) &&
    size <= (what.maxBytes ?? Number.POSITIVE_INFINITY) &&
    modified >= (what.modifiedAfterMs ?? Number.NEGATIVE_INFINITY) &&
    modified <= (what.modifiedBeforeMs ?? Number.POSITIVE_INFINITY) &&
    Number(stat.ctimeMs) >= (what.changedAfterMs ?? Number.NEGATIVE_INFINITY)
  );
}
