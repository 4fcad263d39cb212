/**
 * The socket side of the HTTP face: node:http with its time limits, open connections by address, what is no HTTP at all, the port
 * that is taken, and a stop that lets answers under way finish. What a request means is decided in http.ts.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { OpsError, toOpsError } from '../core/errors.ts';
import type { Listener } from '../policy/credentials.ts';
import { createFarewell } from './farewell.ts';
import { addressKey, MOST_REQUESTS_PER_SOCKET, NODE_LIMITS } from './limits.ts';
import { createConnections } from './limits_connections.ts';
import { createLingering } from './lingering.ts';
import { json, type Refusals, type Visit } from './refusals.ts';
import { type RpcError, rpcError } from './results.ts';
import { SECURITY_HEADERS, secured } from './security_headers.ts';
import { createSlowReaders } from './slow_readers.ts';
import type { Tls } from './tls.ts';

/** On which listener a request came; what stands in its headers says nothing about that. */
const listeners = new WeakMap<Socket, Listener>();
export const listenerOf = (socket: Socket | undefined): Listener => (socket && listeners.get(socket)) ?? 'tcp';

export interface NodeServer {
  /** `fd`: a socket that listens already, of who started us. */
  listen(at: { host: string; port: number; fd?: number }): Promise<AddressInfo>;
  /** Beside it, for requests of `listener`: `open` brings the server to its socket (mode, leases: its caller's). */
  beside(listener: Listener, open: (server: Server) => Promise<void>): Promise<void>;
  /** An answer that may last for ever: a stop does not wait for it. */
  lasting(outgoing: ServerResponse | undefined): void;
  /**
   * Accepts nothing more, and lets who is connected leave (farewell.ts); then nothing new is served, which `refuse` sees to. Waits for
   * what is under way (`drainMs` at most), calls `then`, and closes what is left.
   */
  close(drainMs: number, then: () => Promise<void>, refuse?: () => void): Promise<void>;
}

type Fetch = Parameters<typeof getRequestListener>[0];

