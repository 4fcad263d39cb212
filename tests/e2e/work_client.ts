/**
 * A bare client of either era over either transport, on the processes of work_product.ts: it can leave in every way that a client can, at
 * any moment, and sees each message of a call as it came. Not the official clients, which hide just that.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type ClientRequest, type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Place, place } from './product.ts';

export const SCRIPT = fileURLToPath(new URL('work_product.ts', import.meta.url));
export type Era = '2026-07-28' | '2025-11-25';
export type Over = 'stdio' | 'http';
export const COMBINATIONS: [Era, Over][] = [
  ['2026-07-28', 'stdio'],
  ['2026-07-28', 'http'],
  ['2025-11-25', 'stdio'],
  ['2025-11-25', 'http'],
];

export interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Result;
  error?: { code: number; message: string; data?: unknown };
}
export interface Result {
  isError?: boolean;
  structuredContent: Record<string, unknown> & {
    state: string;
    handle: string;
    progress: { done: number } | null;
    lists: string[];
    error: { code: string; message: string } | null;
    total: number;
    note: string | null;
    more?: { total: number };
  };
  content: { text: string }[];
  resultType?: string;
  requestState?: string;
  inputRequests?: Record<string, { params: Record<string, unknown> }>;
  _meta: Record<string, unknown>;
}

export interface Stage extends Place {
  stage: string;
  /** What the tools have reached, in order. */
  log(): string[];
  /** Lets a step go on. */
  let(step: 'end' | 'effect' | 'verdict', name: string): void;
  records(): Record<string, unknown>[];
  /** The closing record of the one call that named this. */
  closing(name: string): Record<string, unknown> | undefined;
}

export function stageAt(extra: Record<string, string> = {}): Stage {
  const at = place({
    DECKHAND_MODE: 'full',
    DECKHAND_HTTP_PORT: '0',
    DECKHAND_LIMITS_CHANGES_PER_HOUR: '100000',
    ...extra,
  });
  const stage = join(at.dir, 'stage');
  mkdirSync(stage);
  appendFileSync(join(stage, 'log'), '');
  at.env.TEST_STAGE = stage;
  const records = () => {
    const dir = join(at.env.DECKHAND_STATE_DIR as string, 'audit');
    const files = existsSync(dir) ? readdirSync(dir).filter((f) => f.endsWith('.jsonl') && f !== 'index.jsonl') : [];
    return files
      .flatMap((f) => readFileSync(join(dir, f), 'utf8').split('\n').filter(Boolean))
      .flatMap((line) => {
        try {
          return [JSON.parse(line) as Record<string, unknown>];
        } catch {
          return []; // being written at this moment
        }
      });
  };
  return {
    ...at,
    stage,
    log: () => readFileSync(join(stage, 'log'), 'utf8').split('\n').filter(Boolean),
    let: (step, name) => writeFileSync(join(stage, `${step}-${name}`), ''),
    records,
    closing: (name) =>
      records().find((r) => r.event === 'call' && (r.args as { name?: string } | undefined)?.name === name),
    [Symbol.dispose]: at[Symbol.dispose],
  };
}

export interface Process {
  child: ChildProcess;
  exit: Promise<number | string>;
  out(): string;
  err(): string;
}

export function start(at: Stage, args: string[]): Process {
  const child = spawn(process.execPath, [SCRIPT, ...args], { env: at.env, stdio: 'pipe' });
  let out = '';
  let err = '';
  child.stdout.on('data', (d) => {
    out += d;
  });
  child.stderr.on('data', (d) => {
    err += d;
  });
  child.stdin.on('error', () => {});
  const exit = new Promise<number | string>((resolve) =>
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'gone')),
  );
  return { child, exit, out: () => out, err: () => err };
}

export interface Server extends Process {
  port: number;
  token: string;
}

export async function serve(at: Stage): Promise<Server> {
  const process = start(at, ['serve']);
  await new Promise<void>((resolve, reject) => {
    process.child.stdout?.on('data', () => process.out().includes('More tokens:') && resolve());
    void process.exit.then((how) => reject(new Error(`serve ended (${how}): ${process.err()}`)));
  });
  const url = new URL(/URL\s+(\S+)/.exec(process.out())?.[1] ?? '');
  return { ...process, port: Number(url.port), token: /token\s+(dh_\S+)/.exec(process.out())?.[1] ?? '' };
}

