/**
 * /transfers/d_…: files fetched and sent by requests of their own, straight from and to node:http, because a gigabyte through web streams
 * costs several times its copying. Decides what a request says (token, range, offset, conditions) and how long a silent client is waited
 * for; whether a handle serves it, and what becomes of the bytes, the desk says. How bytes go is in transfer_bytes.ts.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { CODES, OpsError, toOpsError } from '../core/errors.ts';
import type { Down, TransferDesk, Upload } from '../policy/transfers.ts';
import type { Challenges } from './challenges.ts';
import { headerOf } from './fast.ts';
import type { Recognise } from './recognise.ts';
import { type Refusal, type Refusals, retryAfter, type Visit } from './refusals.ts';
import { hasLeft, receive, send } from './transfer_bytes.ts';
import { offsetOf, rangeOf } from './transfer_headers.ts';

const PATH = /^\/transfers\/([A-Za-z0-9_-]{1,64})$/;
const IDLE_MS = 30_000;

export interface TransferRoute {
  /** True: it is seen to here. */
  take(incoming: IncomingMessage, outgoing: ServerResponse): boolean;
  /** Its request may take longer to arrive than others. */
  patient(socket: Socket): boolean;
  /** What is on its way is cut off: it can go on from there. */
  close(): void;
}

export interface TransferRouteOptions {
  desk: TransferDesk;
  recognise: Recognise;
  challenges: Challenges;
  /** Host, Origin and rate of the address. Null: refused, and the long way says so. */
  knock(incoming: IncomingMessage): Visit | null;
  /** A stop does not wait for it. */
  lasting(outgoing: ServerResponse): void;
  refusals: Refusals;
  headers: readonly (readonly [string, string])[];
  newId(): string;
  idleMs?: number;
}

/** One request that may. */
interface Asked {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  knock: { id: string; address?: string | undefined; link: boolean };
}

