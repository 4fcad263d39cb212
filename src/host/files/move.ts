/** A file or folder gets another name on the same file system, never over something that is there. Decides nothing about names (standing.ts). */
import fs from 'node:fs';
import { OpsError } from '../../core/errors.ts';
import type { FileStat } from '../../core/files.ts';
import { noLinks } from './replace.ts';
import { below, conflict, digest, stillThere, target, whole } from './standing.ts';
import type { Task } from './task.ts';
import { survey } from './tree.ts';
import { failedToChange, type Ground, idOf, statOf } from './walk.ts';

const MOST_ENTRIES = 500_000;
/** Of a file that is moved so much is looked through for keys: it keeps its bytes, and reading refuses them under any name. */
const MOST_LOOKED = 16 * 1024 * 1024;

export function move(
  from: { ground: Ground; path: Uint8Array },
  to: { ground: Ground; path: Uint8Array },
  id: string,
  task: Task,
): { from: string; to: string; stat: FileStat } {
  using source = target(from.ground, from.path);
  using goal = target(to.ground, to.path);
  try {
    if (goal.is && source.is && idOf(goal.is.stat) === id && idOf(source.is.stat) === id && goal.path !== source.path) {
      // A kill between link and unlink left both names; and nothing else has them.
      if (goal.is.stat.nlink !== 2n) throw conflict(goal.path, 'is there already');
      fs.unlinkSync(below(source.dir, source.name));
      return ended();
    }
    const { fd, stat } = whole(source, id);
    if (goal.is) throw conflict(goal.path, 'is there already');
    if (fs.fstatSync(goal.dir, { bigint: true }).dev !== stat.dev) throw otherFilesystem();
    if (stat.isDirectory()) survey(from.ground, source, MOST_ENTRIES, task);
    else if (stat.size <= MOST_LOOKED) digest(fd, task, { most: MOST_LOOKED, path: source.path });
    task.tick();
    stillThere(source);
    stillThere(goal);
    if (stat.isDirectory() || !linked()) fs.renameSync(below(source.dir, source.name), below(goal.dir, goal.name));
    return ended();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EXDEV') throw otherFilesystem();
    if (code === 'EINVAL') throw new OpsError('validation', `${goal.path} lies in ${source.path} itself.`);
    if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOTDIR') throw conflict(goal.path, 'is there now');
    throw failedToChange(error, source.path);
  }

  /** By a second name and the end of the first, because a rename would replace what came this very moment. */
  function linked(): boolean {
    try {
      fs.linkSync(below(source.dir, source.name), below(goal.dir, goal.name));
    } catch (error) {
      if (!noLinks((error as NodeJS.ErrnoException).code)) throw error;
      return false;
    }
    if (idOf(fs.lstatSync(below(goal.dir, goal.name), { bigint: true })) !== id) {
      fs.unlinkSync(below(goal.dir, goal.name));
      throw conflict(source.path, 'is another file now');
    }
    fs.unlinkSync(below(source.dir, source.name));
    return true;
  }

  function ended() {
    fs.fsyncSync(goal.dir);
    fs.fsyncSync(source.dir);
    const stat = statOf(fs.lstatSync(below(goal.dir, goal.name), { bigint: true }));
    return { from: source.path, to: goal.path, stat };
  }
}

const otherFilesystem = () =>
  new OpsError('validation', 'A move goes within one file system, and that is another.', {
    hint: 'Write it there, compare, and delete it here.',
  });
