/** Why a disk is full: the rows of causes_disk.ts, the heaviest first among equally sure ones, and how it stands in a few words. Pure. */
import { bytes, percent } from '../core/text.ts';
import { DISK } from './causes_disk.ts';
import { FULL } from './causes_disk_share.ts';
import { type Cause, causesOf } from './diagnose.ts';
import { type DiskFacts, inodeShare, type Size, usedShare } from './disk_seen.ts';

export const DISK_ROWS = DISK;
/** Of docs/diagnose.md. */
export const DISK_NOTE = `It looks at one file system: the one of the path that is named, else the fullest local disk. Names and sizes of all of it are read, also outside
\`files.roots\`, and never a content: hence \`files:read\` besides \`system:read\`. Folders of the deny list are counted, and nothing below them is named. Of the
container engine and the journal only sums are told. Other file systems mounted below are left alone. Sizes are what is allocated: holes count nothing, a
file of several names counts once. What takes longer than \`wait_s\` (10 s) goes on and is fetched with result_query. What Deckhand’s user may not read is not
seen, and \`unknown\` says how much that is. Heavy folders are remembered (twelve looks of a disk, in the state folder) to tell what grew; \`since\` chooses the look.
Causes of equal certainty are in order of their weight.`;

export function diagnoseDisk(f: DiskFacts): Cause[] {
  const weights = new Map(DISK.map((row) => [row, row.weight(f)]));
  const heavier = (a: (typeof DISK)[number], b: typeof a) => {
    const [x, y] = [weights.get(a) ?? 0, weights.get(b) ?? 0];
    // Infinity less Infinity is no number.
    return x === y ? 0 : y - x;
  };
  return causesOf(DISK.toSorted(heavier), f, {});
}

/** The shorter of bytes and inodes: what makes this file system the fullest. */
export const fullness = (size: Size): number => Math.max(usedShare(size), inodeShare(size) ?? 0);

export function standing(size: Size): string {
  const share = usedShare(size);
  const inodes = inodeShare(size) ?? 0;
  const of = `${percent(100 * share)} of ${bytes(size.usedBytes + size.availableBytes)} used`;
  if (inodes >= FULL.inodes) return `has no inodes left (${of})`;
  return share >= FULL.bytes ? `is full (${of})` : share >= FULL.filling ? `is filling up (${of})` : `has room (${of})`;
}
