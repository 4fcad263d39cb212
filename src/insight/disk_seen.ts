/**
 * What a scan of a file system says at a glance: which folders to show of a tree, what grew since a snapshot, and what no name accounts
 * for. Pure; which of it is a cause is causes_disk.ts's.
 */
import type { DiskFolder, DiskPlaceId, DiskScan, DiskSnapshot, OpenDeletedList } from '../core/disk.ts';
import type { Filesystem } from '../core/host.ts';

export type Size = NonNullable<Filesystem['size']['value']>;

export interface DiskFacts {
  nowMs: number;
  fs: Filesystem & { size: { value: Size } };
  /** Null: it does not answer, or was not let through. */
  scan: DiskScan | null;
  open: OpenDeletedList | null;
  /** Where the engine's data lie on this file system. */
  docker: { parts: { name: string; bytes: number; reclaimableBytes: number }[] } | null;
  journalBytes: number | null;
  /** Release of the running kernel. */
  kernel: string | null;
  before: DiskSnapshot | null;
  packages: 'apt' | 'dnf' | 'pacman' | 'zypper' | 'apk' | null;
}

export interface FolderRow {
  path: string;
  bytes: number;
  entries: number;
  depth: number;
}

export type By = 'bytes' | 'entries';

const ROWS = 16;
/** One child with so much of a folder stands for it. */
const STANDS_FOR = 0.9;
const LEAST = 0.02;

/** Down to where the weight lies: each folder that one child stands for is left out, the heaviest are opened first. */
export function heaviest(root: DiskFolder, by: By, most = ROWS): FolderRow[] {
  const total = root[by];
  const [first, ...rest] = [narrowed(root, by)];
  const shown = new Map<DiskFolder, FolderRow>();
  const waiting: { folder: DiskFolder; depth: number }[] =
    rest.length === 0 && first ? [{ folder: first, depth: 0 }] : [];
  while (waiting.length > 0 && shown.size < most) {
    waiting.sort((a, b) => b.folder[by] - a.folder[by]);
    const { folder, depth } = waiting.shift() as (typeof waiting)[number];
    shown.set(folder, { path: folder.path, bytes: folder.bytes, entries: folder.entries, depth });
    for (const below of folder.folders)
      if (below[by] >= total * LEAST) waiting.push({ folder: narrowed(below, by), depth: depth + 1 });
  }
  return inOrder(first as DiskFolder, shown, by);
}

function narrowed(folder: DiskFolder, by: By): DiskFolder {
  let at = folder;
  for (;;) {
    const heavy = at.folders.find((f) => f[by] >= at[by] * STANDS_FOR);
    if (!heavy) return at;
    at = heavy;
  }
}

/** Each below the one that it lies in, the heavier first. */
function inOrder(from: DiskFolder, shown: ReadonlyMap<DiskFolder, FolderRow>, by: By): FolderRow[] {
  const row = shown.get(from);
  if (!row) return [];
  const below = from.folders.map((f) => narrowed(f, by)).sort((a, b) => b[by] - a[by]);
  return [row, ...below.flatMap((f) => inOrder(f, shown, by))];
}

/** The deepest folder that by itself has this share of all. */
export function bulk(root: DiskFolder, by: By, share: number): DiskFolder | null {
  const least = root[by] * share;
  let found: DiskFolder | null = null;
  let at: DiskFolder | undefined = root;
  while (at) {
    at = at.folders.filter((f) => f[by] >= least).sort((a, b) => b[by] - a[by])[0];
    found = at ?? found;
  }
  return found;
}

export const flat = (folder: DiskFolder): DiskFolder[] => [folder, ...folder.folders.flatMap(flat)];

/** As df counts: reserved blocks are neither used nor free. */
export const usedShare = ({ usedBytes, availableBytes }: Size): number =>
  usedBytes + availableBytes > 0 ? usedBytes / (usedBytes + availableBytes) : 0;
export const inodeShare = ({ inodes, inodesUsed }: Size): number | null =>
  inodes !== null && inodes > 0 && inodesUsed !== null ? inodesUsed / inodes : null;

/** What is in use and has no name that was seen; null where the scan was not whole. */
export function unaccounted({ fs, scan, open }: DiskFacts): number | null {
  if (!scan || scan.stopped) return null;
  return Math.max(0, fs.size.value.usedBytes - scan.root.bytes - (open?.totalBytes ?? 0));
}

export interface Growth {
  path: string;
  bytes: number;
}

const SNAPSHOT_FOLDERS = 200;
const GREW = 5;

export function snapshotOf(scan: DiskScan, usedBytes: number, atMs: number): DiskSnapshot {
  const all = flat(scan.root).sort((a, b) => b.bytes - a.bytes);
  const kept = all.slice(0, SNAPSHOT_FOLDERS);
  return {
    atMs,
    usedBytes,
    leastBytes: all.length > kept.length ? (kept.at(-1)?.bytes ?? 0) : 0,
    folders: kept.map((f) => [f.path, f.bytes]),
  };
}

/** The deepest folders that explain what grew: one whose growth lies in those below it is not told beside them. */
export function grown(scan: DiskScan, before: DiskSnapshot, leastBytes: number): Growth[] {
  const then = new Map(before.folders);
  const visit = (folder: DiskFolder, most: number): { all: number; told: Growth[] } => {
    const was = then.get(folder.path);
    // Not among those that were heavy then: it cannot have grown by more than the one above it did.
    const by = Math.min(most, folder.bytes - (was ?? 0));
    if (by < leastBytes) return { all: 0, told: [] };
    const below = folder.folders.map((f) => visit(f, by));
    const told = below.flatMap((b) => b.told);
    const explained = below.reduce((sum, b) => sum + b.all, 0);
    return { all: by, told: explained >= 0.7 * by ? told : [{ path: folder.path, bytes: by }, ...told] };
  };
  const { told } = visit(scan.root, Number.POSITIVE_INFINITY);
  return then.has(scan.root.path) ? told.sort((a, b) => b.bytes - a.bytes).slice(0, GREW) : [];
}

export const placeBytes = (scan: DiskScan | null, id: DiskPlaceId): number =>
  (scan?.places ?? []).filter((p) => p.id === id).reduce((sum, p) => sum + p.bytes, 0);
