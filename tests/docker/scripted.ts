/** An engine that says what a test wants: HTTP over a Unix socket, each request kept. With it every failure of an engine can be had. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createRaw, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dockerAt } from '../../src/host/docker/index.ts';
import { fakeClock } from '../fakes/clock.ts';
import { labSettings } from './engine.ts';

export type Answer = (req: IncomingMessage, res: ServerResponse) => void;

export interface Scripted {
  socket: string;
  /** `GET /v1.45/containers/json?all=true`, in order. */
  asked: string[];
  /** What answers now; may be changed at any time. */
  answer: Answer;
  /** Connections that are open. */
  open(): number;
  start(): Promise<void>;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const json = (res: ServerResponse, value: unknown, status = 200) =>
  void res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));

export const VERSION = {
  Version: '26.1.5',
  ApiVersion: '1.45',
  MinAPIVersion: '1.24',
  Components: [{ Name: 'Engine' }],
};

/** Answers `GET /version` well, and all else by `rest`. */
export const engineThat =
  (rest: Answer, version: object = VERSION): Answer =>
  (req, res) =>
    req.url?.endsWith('/version') ? json(res, version) : rest(req, res);

export const hangs: Answer = () => {};

export async function scripted(answer: Answer, raw?: (socket: Socket) => void): Promise<Scripted> {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-scripted-'));
  const socket = join(dir, 'engine.sock');
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const make = () => {
    const server = raw
      ? createRaw(raw)
      : createServer((req, res) => {
          asked.push(`${req.method} ${req.url}`);
          req.resume();
          self.answer(req, res);
        });
    server.on('connection', (s: Socket) => {
      sockets.add(s);
      s.on('error', () => {});
      s.on('close', () => sockets.delete(s));
    });
    return server;
  };
  let server = make();
  const self: Scripted = {
    socket,
    asked,
    answer,
    open: () => sockets.size,
    async start() {
      server = make();
      await new Promise<void>((done) => server.listen(socket, done));
    },
    async stop() {
      for (const s of sockets) s.destroy();
      await new Promise((done) => server.close(done));
    },
    async [Symbol.asyncDispose]() {
      await self.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await self.start();
  return self;
}

/** The adapter in front of this socket, with a clock that stands. */
export function adapterTo(socket: string, engines: { name: string; endpoint: string }[] = []) {
  const clock = fakeClock();
  const settings = { ...labSettings(`unix://${socket}`), engines };
  if (engines.length > 0) settings.endpoint = null as never;
  const docker = dockerAt({ settings, clock });
  return { docker, clock };
}

/** Turns of the real loop until it is so: what travels through a socket takes some. */
export async function turns(so: () => boolean): Promise<void> {
  for (const end = Date.now() + 5_000; !so(); await new Promise((done) => setImmediate(done)))
    if (Date.now() > end) throw new Error('It never came about.');
}
