/**
 * /measure: bytes for another Deckhand that measures the way to this host. GET gives random ones, PUT takes any and keeps none, HEAD is the
 * small request beside them. Straight from and to node:http, as whole files are. Decides what a request says and when it is over; who may,
 * and how much at once, the desk says.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CODES, OpsError, toOpsError } from '../core/errors.ts';
import { MEASURE, type MeasureWay } from '../core/measure.ts';
import type { MeasureDesk } from '../policy/measures.ts';
import type { Challenges } from './challenges.ts';
import { headerOf } from './fast.ts';
import type { Recognise } from './recognise.ts';
import { type Refusals, retryAfter, type Visit } from './refusals.ts';

const PATH = /^\/measure(?:\?bytes=(\d{1,10})&seconds=(\d{1,3}))?$/;
const CHUNK = 256 * 1024;
/** What is written again and again: longer than what a compressing link looks back on (LZ4 and deflate: 64 KiB). */
const BLOCK = 1024 * 1024;

export interface MeasureRoute {
  /** True: it is seen to here. */
  take(incoming: IncomingMessage, outgoing: ServerResponse): boolean;
  close(): void;
}

export interface MeasureRouteOptions {
  desk: MeasureDesk;
  recognise: Recognise;
  challenges: Challenges;
  /** Host, Origin and rate of the address. Null: refused, and the long way says so. */
  knock(incoming: IncomingMessage): Visit | null;
  /** A stop does not wait for it. */
  lasting(outgoing: ServerResponse): void;
  refusals: Refusals;
  headers: readonly (readonly [string, string])[];
  newId(): string;
  /** For tests. */
  graceMs?: number;
}