/** The principal's second, or another principal's first token. */
export async function tokenOf(at: Stage, name: string): Promise<string> {
  const process = start(at, ['token', 'add', name, '--role', 'operator']);
  if ((await process.exit) !== 0) throw new Error(process.err());
  return process.out().trim().split('\n').at(-1) ?? '';
}

export interface Call {
  /** Everything that came for it, in order; over stdio also what names no request. */
  seen: Message[];
  /** Its last word; rejects when the connection ends without one. */
  answer: Promise<Message>;
  result: Promise<Result>;
  headers(): IncomingHttpHeaders;
  /** What came over HTTP, as it came. */
  raw(): string;
  /** Goes without a word: the socket is destroyed; over stdio both pipes are. */
  leave(): void;
  /** As the era and the transport have it: a notification, or the end of the stream. */
  cancel(): Promise<void>;
}

export interface Client {
  era: Era;
  over: Over;
  call(tool: string, args: object, o?: { progress?: boolean; more?: object }): Call;
  /** Answers a request of the server's. */
  respond(id: number, result: object): Promise<void>;
  process?: Process;
  close(): Promise<void>;
}

export interface ClientOptions {
  capabilities?: object;
}

const meta = (o: ClientOptions) => ({
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': o.capabilities ?? {},
  'io.modelcontextprotocol/clientInfo': { name: 'work', version: '1' },
});

const greeting = (o: ClientOptions) => ({
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: o.capabilities ?? {},
    clientInfo: { name: 'work', version: '1' },
  },
});

function message(era: Era, o: ClientOptions, id: number, tool: string, args: object, more: object, progress: boolean) {
  const inMeta = { ...(era === '2026-07-28' ? meta(o) : {}), ...(progress ? { progressToken: `p${id}` } : {}) };
  const params = { name: tool, arguments: args, ...more, ...(Object.keys(inMeta).length ? { _meta: inMeta } : {}) };
  return { jsonrpc: '2.0', id, method: 'tools/call', params };
}

interface Waiting {
  seen: Message[];
  done(message: Message): void;
  gone(why: Error): void;
}

function waiting(): Waiting & Pick<Call, 'answer' | 'result'> {
  const { promise, resolve, reject } = Promise.withResolvers<Message>();
  const result = promise.then((m) => {
    if (!m.result) throw new Error(JSON.stringify(m.error));
    return m.result;
  });
  for (const p of [promise, result]) p.catch(() => {});
  return { seen: [], answer: promise, result, done: resolve, gone: reject };
}

/** Over stdio; `process` is the server, which is this client's alone. */
export async function overStdio(at: Stage, era: Era, o: ClientOptions = {}): Promise<Client & { process: Process }> {
  const process = start(at, ['stdio']);
  const { stdin, stdout } = process.child as ChildProcess & {
    stdin: NodeJS.WritableStream;
    stdout: NodeJS.ReadableStream;
  };
  const calls = new Map<number, Waiting>();
  let rest = '';
  let last = 0;
  const say = (what: object) => void stdin.write(`${JSON.stringify(what)}\n`);
  stdout.on('data', (d) => {
    const lines = (rest + d).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const m = JSON.parse(line) as Message;
      const answered = m.method === undefined && m.id !== undefined ? calls.get(m.id) : undefined;
      for (const [id, c] of calls) {
        const token = m.params?.progressToken;
        if (c === answered || (m.method !== undefined && (token === undefined || token === `p${id}`))) c.seen.push(m);
      }
      answered?.done(m);
    }
  });
  void process.exit.then(() => {
    for (const c of calls.values()) c.gone(new Error('the server ended'));
  });
  if (era === '2025-11-25') {
    const hello = waiting();
    calls.set(0, hello);
    say(greeting(o));
    await hello.answer;
    say({ jsonrpc: '2.0', method: 'notifications/initialized' });
  }
  return {
    era,
    over: 'stdio',
    process,
    call(tool, args, { progress = false, more = {} } = {}) {
      const id = ++last;
      const w = waiting();
      calls.set(id, w);
      say(message(era, o, id, tool, args, more, progress));
      return {
        ...w,
        headers: () => ({}),
        raw: () => '',
        leave() {
          (stdin as unknown as { destroy(): void }).destroy();
          (stdout as unknown as { destroy(): void }).destroy();
        },
        async cancel() {
          say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } });
        },
      };
    },
    async respond(id, result) {
      say({ jsonrpc: '2.0', id, result });
    },
    async close() {
      stdin.end();
      await process.exit;
    },
  };
}

