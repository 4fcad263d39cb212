/**
 * The reading tools on what is large: a log of 2 GiB, and /usr by name and content, beside the programs that do nothing else. Each figure
 * is the best of several, because other work on the machine only ever adds.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRedactor } from '../../src/core/redact.ts';
import type { Tool } from '../../src/core/tool.ts';
import { exec, findBinary } from '../../src/host/exec.ts';
import { ripgrep } from '../../src/host/files/ripgrep.ts';
import { type FileReadAnswer, fileRead } from '../../src/tools/file_read.ts';
import { type FileSearchAnswer, fileSearch } from '../../src/tools/file_search.ts';
import { filesIn } from '../fakes/files.ts';
import { fakeHost } from '../fakes/host.ts';
import { context } from './context.ts';

const GIB = 1024 ** 3;
/** Lines written at once: few, so that what the writing takes is not what the reading is measured against. */
const PART = 500;
const TEXT = 'permission denied';
const NAME = '*.conf';

export interface Beside {
  oursMs: number;
  theirsMs: number;
}

export interface FilesSoak {
  bytes: number;
  tail: Beside;
  rare: Beside;
  none: Beside;
  lineMs: number;
  /** MiB, before the log was read, at most meanwhile, and afterwards. */
  rss: { before: number; peak: number; after: number };
  line: number;
  foundAt: number | null;
  name: Beside & { ours: number; theirs: number };
  /** Null: rg is not installed. */
  content: (Beside & { ours: string[]; theirs: string[] }) | null;
  alone: { ms: number; files: string[]; through: boolean };
}

export async function filesSoak(o: { bytes: number; rounds: number; usr: string }): Promise<FilesSoak> {
  const dir = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-soak-')));
  const path = join(dir, 'big.log');
  try {
    const { line, needle } = write(path, o.bytes);
    const plain = hostOn(dir, o.usr, false);
    const quick = hostOn(dir, o.usr, true);
    try {
      const read = (args: Record<string, unknown>) => asked<FileReadAnswer>(fileRead, { path, ...args }, plain.ctx);
      await read({ lines: '1' });
      const rss = { before: 0, peak: 0, after: 0 };
      const tail = await beside(o.rounds * 7, () => read({ lines: '-200' }), ['tail', '-n', '200', path]);
      settle();
      rss.before = mib();
      rss.peak = rss.before;
      const watch = setInterval(() => {
        rss.peak = Math.max(rss.peak, mib());
      }, 10);
      let foundAt: number | null = null;
      const rare = await beside(o.rounds, async () => {
        foundAt = (await read({ grep: needle })).parts[0]?.line ?? null;
      }, ['grep', '-inF', needle, path]);
      const none = await beside(o.rounds, () => read({ grep: 'no such thing in it' }), [
        'grep',
        '-iF',
        'no such thing in it',
        path,
      ]);
      const middle = await beside(1, () => read({ lines: `${Math.floor(line / 2)}` }), null);
      clearInterval(watch);
      settle();
      rss.after = mib();

      const search = (ctx: typeof plain.ctx, args: Record<string, unknown>) =>
        asked<FileSearchAnswer>(fileSearch, { path: o.usr, ...args }, ctx);
      let ours = 0;
      let theirs = 0;
      const name = await beside(
        o.rounds,
        async () => {
          ours = (await search(plain.ctx, { glob: NAME })).matched ?? -1;
        },
        ['find', o.usr, '-name', NAME],
        (out) => {
          theirs = out.split('\n').filter(Boolean).length;
        },
      );
      const found = (a: FileSearchAnswer) => a.files.map((f) => f.path);
      let content: FilesSoak['content'] = null;
      if (findBinary('rg')) {
        let [our, their]: [string[], string[]] = [[], []];
        const times = await beside(
          o.rounds,
          async () => {
            our = found(await search(quick.ctx, { grep: TEXT, limit: 500 }));
          },
          ['rg', '--no-config', '-uu', '--text', '-iFl', TEXT, o.usr],
          (out) => {
            their = out.split('\n').filter(Boolean);
          },
        );
        content = { ...times, ours: our, theirs: their };
      }
      const began = performance.now();
      const alone = await search(plain.ctx, { grep: TEXT, limit: 500 });
      const ms = performance.now() - began;
      return {
        bytes: fs.statSync(path).size,
        tail,
        rare,
        none,
        lineMs: middle.oursMs,
        rss,
        line,
        foundAt,
        name: { ...name, ours, theirs },
        content,
        alone: { ms, files: found(alone), through: alone.unknown.every((u) => u.what !== 'the rest') },
      };
    } finally {
      plain.close();
      quick.close();
    }
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

/** Lines of a web server; one of them, near the end, is another. */
function write(path: string, bytes: number) {
  const needle = 'Quick brown needle';
  const fd = fs.openSync(path, 'w');
  let [n, size, line] = [0, 0, 0];
  while (size < bytes) {
    const part: string[] = [];
    for (let i = 0; i < PART; i++, n++)
      part.push(
        `2026-11-21T10:00:00.${n % 1_000}Z INFO request ${n} of 10.0.0.${n % 255} served /v1/things/${(n * 7_919) % 10_007} in ${n % 97} ms`,
      );
    if (line === 0 && size > bytes * 0.9) {
      part[7] = `2026-11-21T10:00:00Z WARN ${needle}`;
      line = n - PART + 8;
    }
    size += fs.writeSync(fd, `${part.join('\n')}\n`);
  }
  fs.closeSync(fd);
  return { needle, line };
}

function hostOn(dir: string, usr: string, quick: boolean) {
  const opened = filesIn(dir, {
    more: [{ path: usr, access: 'read', depth: 64, oneFilesystem: true, symlinks: 'refuse' }],
    pool: { deadlineMs: 60_000 },
    ...(quick ? { propose: ripgrep({ exec }) } : {}),
  });
  const ctx = context({}, { host: { ...fakeHost(), files: opened }, now: Date.now, redactor: createRedactor({}) });
  return { ctx, close: () => opened.close() };
}

const asked = async <A>(tool: Tool, args: unknown, ctx: ReturnType<typeof context>): Promise<A> =>
  (await tool.handler?.(tool.input.parse(args), ctx)) as A;

async function beside(
  rounds: number,
  ours: () => Promise<unknown>,
  theirs: readonly string[] | null,
  said: (out: string) => void = () => {},
): Promise<Beside> {
  let [oursMs, theirsMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let n = 0; n < rounds; n++) {
    if (theirs) {
      const from = performance.now();
      const { stdout, error } = spawnSync(theirs[0] as string, theirs.slice(1), {
        maxBuffer: GIB / 4,
        encoding: 'utf8',
      });
      if (error) throw error;
      theirsMs = Math.min(theirsMs, performance.now() - from);
      said(stdout);
    }
    const from = performance.now();
    await ours();
    oursMs = Math.min(oursMs, performance.now() - from);
  }
  return { oursMs, theirsMs };
}

const mib = (): number => Math.round(process.memoryUsage().rss / 1024 ** 2);
const settle = (): void => globalThis.gc?.();
