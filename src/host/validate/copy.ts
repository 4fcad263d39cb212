/** A copy of what is to be looked at, in a folder that nobody else can enter, for as long as it takes. Decides where it lies. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'deckhand-check-';
/** Older ones were left behind by a process that died. */
const LEFT_MS = 3_600_000;

export interface Copy {
  folder: string;
  path: string;
}

export async function withCopy<T>(
  folder: string | undefined,
  name: string,
  bytes: Uint8Array,
  work: (copy: Copy) => Promise<T>,
): Promise<T> {
  if (folder !== undefined) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    sweep(folder);
  }
  // mkdtemp makes it 0700.
  const own = mkdtempSync(join(folder ?? tmpdir(), PREFIX));
  try {
    const path = join(own, name);
    writeFileSync(path, bytes, { mode: 0o600, flag: 'wx' });
    return await work({ folder: own, path });
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (name.startsWith(PREFIX) && age > LEFT_MS) rmSync(path, { recursive: true, force: true });
  }
}
