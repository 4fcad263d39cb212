/**
 * How this process was launched, as far as words for people depend on it: from where others can launch it too, and whether what it
 * prints is kept by a service manager. Decides when a secret may be printed; reads, changes nothing.
 */
import { fstatSync, readFileSync, realpathSync } from 'node:fs';
import { basename } from 'node:path';
import type { Env } from '../config/env.ts';

export interface Launched {
  /** The very Node that runs this. */
  node: string;
  /** The launcher in bin/, without symbolic links; the command's name when it cannot be told. */
  bin: string;
  /** How a person runs it again: by its name where that is on the PATH (npm's bin folder), else by the launcher's path. */
  command: string;
  /** Null: what stands on standard output is seen by the person, or taken by the program, that started this. */
  kept: string | null;
}

export function launched(env: Env, outTty: boolean): Launched {
  const started = process.argv[1] ?? 'deckhand';
  let bin = started;
  try {
    bin = realpathSync(started);
  } catch {
    // Started in a way that names no file.
  }
  const stdout = statOf(1);
  const command = basename(started) === 'deckhand' ? 'deckhand' : bin;
  const parent = { pid: process.ppid, name: nameOf(process.ppid) };
  return { node: process.execPath, bin, command, kept: outTty ? null : keptBy(env, process.pid, parent, stdout) };
}

/**
 * A service's output goes to a log that many may read and nobody empties. A pipe or a file that someone gave by hand
 * (`npm start | tee`, a test) is theirs to keep secret, as with `deckhand token add`.
 */
export function keptBy(
  env: Env,
  pid: number,
  parent: { pid: number; name: string | null },
  stdout: { dev: number; ino: number } | null,
): string | null {
  // As systemd says to compare it: the variable alone is inherited by everything that a service starts.
  if (stdout && env.JOURNAL_STREAM === `${stdout.dev}:${stdout.ino}`) return 'the journal keeps its output';
  if (env.NOTIFY_SOCKET) return 'it runs as a service';
  const main = 'it runs as a service or a container’s main process';
  if (pid === 1 || parent.pid === 1) return main;
  // With --pid=host the container's init has another number.
  if (parent.name !== null && INITS.test(parent.name)) return main;
  return null;
}

const INITS = /^(?:tini(?:-static)?|docker-init|dumb-init|catatonit)$/;

function nameOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return null;
  }
}

function statOf(fd: number): { dev: number; ino: number } | null {
  try {
    return fstatSync(fd);
  } catch {
    return null;
  }
}
