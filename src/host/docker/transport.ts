/**
 * HTTP to one engine, over a Unix socket, TCP, TLS or a connection that is handed in (ssh). Decides what may be sent (by the table in
 * allowed.ts), how long and how much is waited for, and that no redirect is followed. It is the modem that dockerode dials; what an
 * answer means is not known here.
 */
import { Agent, type IncomingMessage, request } from 'node:http';
import { Agent as AgentTls, request as requestTls } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Dialled, Modem } from 'dockerode';
import { OpsError } from '../../core/errors.ts';
import { type Allowed, allowedRequest, lineOf } from './allowed.ts';

/** Where to connect to, and how. */
export type Way =
  | { kind: 'unix'; path: string }
  | { kind: 'tcp'; host: string; port: number; tls: { ca: Buffer; cert: Buffer; key: Buffer } | null }
  | { kind: 'dial'; open(): Duplex };

/** What an engine answered, when it was not yes. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly status: number;
  /** The line of the table by which it was asked: `GET /containers/{container}/json`. */
  readonly line: string;
  /** Every engine says no in JSON: what does not is something in front of it. */
  readonly inJson: boolean;
  constructor(status: number, message: string, line: string, inJson: boolean) {
    super(message);
    this.status = status;
    this.line = line;
    this.inJson = inJson;
  }
}

/** The connection, not the request, went wrong: the engine may be gone. */
export class LostError extends Error {
  override readonly name = 'LostError';
  /** ETIMEDOUT is our own: no answer within the bound. */
  readonly errno: string;
  constructor(errno: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.errno = errno;
  }
}

export interface Call {
  /** Ends the request, and the stream that came of it. */
  signal: AbortSignal;
  /** `1.45`; null for what is asked before the version is known. */
  version: string | null;
  /** Time on top of the table's, e.g. the grace of a stop. */
  extraMs?: number;
  /** While an answer is awaited: may give up sooner than the table says, when the engine is seen to be dead. Returns the end of it. */
  watch?(giveUp: (error: LostError) => void): () => void;
  after(ms: number, fire: () => void): () => void;
}

export interface Transport {
  modem(call: Call): Modem;
  close(): void;
}

/** A connection for each request in flight, kept a while for the next one; streams have their own. */
const MOST_SOCKETS = 8;

