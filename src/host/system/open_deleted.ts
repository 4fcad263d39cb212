/**
 * Files without a name that somebody still has open: `df` counts them, `du` cannot see them. Reads /proc/<pid>/fd of all processes that may
 * be read. Runs in the disk's thread: to ask what is behind a descriptor can hang with the file system that it lies on.
 */
import fs from 'node:fs';
import type { OpenDeletedList } from '../../core/disk.ts';
import { homeOf } from './home.ts';

const KEPT = 20;
const MOST_DESCRIPTORS = 2_000_000;
const DELETED = ' (deleted)';

interface Held {
  bytes: number;
  path: string;
  pids: Set<number>;
}

/** `device`: st_dev of the file system in question. */
export function openDeleted(
  device: number,
  o: { proc: string; stop: () => boolean; step: () => void },
): OpenDeletedList {
  const found = new Map<number, Held>();
  let hidden = 0;
  let looked = 0;
  for (const pid of fs.readdirSync(o.proc)) {
    if (!/^[1-9]\d*$/.test(pid)) continue;
    if (o.stop() || looked > MOST_DESCRIPTORS) break;
    o.step();
    let names: string[];
    try {
      names = fs.readdirSync(`${o.proc}/${pid}/fd`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') hidden++;
      continue;
    }
    for (const name of names) {
      looked++;
      try {
        const link = `${o.proc}/${pid}/fd/${name}`;
        const target = fs.readlinkSync(link);
        if (!target.endsWith(DELETED) || !target.startsWith('/')) continue;
        const is = fs.statSync(link);
        if (is.dev !== device || is.nlink !== 0 || is.blocks === 0) continue;
        const held = found.get(is.ino);
        if (held) held.pids.add(Number(pid));
        else
          found.set(is.ino, {
            bytes: is.blocks * 512,
            path: target.slice(0, -DELETED.length),
            pids: new Set([Number(pid)]),
          });
      } catch {
        // Closed in between.
      }
    }
  }
  const all = [...found.values()].sort((a, b) => b.bytes - a.bytes);
  const init = text(`${o.proc}/1/cgroup`);
  return {
    files: all.slice(0, KEPT).map(({ bytes, path, pids }) => {
      const pid = Math.min(...pids);
      const cgroup = text(`${o.proc}/${pid}/cgroup`);
      const home = cgroup === null ? null : homeOf(cgroup, init);
      const kind = home?.kind;
      return {
        bytes,
        path,
        pid,
        process: text(`${o.proc}/${pid}/comm`)?.trimEnd() ?? '?',
        home: home && (kind === 'unit' || kind === 'container') ? { kind, name: home.name } : null,
        others: pids.size - 1,
      };
    }),
    count: all.length,
    totalBytes: all.reduce((sum, h) => sum + h.bytes, 0),
    hidden,
  };
}

function text(path: string): string | null {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
