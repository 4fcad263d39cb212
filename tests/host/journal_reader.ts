/**
 * A process of its own that asks one log tool of a journal or a file, and says what that cost: `PLACE TOOL ARGUMENTS`. Prints one line of
 * JSON. What is loaded once is warm before the clock starts.
 */

import { journalHost } from '../../src/host/journal/index.ts';
import { rootAt } from '../../src/host/system/files.ts';
import { type DigestAnswer, logDigest } from '../../src/tools/log_digest.ts';
import { type LogAnswer, logQuery } from '../../src/tools/log_query.ts';
import { filesIn } from '../fakes/files.ts';
import { fakeHost } from '../fakes/host.ts';
import { ask, context } from '../tools/context.ts';

export interface ReadCost {
  ms: number;
  /** Of the whole process, at its highest. */
  peakMiB: number;
  entries: number;
  matched: number;
  patterns: number;
  bytesRead: number;
  answerBytes: number;
  missing: string | null;
}

const [, , place = '', tool = '', json = '{}'] = process.argv;

if (place) {
  const files = filesIn(place);
  const host = { ...fakeHost(), journal: journalHost(rootAt('/'), { directory: place }), files };
  const ctx = context({}, { host, now: Date.now });
  const args = JSON.parse(json) as { source: string[] };
  const run = async (a: object) => {
    if (tool === 'log_digest') {
      const { data, text } = await ask<DigestAnswer>(logDigest, a, ctx);
      const [s] = data.sources;
      return { data, text, entries: data.entries, matched: 0, patterns: data.patterns, missing: s?.missing ?? null };
    }
    const { data, text } = await ask<LogAnswer>(logQuery, a, ctx);
    const [s] = data.sources;
    return { data, text, entries: data.entries, matched: data.matched, patterns: 0, missing: s?.why ?? null };
  };
  await run({ source: args.source, since: '20s' });
  const from = performance.now();
  const { data, text, ...said } = await run(args);
  const ms = Math.round(performance.now() - from);
  const cost: ReadCost = {
    ...said,
    ms,
    peakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    bytesRead: data.sources.reduce((n, s) => n + s.bytesRead, 0),
    answerBytes: Buffer.byteLength(JSON.stringify(data)) + Buffer.byteLength(text),
  };
  process.stdout.write(`${JSON.stringify(cost)}\n`);
  files.close();
}
