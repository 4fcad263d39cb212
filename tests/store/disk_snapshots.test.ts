import { expect, it } from 'vitest';
import type { DiskSnapshot } from '../../src/core/disk.ts';
import { openDiskHistory } from '../../src/store/disk_snapshots.ts';
import { memoryDb } from '../fakes/memory_db.ts';

const HOUR = 3_600_000;
const look = (atMs: number, bytes = 1): DiskSnapshot => ({
  atMs,
  usedBytes: bytes,
  leastBytes: 0,
  folders: [['/srv', bytes]],
});

it('keeps looks apart in time, in order, by disk', () => {
  const h = openDiskHistory(memoryDb());
  expect(h.of('/ ext4')).toEqual([]);
  for (const at of [1, 1.05, 2, 3]) h.keep('/ ext4', look(at * HOUR));
  h.keep('/srv xfs', look(HOUR, 7));
  expect(h.of('/ ext4').map((s) => s.atMs / HOUR)).toEqual([1, 2, 3]);
  expect(h.of('/srv xfs')).toEqual([look(HOUR, 7)]);
});

it('of many it keeps the first, the last, and those in between that reach furthest', () => {
  const h = openDiskHistory(memoryDb());
  for (let at = 0; at < 200; at++) h.keep('d', look(at * HOUR));
  const kept = h.of('d').map((s) => s.atMs / HOUR);
  expect(kept).toHaveLength(12);
  expect(kept[0]).toBe(0);
  expect(kept.at(-1)).toBe(199);
  expect(kept.at(-2)).toBe(198);
  // Denser towards now.
  expect(kept.filter((at) => at > 100).length).toBeGreaterThan(5);
  expect(kept.filter((at) => at > 0 && at < 100).length).toBeGreaterThan(0);
});

it('a clock that was set back leaves nothing of the future; what is too large or torn is passed over', () => {
  const db = memoryDb();
  const h = openDiskHistory(db);
  h.keep('d', look(5 * HOUR));
  h.keep('d', look(2 * HOUR));
  expect(h.of('d').map((s) => s.atMs)).toEqual([2 * HOUR]);
  h.keep('big', { ...look(1), folders: Array.from({ length: 5_000 }, (_, i) => [`/a/long/path/${i}`, i]) });
  expect(h.of('big')).toEqual([]);
  db.tx((sql) => sql.run("INSERT INTO disk_looks VALUES ('torn', 1, '{'), ('torn', 2, '{}')"));
  expect(h.of('torn')).toEqual([]);
});

it('forgets disks that are not seen any more', () => {
  const h = openDiskHistory(memoryDb());
  for (let n = 0; n < 70; n++) h.keep(`disk ${n}`, look((n + 1) * HOUR));
  expect(h.of('disk 0')).toEqual([]);
  expect(h.of('disk 69')).toHaveLength(1);
});
