/**
 * How heavy the folders of a disk were at earlier looks, so that a later one can tell what grew. Decides how many looks are kept, and
 * which goes when there are too many: the one that its neighbours in time miss least. Only convenience: without the database there is none.
 */
import type { DiskHistory, DiskSnapshot } from '../core/disk.ts';
import type { Db, Row } from './db.ts';

const EACH = 12;
const DISKS = 64;
/** Looks that follow one another so closely tell nothing new. */
const LEAST_APART_MS = 10 * 60_000;
const MOST_BYTES = 64 * 1024;

export function openDiskHistory(db: Db): DiskHistory {
  return {
    of(disk) {
      const rows = db.attempt('read', (sql) => sql.all('SELECT data FROM disk_looks WHERE disk = ? ORDER BY at', disk));
      return rows?.value.flatMap(parsed) ?? [];
    },
    keep(disk, snapshot) {
      const data = JSON.stringify(snapshot);
      if (data.length > MOST_BYTES) return;
      db.attempt('tx', (sql) => {
        const times = sql
          .all('SELECT at FROM disk_looks WHERE disk = ? ORDER BY at', disk)
          .map((row) => row.at as number);
        // After the clock was set back all would seem to be of the future.
        for (const at of times)
          if (at > snapshot.atMs) sql.run('DELETE FROM disk_looks WHERE disk = ? AND at = ?', disk, at);
        const past = times.filter((at) => at <= snapshot.atMs);
        if (snapshot.atMs - (past.at(-1) ?? Number.NEGATIVE_INFINITY) < LEAST_APART_MS) return;
        sql.run('INSERT OR REPLACE INTO disk_looks (disk, at, data) VALUES (?, ?, ?)', disk, snapshot.atMs, data);
        if (past.length >= EACH) sql.run('DELETE FROM disk_looks WHERE disk = ? AND at = ?', disk, leastMissed(past));
        sql.run(
          `DELETE FROM disk_looks WHERE disk NOT IN
            (SELECT disk FROM disk_looks GROUP BY disk ORDER BY max(at) DESC LIMIT ?)`,
          DISKS,
        );
      });
    },
  };
}

/** The first and the last stay: the one is the longest view back, the other what grew of late. */
function leastMissed(times: readonly number[]): number {
  let [best, gap] = [times[1] ?? 0, Number.POSITIVE_INFINITY];
  for (let i = 1; i < times.length - 1; i++) {
    const between = (times[i + 1] as number) - (times[i - 1] as number);
    // Relative to its age: a day is little of a year, and much of a week.
    const weighed = between / ((times.at(-1) as number) - (times[i] as number) + 1);
    if (weighed < gap) [best, gap] = [times[i] as number, weighed];
  }
  return best;
}

function parsed(row: Row): DiskSnapshot[] {
  try {
    const data = JSON.parse(String(row.data)) as DiskSnapshot;
    return Array.isArray(data.folders) && Number.isFinite(data.atMs) ? [data] : [];
  } catch {
    return [];
  }
}
