/**
 * One small call over HTTP: the product as its unit starts it (token, limits, audit, all default tools) against JSON-RPC by hand and a
 * bare Hono route, at 1, 16 and 100 clients, in turns. Each process has its turn alone; the load comes from a fourth one.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Job, Load } from './load.ts';
import { cpuMs, interleaved, median, type Row, row } from './measure.ts';
import { type Product, startProduct } from './product.ts';

const TOOL = 'system_metrics';
const ARGUMENTS = { groups: ['kernel'] };
const ROUNDS = 5;
const ROUND_MS = 1_200;
const CLIENTS = [1, 16, 100];
/** What the unit and the image start Node with; the references get the same. */
export const FLAGS = ['--max-semi-space-size=2'];

export async function http(): Promise<Row[]> {
  await using product = await startProduct(FLAGS);
  const answer = await one(product);
  const file = join(product.dir, 'answer.json');
  writeFileSync(file, JSON.stringify(answer));
  using hand = await reference('hand', file);
  using hono = await reference('hono', file);
  using load = generator();
  const modern = { at: product, request: modernRequest(product) };
  const subjects = {
    ours: modern,
    legacy: { at: product, request: legacyRequest(product) },
    hand: { at: hand, request: modern.request },
    hono: { at: hono, request: modern.request },
  };
  // Compiled before it is timed.
  for (const s of Object.values(subjects)) await load.run({ ...job(s), clients: 16, ms: 1_500 });

  const rows: Row[] = [];
  for (const clients of CLIENTS) {
    const seen = { ours: [], legacy: [], hand: [], hono: [] } as Record<keyof typeof subjects, Measured[]>;
    const turn = (name: keyof typeof subjects) => async () => {
      const s = subjects[name];
      const from = cpuMs(s.at.pid);
      const got = await load.run({ ...job(s), clients, ms: ROUND_MS });
      const us = ((cpuMs(s.at.pid) - from) / got.calls) * 1_000;
      seen[name].push({ us, perSecond: got.calls / got.seconds, ...got });
      return us;
    };
    await interleaved(ROUNDS, {
      ours: turn('ours'),
      hand: turn('hand'),
      legacy: turn('legacy'),
      hono: turn('hono'),
    });
    const at = `${clients} client${clients === 1 ? '' : 's'}`;
    const mid = (name: keyof typeof subjects, key: keyof Measured) => median(seen[name].map((m) => Number(m[key])));
    const vs = (key: keyof Measured) => ({ what: 'by hand', value: mid('hand', key) });
    rows.push(
      row('http', `CPU of a call, ${at}`, mid('ours', 'us'), 'µs', {
        against: vs('us'),
        budget: { times: 2.5, aim: 2 },
      }),
      row('http', `throughput, ${at}`, mid('ours', 'perSecond'), 'calls/s', {
        against: vs('perSecond'),
        budget: { atLeast: 0.4 },
      }),
      row('http', `p50, ${at}`, mid('ours', 'p50Ms'), 'ms', { against: vs('p50Ms') }),
      row('http', `p99, ${at}`, mid('ours', 'p99Ms'), 'ms', {
        against: vs('p99Ms'),
        budget: clients === 16 ? { most: 10 } : clients === 100 ? { most: 50 } : {},
      }),
      row('http', `CPU of a call of a 2025 client, ${at}`, mid('legacy', 'us'), 'µs', { against: vs('us') }),
      row('http', `CPU of a bare Hono route, ${at}`, mid('hono', 'us'), 'µs', { against: vs('us') }),
    );
  }
  return rows;
}

interface Measured extends Load {
  us: number;
  perSecond: number;
}

interface Subject {
  at: { port: number; pid: number };
  request: string;
}

const job = ({ at, request }: Subject) => ({
  port: at.port,
  request,
  marker: '"structuredContent":{',
  never: '"isError":true',
});

/** The answer that the references give, too. */
async function one(product: Product): Promise<object> {
  const [head = '', body] = modernRequest(product).split('\r\n\r\n');
  const headers = Object.fromEntries(
    head
      .split('\r\n')
      .slice(1)
      .map((line) => line.split(': ') as [string, string]),
  );
  delete headers['content-length'];
  delete headers.host;
  const response = await fetch(`http://127.0.0.1:${product.port}/mcp`, { method: 'POST', headers, body: body ?? '' });
  const text = await response.text();
  const { result } = JSON.parse(text) as { result?: { structuredContent?: object } };
  if (response.status !== 200 || !result?.structuredContent) throw new Error(`the call failed: ${text}`);
  return result;
}

export function modernRequest({ token }: Pick<Product, 'token'>): string {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  return post(token, { name: TOOL, arguments: ARGUMENTS, _meta: meta }, [
    'mcp-protocol-version: 2026-07-28',
    'mcp-method: tools/call',
    `mcp-name: ${TOOL}`,
  ]);
}

const legacyRequest = ({ token }: Pick<Product, 'token'>) =>
  post(token, { name: TOOL, arguments: ARGUMENTS }, ['mcp-protocol-version: 2025-11-25']);

function post(token: string, params: object, headers: string[]): string {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  return [
    'POST /mcp HTTP/1.1',
    'host: 127.0.0.1',
    `authorization: Bearer ${token}`,
    'content-type: application/json',
    'accept: application/json, text/event-stream',
    ...headers,
    `content-length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

async function reference(kind: 'hand' | 'hono', file: string): Promise<{ port: number; pid: number } & Disposable> {
  const child = fork(here('references.ts'), [kind, file], { execArgv: FLAGS });
  const { port } = await told<{ port: number }>(child);
  return { port, pid: child.pid as number, [Symbol.dispose]: () => void child.kill('SIGKILL') };
}

export function generator(): { run(job: Job): Promise<Load> } & Disposable {
  const child = fork(here('load.ts'));
  return {
    async run(job) {
      child.send(job);
      const load = await told<Load>(child);
      // A server that refuses is fast, too.
      if (load.failed !== null) throw new Error(`a call under load failed: ${load.failed}`);
      return load;
    },
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  };
}

function told<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = (code: number | null) => reject(new Error(`a process of the bench ended (${code})`));
    child.once('exit', gone);
    child.once('message', (message) => {
      child.off('exit', gone);
      resolve(message as T);
    });
  });
}
