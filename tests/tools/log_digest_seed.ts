/** One trial: fifty thousand lines before, fifty thousand in the window, and one error among those that was never there. */

import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { type DigestAnswer, logDigest } from '../../src/tools/log_digest.ts';
import { fakeHost } from '../fakes/host.ts';
import { fakeJournal, type Written } from '../fakes/journal.ts';
import { corpus, random } from '../insight/log_corpus.ts';
import { ask, context } from './context.ts';

export const NOW = Date.UTC(2026, 10, 20, 12, 0, 0);
const HOUR = 3_600_000;

const NEW = [
  'Disk sdb reports 12 unreadable sectors',
  'could not renew certificate for www.example.com: challenge failed',
  'panic in handler: assertion of balance violated',
  'upstream closed while reading response header from 10.1.2.3:8080',
  'deadlock detected between 4711 and 4712',
  'Failed to process: no space left on device',
];

export interface Trial {
  found: boolean;
  flagged: boolean;
  /** Place in the answer, from 0. */
  place: number;
  /** Patterns that are said to be new, though their template was there before. */
  falseNew: number;
  tokens: number;
  bytes: number;
  patterns: number;
  ms: number;
}

export async function trial(seed: number, lines = 50_000): Promise<Trial> {
  const r = random(seed * 7_919);
  const all = corpus(seed, { templates: 150, lines: lines * 2 });
  // Some templates are errors, before and in the window alike.
  const written: Written[] = all.map(({ text, of }, i) => ({
    atMs: NOW - 2 * HOUR + (i / all.length) * 2 * HOUR,
    message: text,
    identifier: 'app',
    unit: 'app.service',
    pid: 100 + (i % 7),
    priority: of % 25 === 3 ? 3 : of % 25 === 4 ? 4 : 6,
  }));
  const at = lines + 1 + Math.floor(r() * (lines - 2));
  const message = NEW[seed % NEW.length] as string;
  written[at] = { ...(written[at] as Written), message, priority: 3 };
  const before = new Set(all.slice(0, lines).map((l) => l.of));
  const rare = new Set(
    all
      .slice(lines)
      .map((l) => l.of)
      .filter((of) => !before.has(of)),
  );
  const host = { ...fakeHost(), journal: fakeJournal({ written }) };
  const from = performance.now();
  const { data, text } = await ask<DigestAnswer>(
    logDigest,
    { source: ['unit:app'], since: '1h' },
    context({}, { host, now: () => NOW }),
  );
  const ms = performance.now() - from;
  const words = message.split(' ').filter((w) => /^[a-zA-Z]+$/.test(w));
  const place = data.lines.findIndex((l) => words.every((w) => l.pattern.includes(w)));
  const line = data.lines[place];
  return {
    found: line !== undefined && line.count === 1 && line.level === 'error',
    flagged: line?.new === true,
    place,
    falseNew: data.lines.filter((l) => l.new === true).length - rare.size - 1,
    tokens: encode(text).length,
    bytes: Buffer.byteLength(text) + Buffer.byteLength(JSON.stringify(data)),
    patterns: data.lines.length,
    ms: Math.round(ms),
  };
}
