/**
 * One program beside a server under test (lab.ts): a calm client, or one way of attacking. What it is told comes as JSON; what it saw
 * goes out as JSON when it is told to end (a line on standard input): answers by status, and for the calm one how long each took.
 */
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';

export interface Told {
  kind: 'calm' | 'slow' | 'connections' | 'guesses' | 'flood' | 'heavy';
  host: string;
  port: number;
  from: string[];
  token?: string;
  /** Sockets at once. */
  count?: number;
  perSecond?: number;
  /** At least so many, whenever it is told to end. */
  atLeast?: number;
}

export interface Saw {
  /** Answers by their HTTP status. */
  statuses: Record<string, number>;
  /** Answers that ended before they were whole. */
  cut: number;
  /** Requests that were left in the middle of their body. */
  left: number;
  /** No answer at all. */
  errors: Record<string, number>;
  ms: number[];
}

const o = JSON.parse(process.argv[2] as string) as Told;
const saw: Saw = { statuses: {}, cut: 0, left: 0, errors: {}, ms: [] };
let over = false;
const ends: (() => void)[] = [];
process.stdin.once('data', () => {
  over = true;
  for (const end of ends) end();
});

const plus = (counts: Record<string, number>, key: string | number) => {
  counts[key] = (counts[key] ?? 0) + 1;
};
const from = (i: number) => o.from[i % o.from.length] as string;
const pause = (ms: number) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    ends.push(() => {
      clearTimeout(timer);
      resolve();
    });
  });

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'soak', version: '1' },
};
const headersOf = (method: string, token: string | undefined, name?: string): Record<string, string> => ({
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': method,
  ...(name ? { 'mcp-name': name } : {}),
  ...(token ? { authorization: `Bearer ${token}` } : {}),
});
const bodyOf = (method: string, params: object) =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: META } });

function post(agent: Agent, address: string, headers: Record<string, string>, body: string): Promise<void> {
  return new Promise((resolve) => {
    const began = performance.now();
    const sent = request(
      {
        host: o.host,
        port: o.port,
        path: '/mcp',
        method: 'POST',
        agent,
        localAddress: address,
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      },
      (answer) => {
        answer.resume();
        answer.once('close', () => {
          plus(saw.statuses, answer.statusCode ?? 0);
          saw.ms.push(performance.now() - began);
          resolve();
        });
      },
    );
    sent.once('error', (thrown: NodeJS.ErrnoException) => {
      plus(saw.errors, thrown.code ?? thrown.message);
      resolve();
    });
    sent.end(body);
  });
}

async function calm(): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  const headers = headersOf('tools/call', o.token, 'system_metrics');
  const waiting: Promise<void>[] = [];
  const every = 1_000 / (o.perSecond ?? 5);
  for (let i = 0; !over; i++) {
    const body = bodyOf('tools/call', { name: 'system_metrics', arguments: { groups: ['kernel'], filter: `x${i}` } });
    waiting.push(post(agent, from(0), headers, body));
    await pause(every);
  }
  await Promise.all(waiting);
  agent.destroy();
}

/** Paced, from many addresses. */
async function flood(): Promise<void> {
  const agents = o.from.map(() => new Agent({ keepAlive: true, maxSockets: 8 }));
  const waiting = new Set<Promise<void>>();
  const began = performance.now();
  let n = 0;
  while (!over || n < (o.atLeast ?? 0)) {
    const due = ((performance.now() - began) / 1_000) * (o.perSecond ?? 1_000);
    for (; n < due; n++) {
      const token = [undefined, 'dh_wrong', 'not a token'][n % 3];
      const headers = headersOf('tools/list', token);
      const p = post(agents[n % agents.length] as Agent, from(n), headers, bodyOf('tools/list', {}));
      waiting.add(p);
      void p.then(() => waiting.delete(p));
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await Promise.all(waiting);
  for (const agent of agents) agent.destroy();
}

/** As fast as it goes, each with another token. */
async function guesses(): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: o.count ?? 20 });
  const body = bodyOf('tools/list', {});
  let n = 0;
  const one = async () => {
    while (!over) await post(agent, from(0), headersOf('tools/list', `dh_guess${n++}`), body);
  };
  await Promise.all(Array.from({ length: o.count ?? 20 }, one));
  agent.destroy();
}

