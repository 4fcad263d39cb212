/**
 * Grouping accuracy on public samples, beside a plain mask: the 2,000 lines each of Loghub (Zhu et al., https://github.com/logpai/loghub,
 * `*_2k.log_structured.csv`). They are not ours to carry: the folder that holds them is named by DECKHAND_LOGHUB.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createMiner } from '../../src/insight/log_mine.ts';
import { groupingAccuracy, plainMask } from './log_corpus.ts';

const ENDING = '_2k.log_structured.csv';

export interface Sample {
  name: string;
  lines: number;
  ours: number;
  plain: number;
}

export function samples(folder: string): Sample[] {
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((n) => n.endsWith(ENDING));
  return found.toSorted().map((name) => {
    const [head = [], ...rows] = csv(readFileSync(join(folder, name), 'utf8'));
    const [content, event] = [head.indexOf('Content'), head.indexOf('EventId')];
    const all = rows.filter((r) => r.length > event).map((r) => ({ text: r[content] ?? '', of: r[event] ?? '' }));
    const truth = all.map((l) => l.of);
    const miner = createMiner();
    const ids = all.map(({ text }) => miner.push({ text, atMs: 0, level: null, before: false }));
    const { patternOf } = miner.end();
    return {
      name: basename(name, ENDING),
      lines: all.length,
      ours: groupingAccuracy(ids.map(patternOf), truth),
      plain: groupingAccuracy(
        all.map((l) => plainMask(l.text)),
        truth,
      ),
    };
  });
}

function csv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (quoted && c === '"' && text[i + 1] === '"') field += text[++i];
    else if (c === '"') quoted = !quoted;
    else if (!quoted && (c === ',' || c === '\n')) {
      row.push(field);
      field = '';
      if (c === ',') continue;
      rows.push(row);
      row = [];
    } else if (quoted || c !== '\r') field += c;
  }
  return rows;
}