export function createNodeServer(o: {
  fetch: Fetch;
  /** The short way; false: this request is not for it. */
  fast(incoming: IncomingMessage, outgoing: ServerResponse, otherwise: () => void): boolean;
  /** Its request may take longer to arrive than NODE_LIMITS says, because something else looks after it. */
  patient?(socket: Socket): boolean;
  connections: { perAddress: number; inAll: number };
  /** One connection of it may carry many clients: only what all may have bounds it. */
  manyBehind?(address: string | undefined): boolean;
  /** For tests. */
  readsWithinMs?: number;
  graceMs?: number | undefined;
  /** Of the TCP listener. */
  tls?: Tls | null;
  refusals: Refusals;
  newId(): string;
}): NodeServer {
  const { refusals, newId } = o;
  // Whoever fills one way in leaves the other one open.
  const connections = { tcp: createConnections(o.connections), tailnet: createConnections(o.connections) };
  const visitOf = (socket: Socket): Visit => {
    const address = socket.remoteAddress;
    return { address, key: addressKey(address), listener: listenerOf(socket), recorded: false };
  };
  const readers = createSlowReaders({
    patient: (socket) => o.patient?.(socket) === true,
    ...(o.readsWithinMs === undefined ? {} : { withinMs: o.readsWithinMs, lookMs: 50 }),
    cutOff(socket) {
      const error = new OpsError('limit', 'An answer was not read in time.', { hint: 'Read what you asked for.' });
      refusals.record(visitOf(socket), 'an answer that nobody reads', error);
      socket.destroy();
    },
  });
  const farewell = createFarewell(o.graceMs);
  const lingering = createLingering();
  const underWay = new Set<ServerResponse>();
  /** Sockets with a request that has not been answered. */
  const asking = new WeakSet<Socket>();
  let drained = () => {};
  const over = (outgoing: ServerResponse) => {
    underWay.delete(outgoing);
    if (underWay.size === 0) drained();
  };

  const listener = getRequestListener(o.fetch, {
    // Thrown before our routes were asked: a Host or a target that makes no URL.
    errorHandler() {
      const error = new OpsError('validation', 'The Host header or the path is malformed.', {
        hint: 'Use a plain URL.',
      });
      const visit: Visit = { address: undefined, key: 'unknown', listener: 'tcp', recorded: false };
      const id = refusals.record(visit, 'a malformed request', error);
      return secured(json(rpcError(null, error, id, -32_600), 400), SECURITY_HEADERS);
    },
  });
  function serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    underWay.add(outgoing);
    const { socket } = incoming;
    asking.add(socket);
    lingering.watch(incoming);
    farewell.asked(socket, outgoing);
    outgoing.once('close', () => {
      asking.delete(socket);
      over(outgoing);
    });
    readers.watch(socket);
    const otherwise = () => void listener(incoming, outgoing);
    if (!o.fast(incoming, outgoing, otherwise)) otherwise();
  }

  function prepared(server: Server, on: Listener): Server {
    server.maxRequestsPerSocket = MOST_REQUESTS_PER_SOCKET;
    // Who is refused gets no parser: what he has sent already is never a request, and a flood costs a socket each and no more.
    const speak = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      listeners.set(socket, on);
      if (!admitted(socket, on)) return;
      for (const listen of speak) listen.call(server, socket);
      if (!o.tls || on !== 'tcp') farewell.watch(socket);
    });
    // Over TLS HTTP begins once hands are shaken.
    if (o.tls && on === 'tcp') server.on('secureConnection', farewell.watch);
    server.on('clientError', clientError);
    servers.push(server);
    return server;
  }

  const servers: Server[] = [];
  const server = prepared(o.tls ? o.tls.server(NODE_LIMITS, serve) : createServer(NODE_LIMITS, serve), 'tcp');

  function admitted(socket: Socket, on: Listener): boolean {
    const visit = visitOf(socket);
    // Behind the socket of the tailnet stands one proxy for everybody.
    const entered = connections[on].enter(on === 'tailnet' || o.manyBehind?.(visit.address) ? null : visit.key);
    if ('leave' in entered) {
      socket.once('close', entered.leave);
      return true;
    }
    const [status, error] = entered.refused === 'address' ? TOO_MANY_OF_ONE : TOO_MANY;
    const id = refusals.record(visit, 'a connection', error);
    // Counted before the handshake, and nothing can be said before it.
    if (o.tls && on === 'tcp') socket.destroy();
    else answerBare(socket, status, rpcError(null, error, id), `retry-after: ${RETRY_S}\r\n`);
    return false;
  }

  function clientError(thrown: NodeJS.ErrnoException, socket: Socket): void {
    if (thrown.code === 'ERR_HTTP_REQUEST_TIMEOUT' && o.patient?.(socket)) return;
    const plain = thrown.code === 'ERR_SSL_HTTP_REQUEST' ? o.tls?.under(socket) : undefined;
    if (plain) {
      const error = new OpsError('validation', 'This port speaks TLS.', { hint: 'Begin the URL with https://' });
      answerBare(plain, 400, rpcError(null, error, newId(), -32_600));
      return;
    }
    // Also what failed in TLS: there is nobody to talk to.
    if (thrown.code === 'ECONNRESET' || /^ERR_(?:SSL|TLS)_/.test(thrown.code ?? '') || !socket.writable) {
      socket.destroy();
      return;
    }
    const [status, message, hint] = CLIENT_ERRORS[thrown.code ?? ''] ?? NOT_HTTP;
    const error = new OpsError('validation', message, { hint });
    const visit = visitOf(socket);
    // A request that had begun has a record of its own; one whose sender left was not refused.
    visit.recorded = asking.has(socket) || thrown.code === 'HPE_INVALID_EOF_STATE';
    const id = refusals.record(visit, 'a request that is not served', error);
    answerBare(socket, status, rpcError(null, error, id, -32_600));
  }

  return {
    async listen({ host, port, fd }) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      server.once('error', reject);
      server.listen(fd === undefined ? { host, port } : { fd }, resolve);
      try {
        await promise;
      } catch (thrown) {
        throw cannotListen(thrown as NodeJS.ErrnoException, host, port);
      }
      server.off('error', reject);
      return server.address() as AddressInfo;
    },
    beside: (on, open) => open(prepared(createServer(NODE_LIMITS, serve), on)),
    lasting(outgoing) {
      if (outgoing) over(outgoing);
    },
    async close(drainMs, then, refuse = () => {}) {
      // Not the close of node:http: that resets idle connections at once.
      const unlisten = (s: Server) => new Promise((resolve) => NetServer.prototype.close.call(s, resolve));
      const gone = servers.filter((s) => s.listening).map(unlisten);
      await farewell.begin(underWay);
      refuse();
      if (underWay.size > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, drainMs);
        drained = resolve;
        await promise;
        clearTimeout(timer);
      }
      await then();
      readers.close();
      for (const s of servers) s.closeAllConnections();
      lingering.end();
      // Ends what node:http still has ticking.
      for (const s of servers) s.close();
      o.tls?.close();
      await Promise.all(gone);
    },
  };
}