export function createMeasureRoute(o: MeasureRouteOptions): MeasureRoute {
  const common = o.headers.flat();
  const graceMs = o.graceMs ?? MEASURE.graceMs;
  const underWay = new Set<ServerResponse>();
  let made: Buffer | undefined;
  const block = () => {
    made ??= randomBytes(BLOCK);
    return made;
  };

  function take(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
    const parts = PATH.exec(incoming.url ?? '');
    if (!parts) return false;
    const visit = o.knock(incoming);
    if (!visit) return false;
    underWay.add(outgoing);
    outgoing.once('close', () => underWay.delete(outgoing));
    o.lasting(outgoing);
    void asked(incoming, outgoing, visit, Number(parts[1] ?? 0), Number(parts[2] ?? 0)).catch((thrown) =>
      refuse(incoming, outgoing, visit, toOpsError(thrown), {}),
    );
    return true;
  }

  async function asked(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    visit: Visit,
    bytes: number,
    seconds: number,
  ): Promise<void> {
    const { method } = incoming;
    const found = await o.recognise(visit, (name) => headerOf(incoming, name));
    if (!('principal' in found)) {
      const { error, status, headers: more } = o.challenges.refusal(found);
      return refuse(incoming, outgoing, visit, error, { status, more });
    }
    const who = found.principal;
    const refused = o.desk.refused(who);
    if (refused) {
      const more = refused.code === 'permission' ? o.challenges.insufficientScope(['net:read']) : {};
      return refuse(incoming, outgoing, visit, refused, { more });
    }
    if (method === 'HEAD') {
      outgoing.writeHead(204, [...common, 'deckhand-measure', '1']);
      outgoing.end();
      return;
    }
    if (method !== 'GET' && method !== 'PUT') {
      const error = new OpsError('validation', `${method} is not served here.`, { hint: 'Use GET, HEAD or PUT.' });
      return refuse(incoming, outgoing, visit, error, { status: 405, more: { allow: 'GET, HEAD, PUT' } });
    }
    if (bytes < 1 || seconds < 1)
      throw new OpsError('validation', 'Bytes and seconds are missing.', {
        hint: 'Ask for /measure?bytes=N&seconds=S.',
      });
    const way: MeasureWay = method === 'GET' ? 'down' : 'up';
    const end = o.desk.begin(who, {
      id: o.newId(),
      address: visit.address,
      way,
      mostBytes: bytes,
      seconds,
    });
    if (way === 'down') give(outgoing, bytes, seconds * 1_000 + graceMs, end);
    else keepNone(incoming, outgoing, bytes, seconds * 1_000, end);
  }

  /** As fast as the client takes it. It ends by its own clock; ours only bounds it. */
  function give(outgoing: ServerResponse, bytes: number, ms: number, end: (outcome: string, bytes: number) => void) {
    let left = bytes;
    let at = 0;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      outgoing.destroy();
    }, ms);
    outgoing.once('close', () => {
      clearTimeout(timer);
      end(left === 0 ? 'done' : late ? 'time' : 'left', bytes - left);
    });
    outgoing.writeHead(200, [
      ...common,
      ...['content-type', 'application/octet-stream', 'content-length', String(bytes)],
      ...['deckhand-measure', '1', 'connection', 'close'],
    ]);
    const next = () => {
      if (outgoing.destroyed) return;
      if (left === 0) {
        outgoing.end();
        return;
      }
      const piece = block().subarray(at, at + Math.min(CHUNK, left));
      at = (at + CHUNK) % BLOCK;
      outgoing.write(piece, (error) => {
        if (error) return;
        left -= piece.length;
        next();
      });
    };
    next();
  }

  /** Counted from the first byte that came to the last: what the sender's system still holds has not arrived. */
  function keepNone(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    bytes: number,
    ms: number,
    end: (outcome: string, bytes: number) => void,
  ) {
    const samples: number[] = [];
    let got = 0;
    let first = 0;
    let last = 0;
    let over = false;
    const done = (outcome: string) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      end(outcome, Math.min(got, bytes));
      if (outcome === 'left' || outgoing.destroyed) return;
      const ms = Math.round((last - first) * 1_000) / 1_000;
      const body = JSON.stringify({ bytes: Math.min(got, bytes), ms, samples: Array.from(samples, (n) => n ?? 0) });
      const about = ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body))];
      outgoing.writeHead(200, [...common, ...about, 'deckhand-measure', '1', 'connection', 'close']);
      outgoing.end(body);
      // Whoever is cut off in the middle of a body loses the answer with it: what comes is thrown away for a moment.
      if (!incoming.complete) discard(incoming);
    };
    // Nothing may ever come.
    let timer = setTimeout(() => done('time'), ms + graceMs);
    incoming.on('data', (chunk: Buffer) => {
      if (over) return;
      last = performance.now();
      if (got === 0) {
        first = last;
        clearTimeout(timer);
        timer = setTimeout(() => done('time'), ms);
      }
      const sample = Math.floor((last - first) / MEASURE.sampleMs);
      samples[sample] = (samples[sample] ?? 0) + chunk.length;
      got += chunk.length;
      if (got >= bytes) done('done');
    });
    incoming.once('end', () => done('done'));
    incoming.on('error', () => {});
    outgoing.once('close', () => done('left'));
  }

  function refuse(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    visit: Visit,
    error: OpsError,
    { status = CODES[error.code].http, more = {} }: { status?: number; more?: Record<string, string> },
  ): void {
    const wait = status === 429 ? retryAfter(error.details.retryAfterMs) : {};
    const what = `${incoming.method} ${MEASURE.path}`;
    const response = o.refusals.answer(visit, { status, what, error, code: -32_000, headers: { ...more, ...wait } });
    const body = incoming.method === 'PUT' && !incoming.complete;
    void response.text().then((text) => {
      if (outgoing.destroyed || outgoing.headersSent) return;
      const length = ['content-length', String(Buffer.byteLength(text))];
      outgoing.writeHead(status, [
        ...common,
        ...[...response.headers].flat(),
        ...length,
        ...(body ? ['connection', 'close'] : []),
      ]);
      outgoing.end(incoming.method === 'HEAD' ? undefined : text);
      if (body) discard(incoming);
    });
  }

  return {
    take,
    close() {
      for (const outgoing of underWay) outgoing.destroy();
    },
  };
}

function discard(incoming: IncomingMessage): void {
  incoming.on('error', () => {});
  incoming.resume();
  const timer = setTimeout(() => incoming.socket.destroy(), 1_000);
  timer.unref();
  incoming.once('close', () => clearTimeout(timer));
}
