/**
 * The config file, with lines added: what stands in it is decided in config/added.ts; here it is written so that there is the old
 * file or the new one at any moment, with the old one's owner and mode, and a copy of the old one beside. The new one was loaded first.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { type Wanted, withSettings } from '../../config/added.ts';
import { loadConfig } from '../../config/load.ts';
import { OpsError, toOpsError } from '../../core/errors.ts';

export interface ConfigPlan {
  file: string;
  /** Null: nothing to add. */
  text: string | null;
  lines: string[];
  /** Each with the line of the file. */
  inTheWay: string[];
}

const LEAD = '# Settings of Deckhand: docs/configuration.md has them all.\n';

export async function planConfig(path: string, wanted: readonly Wanted[]): Promise<ConfigPlan> {
  const file = real(path);
  const old = textOf(file);
  const added = await withSettings(old ?? LEAD, wanted);
  if ('inTheWay' in added) {
    const inTheWay = added.inTheWay.map(({ line, what }) => `${file}${line === null ? '' : `:${line}`}: ${what}`);
    return { file, text: null, lines: [], inTheWay };
  }
  return { file, text: added.lines.length > 0 ? added.text : null, lines: added.lines, inTheWay: [] };
}

export interface Written {
  backup: string | null;
  /** As if nothing had been. */
  takeBack(): void;
}

export async function writeConfig({ file, text }: ConfigPlan, now: number): Promise<Written> {
  if (text === null) return { backup: null, takeBack() {} };
  const old = textOf(file);
  const stat = statSync(file, { throwIfNoEntry: false });
  const fresh = `${file}.new-${process.pid}`;
  const backup = old === null ? null : `${file}.${new Date(now).toISOString().replace(/[:.]/g, '-')}.bak`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    write(fresh, text, stat);
    await loadConfig({ flags: { config: fresh } });
    if (backup !== null) write(backup, old as string, stat);
    renameSync(fresh, file);
  } catch (thrown) {
    rmSync(fresh, { force: true });
    const error = toOpsError(thrown);
    if (error.code !== 'permission') throw error;
    throw new OpsError('permission', `${file} may not be written by this user.`, {
      hint: 'Run it as root: sudo deckhand tailnet setup …, or give another file with --config.',
      cause: thrown,
    });
  }
  return {
    backup,
    takeBack() {
      if (backup === null) rmSync(file, { force: true });
      else renameSync(backup, file);
    },
  };
}

function write(path: string, text: string, like: { mode: number; uid: number; gid: number } | undefined): void {
  const fd = openSync(path, 'wx', like ? 0o600 : 0o644);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  if (!like) return;
  if (process.getuid?.() === 0) chownSync(path, like.uid, like.gid);
  chmodSync(path, like.mode & 0o7777);
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    const error = toOpsError(thrown);
    if (error.code === 'not_found') return null;
    throw error;
  }
}
