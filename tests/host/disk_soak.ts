/** The walk of `diagnose disk_full` beside `du -x`, on /usr and on a folder of very many files, in the same run. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { walkDisk } from '../../src/host/disk/walk.ts';
import { denyNames } from '../../src/host/files/deny.ts';

export interface DiskSoak {
  where: string;
  entries: number;
  /** As du counts. */
  same: boolean;
  /** Best of three, warm. */
  ms: number;
  duMs: number;
  /** Resident memory that the walks added. */
  grewMiB: number;
}

const TRIES = 3;

function beside(where: string, folder: string): DiskSoak {
  const du = (...args: string[]) =>
    Number(
      execFileSync('du', ['-sx', ...args, folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split(
        '\t',
      )[0],
    );
  const walk = () =>
    walkDisk({
      mount: folder,
      prefix: '',
      mounts: new Set(),
      used: { bytes: 1e9, inodes: 1e5 },
      maxMs: 120_000,
      denied: denyNames(),
      stop: () => false,
      progress() {},
    });
  const best = (work: () => unknown) => {
    let ms = Number.POSITIVE_INFINITY;
    for (let i = 0; i < TRIES; i++) {
      const from = performance.now();
      work();
      ms = Math.min(ms, performance.now() - from);
    }
    return ms;
  };
  const seen = walk();
  const before = process.memoryUsage.rss();
  const same = seen.root.bytes === du('--block-size=1') && seen.root.entries === du('--inodes');
  const [ms, duMs] = [best(walk), best(() => du())];
  return {
    where,
    entries: seen.root.entries,
    same,
    ms,
    duMs,
    grewMiB: (process.memoryUsage.rss() - before) / 1024 ** 2,
  };
}

export function diskSoak(o: { folders: number; each: number; flat: number }): DiskSoak[] {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'deckhand-many-')));
  try {
    const touch = (path: string) => closeSync(openSync(path, 'w'));
    for (let f = 0; f < o.folders; f++) {
      mkdirSync(join(dir, `f${f}`));
      for (let n = 0; n < o.each; n++) touch(join(dir, `f${f}`, `n${n}`));
    }
    mkdirSync(join(dir, 'flat'));
    for (let n = 0; n < o.flat; n++) touch(join(dir, 'flat', `n${n}`));
    return [beside('/usr', '/usr'), beside(`${o.folders * o.each + o.flat} files`, dir)];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
