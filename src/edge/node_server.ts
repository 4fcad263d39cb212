/**
 * The socket side of the HTTP face: node:http with its time limits, open connections by address, what is no HTTP at all, the port
 * that is taken, and a stop that lets answers under way finish. What a request means is decided in http.ts.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { OpsError, toOpsError } from '../core/errors.ts';
import type { Listener } from '../policy/credentials.ts';
import { addressKey, createConnections, MOST_REQUESTS_PER_SOCKET, NODE_LIMITS } from './limits.ts';
import { json, type Refusals, type Visit } from './refusals.ts';
import { type RpcError, rpcError } from './results.ts';

/** On which listener a request came; what stands in its headers says nothing about that. */
const listeners = new WeakMap<Socket, Listener>();
export const listenerOf = (socket: Socket | undefined): Listener => (socket && listeners.get(socket)) ?? 'tcp';

export interface NodeServer {
  listen(at: { host: string; port: number }): Promise<AddressInfo>;
  /** Beside it, for requests of `listener`: `open` brings the server to its socket (mode, leases: its caller's). */
  beside(listener: Listener, open: (server: Server) => Promise<void>): Promise<void>;
  /** An answer that may last for ever: a stop does not wait for it. */
  lasting(outgoing: ServerResponse | undefined): void;
  /** Accepts nothing more, waits for what is under way (`drainMs` at most), calls `then`, and closes what is left. */
  close(drainMs: number, then: () => Promise<void>): Promise<void>;
}

type Fetch = Parameters<typeof getRequestListener>[0];

export function createNodeServer(o: {
  fetch: Fetch;
  /** The short way; false: this request is not for it. */
  fast(incoming: IncomingMessage, outgoing: ServerResponse, otherwise: () => void): boolean;
  /** Its request may take longer to arrive than NODE_LIMITS says, because something else looks after it. */
  patient?(socket: Socket): boolean;
  connectionsPerAddress: number;
  refusals: Refusals;
  newId(): string;
}): NodeServer {
  const { refusals, newId } = o;
  const connections = createConnections(o.connectionsPerAddress);
  const underWay = new Set<ServerResponse>();
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
      return json(rpcError(null, error, refusals.record(visit, 'a malformed request', error), -32_600), 400);
    },
  });
  function serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    underWay.add(outgoing);
    outgoing.once('close', () => over(outgoing));
    const otherwise = () => void listener(incoming, outgoing);
    if (!o.fast(incoming, outgoing, otherwise)) otherwise();
  }

  function prepared(server: Server, on: Listener): Server {
    server.maxRequestsPerSocket = MOST_REQUESTS_PER_SOCKET;
    server.on('connection', (socket: Socket) => {
      listeners.set(socket, on);
      // Behind the Unix socket stands one proxy for everybody.
      if (on === 'tcp') connected(socket);
    });
    server.on('clientError', clientError);
    servers.push(server);
    return server;
  }

  const servers: Server[] = [];
  const server = prepared(createServer(NODE_LIMITS, serve), 'tcp');

  function connected(socket: Socket): void {
    const address = socket.remoteAddress;
    const key = addressKey(address);
    const leave = connections.enter(key);
    if (leave) {
      socket.once('close', leave);
      return;
    }
    const error = new OpsError('limit', 'Too many connections from this address.', {
      hint: 'Close some, or raise `http.connectionsPerAddress`.',
    });
    const id = refusals.record({ address, key, listener: 'tcp', recorded: false }, 'a connection', error);
    answerBare(socket, 429, rpcError(null, error, id));
  }

  function clientError(thrown: NodeJS.ErrnoException, socket: Socket): void {
    if (thrown.code === 'ERR_HTTP_REQUEST_TIMEOUT' && o.patient?.(socket)) return;
    if (thrown.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const [status, message, hint] = CLIENT_ERRORS[thrown.code ?? ''] ?? NOT_HTTP;
    answerBare(socket, status, rpcError(null, new OpsError('validation', message, { hint }), newId(), -32_600));
  }

  return {
    async listen({ host, port }) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      server.once('error', reject);
      server.listen({ host, port }, resolve);
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
    async close(drainMs, then) {
      const gone = servers.filter((s) => s.listening).map((s) => new Promise((resolve) => s.close(resolve)));
      if (underWay.size > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, drainMs);
        drained = resolve;
        await promise;
        clearTimeout(timer);
      }
      await then();
      for (const s of servers) s.closeAllConnections();
      await Promise.all(gone);
    },
  };
}

const NOT_HTTP = [400, 'This is not HTTP as it is spoken here.', 'Send plain HTTP/1.1.'] as const;
const CLIENT_ERRORS: Record<string, readonly [number, string, string]> = {
  HPE_HEADER_OVERFLOW: [431, `The headers are longer than ${NODE_LIMITS.maxHeaderSize} bytes.`, 'Send fewer.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.', 'Send it at once.'],
};

/** For a socket that has no request to answer to. */
function answerBare(socket: Socket, status: number, body: RpcError): void {
  const text = JSON.stringify(body);
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/json`;
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
