/**
 * Mount points below a folder, told by the kernel's list and not by touching them: one that hangs must be known before it is asked.
 * Names are compared with one character for each byte, as a search has them.
 */
import { readFileSync } from 'node:fs';
import { parseMountinfo } from '../system/mounts.ts';

export interface MountPoint {
  /** As the pool names it. */
  path: string;
  /** major:minor, as mountinfo has it. */
  device: string;
}

/** Of each folder that has some, by its path: what is mounted at which name in it. */
export type MountPoints = ReadonlyMap<string, ReadonlyMap<string, MountPoint>>;

export function mountPoints(): MountPoints {
  const found = new Map<string, Map<string, MountPoint>>();
  for (const { path, device } of parseMountinfo(readFileSync('/proc/self/mountinfo', 'latin1'))) {
    const latin = Buffer.from(path).toString('latin1');
    const slash = latin.lastIndexOf('/');
    const name = latin.slice(slash + 1);
    if (name === '') continue;
    const folder = latin.slice(0, slash) || '/';
    // The last one mounted there is the one that is seen.
    found.set(folder, (found.get(folder) ?? new Map()).set(name, { path, device }));
  }
  return found;
}

/** As stat has a device, so that it can be compared with mountinfo's. */
export const deviceName = (dev: bigint): string => {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return `${major}:${minor}`;
};
