/**
 * How this process was launched, as far as words for people depend on it: from where others can launch it too, and whether what it
 * prints is kept by a service manager. Decides when a secret may be printed; reads, changes nothing.
 */
import { fstatSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isSea } from 'node:sea';
import type { Env } from '../config/env.ts';

export interface Launched {
  /** What starts it again from anywhere, for a client's settings: one word or two. Of an installed release it outlives upgrades. */
  words: readonly string[];
  /** The launcher in bin/, without symbolic links: two folders above it is all that belongs to it. The executable itself where it is that. */
  bin: string;
  /** How a person runs it again: by its name where that is on the PATH, else by a path. */
  command: string;
  /** Null: what stands on standard output is seen by the person, or taken by the program, that started this. */
  kept: string | null;
}

export function launched(env: Env, outTty: boolean): Launched {
  const stdout = statOf(1);
  const parent = { pid: process.ppid, name: nameOf(process.ppid) };
  return {
    ...again(process.argv[1] ?? 'deckhand', process.execPath, isSea()),
    kept: outTty ? null : keptBy(env, process.pid, parent, stdout),
  };
}

/** Where `deckhand service install` puts the command (setup/service/place.ts). */
const INSTALLED = '/usr/local/bin/deckhand';

/** `started`: the file that Node was given; of the single executable its own name as it was typed. */
export function again(
  started: string,
  execPath: string,
  single: boolean,
  installed = INSTALLED,
): Omit<Launched, 'kept'> {
  // Typed without a slash it was found on the PATH.
  if (single) return { words: [execPath], bin: execPath, command: started.includes('/') ? execPath : started };
  const bin = real(started) ?? started;
  // A release has its own Node, and a script that starts it.
  const script = join(dirname(bin), 'deckhand');
  if (real(execPath) === join(dirname(dirname(bin)), 'node/bin/node') && real(script) === script) {
    if (real(installed) === script) return { words: [installed], bin, command: 'deckhand' };
    return { words: [script], bin, command: script };
  }
  return { words: [execPath, bin], bin, command: basename(started) === 'deckhand' ? 'deckhand' : bin };
}

function real(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    // Not there, or started in a way that names no file.
    return null;
  }
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
