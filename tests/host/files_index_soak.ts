/** What an index brings and costs: a tree of many files searched with it and without, in one run, and asked 200 times for the same of both. */
import fs from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FindWhat } from '../../src/core/files.ts';
import { indexed, lab, text } from './files_indexed.ts';

export interface IndexSoak {
  files: number;
  textBytes: number;
  indexBytes: number;
  buildMs: number;
  roundMs: number;
  /** Longest that the process's loop stood still meanwhile, and 99 of 100. */
  stillMs: { most: number; p99: number };
  rows: { what: string; withMs: number; withoutMs: number; hits: number }[];
  queries: number;
  different: string[];
  /** Searches that found what had changed a moment before, without and with a round in between. */
  fresh: { asked: number; found: number; complete: number; ms: number };
}

const median = (all: number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0;

/** The same numbers each time. */
function numbers(seed: number): (below: number) => number {
  let at = seed;
  return (below) => {
    at = (at * 48_271) % 0x7fffffff;
    return at % below;
  };
}

export async function indexSoak(folders: number): Promise<IndexSoak> {
  using l = lab();
  const below = numbers(11);
  const words = Array.from({ length: 6_000 }, () =>
    Array.from({ length: 3 + below(8) }, () => 'etaoinshrdlcumwfgypbvk'[Math.min(below(22), below(22))]).join(''),
  );
  // A few words are most of a text, as in any language.
  const word = () => words[Math.min(below(6_000), below(6_000), below(6_000))] as string;
  const ends = ['.txt', '.conf', '.md', '.log'];
  const written: string[] = [];
  let textBytes = 0;
  for (let d = 0; d < folders; d++) {
    const folder = l.at(`d${d % 40}/e${d}`);
    fs.mkdirSync(folder, { recursive: true });
    for (let f = 0; f < 50; f++) {
      const path = `${folder}/${word()}-${f}${ends[below(4)]}`;
      const content = Array.from({ length: 20 + below(300) }, (_, k) => word() + (k % 9 === 8 ? '\n' : ' ')).join('');
      fs.writeFileSync(path, content);
      textBytes += content.length;
      written.push(path);
    }
  }
  // As much later as a file needs to be settled: by the clock of the index alone.
  let ahead = 10_000;
  await using i = indexed(l, { now: () => Date.now() + ahead });
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const timed = async (work: () => Promise<unknown>) => {
    const began = performance.now();
    await work();
    return performance.now() - began;
  };
  const buildMs = await timed(i.indexer.turn);
  delay.disable();
  const roundMs = await timed(i.indexer.turn);

  const rows: IndexSoak['rows'] = [];
  const rare = words[5_990] as string;
  const asked: [string, FindWhat][] = [
    ['by name: a part of it', { glob: `*${words[3_000]}*` }],
    ['by name: its end', { glob: '*7.conf' }],
    ['by content: nowhere', text('no such words')],
    ['by content: a rare word', text(` ${rare} `)],
    ['by content: two words', text(`${words[10]} ${words[400]}`)],
    ['by content: a frequent word', text(words[5] as string)],
  ];
  for (const [what, find] of asked) {
    const ms: [number[], number[]] = [[], []];
    let hits = 0;
    for (let n = 0; n < 4; n++)
      for (const without of [0, 1] as const) {
        const took = await timed(async () => {
          hits = (await i.search(find, without === 0)).hits;
        });
        if (n > 0) ms[without].push(took);
      }
    rows.push({ what, withMs: median(ms[0]), withoutMs: median(ms[1]), hits });
  }

  const different: string[] = [];
  for (let n = 0; n < 200; n++) {
    const w = words[below(6_000)] as string;
    const kinds: FindWhat[] = [
      text(w),
      text(`${w} ${word()}`),
      text(w.slice(0, 3).toUpperCase()),
      { content: { text: `${w}[ -]+`, regex: true, ignoreCase: true, holds: w } },
      { glob: `*${w}*` },
      { glob: `*-${below(50)}${ends[below(4)]}` },
      { glob: `**/e${below(folders)}/*${w.slice(0, 3)}*` },
      { glob: '*.md', ...text(w) },
    ];
    const what = kinds[(n + (n >> 3)) % kinds.length] as FindWhat;
    // Mostly in a part of it, so that the whole is over before it is late.
    const at = n % 8 === 0 ? l.at('') : l.at(`d${below(40)}`);
    const [by, without] = [await i.paths(what, true, at), await i.paths(what, false, at)];
    if (by.join('\n') !== without.join('\n'))
      different.push(`${JSON.stringify(what)}: ${by.length}, ${without.length}`);
  }

  const fresh = { asked: 0, found: 0, complete: 0, ms: 0 };
  ahead = 0;
  await i.indexer.turn();
  for (let n = 0; n < 20; n++) {
    const mark = `zqx${'abcdefghijklmnopqrst'[n]}${n}`;
    const path = written[below(written.length)] as string;
    // By turns written into a file that is known, and into a new one.
    fs.writeFileSync(n % 2 ? path : `${path}.new`, `a text with ${mark}\n`);
    const began = performance.now();
    const { hits, index } = await i.search(text(mark));
    fresh.ms = Math.max(fresh.ms, performance.now() - began);
    fresh.asked++;
    fresh.found += hits;
    if (index && 'complete' in index && index.complete) fresh.complete++;
  }
  const size = i.index.db().read((sql) => Number(Object.values(sql.get('PRAGMA page_count') ?? {})[0]) * 4_096);
  return {
    files: written.length,
    textBytes,
    indexBytes: size,
    buildMs,
    roundMs,
    stillMs: { most: delay.max / 1e6, p99: delay.percentile(99) / 1e6 },
    rows,
    queries: 200,
    different,
    fresh,
  };
}