/** Over HTTP; in a session where the era has them. */
export async function overHttp(
  server: Pick<Server, 'port'>,
  token: string,
  era: Era,
  o: ClientOptions & { stateless?: boolean } = {},
): Promise<Client> {
  let last = 0;
  let session: string | undefined;
  const open = new Set<ClientRequest>();

  function post(body: object, named?: string): Call & { over: Promise<void> } {
    const w = waiting();
    const text = JSON.stringify(body);
    const over = Promise.withResolvers<void>();
    let headers: IncomingHttpHeaders = {};
    let raw = '';
    let rest = '';
    const { id, method } = body as { id?: number; method?: string };
    const sent = request(
      {
        host: '127.0.0.1',
        port: server.port,
        path: '/mcp',
        method: 'POST',
        agent: false,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
          accept: 'application/json, text/event-stream',
          authorization: `Bearer ${token}`,
          ...(era === '2026-07-28' ? { 'mcp-protocol-version': era, 'mcp-method': method } : {}),
          ...(era === '2026-07-28' && named ? { 'mcp-name': named } : {}),
          ...(session ? { 'mcp-session-id': session, 'mcp-protocol-version': era } : {}),
        },
      },
      (res) => {
        headers = res.headers;
        const stream = headers['content-type']?.startsWith('text/event-stream');
        const take = (json: string) => {
          const m = JSON.parse(json) as Message;
          w.seen.push(m);
          if (m.method === undefined && m.id === id) w.done(m);
        };
        res.on('data', (d) => {
          raw += d;
          if (!stream) return;
          const events = (rest + d).split('\n\n');
          rest = events.pop() ?? '';
          for (const e of events) {
            const data = /^data: (.+)$/m.exec(e)?.[1];
            if (data) take(data);
          }
        });
        res.on('end', () => {
          if (!stream && raw) take(raw);
          w.gone(new Error('the answer ended'));
          over.resolve();
        });
        res.on('error', (e) => {
          w.gone(e);
          over.resolve();
        });
      },
    );
    open.add(sent);
    sent.on('close', () => open.delete(sent));
    sent.on('error', (e) => {
      w.gone(e);
      over.resolve();
    });
    sent.end(text);
    return {
      ...w,
      over: over.promise,
      headers: () => headers,
      raw: () => raw,
      leave: () => void sent.destroy(),
      async cancel() {
        if (session === undefined) sent.destroy();
        else await post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } }).over;
      },
    };
  }

  if (era === '2025-11-25' && !o.stateless) {
    const hello = post(greeting(o));
    await hello.answer;
    session = hello.headers()['mcp-session-id'] as string | undefined;
    await post({ jsonrpc: '2.0', method: 'notifications/initialized' }).over;
  }
  return {
    era,
    over: 'http',
    call(tool, args, { progress = false, more = {} } = {}) {
      return post(message(era, o, ++last, tool, args, more, progress), tool);
    },
    async respond(id, result) {
      await post({ jsonrpc: '2.0', id, result }).over;
    },
    async close() {
      for (const sent of open) sent.destroy();
    },
  };
}

/** Waits for a condition; a busy machine may take its time. Not `expect.poll`, which tests that run at once cannot share. */
export async function until(met: () => boolean | Promise<boolean>, what: string, ms = 50_000): Promise<void> {
  for (const end = performance.now() + ms; !(await met()); ) {
    if (performance.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
