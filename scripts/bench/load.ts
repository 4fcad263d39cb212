/**
 * The load, in a process of its own: keep-alive sockets that each send one request after the other and check every answer. Raw
 * bytes, because an HTTP client would cost more than most of the servers it measures. Jobs come and results go by IPC.
 */
import { connect, type Socket } from 'node:net';

export interface Job {
  port: number;
  /** The whole request, head and body. */
  request: string;
  clients: number;
  ms: number;
  /** Calls a second of all clients together; without it each sends as soon as it has its answer. */
  perSecond?: number;
  /** Must stand in every answer. */
  marker: string;
  /** Must not stand in any. */
  never: string;
}

export interface Load {
  calls: number;
  seconds: number;
  p50Ms: number;
  p99Ms: number;
  failed: string | null;
}

const END = Buffer.from('\r\n\r\n');

function run(job: Job): Promise<Load> {
  const request = Buffer.from(job.request);
  const times: number[] = [];
  const sockets: Socket[] = [];
  let failed: string | null = null;
  const from = performance.now();
  const until = from + job.ms;
  let open = job.clients;
  return new Promise((resolve) => {
    const over = (socket: Socket) => {
      socket.destroy();
      if (--open > 0) return;
      times.sort((a, b) => a - b);
      const at = (q: number) => times[Math.min(times.length - 1, Math.floor(times.length * q))] ?? Number.NaN;
      const seconds = (performance.now() - from) / 1_000;
      resolve({ calls: times.length, seconds, p50Ms: at(0.5), p99Ms: at(0.99), failed });
    };
    for (let i = 0; i < job.clients; i++) {
      const socket = connect({ port: job.port, host: '127.0.0.1', noDelay: true });
      sockets.push(socket);
      let sent = 0;
      let got: Buffer = Buffer.alloc(0);
      let ended = false;
      const end = (why?: string) => {
        if (ended) return;
        ended = true;
        if (why !== undefined) failed ??= why;
        over(socket);
      };
      const send = () => {
        sent = performance.now();
        socket.write(request);
      };
      // Spread over the interval, or all would knock at once.
      const everyMs = job.perSecond ? (job.clients / job.perSecond) * 1_000 : 0;
      let due = from + (everyMs * i) / job.clients;
      const next = () => {
        due += everyMs;
        const wait = job.perSecond ? due - performance.now() : 0;
        if (wait > 0) setTimeout(send, wait);
        else send();
      };
      socket.on('connect', next);
      socket.on('error', (error) => end(error.message));
      socket.on('close', () => end('the server closed the connection'));
      socket.on('data', (data) => {
        got = got.length === 0 ? data : Buffer.concat([got, data]);
        const wrong = answered(got, job);
        if (wrong === 'more') return;
        const now = performance.now();
        times.push(now - sent);
        got = Buffer.alloc(0);
        if (wrong !== null) end(wrong);
        else if (now >= until || failed !== null) end();
        else next();
      });
    }
  });
}

/** Null: a whole and good answer. */
function answered(got: Buffer, job: Job): string | 'more' | null {
  const head = got.indexOf(END);
  if (head === -1) return 'more';
  const text = got.toString('latin1', 0, head);
  const length = /content-length: *(\d+)/i.exec(text)?.[1];
  if (length === undefined) return `no content-length: ${text}`;
  if (got.length < head + 4 + Number(length)) return 'more';
  if (got.length > head + 4 + Number(length)) return 'more than one answer';
  const good = text.startsWith('HTTP/1.1 200 ') && got.includes(job.marker, head) && !got.includes(job.never, head);
  return good ? null : `not the answer: ${got.toString('utf8').slice(0, 600)}`;
}

process.on('message', (job: Job) => void run(job).then((load) => process.send?.(load)));
