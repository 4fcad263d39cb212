/** What is done with the files of a corrupt database: kept beside the new one, two sets at most. When that is right, db.ts decides. */
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const PARTS = ['-wal', '-shm', ''];
const KEPT = 2;

/** Returns where the file now lies. */
export function renameAside(path: string): string {
  const aside = `${path}.corrupt-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  for (const part of PARTS)
    try {
      renameSync(path + part, aside + part);
    } catch (missing) {
      if ((missing as NodeJS.ErrnoException).code !== 'ENOENT') throw missing;
    }
  const folder = dirname(path);
  const sets = readdirSync(folder).filter((n) => n.startsWith(`${basename(path)}.corrupt-`) && n.endsWith('Z'));
  for (const old of sets.sort().slice(0, -KEPT))
    for (const part of PARTS) rmSync(join(folder, old + part), { force: true });
  return aside;
}
