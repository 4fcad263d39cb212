/**
 * Walks one file system and adds up what it holds; runs in a thread (thread.ts), because any call here may hang with its disk. Never
 * crosses into another device or through a mount point, follows no link, opens nothing but folders. Decides what is kept of what it
 * sees: the heaviest folders and files, sums of the known places, and how much could not be looked into.
 *
 * By path and not through descriptors, which would take twice the time: whoever swaps a folder for a link in that very moment gets sizes of
 * another folder counted (names and sizes only, and the swap is noticed unless it is undone in the same moment).
 */
import fs from 'node:fs';
import type { DiskFile, DiskFolder, DiskScan } from '../../core/disk.ts';
import type { DeniedName } from '../files/deny.ts';
import { type Place, placeOfFile, placeOfFolder } from './places.ts';

export interface WalkOptions {
  mount: string;
  /** Stands before every path of the host: '' on the host itself. */
  prefix: string;
  /** Paths of mounts below, never touched: one may hang, and a bind mount of the same disk would be counted twice. */
  mounts: ReadonlySet<string>;
  used: { bytes: number; inodes: number | null };
  maxMs: number;
  denied: DeniedName;
  /** Asked at each folder. */
  stop: () => boolean;
  progress: (bytes: number, entries: number) => void;
  /** A folder of this size or more has so many names that they are read in pieces. */
  largeFolder?: number;
}

/** A folder that weighs less than this share of what is used is not told apart, unless it is among the heaviest of its own. */
const SHARE = 1 / 500;
const KEPT_BELOW = 12;
const KEPT_FILES = 40;
/** Inodes of more than one name that are remembered: 40 bytes each. */
const LINKS = 2_000_000;
const LARGE_FOLDER = 1024 * 1024;
const FIRST = 5;
const PLACES = 100;
const KIND = 0o170000;
const FOLDER = 0o040000;

interface Frame {
  path: string;
  /** latin1 of its bytes: some name on the way is no UTF-8. */
  raw: boolean;
  node: DiskFolder;
  place: Place | null;
  below: { name: string; ino: number; size: number; bytes: number }[];
}

