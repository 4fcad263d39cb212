/** A journal of a million lines and a file of 500 MB: the last hour of them filtered, and as patterns, beside what grep takes for it. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../e2e/product.ts';
import type { Written } from '../fakes/journal.ts';
import { writeJournal } from './journal_lab.ts';
import type { ReadCost } from './journal_reader.ts';

const DAY = 86_400_000;

export interface JournalSoak {
  lines: number;
  fileBytes: number;
  /** By what was asked: ours, and what grep took for the same (null: nothing does the same). */
  asked: { what: string; ours: ReadCost; grepMs: number | null; grepMatched: number | null }[];
}

const UNITS = ['web', 'db', 'api', 'cron'];
function message(i: number): string {
  if (i % 5_000 === 7) return `upstream 10.0.${i % 256}.7 refused request ${i}: needle`;
  switch (i % 4) {
    case 0:
      return `GET /item/${i} 200 ${i % 9_973} bytes in ${i % 997} ms from 10.${i % 200}.${i % 256}.${(i * 7) % 256}`;
    case 1:
      return `query ${i.toString(16)} took ${i % 311} ms, ${i % 50} rows`;
    case 2:
      return `session ${(i * 2_654_435_761).toString(16)} of user u${i % 500} renewed`;
    default:
      return `(root) CMD (/usr/local/bin/job --id ${i})`;
  }
}

function* entries(n: number, now: number): Generator<Written> {
  for (let i = 0; i < n; i++) {
    const unit = UNITS[i % 4] as string;
    yield {
      atMs: now - DAY + (i / n) * DAY,
      message: message(i),
      ...{ unit: `${unit}.service`, identifier: unit, pid: 1_000 + (i % 4), priority: i % 5_000 === 7 ? 3 : 6 },
    };
  }
}

async function writeFile(path: string, bytes: number, now: number): Promise<number> {
  const out = createWriteStream(path);
  const n = Math.floor(bytes / 100);
  let written = 0;
  for (let i = 0; i < n; ) {
    let part = '';
    for (let k = 0; k < 5_000 && i < n; k++, i++) {
      const level = i % 5_000 === 7 ? 'ERROR' : 'INFO';
      const time = new Date(now - DAY + (i / n) * DAY).toISOString();
      part += `${time} ${level} ${message(i).padEnd(68)}\n`;
    }
    written += Buffer.byteLength(part);
    if (!out.write(part)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return written;
}

export async function journalSoak(o: { lines: number; fileBytes: number }): Promise<JournalSoak> {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-journal-soak-'));
  try {
    const now = Date.now();
    mkdirSync(join(dir, 'journal'));
    await writeJournal(join(dir, 'journal'), entries(o.lines, now));
    const file = join(dir, 'big.log');
    const fileBytes = await writeFile(file, o.fileBytes, now);
    const ours = (place: string, tool: string, args: object): ReadCost => {
      const child = join(root, 'tests/host/journal_reader.ts');
      const ran = spawnSync(process.execPath, [child, place, tool, JSON.stringify(args)], {
        ...{ encoding: 'utf8' as const, timeout: 120_000 },
      });
      if (ran.status !== 0)
        throw new Error(`${tool} ${JSON.stringify(args)}: ${ran.status} ${ran.stderr.slice(-2_000)}`);
      return JSON.parse(ran.stdout) as ReadCost;
    };
    const grep = (command: string): { grepMs: number; grepMatched: number } => {
      const from = performance.now();
      const ran = spawnSync('bash', ['-c', `set -o pipefail; ${command}`], { encoding: 'utf8', timeout: 300_000 });
      return { grepMs: Math.round(performance.now() - from), grepMatched: Number(ran.stdout) };
    };
    const none = { grepMs: null, grepMatched: null };
    const hour = `@${Math.floor(now / 1_000) - 3_600}`;
    const journal = join(dir, 'journal');
    const journalctl = `journalctl --quiet --no-pager --directory=${journal}`;
    const source = { journal: ['journal:'], file: [`file:${file}`] };
    // Read once before anyone is timed.
    grep(`${journalctl} -o cat | wc -l; wc -l <${file}`);
    return {
      lines: o.lines,
      fileBytes,
      asked: [
        {
          what: 'journal, last hour, grep',
          ours: ours(journal, 'log_query', { source: source.journal, since: '1h', grep: 'needle' }),
          ...grep(`${journalctl} --since=${hour} -o short-iso-precise | grep -ci needle`),
        },
        {
          what: 'journal, a unit’s last hour',
          ours: ours(journal, 'log_query', { source: ['journal:db'], since: '1h' }),
          ...grep(`${journalctl} --since=${hour} -t db -o short-iso-precise | grep -c .`),
        },
        { what: 'journal, digest of an hour', ours: ours(journal, 'log_digest', { source: source.journal }), ...none },
        {
          what: 'journal, as far as 512 MB go',
          ours: ours(journal, 'log_query', {
            source: source.journal,
            order: 'oldest',
            grep: 'none has this',
            read_mb: 512,
          }),
          ...grep(`${journalctl} -o short-iso-precise | grep -ci 'none has this' || true`),
        },
        {
          what: 'file, last hour, grep',
          ours: ours(dir, 'log_query', { source: source.file, since: '1h', grep: 'needle' }),
          ...grep(`grep -ci needle ${file}`),
        },
        { what: 'file, digest of an hour', ours: ours(dir, 'log_digest', { source: source.file }), ...none },
      ],
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
