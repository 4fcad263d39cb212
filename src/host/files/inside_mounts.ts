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

/** The same as a tree of names, which a search walks down beside the folders: most have nothing mounted anywhere below them. */
export interface MountTree {
  point: MountPoint | null;
  below: Map<string, MountTree>;
}

export function mountTree(): MountTree {
  const root: MountTree = { point: null, below: new Map() };
  for (const [folder, names] of mountPoints())
    for (const [name, point] of names) {
      let at = root;
      for (const part of [...folder.split('/').filter(Boolean), name]) {
        const below: MountTree = at.below.get(part) ?? { point: null, below: new Map() };
        at.below.set(part, below);
        at = below;
      }
      at.point = point;
    }
  return root;
}

/** As stat has a device, so that it can be compared with mountinfo's. */
export const deviceName = (device: number): string => {
  const dev = BigInt(device);
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return `${major}:${minor}`;
};
