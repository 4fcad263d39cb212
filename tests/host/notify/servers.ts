/** What notices are sent to in tests: real servers on loopback that keep what they were given, or misbehave. */
import { readFileSync } from 'node:fs';
import http, { type IncomingMessage, type RequestListener } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { onTestFinished } from 'vitest';
import type { Pair } from '../../net/certificates.ts';

export interface Got {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface Receiver {
  origin: string;
  port: number;
  got: Got[];
}

async function listening(server: Server): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return (server.address() as AddressInfo).port;
}

/** `answer`: status, or what to do with the request instead. */
export async function receiver(o: {
  tls?: Pair;
  answer?: number | ((got: Got, response: Parameters<RequestListener>[1]) => void);
}): Promise<Receiver> {
  const got: Got[] = [];
  const serve: RequestListener = async (request, response) => {
    let body = '';
    for await (const part of request) body += String(part);
    const one = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
    got.push(one);
    if (typeof o.answer === 'function') o.answer(one, response);
    else response.writeHead(o.answer ?? 200).end('{}');
  };
  const server = o.tls
    ? https.createServer({ cert: readFileSync(o.tls.cert), key: readFileSync(o.tls.key) }, serve)
    : http.createServer(serve);
  const port = await listening(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `${o.tls ? 'https' : 'http'}://localhost:${port}`, port, got };
}

export interface Post {
  port: number;
  mails: { from: string; to: string[]; text: string; secure: boolean; user: string | undefined }[];
}

export async function post(over: SMTPServerOptions & { pair?: Pair; password?: string } = {}): Promise<Post> {
  const { pair, password, ...options } = over;
  const mails: Post['mails'] = [];
  const server = new SMTPServer({
    ...(pair ? { cert: readFileSync(pair.cert), key: readFileSync(pair.key) } : {}),
    authOptional: password === undefined,
    disableReverseLookup: true,
    logger: false,
    onAuth: (auth, _session, done) =>
      auth.username === 'deckhand' && auth.password === password
        ? done(null, { user: auth.username })
        : done(new Error('no')),
    onData(stream, session, done) {
      let text = '';
      stream.on('data', (d: Buffer) => {
        text += d.toString();
      });
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map((r) => r.address),
          text,
          secure: session.secure,
          user: typeof session.user === 'string' ? session.user : undefined,
        });
        done();
      });
    },
    ...options,
  });
  // A client that breaks off is what some tests are about.
  server.on('error', () => {});
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.server.address() as AddressInfo).port)),
  );
  onTestFinished(() => new Promise<void>((resolve) => server.close(resolve)));
  return { port, mails };
}
