/** The figures of a full disk in lines: ours above, those with names of files below, so that one fence holds them. */
import { bytes, percent } from '../core/text.ts';
import type { DiskSection } from './diagnose_parts.ts';

export function diskText(d: DiskSection): { ours: string[]; theirs: string[] } {
  const shares = [
    `used ${bytes(d.usedBytes)} of ${bytes(d.totalBytes)} (${percent(d.usedPercent)}), free ${bytes(d.availableBytes)}`,
    d.reservedBytes > 0.01 * d.totalBytes ? `reserved for root ${bytes(d.reservedBytes)}` : '',
    d.inodesUsedPercent === null ? '' : `inodes ${percent(d.inodesUsedPercent)}`,
    d.openDeletedBytes ? `deleted and open ${bytes(d.openDeletedBytes)}` : '',
    d.dockerBytes ? `engine ${bytes(d.dockerBytes)}` : '',
    d.journalBytes ? `journal ${bytes(d.journalBytes)}` : '',
    d.seenBytes === null ? '' : `walked ${bytes(d.seenBytes)}${d.stopped ? ' so far' : ''}`,
  ];
  const ours = [shares.filter((s) => s !== '').join('; ')];
  const theirs = [`${d.mount} (${d.type}), heaviest folders`];
  const byEntries = (d.inodesUsedPercent ?? 0) > (d.usedPercent ?? 0) && (d.inodesUsedPercent ?? 0) >= 85;
  for (const f of d.folders) {
    const weight = byEntries ? `${f.entries} entries` : bytes(f.bytes);
    theirs.push(`${'  '.repeat(f.depth)}${weight} ${f.path}`);
  }
  // Without a heading of its own: a line of ours in between would take a second fence.
  theirs.push(...d.files.map((f, i) => `${i === 0 ? 'largest files: ' : ''}${bytes(f.bytes)} ${f.path}`));
  theirs.push(...d.grew.map((g, i) => `${i === 0 ? `grew since ${d.grewSince}: ` : ''}+${bytes(g.bytes)} ${g.path}`));
  return { ours, theirs };
}
