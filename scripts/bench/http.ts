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
import { FLAGS, type Product, startProduct } from './product.ts';

const TOOL = 'system_metrics';
const ARGUMENTS = { groups: ['kernel'] };
const ROUNDS = 5;
const ROUND_MS = 1_200;
/** Compiled before it is timed, all alike. V8 goes on compiling for some seconds what is called so often, and a server runs for weeks. */
const WARM_MS = 6_000;
const CLIENTS = [1, 16, 100];
/** Calls a second that every one of them can do. */
const PACE = 1_000;

export async function http(): Promise<Row[]> {
  await using product = await startProduct(FLAGS);
  const answer = await one(product);
  const file = join(product.dir, 'answer.json');
  writeFileSync(file, JSON.stringify(answer));
  using hand = await reference('hand', file);
  using recorded = await reference('recorded', file);
  using hono = await reference('hono', file);
  using load = generator();
  const modern = { at: product, request: modernRequest(product) };
  const subjects = {
    ours: modern,
    // A header that nothing reads and that the short way (src/edge/fast.ts) leaves to the SDK.
    sdk: { at: product, request: modern.request.replace('\r\n', '\r\nmcp-param-long-way: yes\r\n') },
    legacy: { at: product, request: legacyRequest(product) },
    hand: { at: hand, request: modern.request },
    recorded: { at: recorded, request: modern.request },
    hono: { at: hono, request: modern.request },
  };
  for (const s of Object.values(subjects)) await load.run({ ...job(s), clients: 16, ms: WARM_MS });

  const rows: Row[] = [];
  for (const clients of CLIENTS) {
    const at = `${clients} client${clients === 1 ? '' : 's'}`;
    type Name = keyof typeof subjects;
    const measure = async (names: Name[], perSecond?: number) => {
      const seen = new Map<Name, Measured[]>(names.map((n) => [n, []]));
      const turn = (name: Name) => async () => {
        const s = subjects[name];
        const from = cpuMs(s.at.pid);
        const paced = perSecond === undefined ? {} : { perSecond };
        const got = await load.run({ ...job(s), ...paced, clients, ms: ROUND_MS });
        const us = ((cpuMs(s.at.pid) - from) / got.calls) * 1_000;
        seen.get(name)?.push({ us, perSecond: got.calls / got.seconds, ...got });
        return us;
      };
      await interleaved(ROUNDS, Object.fromEntries(names.map((n) => [n, turn(n)])));
      return (name: Name, key: keyof Measured) => median((seen.get(name) ?? []).map((m) => Number(m[key])));
    };

    // At the same rate: a server that is driven to its limit wakes nobody and is woken by nobody, which is half of a call's cost.
    const paced = await measure(['ours', 'hand'], PACE);
    const byHand = (of: typeof paced, key: keyof Measured) => ({ what: 'by hand', value: of('hand', key) });
    rows.push(
      row('http', `CPU of a call at ${PACE}/s, ${at}`, paced('ours', 'us'), 'µs', {
        against: byHand(paced, 'us'),
        budget: { times: 2.5, aim: 2 },
      }),
    );
    const most = await measure(
      clients === 16 ? ['ours', 'hand', 'recorded', 'sdk', 'legacy', 'hono'] : ['ours', 'hand'],
    );
    rows.push(
      row('http', `throughput, ${at}`, most('ours', 'perSecond'), 'calls/s', {
        against: byHand(most, 'perSecond'),
        budget: { atLeast: 0.4 },
      }),
      row('http', `CPU of a call at full speed, ${at}`, most('ours', 'us'), 'µs', { against: byHand(most, 'us') }),
      row('http', `p50 at full speed, ${at}`, most('ours', 'p50Ms'), 'ms', { against: byHand(most, 'p50Ms') }),
      row('http', `p99 at full speed, ${at}`, most('ours', 'p99Ms'), 'ms', {
        against: byHand(most, 'p99Ms'),
        budget: clients === 16 ? { most: 10 } : clients === 100 ? { most: 50 } : {},
      }),
    );
    if (clients === 16)
      rows.push(
        row('http', `  of the same through SDK and Hono, ${at}`, most('sdk', 'us'), 'µs', {
          against: byHand(most, 'us'),
        }),
        row('http', `  of a client of 2025-11-25, ${at}`, most('legacy', 'us'), 'µs', { against: byHand(most, 'us') }),
        row('http', `  of one by hand with token and record, ${at}`, most('recorded', 'us'), 'µs', {
          against: byHand(most, 'us'),
        }),
        row('http', `  throughput of that, ${at}`, most('recorded', 'perSecond'), 'calls/s', {
          against: byHand(most, 'perSecond'),
        }),
        row('http', `  of a bare Hono route, ${at}`, most('hono', 'us'), 'µs', { against: byHand(most, 'us') }),
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

export const job = ({ at, request }: Subject) => ({
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

async function reference(
  kind: 'hand' | 'recorded' | 'hono',
  file: string,
): Promise<{ port: number; pid: number } & Disposable> {
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
