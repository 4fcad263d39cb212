/** The doctor's look at who uses how much of the state folder, and what bounds each part. Reads names and sizes only. */
import { type Dirent, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { bytes } from '../core/text.ts';
import type { Check } from './doctor.ts';
import { ok, warning } from './doctor_state.ts';

/** A folder with more than this is not ours to count; what was counted is then called so. */
const MOST_FILES = 50_000;

const PARTS: { name: string; is: RegExp }[] = [
  { name: 'audit', is: /^audit(\/|\.key$)/ },
  { name: 'database', is: /^deckhand\.db/ },
  { name: 'receipts', is: /^blobs\// },
  { name: 'compile cache', is: /^compile-cache\// },
  { name: 'backups', is: /^(backups|before-(restore-[^/]+|upgrade))\// },
  { name: 'locks and tokens', is: /^(leases\/|tokens\.json)/ },
];

export interface Usage {
  parts: Map<string, number>;
  files: number;
  cut: boolean;
}

export function usageOf(dir: string, most = MOST_FILES): Usage {
  const usage: Usage = { parts: new Map(), files: 0, cut: false };
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined && !usage.cut; folder = folders.pop()) {
    for (const entry of entries(join(dir, folder))) {
      const path = folder ? `${folder}/${entry.name}` : entry.name;
      // Links are not followed: what they point to is not in this folder.
      if (entry.isDirectory()) folders.push(path);
      else if (++usage.files > most) usage.cut = true;
      else {
        const part = PARTS.find((p) => p.is.test(path))?.name ?? 'other';
        usage.parts.set(part, (usage.parts.get(part) ?? 0) + allocated(join(dir, path)));
      }
    }
  }
  return usage;
}

export function usageChecks(
  dir: string,
  { audit }: { audit: Pick<Config['audit'], 'segmentBytes' | 'keepBytes'> },
  most = MOST_FILES,
): Check[] {
  const { parts, files, cut } = usageOf(dir, most);
  const total = [...parts.values()].reduce((a, b) => a + b, 0);
  const largest = [...parts].sort((a, b) => b[1] - a[1]).map(([name, n]) => `${name} ${bytes(n)}`);
  const text = `${cut ? 'more than ' : ''}${bytes(total)} in ${cut ? 'over ' : ''}${files} files: ${largest.join(', ') || 'nothing yet'}; the audit keeps at most ${bytes(audit.keepBytes)}.`;
  const see = `du -ah ${dir} | sort -h | tail`;
  if (cut) return [warning('state.usage', 'State folder’s use', text, see)];
  // A segment that is being written, and one that was closed a moment ago, may stand above the bound.
  if ((parts.get('audit') ?? 0) > audit.keepBytes + 4 * audit.segmentBytes)
    return [warning('state.usage', 'State folder’s use', `The audit is larger than its bound: ${text}`, see)];
  if ((parts.get('other') ?? 0) > 64 * 1024 * 1024)
    return [warning('state.usage', 'State folder’s use', `Files that are not Deckhand’s lie in it: ${text}`, see)];
  return [ok('state.usage', 'State folder’s use', text)];
}

function entries(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // gone in this moment, or another user's: stateChecks says so
  }
}

/** On the disk, as du counts: a sparse or compressed file takes less than its length. */
function allocated(path: string): number {
  try {
    return lstatSync(path).blocks * 512;
  } catch {
    return 0;
  }
}
