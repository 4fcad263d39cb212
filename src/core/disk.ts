/**
 * What fills one file system: names and sizes, never contents. Sizes are what is allocated on the disk, so holes count nothing and a file of
 * several names counts once. Whose share is a cause, and what to do about it, is insight's.
 */
import type { Bounded } from './host.ts';

/** Places whose purpose is known from where they are. */
export const DISK_PLACES = [
  'logs',
  'rotated_logs',
  'journal',
  'core_dumps',
  'package_cache',
  'kernels',
  'tmp',
  'user_cache',
  'trash',
  'docker',
  'container_logs',
] as const;
export type DiskPlaceId = (typeof DISK_PLACES)[number];

export interface DiskFolder {
  path: string;
  /** Of it and all below, itself included. */
  bytes: number;
  /** Inodes: files, folders and the rest. */
  entries: number;
  /** On the deny list: counted, and nothing below it is named. */
  denied: boolean;
  /** The heaviest only. */
  folders: DiskFolder[];
}

export interface DiskFile {
  path: string;
  bytes: number;
  modifiedMs: number;
  place: DiskPlaceId | null;
}

export interface DiskPlace {
  id: DiskPlaceId;
  /** Of kernels: the release. */
  of: string | null;
  bytes: number;
  entries: number;
  /** The folder that it begins with. */
  path: string;
}

export interface DiskScan {
  root: DiskFolder;
  /** Largest first; none of a denied folder. */
  files: DiskFile[];
  places: DiskPlace[];
  /** Folders that this user may not look into: what is below them is not in any sum. */
  unreadable: { folders: number; first: string[] };
  /** Other file systems that are mounted below, and were left alone. */
  otherMounts: number;
  stopped: 'time' | 'cancelled' | null;
  tookMs: number;
}

/** A file that has no name any more, but is held open: its room is free only when the last one closes it. */
export interface OpenDeleted {
  bytes: number;
  /** As /proc tells it, without " (deleted)". */
  path: string;
  pid: number;
  process: string;
  /** The unit or container that it runs in. */
  home: { kind: 'unit' | 'container'; name: string } | null;
  /** Other processes that have it open, too. */
  others: number;
}

export interface OpenDeletedList {
  /** Largest first, at most 20. */
  files: OpenDeleted[];
  count: number;
  totalBytes: number;
  /** Processes of other users, whose descriptors this one may not see. */
  hidden: number;
}

export interface DiskHost {
  /** The file system that a path lies on, by names alone: its mount. Of what does not exist: that of the nearest folder. */
  mountOf(path: string): Promise<string>;
  /**
   * All of the file system that is mounted there, in a thread. One scan of a mount at a time: who asks meanwhile shares it. Calls back with
   * how far it is. `used` is what statfs says, so that small things can be dropped on the way.
   */
  scan(
    mount: string,
    o: Bounded & {
      used: { bytes: number; inodes: number | null };
      maxMs: number;
      onProgress?: (p: { bytes: number; entries: number }) => void;
    },
  ): Promise<DiskScan>;
  openDeleted(mount: string, o?: Bounded): Promise<OpenDeletedList>;
  /** Earlier looks; absent where nothing is kept. */
  history?: DiskHistory | undefined;
}

/** Heavy folders of a file system at one moment, kept to tell what grew since. */
export interface DiskSnapshot {
  atMs: number;
  usedBytes: number;
  /** Folders that weighed less are not in it. */
  leastBytes: number;
  folders: [path: string, bytes: number][];
}

export interface DiskHistory {
  /** Oldest first. `disk` names the file system, not only where it is mounted. */
  of(disk: string): DiskSnapshot[];
  keep(disk: string, snapshot: DiskSnapshot): void;
}
