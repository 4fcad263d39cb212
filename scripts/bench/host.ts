/**
 * Reading the host: one snapshot and the list of processes, against the same reads with nothing made of them (by the very descriptors
 * that the product keeps open) and against a C reader, which is compiled here where there is a compiler.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readlinkSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createHost } from '../../src/host/index.ts';
import { interleaved, median, microseconds, type Row, row } from './measure.ts';

const run = promisify(execFile);
const log = { debug() {}, info() {}, warn() {}, error() {} };
const ROUNDS = 15;
/** With what runs already, about a busy server's number. */
const MORE = 500;

export async function host(): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-bench-'));
  const open = createHost({ log });
  try {
    const reader = await compiled(dir);
    return [...(await snapshot(open, reader)), ...(await processes(open, reader))];
  } finally {
    open.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

type Open = ReturnType<typeof createHost>;

async function compiled(dir: string): Promise<string | null> {
  const program = join(dir, 'reader');
  const source = fileURLToPath(new URL('reader.c', import.meta.url));
  try {
    await run('cc', ['-O2', '-o', program, source]);
    return program;
  } catch (error) {
    process.stderr.write(`host: no C compiler, so no C reader (${(error as Error).message.split('\n')[0]})\n`);
    return null;
  }
}

async function inC(reader: string, ...args: string[]): Promise<{ us: number; seen: number }> {
  const [us, seen] = (await run(reader, args)).stdout.split(' ').map(Number) as [number, number];
  return { us, seen };
}

async function snapshot({ system }: Open, reader: string | null): Promise<Row[]> {
  if (system.snapshot().cpu.value === null) throw new Error('the snapshot has no CPU time');
  // What it keeps open, as the kernel sees it.
  const kept = new Map<number, string>();
  for (const fd of readdirSync('/proc/self/fd').map(Number))
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      if (/^\/(proc|sys)\/(?!\d+\/fd)/.test(path)) kept.set(fd, path.replace(/^\/proc\/\d+\//, '/proc/self/'));
    } catch {
      // The descriptor of this very listing.
    }
  const buffer = Buffer.allocUnsafeSlow(1 << 16);
  const reads = () => {
    for (const fd of kept.keys()) readSync(fd, buffer, 0, buffer.length, 0);
  };
  for (let i = 0; i < 300; i++) system.snapshot();
  const us = await interleaved(ROUNDS, {
    ours: () => microseconds(100, () => system.snapshot()),
    reads: () => microseconds(100, reads),
    c: async () => (reader ? (await inC(reader, 'files', '300', ...kept.values())).us : Number.NaN),
  });
  const rows = [
    row('host', 'one snapshot', median(us.ours), 'µs', {
      against: { what: `its ${kept.size} files, read only`, value: median(us.reads) },
      budget: { times: 2 },
    }),
  ];
  if (reader)
    rows.push(
      row('host', 'one snapshot', median(us.ours), 'µs', { against: { what: 'C reader', value: median(us.c) } }),
    );
  return rows;
}

async function processes(open: Open, reader: string | null): Promise<Row[]> {
  using more = await crowd(reader);
  const { system } = open;
  const list = async (want: object, from = system) => {
    const { processes } = await from.processes(want);
    if (processes.length < more.count) throw new Error(`only ${processes.length} processes were listed`);
    return processes.length;
  };
  /** Each time by a host that has seen nothing yet. */
  const cold = async () => {
    const fresh = createHost({ log });
    try {
      return await microseconds(1, () => list({ commands: true }, fresh.system));
    } finally {
      fresh.close();
    }
  };
  for (let i = 0; i < 5; i++) await list({ commands: true });
  const us = await interleaved(ROUNDS, {
    stat: () => microseconds(7, () => list({})),
    cStat: async () => (reader ? (await inC(reader, 'procs', '7')).us : Number.NaN),
    whole: () => microseconds(7, () => list({ commands: true })),
    cAll: async () => (reader ? (await inC(reader, 'all', '7')).us : Number.NaN),
    cold,
  });
  const n = await list({});
  const vs = (xs: number[]) => (reader ? { against: { what: 'C reader', value: median(xs) } } : {});
  return [
    row('host', `${n} processes, without command lines`, median(us.stat), 'µs', {
      ...vs(us.cStat),
      ...(reader ? { budget: { times: 2 } } : {}),
    }),
    row('host', `${n} processes, with command and user, again`, median(us.whole), 'µs', {
      ...vs(us.cAll),
      ...(reader ? { budget: { times: 2 } } : {}),
    }),
    row('host', `${n} processes, with command and user, first`, median(us.cold), 'µs', {
      ...vs(us.cAll),
      ...(reader ? { budget: { times: 3 } } : {}),
    }),
  ];
}

/** Processes that do nothing. */
async function crowd(reader: string | null): Promise<{ count: number } & Disposable> {
  if (!reader) return { count: 1, [Symbol.dispose]() {} };
  const child = spawn(reader, ['hold', String(MORE)], { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return { count: MORE, [Symbol.dispose]: () => child.stdin.end() };
}
