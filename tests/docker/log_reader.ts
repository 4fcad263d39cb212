/**
 * A process of its own that reads one container's log and says what that cost: `ours` through the tool as the product runs it, `naive`
 * as a first draft would, all of it in memory and the frames' headers left in. Prints one line of JSON.
 */
import { request } from 'node:http';
import { parseSource } from '../../src/core/source.ts';
import { dockerAt } from '../../src/host/docker/index.ts';
import { literal } from '../../src/insight/log_match.ts';
import { createSelector } from '../../src/insight/log_select.ts';
import { openContainer } from '../../src/tools/log_container.ts';
import { type LogAnswer, logQuery } from '../../src/tools/log_query.ts';
import { lookAt } from '../../src/tools/log_read.ts';
import { fakeHost } from '../fakes/host.ts';
import { ask, context } from '../tools/context.ts';
import { labSettings, realClock } from './engine.ts';

export interface LogCost {
  growthMiB: number;
  ms: number;
  bytesRead: number;
  lines: number;
  entries: number;
  matched: number;
  answerBytes: number;
  missing: string | null;
  why: string | null;
}

const [, , how, socket = '', name = '', json = '{}'] = process.argv;

if (how) {
  const docker = dockerAt({ settings: labSettings(`unix://${socket}`), clock: realClock });
  const ctx = context({}, { host: { ...fakeHost(), docker }, now: Date.now });
  const query = (args: object) => ask<LogAnswer>(logQuery, { source: [`container:${name}`], ...args }, ctx);
  // What is loaded once is no growth.
  await query({ tail: 20_000, grep: 'nothing has this' });
  const before = process.memoryUsage().rss;
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 10);
  const from = performance.now();
  const cost = how === 'ours' ? await ours() : how === 'whole' ? await whole() : await naive();
  clearInterval(watch);
  most = Math.max(most, process.memoryUsage().rss);
  const growthMiB = Math.round(((most - before) / 1024 / 1024) * 10) / 10;
  process.stdout.write(`${JSON.stringify({ growthMiB, ms: Math.round(performance.now() - from), ...cost })}\n`);
  docker.close();

  async function ours(): Promise<Omit<LogCost, 'growthMiB' | 'ms'>> {
    const { data, text } = await query(JSON.parse(json));
    const [source] = data.sources;
    return {
      bytesRead: source?.bytesRead ?? 0,
      lines: source?.lines ?? 0,
      entries: data.entries,
      matched: data.matched,
      answerBytes: Buffer.byteLength(JSON.stringify(data)) + Buffer.byteLength(text),
      missing: source?.missing ?? null,
      why: source?.why ?? null,
    };
  }
}

/** As the tool reads, but to the end. */
async function whole(): Promise<Omit<LogCost, 'growthMiB' | 'ms'>> {
  const docker = dockerAt({ settings: labSettings(`unix://${socket}`), clock: realClock });
  const signal = new AbortController().signal;
  const reader = await openContainer(docker, parseSource(`container:${name}`), signal);
  const plan = {
    ...{ sinceMs: undefined, untilMs: undefined, tail: undefined, beyond: undefined },
    ...{ forward: true, enough: 50, group: true },
  };
  const match = literal('needle', (text) => text);
  const looked = await lookAt(
    reader,
    { ...plan, maxBytes: 2 ** 40, deadlineMs: Date.now() + 280_000 },
    () => createSelector({ match: (e) => match(e.text), context: 0, keep: 1_000, chars: 1e6, oldest: true }),
    { signal, now: Date.now },
  );
  docker.close();
  const { entries, matched } = looked.selection;
  const { bytesRead, lines, missing, stopped: why } = looked;
  return { bytesRead, lines, entries, matched, answerBytes: 0, missing, why };
}

/** The whole log as one string. */
export function naive(at = socket, of = name): Promise<Omit<LogCost, 'growthMiB' | 'ms'> & { text: string }> {
  return new Promise((done, failed) => {
    const path = `/containers/${of}/logs?stdout=1&stderr=1&timestamps=1`;
    request({ socketPath: at, path }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (c: Buffer) => chunks.push(c));
      answer.on('error', failed);
      answer.on('end', () => {
        const all = Buffer.concat(chunks);
        const text = all.toString();
        const lines = text.split('\n');
        const none = { entries: 0, matched: 0, answerBytes: 0, missing: null, why: null };
        const said = { bytesRead: all.length, lines: lines.length, ...none };
        done(Object.assign(said, { text: how ? '' : text }));
      });
    })
      .on('error', failed)
      .end();
  });
}