/** Idle connections end after five seconds, so that there is room again. */
const RETRY_S = 5;
const TOO_MANY_OF_ONE = [
  429,
  new OpsError('limit', 'Too many connections from this address.', {
    hint: 'Close some, or raise `http.connectionsPerAddress`.',
    retryAfterMs: RETRY_S * 1_000,
  }),
] as const;
const TOO_MANY = [
  503,
  new OpsError('limit', 'Too many connections are open.', {
    hint: 'Call again in a moment, or raise `http.connections`.',
    retryAfterMs: RETRY_S * 1_000,
  }),
] as const;

const NOT_HTTP = [400, 'This is not HTTP as it is spoken here.', 'Send plain HTTP/1.1.'] as const;
const CLIENT_ERRORS: Record<string, readonly [number, string, string]> = {
  HPE_HEADER_OVERFLOW: [431, `The headers are longer than ${NODE_LIMITS.maxHeaderSize} bytes.`, 'Send fewer.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.', 'Send it at once.'],
};

/** For a socket that has no request to answer to. */
function answerBare(socket: Socket, status: number, body: RpcError, more = ''): void {
  const text = JSON.stringify(body);
  const always = SECURITY_HEADERS.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${always}${more}connection: close\r\ncontent-type: application/json`;
  socket.on('error', () => {});
  socket.end(`${head}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`, () => socket.destroy());
}

function cannotListen(thrown: NodeJS.ErrnoException, host: string, port: number): OpsError {
  const at = `${host} port ${port}`;
  if (thrown.code === 'EADDRINUSE')
    return new OpsError('conflict', `Cannot listen on ${at}: the port is in use, perhaps by another deckhand.`, {
      hint: `\`ss -ltnp 'sport = :${port}'\` shows who holds it; \`http.port\` (--http-port) takes another one.`,
      cause: thrown,
    });
  if (thrown.code === 'EACCES')
    return new OpsError('permission', `Cannot listen on ${at}: ports below 1024 need a privilege.`, {
      hint: 'Set `http.port` (--http-port) to 1024 or more.',
      cause: thrown,
    });
  if (thrown.code === 'EADDRNOTAVAIL' || thrown.code === 'ENOTFOUND')
    return new OpsError('validation', `Cannot listen on ${at}: this host has no such address.`, {
      hint: 'Set `http.host` to one that `ip addr` shows, or to 127.0.0.1.',
      cause: thrown,
    });
  return toOpsError(thrown);
}