export function createTransferRoute(o: TransferRouteOptions): TransferRoute {
  const { desk, refusals } = o;
  const idleMs = o.idleMs ?? IDLE_MS;
  const patient = new WeakSet<Socket>();
  const underWay = new Set<ServerResponse>();
  const common = o.headers.flat();

  function take(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
    const handle = PATH.exec(incoming.url ?? '')?.[1];
    if (handle === undefined) return false;
    const visit = o.knock(incoming);
    if (!visit) return false;
    underWay.add(outgoing);
    outgoing.once('close', () => underWay.delete(outgoing));
    o.lasting(outgoing);
    void serve(handle, visit, incoming, outgoing).catch((thrown) => {
      const error = toOpsError(thrown);
      if (error.code !== 'limit') visit.recorded = true; // the transfer's own record says it
      refuse(incoming, outgoing, visit, error, {});
    });
    return true;
  }

  async function serve(handle: string, visit: Visit, incoming: IncomingMessage, outgoing: ServerResponse) {
    const { method = '' } = incoming;
    const who = await o.recognise(visit, (name) => headerOf(incoming, name));
    const principal = 'principal' in who ? who.principal : null;
    // A handle alone serves only where the owner allows it, and only what moves the bytes; never who is not let in at all.
    const link = !('principal' in who) && who.status === 401 && !who.sent && (method === 'GET' || method === 'PUT');
    const found = principal || link ? desk.find(handle, principal) : null;
    if (!found && !('principal' in who)) {
      const { error, ...rest } = o.challenges.refusal(who);
      return refuse(incoming, outgoing, visit, error, rest);
    }
    if (!found) return refuse(incoming, outgoing, visit, missing(), { status: 404 });
    const knock = { id: o.newId(), address: visit.address, link: principal === null };
    const asked = { incoming, outgoing, knock };
    if (found.kind === 'down') {
      if (method === 'GET' || method === 'HEAD') return fetched(found, asked);
      return wrongMethod(asked, visit, 'GET, HEAD');
    }
    if (method === 'PUT' || method === 'PATCH') return sent(found, asked);
    if (method === 'GET' || method === 'HEAD') return told(found, asked);
    return wrongMethod(asked, visit, 'GET, HEAD, PUT, PATCH');
  }

  async function fetched(t: Down, { incoming, outgoing, knock }: Asked): Promise<void> {
    const { headers, method } = incoming;
    const etag = `"${t.sha256}"`;
    const digest = `sha-256=:${Buffer.from(t.sha256, 'hex').toString('base64')}:`;
    const about = [...common, 'etag', etag, 'accept-ranges', 'bytes', 'repr-digest', digest];
    const named = (list: string) => list.trim() === '*' || list.split(',').some((e) => e.trim() === etag);
    if (headers['if-match'] !== undefined && !named(headers['if-match'])) return answer(outgoing, 412, about);
    if (headers['if-none-match'] !== undefined && named(headers['if-none-match'])) return answer(outgoing, 304, about);
    const given = headers['if-range'];
    const range = given === undefined || given === etag ? rangeOf(headers.range, t.sizeBytes) : null;
    if (range === 'unsatisfiable') return answer(outgoing, 416, [...about, 'content-range', `bytes */${t.sizeBytes}`]);
    const { from, length } = range ?? { from: 0, length: t.sizeBytes };
    about.push(
      'content-type',
      'application/octet-stream',
      'content-disposition',
      `attachment; filename*=UTF-8''${encoded(t.path.slice(t.path.lastIndexOf('/') + 1))}`,
      'last-modified',
      new Date(t.stat.modifiedMs).toUTCString(),
      'content-length',
      String(length),
    );
    if (range) about.push('content-range', `bytes ${from}-${from + length - 1}/${t.sizeBytes}`);
    else about.push('content-digest', digest);
    const run = await desk.down(t, knock);
    let bytes = 0;
    let outcome = 'left';
    try {
      if (method === 'HEAD' || length === 0) answer(outgoing, range ? 206 : 200, about);
      else
        await send(run, outgoing, {
          from,
          length,
          idleMs,
          begin: () => void outgoing.writeHead(range ? 206 : 200, about),
          onBytes: (n) => {
            bytes += n;
          },
        });
      outcome = 'done';
    } catch (thrown) {
      const error = toOpsError(thrown);
      if (!hasLeft(error)) outcome = error.code;
      // Nothing has been said yet: then there are words for it.
      if (!outgoing.headersSent && !outgoing.destroyed) throw error;
      // Shorter than was promised: its client sees that it is not all.
      outgoing.destroy();
    } finally {
      await run.end(outcome, bytes);
    }
  }

  async function sent(t: Upload, { incoming, outgoing, knock }: Asked): Promise<void> {
    const offset = offsetOf(incoming, t.sizeBytes);
    // The rule for others, that a request has arrived within half a minute, is for what fits into one.
    patient.add(incoming.socket);
    const run = await desk.up(t, knock, offset).catch((thrown) => {
      const error = toOpsError(thrown);
      return Promise.reject(error.code === 'conflict' ? Object.assign(error, { offset: t.offset() }) : error);
    });
    let outcome = 'left';
    let failed: OpsError | null = null;
    try {
      await receive(incoming, run, idleMs);
      outcome = 'done';
    } catch (thrown) {
      failed = toOpsError(thrown);
      if (!incoming.destroyed || failed.code === 'timeout') outcome = failed.code;
    }
    const end = await run.end(outcome);
    if (outgoing.destroyed) return;
    if (end?.error || (failed && !end)) throw end?.error ?? failed;
    told(t, { incoming, outgoing, knock });
  }

  /** How far an upload is, or what has become of it. */
  function told(t: Upload, { incoming, outgoing }: Pick<Asked, 'incoming' | 'outgoing' | 'knock'>): void {
    const { end } = t;
    const state = end ? (end.error ? 'failed' : 'done') : 'waiting';
    const error = end?.error ? { code: end.error.code, message: end.error.message } : undefined;
    const said = { state, path: t.path, sizeBytes: t.sizeBytes, offset: t.offset(), receipt: end?.receipt, error };
    const body = incoming.method === 'HEAD' ? undefined : `${JSON.stringify(said)}\n`;
    const about = [...common, ...offsets(t), 'content-type', 'application/json'];
    answer(outgoing, 200, about, body);
  }

  const offsets = (t: Upload) => [
    'upload-offset',
    String(t.offset()),
    'upload-length',
    String(t.sizeBytes),
    'upload-complete',
    t.end && !t.end.error ? '?1' : '?0',
  ];

  function wrongMethod({ incoming, outgoing }: Asked, visit: Visit, allow: string): void {
    const error = new OpsError('validation', `${incoming.method} is not served here.`, { hint: `Use ${allow}.` });
    refuse(incoming, outgoing, visit, error, { status: 405, headers: { allow } });
  }

  /** As elsewhere on this face; the handle itself is in no record. */
  function refuse(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    visit: Visit,
    error: OpsError & { offset?: number },
    { status = CODES[error.code].http, headers = {} }: Partial<Pick<Refusal, 'status' | 'headers'>>,
  ): void {
    if (outgoing.headersSent || outgoing.destroyed) {
      outgoing.destroy();
      return;
    }
    const wait = status === 429 ? retryAfter(error.details.retryAfterMs) : {};
    const at = error.offset === undefined ? {} : { 'upload-offset': String(error.offset) };
    const what = `${incoming.method} /transfers`;
    const response = refusals.answer(visit, {
      status,
      what,
      error,
      code: -32_000,
      headers: { ...headers, ...wait, ...at },
    });
    // What is still coming of a body is not read on.
    const close =
      incoming.complete || incoming.method === 'GET' || incoming.method === 'HEAD' ? [] : ['connection', 'close'];
    const about = [...common, ...[...response.headers].flat(), ...close];
    void response.text().then((text) => {
      answer(outgoing, status, about, incoming.method === 'HEAD' ? undefined : text);
      if (close.length > 0) discard(incoming);
    });
  }

  return {
    take,
    patient: (socket) => patient.has(socket),
    close() {
      for (const outgoing of underWay) outgoing.destroy();
    },
  };
}

/** A sender that is cut off in the middle of its body loses the answer with it: it is heard out for a moment. */
function discard(incoming: IncomingMessage): void {
  incoming.on('error', () => {});
  incoming.resume();
  const timer = setTimeout(() => incoming.socket.destroy(), 1_000);
  timer.unref();
  incoming.once('close', () => clearTimeout(timer));
}

function answer(outgoing: ServerResponse, status: number, headers: readonly string[], body?: string): void {
  if (outgoing.destroyed || outgoing.headersSent) return;
  const length = body === undefined ? [] : ['content-length', String(Buffer.byteLength(body))];
  outgoing.writeHead(status, [...headers, ...length]);
  outgoing.end(body);
}

const encoded = (name: string) =>
  encodeURIComponent(name.toWellFormed()).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

const missing = () =>
  new OpsError('not_found', 'Nothing is on its way under this handle for you.', {
    hint: 'It expired, or is not yours, or never was: call file_download or file_upload again.',
  });