/** Calls that ask much, so many at a time. */
async function heavy(): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: o.count ?? 8 });
  const headers = headersOf('tools/call', o.token, 'file_search');
  let n = 0;
  const one = async () => {
    while (!over) {
      const args = { path: '/etc', grep: `nothing ${n++}` };
      await post(agent, from(0), headers, bodyOf('tools/call', { name: 'file_search', arguments: args }));
      await pause(5);
    }
  };
  await Promise.all(Array.from({ length: o.count ?? 8 }, one));
  agent.destroy();
}

/** What came back on a socket: its status, or why there is none. */
function verdict(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (d) => {
      text += d;
    });
    socket.on('error', (thrown: NodeJS.ErrnoException) => {
      text ||= thrown.code ?? 'error';
    });
    socket.once('close', () => resolve(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? (text || 'closed')));
  });
}

async function connections(): Promise<void> {
  let n = 0;
  const one = async () => {
    while (!over || n < (o.atLeast ?? 0)) {
      n++;
      const socket = connect({ host: o.host, port: o.port, localAddress: from(0) });
      const said = await verdict(socket);
      plus(/^\d+$/.test(said) ? saw.statuses : saw.errors, said);
    }
  };
  await Promise.all(Array.from({ length: o.count ?? 500 }, one));
}

const head = (lines: Record<string, string>) =>
  `POST /mcp HTTP/1.1\r\nHost: ${o.host}:${o.port}\r\n${Object.entries(lines)
    .map(([k, v]) => `${k}: ${v}\r\n`)
    .join('')}`;

/** They come one after the other, as slowhttptest has them: who comes at once is another attack. */
const EACH_MS = 10;

/** Opens, drips, and opens again when it was cut off. */
async function dripping(i: number, first: string, drop: string, body: boolean): Promise<void> {
  await pause(i * EACH_MS);
  while (!over) {
    const socket = connect({ host: o.host, port: o.port, localAddress: from(i) });
    socket.write(first);
    const drip = setInterval(() => socket.writable && socket.write(drop), 1_000);
    let left = false;
    ends.push(() => {
      // Headers are cut off within seconds: leaving might cross the answer, and then it were counted by one side alone.
      if (socket.destroyed || !body) return;
      left = true;
      socket.destroy();
    });
    const said = await verdict(socket);
    clearInterval(drip);
    if (left && !/^\d+$/.test(said)) {
      saw.left++;
    } else plus(/^\d+$/.test(said) ? saw.statuses : saw.errors, said);
    await pause(1_000);
  }
}

/** Asks for much and reads nothing of it for longer than it is waited for. */
async function unread(i: number): Promise<void> {
  await pause(i * EACH_MS);
  while (!over) {
    const socket = connect({ host: o.host, port: o.port, localAddress: from(i) });
    const body = bodyOf('tools/list', {});
    const lines = { ...headersOf('tools/list', o.token), connection: 'close', 'content-length': String(body.length) };
    socket.write(`${head(lines)}\r\n${body}`);
    socket.pause();
    await pause(36_000);
    let bytes = 0;
    let begin = '';
    socket.on('data', (d) => {
      if (begin.length < 4_096) begin += d.toString('latin1');
      bytes += d.length;
    });
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.resume();
    await closed;
    const status = /^HTTP\/1\.1 (\d+)/.exec(begin)?.[1];
    const length = Number(/content-length: (\d+)/i.exec(begin)?.[1] ?? Number.NaN);
    const at = begin.indexOf('\r\n\r\n');
    const whole = Number.isNaN(length) ? /\r\n0\r\n\r\n$/.test(begin) || bytes > 4_096 : bytes - at - 4 >= length;
    if (status === '200' && !whole) saw.cut++;
    else if (status) plus(saw.statuses, status);
    else plus(saw.errors, 'nothing');
  }
}

async function slow(): Promise<void> {
  const length = { 'content-length': '100000' };
  const bodyHead = `${head({ ...headersOf('tools/list', o.token), ...length })}\r\n{`;
  await Promise.all(
    Array.from({ length: o.count ?? 200 }, (_, i) =>
      i % 3 === 0
        ? dripping(i, head({}), 'X-A: b\r\n', false)
        : i % 3 === 1
          ? dripping(i, bodyHead, ' ', true)
          : unread(i),
    ),
  );
}

await { calm, slow, connections, guesses, flood, heavy }[o.kind]();
process.stdout.write(JSON.stringify(saw), () => process.exit(0));
