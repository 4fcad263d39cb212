/**
 * The control socket: how the owner's commands reach the running server. A socket file in the state folder, mode 0600: who can open it
 * is the server's own user (or root), and that is the only credential. Decides how it is made and taken over; what may be decided
 * through it is policy's. Not a face: no call passes here, and no route of the TCP listener leads here.
 */
import { lstatSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Log } from '../core/call.ts';
import { CODES, OpsError, toOpsError, toWire } from '../core/errors.ts';
import type { Deciding } from '../policy/deciding.ts';

export const CONTROL_SOCKET = 'control.sock';
/** sun_path has 108 bytes, the last of them NUL. */
export const LONGEST_PATH = 107;
const MOST_BODY = 4 * 1024;
const MOST_CONNECTIONS = 16;
const LIMITS = {
  maxHeaderSize: 4 * 1024,
  headersTimeout: 2_000,
  requestTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 1,
};
const ID = /^\/approvals\/(a_[a-z2-7]{16,40})$/;

export interface Control {
  close(): Promise<void>;
}

export async function openControl(o: {
  path: string;
  deciding: Deciding;
  /** Who a decision through this socket is by: `cli:<uid>`. */
  approver: string;
  /** Held by the one process that owns the socket's path. */
  lease(): (Disposable & { readonly sure: boolean }) | null;
  log: Log;
}): Promise<Control | null> {
  const without = (why: string) => {
    o.log.warn({ path: o.path }, `no control socket: ${why}; deckhand approve works through the state folder`);
    return null;
  };
  if (Buffer.byteLength(o.path) > LONGEST_PATH) return without(`its path is longer than ${LONGEST_PATH} bytes`);
  const lease = o.lease();
  if (!lease?.sure) {
    lease?.[Symbol.dispose]();
    return without(lease ? 'no lease could be taken' : 'another server of this state folder has it');
  }
  const server = createServer(LIMITS, (request, response) => void serve(request, response, o));
  server.maxConnections = MOST_CONNECTIONS;
  server.maxRequestsPerSocket = 1;
  server.on('clientError', (_, socket) => void socket.destroy());
  try {
    clear(o.path);
    await listen(server, o.path);
  } catch (thrown) {
    lease[Symbol.dispose]();
    return without(toOpsError(thrown).message);
  }
  return {
    async close() {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      server.closeAllConnections();
      await promise;
      lease[Symbol.dispose]();
    },
  };
}

/** Under the lease nobody lives behind a socket that lies there. Anything else was not made by us. */
function clear(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new OpsError('conflict', `${path} is in the way and is no socket`);
  unlinkSync(path);
}

async function listen(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  // bind() happens inside listen(), before it returns: the file is never there with another mode.
  const before = process.umask(0o177);
  try {
    server.listen(path, resolve);
  } finally {
    process.umask(before);
  }
  await promise;
  server.off('error', reject);
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  o: { deciding: Deciding; approver: string; log: Log },
): Promise<void> {
  try {
    answer(response, 200, await route(request, o));
  } catch (thrown) {
    const error = toOpsError(thrown);
    if (error.code === 'internal') o.log.error({ err: error.cause }, 'a request to the control socket failed');
    answer(response, CODES[error.code].http, { error: toWire(error) });
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    connection: 'close',
  });
  response.end(text);
}

async function route(request: IncomingMessage, o: { deciding: Deciding; approver: string }): Promise<unknown> {
  const { method, url = '' } = request;
  if (method === 'GET' && url === '/approvals') return { approvals: o.deciding.recent() };
  const id = ID.exec(url)?.[1];
  if (id && method === 'GET') return { approval: o.deciding.get(id) };
  if (id && method === 'POST') {
    const { granted, because } = await decisionIn(request);
    const said = because === undefined ? {} : { because };
    return { approval: o.deciding.decide(id, { approver: o.approver, granted, ...said }) };
  }
  throw new OpsError('not_found', 'There is nothing here.');
}

async function decisionIn(request: IncomingMessage): Promise<{ granted: boolean; because?: string }> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.byteLength;
    if (bytes > MOST_BODY) throw new OpsError('limit', `More than ${MOST_BODY} bytes.`);
    parts.push(part);
  }
  const wrong = new OpsError('validation', 'Expected {"granted": true or false, "because"?: text}.');
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(parts).toString());
  } catch {
    throw wrong;
  }
  const { granted, because, ...rest } = (body ?? {}) as Record<string, unknown>;
  if (typeof granted !== 'boolean' || Object.keys(rest).length > 0) throw wrong;
  if (because !== undefined && typeof because !== 'string') throw wrong;
  return { granted, ...(because === undefined ? {} : { because }) };
}
