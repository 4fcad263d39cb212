/**
 * What the rows of a full disk share: how sure a share of the disk makes them, how it is worded, and the row of a place whose purpose is
 * known. Pure.
 */
import type { DiskFile, DiskPlaceId } from '../core/disk.ts';
import { bytes, clip, percent } from '../core/text.ts';
import type { CauseHit, CauseRow, Certainty } from './diagnose.ts';
import { type DiskFacts, placeBytes, usedShare } from './disk_seen.ts';

export const FULL = { bytes: 0.95, filling: 0.85, inodes: 0.95 };
/** Shares of what is used. */
export const LIKELY = 0.2;
const POSSIBLE = 0.05;
export const ROOM = 1024 ** 3;
export const LONG = 160;

export interface DiskRow extends CauseRow<DiskFacts> {
  /** Bytes; infinite where it is not bytes that are short. */
  weight(f: DiskFacts): number;
}

export const used = (f: DiskFacts) => f.fs.size.value.usedBytes;
/** What is a fault when space is short is none while there is room. */
export const short = (f: DiskFacts) => usedShare(f.fs.size.value) >= FULL.filling;

export function sure(f: DiskFacts, weight: number): Certainty | null {
  const share = used(f) > 0 ? weight / used(f) : 0;
  if (!short(f)) return share >= LIKELY && weight >= ROOM ? 'possible' : null;
  return share >= LIKELY ? 'likely' : share >= POSSIBLE ? 'possible' : null;
}

export const part = (f: DiskFacts, n: number) =>
  `${bytes(n)}, ${percent((100 * n) / Math.max(1, used(f)))} of what is used`;
export const files = (n: number) => `${n} ${n === 1 ? 'file' : 'files'}`;
/** Without its first slash, which stands in the advised call: a word there begins like a name. */
export const word = (path: string) => path.slice(1);

/** A known place, with what belongs to it. */
export const place = (
  id: DiskPlaceId,
  row: Pick<DiskRow, 'id' | 'when' | 'sentence' | 'next'>,
  next?: (f: DiskFacts) => string | undefined,
): DiskRow => ({
  ...row,
  weight: (f) => placeBytes(f.scan, id),
  test(f) {
    const all = f.scan?.places.filter((p) => p.id === id) ?? [];
    const [first] = all;
    const sum = placeBytes(f.scan, id);
    const certainty = sure(f, sum);
    if (!first || certainty === null) return null;
    const count = all.reduce((n, p) => n + p.entries, 0);
    const more =
      all.length > 1
        ? ` (${bytes(first.bytes)}) and ${all.length - 1} more ${all.length === 2 ? 'place' : 'places'}`
        : '';
    const is = next?.(f);
    return {
      certainty,
      evidence: [`${part(f, sum)}: ${files(count)} in ${clip(first.path, LONG)}${more}`],
      words: { FOLDER: word(first.path) },
      ...(is === undefined ? {} : { next: is }),
    };
  },
});

export function one(f: DiskFacts, file: DiskFile | undefined): CauseHit | null {
  const certainty = file ? sure(f, file.bytes) : null;
  if (!file || certainty === null) return null;
  const written = new Date(file.modifiedMs).toISOString().slice(0, 16);
  const evidence = [`${clip(file.path, LONG)}: ${part(f, file.bytes)}, last written ${written}Z`];
  return { certainty, evidence, words: { FILE: word(file.path) } };
}