export function walkDisk(o: WalkOptions): DiskScan {
  const began = performance.now();
  const top = fs.lstatSync(o.prefix + o.mount);
  const device = top.dev;
  const leastBytes = o.used.bytes * SHARE;
  const leastEntries = (o.used.inodes ?? Number.POSITIVE_INFINITY) * SHARE;
  const links = new Set<number>();
  const files: DiskFile[] = [];
  const places = new Map<string, DiskScan['places'][number]>();
  const unreadable = { folders: 0, first: [] as string[] };
  let otherMounts = 0;
  let stopped: DiskScan['stopped'] = null;
  let all = 0;
  let count = 0;
  let worthKeeping = 0;

  const real = (path: string, raw: boolean) => (raw ? Buffer.from(o.prefix + path, 'latin1') : o.prefix + path);
  const quietly = (ask: typeof fs.lstatSync, path: string, raw: boolean): fs.Stats | null => {
    try {
      return ask(real(path, raw), { throwIfNoEntry: false }) ?? null;
    } catch {
      return null;
    }
  };
  const slash = o.mount === '/' ? '' : o.mount;
  const root: DiskFolder = { path: o.mount, bytes: top.blocks * 512, entries: 1, denied: false, folders: [] };
  const stack: Frame[] = [];
  enter({ path: slash, raw: false, node: root, place: above(o.mount), below: [] }, top.size, top.ino);

  while (stack.length > 0) {
    const frame = stack.at(-1) as Frame;
    const next = frame.below.pop();
    if (next === undefined || stopped) {
      leave();
      continue;
    }
    const path = `${frame.path}/${next.name}`;
    const node = { path, bytes: next.bytes, entries: 1, denied: false, folders: [] };
    const begins = frame.raw ? null : placeOfFolder(path);
    const place = begins ? { ...begins, at: path } : frame.place;
    enter({ path, raw: frame.raw, node, place, below: [] }, next.size, next.ino);
  }
  return {
    root: told(root, o.denied),
    files: files.filter((f) => !deniedAbove(f.path, o.denied)),
    places: [...places.values()].sort((a, b) => b.bytes - a.bytes),
    unreadable,
    otherMounts,
    stopped,
    tookMs: Math.round(performance.now() - began),
  };

  function enter(frame: Frame, size: number, ino: number): void {
    stack.push(frame);
    add(frame, frame.node.bytes);
    if (o.stop()) stopped = 'cancelled';
    else if (performance.now() - began > o.maxMs) stopped = 'time';
    if (stopped) return;
    try {
      if (size > (o.largeFolder ?? LARGE_FOLDER)) readInPieces(frame);
      else {
        const names = fs.readdirSync(real(frame.path || '/', frame.raw), frame.raw ? 'latin1' : 'utf8');
        if (!frame.raw && names.some((n) => n.includes('\ufffd'))) becomeRaw(frame);
        else for (const name of names) look(frame, name);
      }
    } catch {
      unreadable.folders++;
      if (unreadable.first.length < FIRST) unreadable.first.push(frame.path || '/');
    }
    // Swapped or gone while it was read: what its names are of is not known, and nothing below them is looked at.
    const now = frame.below.length > 0 ? quietly(fs.statSync, frame.path || '/', frame.raw) : null;
    if (now?.ino !== ino || now.dev !== device) frame.below = [];
    o.progress(all, count);
  }

  function readInPieces(frame: Frame): void {
    const encoding = 'latin1' as BufferEncoding;
    const dir = fs.opendirSync(real(frame.path || '/', frame.raw), { encoding, bufferSize: 1024 });
    try {
      let n = 0;
      for (let e = dir.readSync(); e !== null; e = dir.readSync()) {
        const plain = /^[\x20-\x7e]*$/.test(e.name);
        // Of the few names that are not ASCII only those files count that lie here: a folder below would need its bytes.
        if (plain || frame.raw) look(frame, e.name);
        else lookAt(frame, e.name, quietly(fs.lstatSync, `${rawPath(frame)}/${e.name}`, true), true);
        if (++n % 1024 === 0) {
          o.progress(all, count);
          if (o.stop()) stopped = 'cancelled';
          else if (performance.now() - began > o.maxMs) stopped = 'time';
          if (stopped) return;
        }
      }
    } finally {
      dir.closeSync();
    }
  }

  /** From here down paths are bytes. */
  function becomeRaw(frame: Frame): void {
    frame.path = rawPath(frame);
    frame.raw = true;
    for (const name of fs.readdirSync(real(frame.path || '/', true), 'latin1')) look(frame, name);
  }

  function look(frame: Frame, name: string): void {
    const path = `${frame.path}/${name}`;
    if (o.mounts.has(path)) {
      otherMounts++;
      return;
    }
    lookAt(frame, name, quietly(fs.lstatSync, path, frame.raw), false);
  }

  function lookAt(frame: Frame, name: string, is: fs.Stats | null, strange: boolean): void {
    if (!is || is.dev !== device) return;
    if ((is.mode & KIND) === FOLDER) {
      if (!strange) frame.below.push({ name, ino: is.ino, size: is.size, bytes: is.blocks * 512 });
      else unreadable.folders++;
      return;
    }
    if (is.nlink > 1) {
      if (links.has(is.ino)) return;
      if (links.size < LINKS) links.add(is.ino);
    }
    const bytes = is.blocks * 512;
    frame.node.bytes += bytes;
    frame.node.entries++;
    const place = placeOfFile(frame.path, name, bytes, frame.place);
    if (place)
      addTo(place.at === undefined && frame.place?.at ? { ...place, at: frame.place.at } : place, frame.path, bytes);
    all += bytes;
    count++;
    if (bytes > worthKeeping || files.length < KEPT_FILES) keep(frame, name, bytes, is.mtimeMs, place);
  }

  function keep(frame: Frame, name: string, bytes: number, modifiedMs: number, place: Place | null): void {
    if (bytes === 0) return;
    const path = shownPath(`${frame.path}/${name}`, frame.raw);
    const at = files.findIndex((f) => f.bytes < bytes);
    files.splice(at < 0 ? files.length : at, 0, { path, bytes, modifiedMs, place: place?.id ?? null });
    if (files.length > KEPT_FILES) files.pop();
    if (files.length === KEPT_FILES) worthKeeping = files.at(-1)?.bytes ?? 0;
  }

  function add(frame: Frame, bytes: number): void {
    all += bytes;
    count++;
    if (frame.place) addTo(frame.place, frame.path, bytes);
  }

  function addTo({ id, of, at }: Place, folder: string, bytes: number): void {
    const path = at ?? folder;
    const whole = `${id} ${of} ${path}`;
    // Of too many of a kind the rest is added to one that is there.
    const key =
      places.size < PLACES || places.has(whole) ? whole : ([...places].find(([, p]) => p.id === id)?.[0] ?? whole);
    const has = places.get(key);
    if (has) {
      has.bytes += bytes;
      has.entries++;
    } else if (places.size < 2 * PLACES) places.set(key, { id, of, bytes, entries: 1, path: path || '/' });
  }

  /** All below it is added up: it goes into the folder above, by itself where it weighs enough. */
  function leave(): void {
    const { node, raw } = stack.pop() as Frame;
    const parent = stack.at(-1)?.node;
    node.folders.sort(heavier);
    node.folders.splice(KEPT_BELOW);
    if (raw) node.path = shownPath(node.path, true);
    if (!parent) return;
    parent.bytes += node.bytes;
    parent.entries += node.entries;
    if (node.bytes < leastBytes && node.entries < leastEntries) return;
    parent.folders.push(node);
    if (parent.folders.length >= 8 * KEPT_BELOW) {
      parent.folders.sort(heavier);
      parent.folders.splice(2 * KEPT_BELOW);
    }
  }

  function heavier(a: DiskFolder, b: DiskFolder): number {
    const weight = (f: DiskFolder) => f.bytes / (o.used.bytes || 1) + f.entries / (o.used.inodes || Infinity);
    return weight(b) - weight(a);
  }
}

/** A mount may lie inside a known place: /var/log as a disk of its own. */
function above(mount: string): Place | null {
  for (let at = mount; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
    const found = placeOfFolder(at);
    if (found) return { ...found, at: mount };
  }
  return null;
}

/** Names below a denied folder are not told. */
function told(folder: DiskFolder, denied: DeniedName): DiskFolder {
  const is = folder.path !== '/' && denied(components(folder.path));
  return { ...folder, denied: is, folders: is ? [] : folder.folders.map((f) => told(f, denied)) };
}

const components = (path: string): Buffer[] =>
  path
    .split('/')
    .filter(Boolean)
    .map((part) => Buffer.from(part));
const deniedAbove = (path: string, denied: DeniedName): boolean => denied(components(path).slice(0, -1));

const rawPath = ({ path, raw }: Frame): string => (raw ? path : Buffer.from(path).toString('latin1'));
const shownPath = (path: string, raw: boolean): string => (raw ? Buffer.from(path, 'latin1').toString() : path);
