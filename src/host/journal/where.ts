/**
 * Where this host keeps its journal, and whether this process may read it: some looks at folders, cheap enough for the middle of a call.
 * Decides what to say where there is none.
 */
import { accessSync, constants, type Dirent, readdirSync } from 'node:fs';
import type { Root } from '../system/files.ts';

export interface Journal {
  /** What journalctl is told to read; null: what it reads by itself. */
  folder: string | null;
  volatile: boolean;
}

export type Found =
  | { journal: Journal; missing?: undefined }
  | { journal: null; missing: { why: string; fix: string } };

const KEPT = '/var/log/journal';
const VOLATILE = '/run/log/journal';
/** A machine's id, which names the folder, or one with a namespace behind it. */
const MACHINE = /^[0-9a-f]{32}(?:\.[\w.-]{1,64})?$/;
const MOST_MACHINES = 100;

export function findJournal(
  root: Root,
  o: { has: (binary: 'journalctl') => boolean; directory?: string | undefined },
): Found {
  const none = (why: string, fix: string): Found => ({ journal: null, missing: { why, fix } });
  const places = o.directory ? [o.directory] : [KEPT, VOLATILE].map((p) => root.of(p));
  const states = places.map(stateOf);
  if (states.every((s) => s === 'none'))
    return none('No systemd journal is kept here.', 'Read container:NAME or file:/var/log/… instead.');
  if (!states.includes('readable'))
    return none(
      'This user may not read the journal.',
      'Add it to the group systemd-journal (usermod -aG systemd-journal USER) and start Deckhand anew.',
    );
  if (!o.has('journalctl'))
    return none('There is a journal, but no journalctl to read it.', 'Install systemd’s tools.');
  const at = states.indexOf('readable');
  // journalctl reads both by itself; of another root's only one can be named.
  const folder = o.directory ?? (root.foreign ? (places[at] as string) : null);
  return { journal: { folder, volatile: o.directory === undefined && states[0] === 'none' } };
}

function stateOf(folder: string): 'none' | 'unreadable' | 'readable' {
  let all: Dirent[];
  try {
    all = readdirSync(folder, { withFileTypes: true });
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EACCES' ? 'unreadable' : 'none';
  }
  const files = (dir: string, entries: string[]) =>
    entries.filter((n) => n.endsWith('.journal')).map((n) => `${dir}/${n}`);
  let seen: 'none' | 'unreadable' = 'none';
  const here = files(
    folder,
    all.filter((e) => e.isFile()).map((e) => e.name),
  );
  const machines = all.filter((e) => e.isDirectory() && MACHINE.test(e.name)).slice(0, MOST_MACHINES);
  for (const found of [here, ...machines.map((m) => inside(`${folder}/${m.name}`))]) {
    if (found === 'unreadable') {
      seen = 'unreadable';
      continue;
    }
    for (const file of found) {
      // One user's own entries are not the journal.
      if (/\/user-\d+[^/]*$/.test(file)) continue;
      if (readable(file)) return 'readable';
      seen = 'unreadable';
    }
  }
  return seen;

  function inside(dir: string): string[] | 'unreadable' {
    const system = `${dir}/system.journal`;
    if (readable(system)) return [system];
    try {
      return files(dir, readdirSync(dir));
    } catch {
      return 'unreadable';
    }
  }
}

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
