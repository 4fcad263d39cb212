/** Processes that are neither ours nor above us: children of a shell that has ended, as a host's other programs are to Deckhand. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Orphans extends Disposable {
  dir: string;
  /** Runs a script of sh in the background and gives its pid; it is nobody's child but init's. */
  start(script: string): number;
}

export function orphans(): Orphans {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-signal-'));
  const pids: number[] = [];
  return {
    dir,
    start(script) {
      const run = spawnSync('sh', ['-c', 'sh -c "$1" </dev/null >/dev/null 2>&1 & echo $!', 'sh', script], {
        cwd: dir,
        encoding: 'utf8',
      });
      const pid = Number(run.stdout.trim());
      pids.push(pid);
      return pid;
    },
    [Symbol.dispose]() {
      for (const pid of pids) {
        // Only what is still that script or what it became: their working folder is ours alone.
        if (stat(pid)) spawnSync('sh', ['-c', `[ "$(readlink /proc/${pid}/cwd)" = "${dir}" ] && kill -KILL ${pid}`]);
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Straight from the kernel, by other code than the product's. */
export function stat(pid: number): { name: string; state: string; start: number; ppid: number } | null {
  const path = `/proc/${pid}/stat`;
  try {
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    if (text === '') return null;
    const name = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'));
    return { name, state: fields[0] ?? '', start: Number(fields[19]), ppid: Number(fields[1]) };
  } catch {
    return null;
  }
}
