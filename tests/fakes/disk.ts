/** A disk that is what a test says it is. */
import type { DiskFolder, DiskHost, DiskScan, OpenDeletedList } from '../../src/core/disk.ts';

export const fakeFolder = (path: string, bytes: number, over: Partial<DiskFolder> = {}): DiskFolder => ({
  path,
  bytes,
  entries: 10,
  denied: false,
  folders: [],
  ...over,
});

export const fakeScan = (over: Partial<DiskScan> = {}): DiskScan => ({
  root: fakeFolder('/', 18 * 1024 ** 3, { entries: 210_000 }),
  files: [],
  places: [],
  unreadable: { folders: 0, first: [] },
  otherMounts: 0,
  stopped: null,
  tookMs: 900,
  ...over,
});

export const noneDeleted: OpenDeletedList = { files: [], count: 0, totalBytes: 0, hidden: 0 };

export const fakeDisk = (over: Partial<DiskHost> = {}): DiskHost => ({
  mountOf: async () => '/',
  scan: async () => fakeScan(),
  openDeleted: async () => noneDeleted,
  ...over,
});
