/**
 * Sessions of 2025-era HTTP clients: an SDK transport and server each, bounded in number and idle time, and bound to the principal
 * that opened them. A session id is never a right: each request brings its own token, and a session of somebody else does not
 * exist. At the cap the longest idle one goes, so that a client that leaks sessions harms itself first and nobody is refused.
 */
import { randomUUID } from 'node:crypto';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server';
import { isRecord } from './behind.ts';
import type { McpFactory } from './mcp.ts';
import { KEEP_ALIVE_MS } from './streams.ts';

const SWEEP_MS = 30_000;

interface Session {
  transport: WebStandardStreamableHTTPServerTransport;
  owner: string;
  seen: number;
  /** Requests and streams under way: such a session is not idle. */
  busy: number;
}

export type Handle = (
  request: Request,
  options: Parameters<Session['transport']['handleRequest']>[1],
) => Promise<Response>;

export interface Sessions {
  /** For the `initialize` of a new one. */
  open(owner: string): Promise<Handle>;
  /** Null: there is none, or it is somebody else's; the two look the same. */
  find(id: string, owner: string): Handle | null;
  size(): number;
  sweep(): void;
  close(): Promise<void>;
}

export function createSessions(o: { factory: McpFactory; max: number; idleMs: number; now(): number }): Sessions {
  const sessions = new Map<string, Session>();
  const timer = setInterval(sweep, SWEEP_MS);
  timer.unref();

  function sweep(): void {
    for (const s of sessions.values()) if (s.busy === 0 && o.now() - s.seen > o.idleMs) void s.transport.close();
  }

  function makeRoom(): void {
    while (sessions.size >= o.max) {
      // Those at work come last, and only when all are at work does one of them go.
      const [id, victim] = [...sessions].sort(
        ([, a], [, b]) => Math.sign(a.busy) - Math.sign(b.busy) || a.seen - b.seen,
      )[0] as [string, Session];
      sessions.delete(id);
      void victim.transport.close();
    }
  }

  const handle =
    (s: Session): Handle =>
    async (request, options) => {
      s.seen = o.now();
      s.busy++;
      const end = () => {
        s.busy--;
        s.seen = o.now();
      };
      try {
        const response = await s.transport.handleRequest(request, options);
        forgetCancelled(s.transport, options?.parsedBody);
        if (!response.body) {
          end();
          return response;
        }
        return watched(response, end);
      } catch (thrown) {
        end();
        throw thrown;
      }
    };

  return {
    async open(owner) {
      sweep();
      const transport = new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        keepAliveMs: KEEP_ALIVE_MS,
        onsessioninitialized: (id) => {
          makeRoom();
          sessions.set(id, session);
        },
      });
      const session: Session = { transport, owner, seen: o.now(), busy: 0 };
      transport.onclose = () => {
        if (transport.sessionId) sessions.delete(transport.sessionId);
      };
      await o.factory().connect(transport);
      return handle(session);
    },
    find(id, owner) {
      sweep();
      const s = sessions.get(id);
      return s && s.owner === owner ? handle(s) : null;
    },
    size: () => sessions.size,
    sweep,
    async close() {
      clearInterval(timer);
      await Promise.all([...sessions.values()].map((s) => s.transport.close()));
      sessions.clear();
    },
  };
}

/**
 * What was cancelled gets no answer, and the SDK would hold the stream that was to bring it, open, for as long as the session lives: closed
 * here. The error goes nowhere, the stream being closed; it is what makes the SDK forget the request.
 */
function forgetCancelled(transport: WebStandardStreamableHTTPServerTransport, message: unknown): void {
  if (!isRecord(message) || message.method !== 'notifications/cancelled' || !isRecord(message.params)) return;
  const { requestId: id } = message.params;
  if (typeof id !== 'string' && typeof id !== 'number') return;
  transport.closeSSEStream(id);
  const error = { code: -32_000, message: 'Cancelled.' };
  transport.send({ jsonrpc: '2.0', id, error }).catch(() => {}); // answered before it was cancelled
}

/** The same response, with `end` called once its body has been read or given up. */
function watched(response: Response, end: () => void): Response {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let over = false;
  const once = () => {
    if (!over) end();
    over = true;
  };
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        once();
        controller.close();
      } catch (thrown) {
        once();
        controller.error(thrown);
      }
    },
    cancel(reason) {
      once();
      return reader.cancel(reason);
    },
  });
  return new Response(body, { status: response.status, headers: response.headers });
}
