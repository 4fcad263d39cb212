/** What a search of a large folder costs through a file thread, beside `find`, `grep` and (where it is) `rg` in the same run. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import type { FindWhat } from '../../src/core/files.ts';
import { files } from '../../src/host/files/index.ts';

export interface SearchRow {
  what: string;
  /** Medians in ms, and how many files were found. */
  ours: { ms: number; hits: number };
  others: { name: string; ms: number; hits: number }[];
  stopped: string | null;
}

const ROUNDS = 3;
const BOUNDS = { depth: 200, limit: 20_000, maxEntries: 1e8, maxBytes: 1e12, maxMs: 600_000 };
const median = (all: number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0;

export async function searchSoak(dir: string): Promise<SearchRow[]> {
  const root = { access: 'read', depth: 200, oneFilesystem: true, symlinks: 'refuse' } as const;
  const open = files({ roots: [{ path: fs.realpathSync(dir), ...root }], ours: [] });
  const rg = spawnSync('rg', ['--version']).status === 0;
  const grep = (flags: string[], text: string): [string, string[]] => ['grep', ['-rIl', ...flags, '-e', text, dir]];
  const ripgrep = (flags: string[], text: string): [string, string[]][] =>
    rg ? [['rg', ['-l', '-uu', ...flags, '-e', text, dir]]] : [];
  const content = (text: string, regex: boolean, ignoreCase: boolean): FindWhat => ({
    content: { text, regex, ignoreCase },
  });
  const asked: [string, FindWhat, [string, string[]][]][] = [
    ['by name: *.conf', { glob: '*.conf' }, [['find', [dir, '-xdev', '-name', '*.conf']]]],
    [
      'by content: a text',
      content('copyright holder', false, false),
      [grep(['-F'], 'copyright holder'), ...ripgrep(['-F'], 'copyright holder')],
    ],
    [
      'by content: a text in any case',
      content('copyright holder', false, true),
      [grep(['-iF'], 'copyright holder'), ...ripgrep(['-iF'], 'copyright holder')],
    ],
    [
      'by content: an expression',
      content('version [0-9]+[.][0-9]+ of', true, false),
      [grep(['-E'], 'version [0-9]+[.][0-9]+ of'), ...ripgrep([], 'version [0-9]+[.][0-9]+ of')],
    ],
  ];
  const rows: SearchRow[] = [];
  try {
    for (const [what, find, others] of asked) {
      const mine: number[] = [];
      const theirs = others.map(() => ({ ms: [] as number[], hits: 0 }));
      let hits = 0;
      let stopped: string | null = null;
      // One round more at first, so that nobody pays for what the disk has to be asked.
      for (let n = 0; n <= ROUNDS; n++) {
        const began = performance.now();
        const found = await open.find(dir, find, BOUNDS);
        if (n > 0) mine.push(performance.now() - began);
        hits = found.hits;
        stopped = found.stopped;
        for (const [i, [command, args]] of others.entries()) {
          const at = performance.now();
          const { stdout } = spawnSync(command, args, {
            env: { PATH: '/usr/bin:/bin' },
            maxBuffer: 1e9,
            encoding: 'utf8',
          });
          const other = theirs[i] as (typeof theirs)[0];
          if (n > 0) other.ms.push(performance.now() - at);
          other.hits = stdout.split('\n').length - 1;
        }
      }
      rows.push({
        what,
        ours: { ms: median(mine), hits },
        others: theirs.map((t, i) => ({ name: others[i]?.[0] ?? '', ms: median(t.ms), hits: t.hits })),
        stopped,
      });
    }
  } finally {
    open.close();
  }
  return rows;
}
