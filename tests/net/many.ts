/**
 * A program for a namespace of its own. `hold N` opens N connections on loopback and keeps both ends; `measure` times the readers and
 * the tool beside `ss` over what is there, in turns, and prints the medians as JSON.
 */
import { execFileSync } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import type { ToolContext } from '../../src/core/call.ts';
import { createHost } from '../../src/host/index.ts';
import { netConnections } from '../../src/tools/net_connections.ts';

const kept: Socket[] = [];

async function hold(n: number): Promise<void> {
  const server = createServer((socket) => kept.push(socket)).listen({ port: 5_000, host: '127.0.0.1', backlog: 4_096 });
  const one = (i: number) =>
    new Promise<void>((resolve, reject) => {
      const socket = connect({ port: 5_000, host: '127.0.0.1', localAddress: `127.0.0.${2 + (i % 10)}` }, resolve);
      socket.on('error', reject);
      kept.push(socket);
    });
  for (let i = 0; i < n; i += 200)
    await Promise.all(Array.from({ length: Math.min(200, n - i) }, (_, k) => one(i + k)));
  while (kept.length < 2 * n) await new Promise((resolve) => setTimeout(resolve, 5));
  process.stdout.write('held\n');
  server.ref();
}

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

async function measure(rounds: number): Promise<void> {
  const host = createHost({ log: quiet });
  const ctx = {
    host,
    signal: new AbortController().signal,
    now: Date.now,
    progress() {},
    recent: () => [],
    recentProcesses: () => null,
    waitMs: 10_000,
    absent: () => [],
  } as unknown as ToolContext;
  let matched = 0;
  const asks = (args: object) => async () => {
    const answer = (await netConnections.handler?.(netConnections.input.parse({ ...args, kind: 'tcp' }), ctx)) as {
      matched: number;
    };
    matched = answer.matched;
  };
  const ss =
    (...args: string[]) =>
    async () => {
      execFileSync('ss', args, { stdio: ['ignore', 'ignore', 'ignore'] });
    };
  const ways: Record<string, () => Promise<unknown>> = {
    ss: ss('-tan'),
    ssWithProcesses: ss('-tanp'),
    read: () => host.net.sockets(['tcp']),
    byState: asks({ by: 'state' }),
    byPeer: asks({ by: 'peer' }),
    byProcess: asks({}),
  };
  const times = new Map<string, number[]>(Object.keys(ways).map((name) => [name, []]));
  for (let i = -2; i < rounds; i++)
    for (const [name, run] of Object.entries(ways)) {
      const from = performance.now();
      await run();
      // The first two warm up.
      if (i >= 0) times.get(name)?.push(performance.now() - from);
    }
  const medians = [...times].map(([name, all]) => [name, all.toSorted((a, b) => a - b)[all.length >> 1]]);
  process.stdout.write(JSON.stringify({ matched, ms: Object.fromEntries(medians) }));
  host.close();
}

const [mode, n = '0'] = process.argv.slice(2);
if (mode === 'hold') await hold(Number(n));
else await measure(Number(n));