export function transportTo(way: Way): Transport {
  const tls = way.kind === 'tcp' && way.tls !== null;
  const options = { keepAlive: true, maxSockets: MOST_SOCKETS, maxFreeSockets: 4, timeout: 0 };
  const agent: Agent = tls ? new AgentTls(options) : new Agent(options);
  if (way.kind === 'dial') agent.createConnection = () => way.open();
  const target =
    way.kind === 'unix'
      ? { socketPath: way.path }
      : way.kind === 'tcp'
        ? { host: way.host, port: way.port, ...(way.tls ?? {}) }
        : {};
  const send = tls ? requestTls : request;
  // A socket for itself, so that a long log never stands in the way of a short question.
  const apart = way.kind === 'dial' ? { createConnection: () => way.open() } : { agent: false };

  function open(asked: Asked, call: Call): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const path = `${call.version === null ? '' : `/v${call.version}`}${asked.path}${asked.query ? `?${asked.query}` : ''}`;
    const headers: Record<string, string | number> = { 'user-agent': 'deckhand' };
    // Over TCP it stays the engine's own name: TLS checks the certificate against it.
    if (way.kind !== 'tcp') headers.host = 'docker';
    if (asked.body !== null) {
      headers['content-type'] = 'application/json';
      headers['content-length'] = Buffer.byteLength(asked.body);
    }
    const waitMs = asked.allowed.waitMs + (call.extraMs ?? 0);
    const req = send({
      ...target,
      // A ping must not wait behind what it is to judge; and a change never meets a kept connection that is dead by now.
      ...(asked.allowed.stream || !call.watch || asked.method !== 'GET' ? apart : { agent }),
      method: asked.method,
      path,
      headers,
      signal: call.signal,
    });
    const late = call.after(waitMs, () =>
      req.destroy(new LostError('ETIMEDOUT', `no answer to ${asked.method} ${asked.path} within ${waitMs} ms`)),
    );
    const watched = call.watch?.((error) => req.destroy(error));
    const cancel = () => {
      late();
      watched?.();
    };
    let again = false;
    req.on('response', (res) => {
      cancel();
      resolve(res);
    });
    req.on('error', (cause: NodeJS.ErrnoException) => {
      cancel();
      if (call.signal.aborted) reject(call.signal.reason);
      // The engine closed a kept connection as we began to use it: nothing was done, and a new one may serve.
      else if (req.reusedSocket && /^(?:ECONNRESET|EPIPE)$/.test(cause.code ?? '')) {
        again = true;
        open(asked, call).then(resolve, reject);
      } else reject(cause instanceof LostError ? cause : new LostError(cause.code ?? 'EIO', cause.message, cause));
    });
    // An engine that wants to speak something else than HTTP: never asked for.
    req.on('upgrade', (_res, socket) => {
      socket.destroy();
      req.destroy(new LostError('EPROTO', 'the answer is not HTTP'));
    });
    req.on('close', () => {
      cancel();
      if (!again) reject(new LostError('ECONNRESET', 'the connection ended before an answer came'));
    });
    req.end(asked.body ?? undefined);
    return promise;
  }

  /** The whole of a bounded answer. */
  function whole(res: IncomingMessage, allowed: Allowed, call: Call): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const chunks: Buffer[] = [];
    let size = 0;
    const stop = (error: unknown) => {
      cancel();
      watched?.();
      reject(call.signal.aborted ? call.signal.reason : error);
      res.destroy();
    };
    const late = () => stop(stopped());
    let cancel = call.after(allowed.idleMs, late);
    const watched = call.watch?.(stop);
    res.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > allowed.maxBytes)
        return stop(new OpsError('limit', `The engine's answer is longer than ${allowed.maxBytes} bytes.`));
      chunks.push(chunk);
      cancel();
      cancel = call.after(allowed.idleMs, late);
    });
    res.on('end', () => {
      cancel();
      watched?.();
      resolve(Buffer.concat(chunks));
    });
    res.on('error', (cause: NodeJS.ErrnoException) => stop(new LostError(cause.code ?? 'EIO', cause.message, cause)));
    res.on('close', () => {
      if (!res.complete) stop(new LostError('ECONNRESET', 'the connection ended before the answer did'));
    });
    return promise;
  }

  /** A stream as it comes; leaving it early closes its connection. The reader's own pauses do not count as the engine's. */
  async function* pieces(res: IncomingMessage, allowed: Allowed, call: Call): AsyncGenerator<Buffer, void, undefined> {
    let cancel = () => {};
    const wait = () => {
      cancel = call.after(allowed.idleMs, () => res.destroy(stopped()));
    };
    try {
      wait();
      for await (const chunk of res) {
        cancel();
        yield chunk as Buffer;
        wait();
      }
    } catch (thrown) {
      if (call.signal.aborted) throw call.signal.reason;
      if (thrown instanceof LostError) throw thrown;
      const cause = thrown as NodeJS.ErrnoException;
      throw new LostError(cause.code ?? 'EIO', cause.message, cause);
    } finally {
      cancel();
      res.destroy();
    }
  }

  async function dial(dialled: Dialled, call: Call): Promise<unknown> {
    const asked = askedOf(dialled);
    call.signal.throwIfAborted();
    const res = await open(asked, call);
    const status = res.statusCode ?? 0;
    // 304: it is already as wanted (start of what runs, stop of what does not).
    const good = (status >= 200 && status < 300) || (status === 304 && asked.method === 'POST');
    if (good && asked.allowed.stream) return pieces(res, asked.allowed, call);
    const bytes = await whole(res, asked.allowed, call);
    const json = parsed(bytes);
    if (good) return json ?? bytes.toString('utf8');
    const said = (json as { message?: unknown } | null)?.message ?? bytes.toString('utf8');
    throw new EngineError(status, String(said).slice(0, 1_000).trim(), lineOf(asked.allowed), json !== null);
  }

  return {
    modem: (call) => ({
      dial(dialled, done) {
        dial(dialled, call).then(
          (answer) => done(null, answer),
          (error: Error) => done(error),
        );
      },
    }),
    close: () => agent.destroy(),
  };
}

const stopped = () => new LostError('ETIMEDOUT', 'the answer stopped in its middle');

interface Asked {
  method: string;
  path: string;
  query: string;
  body: string | null;
  allowed: Allowed;
}

/** From dockerode's way of asking to method, path, query and body, and through the table. */
function askedOf(dialled: Dialled): Asked {
  const [path = '', ...more] = dialled.path.split('?');
  // dockerode puts an empty query at the end of a path; anything behind the mark came from a name.
  const smuggled = more.some((part) => part !== '');
  const { _query, _body, abortSignal: _, ...rest } = dialled.options ?? {};
  const query = new URLSearchParams();
  if (dialled.path.endsWith('?'))
    for (const [name, value] of Object.entries(_query ?? (_body === undefined ? rest : {})))
      if (value !== undefined) query.set(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
  const said = _body ?? rest;
  const parts = typeof said === 'object' && said !== null ? Object.keys(said) : [];
  const allowed = allowedRequest(dialled.method, smuggled ? dialled.path : path, [...query.keys()], parts);
  const body = allowed.body === false ? null : JSON.stringify(said);
  return { method: dialled.method, path, query: query.toString(), body, allowed };
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}
