/**
 * The HTTP face: routes, the order of what comes before them, listening and stopping. In this order: Host, Origin, rate of the address,
 * then the route; /mcp asks for a token before it reads a body. Health answers to everybody who may knock and says nothing else.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Hono } from 'hono/tiny';
import { OpsError } from '../core/errors.ts';
import type { Listener } from '../policy/credentials.ts';
import { createApprovalRoute } from './approvals.ts';
import { behind } from './behind.ts';
import { nameToTell } from './binding.ts';
import { createChallenges } from './challenges.ts';
import { createAddressOf, createTrusts } from './client.ts';
import { createEarly } from './early.ts';
import { createFast } from './fast.ts';
import { createGate } from './gate.ts';
import { createHeads, perHead } from './heads.ts';
import type { HttpOptions } from './http_options.ts';
import { newCallId } from './ids.ts';
import { identityOf } from './introduction.ts';
import { addressKey } from './limits.ts';
import { createAdmission, credentialOf, rateFields, rateHeaders } from './limits_admission.ts';
import { createMcpFactory } from './mcp.ts';
import { createMcpRoute, type Served } from './mcp_http.ts';
import { createMeasureRoute } from './measure.ts';
import { createNodeServer, listenerOf } from './node_server.ts';
import { challengeFacts, metadata, metadataPaths } from './oauth.ts';
import { createRecognise } from './recognise.ts';
import { createRefusals, json, type Refusal, type Visit } from './refusals.ts';
import { rpcError } from './results.ts';
import { OVER_TLS, SECURITY_HEADERS, secured } from './security_headers.ts';
import { createSessions } from './sessions.ts';
import { isStream } from './streams.ts';
import { peerOf, reachedAt } from './tailnet_socket.ts';
import { createTransferRoute } from './transfers.ts';

const DRAIN_MS = 10_000;

export type { HttpOptions, HttpSettings } from './http_options.ts';

type Env = { Bindings: { incoming?: IncomingMessage; outgoing?: ServerResponse }; Variables: { visit: Visit } };

export interface HttpFace {
  app: Hono<Env>;
  /** Resolves when connections are accepted; `url` is what a client needs. */
  listen(): Promise<{ url: string }>;
  /** One more listener with the same routes; `open` brings the server to its socket. */
  beside(listener: Listener, open: (server: Server) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

interface Knock {
  visit: Visit;
  refused: Omit<Refusal, 'what'> | null;
}
const KNOCK = Symbol('knock');
type Knocking = IncomingMessage & { [KNOCK]?: Knock };

/** The headers by which it is decided who may knock. */
interface Deciding {
  host?: string | undefined;
  origin?: string | undefined;
  authorization?: string | undefined;
}

interface Judged {
  from: Pick<Visit, 'address' | 'key' | 'listener' | 'reachedAt' | 'credential' | 'hashed'>;
  refused: Omit<Refusal, 'what'> | null;
}

export function createHttp(o: HttpOptions): HttpFace {
  const { door, info, log, newId = newCallId } = o;
  return mount(o, {
    factory: createMcpFactory({
      door,
      caller: null,
      info,
      log,
      newId,
      ...(o.askMs === undefined ? {} : { askMs: o.askMs }),
    }),
    behind: (method, params, modern) => behind(method, params, door.catalog, modern),
  });
}

/** The face without what it serves: all that stands before and around an MCP server. The conformance suite's fixture stands here, too. */
export function mount(o: HttpOptions, served: Served): HttpFace {
  const { door, info, log, http, newId = newCallId, now = Date.now, drainMs = DRAIN_MS } = o;
  const headers = o.tls ? OVER_TLS : SECURITY_HEADERS;
  const addressOf = createAddressOf(http.trustedProxies ?? []);
  // Whoever is shown our certificate for a name has asked for us by that name: no page can have led them here under it.
  const certified = (o.tls?.facts().names ?? []).map((n) => (n.includes(':') ? `[${n}]` : n));
  const gate = createGate({ ...http, allowedHosts: [...http.allowedHosts, ...certified], url: http.url ?? null });
  const { tier, shared } = o;
  const admission = createAdmission({
    perMinute: http.requestsPerMinutePerAddress,
    now,
    ...(tier ? { tier } : {}),
    shared,
  });
  const refusals = createRefusals({ door, newId });
  const { enabled, max, idleMinutes } = http.sessions;
  const sessions = enabled ? createSessions({ factory: served.factory, max, idleMs: idleMinutes * 60_000, now }) : null;
  const recognise = createRecognise(o.authenticate, admission);
  const challenges = createChallenges(challengeFacts(o.resource ?? null));
  const mcp = createMcpRoute({
    door,
    served,
    sessions,
    recognise,
    challenges,
    refusals,
    maxBodyBytes: http.maxBodyBytes,
    newId,
    now,
    log,
    ...(o.streamAfterMs === undefined ? {} : { streamAfterMs: o.streamAfterMs }),
  });
  let boundPort = http.port;
  let closing = false;
  const told = nameToTell(http.host, o.tls?.facts().names ?? null);
  const endpoint = () => `${http.url ?? `http${o.tls ? 's' : ''}://${told}:${boundPort}`}/mcp`;

  /** What a head says by itself, and from where it comes. Nothing here may count or look anything up: it is asked once for each head. */
  function judge(incoming: IncomingMessage | undefined, { host, origin, authorization }: Deciding): Judged {
    const listener = listenerOf(incoming?.socket);
    const address = listener === 'tailnet' ? peerOf(incoming) : addressOf(incoming);
    const from = {
      address,
      key: addressKey(address),
      listener,
      ...(incoming && listener === 'tailnet' && !http.url ? { reachedAt: reachedAt(incoming) } : {}),
      ...credentialOf({ listener, address }, authorization),
    };
    const odd = incoming && gate.line(incoming, host);
    if (odd) return { from, refused: { status: 400, error: odd, code: -32_600 } };
    const stranger = gate.host(host) ?? gate.origin(origin, listener === 'tailnet' ? undefined : host);
    return { from, refused: stranger && { status: 403, error: stranger, code: -32_000 } };
  }
  /** What comes before the route, on either way, and once for each request: Host, Origin, rate of the address. */
  function knock({ from, refused }: Judged, counted: boolean): Knock {
    const visit: Visit = { ...from, recorded: false };
    if (refused) return { visit, refused };
    const error = counted ? admission.take(visit) : null;
    return { visit, refused: error && { status: 429, error, headers: rateHeaders(visit, error) } };
  }
  const headOf = createHeads();
  const judged = perHead((incoming) => judge(incoming, incoming.headers));
  /** Asked by each way that a request is tried on, and made once. */
  function knocked(incoming: Knocking): Knock {
    incoming[KNOCK] ??= knock(judged(incoming, headOf(incoming)), true);
    return incoming[KNOCK];
  }
  const admitted = (incoming: IncomingMessage): Visit | null => {
    const { visit, refused } = knocked(incoming);
    return refused === null && !closing ? visit : null;
  };
  const early = createEarly({
    knock: (incoming) => (closing ? null : knocked(incoming)),
    recognise,
    challenges,
    refusals,
    headers,
  });
  const fast = createFast({
    door,
    behind: served.behind,
    identity: identityOf(info),
    recognise,
    challenges,
    headOf,
    knock: admitted,
    maxBodyBytes: http.maxBodyBytes,
    headers,
    newId,
    now,
    log,
    ...(o.streamAfterMs === undefined ? {} : { streamAfterMs: o.streamAfterMs }),
  });

  /** Of routes that are served without Hono. */
  const bare = {
    recognise,
    challenges,
    knock: admitted,
    lasting: (outgoing: ServerResponse) => node.lasting(outgoing),
    refusals,
    headers,
    newId,
  };
  const files = o.transfers
    ? createTransferRoute({ desk: o.transfers, ...bare, ...(o.idleMs === undefined ? {} : { idleMs: o.idleMs }) })
    : null;
  const { hostname } = info;
  const decided = o.links
    ? createApprovalRoute({ links: o.links, ...bare, hostname, url: http.url ?? null, log, now })
    : null;
  const measured = o.measures ? createMeasureRoute({ desk: o.measures, ...bare }) : null;

  const app = new Hono<Env>();

  app.use(async (c, next) => {
    const origin = c.req.header('origin');
    const health = c.req.path === '/healthz' || c.req.path === '/readyz';
    const host = c.req.header('host') ?? new URL(c.req.url).host;
    const { visit, refused } =
      (c.env?.incoming as Knocking | undefined)?.[KNOCK] ??
      knock(judge(c.env?.incoming, { host, origin, authorization: c.req.header('authorization') }), !health);
    c.set('visit', visit);
    if (refused) {
      c.res = secured(refusals.answer(visit, { ...refused, what: asked(c.req) }), headers);
      return;
    }
    if (closing) {
      const error = new OpsError('unavailable', 'The server is stopping.', { hint: 'Call again in a moment.' });
      c.res = secured(json(rpcError(null, error, newId()), 503, { connection: 'close', 'retry-after': '2' }), headers);
      return;
    }
    // On a socket they are set ahead: touching the headers of an answer would unpack it, for each call anew.
    const outgoing = c.env?.outgoing;
    if (outgoing) for (const [name, value] of headers) outgoing.setHeader(name, value);
    await next();
    if (!outgoing) secured(c.res, headers);
    const fields = rateFields(visit);
    for (let i = 0; i < fields.length; i += 2)
      if (!outgoing) c.res.headers.set(fields[i] as string, fields[i + 1] as string);
      else if (!outgoing.headersSent) outgoing.setHeader(fields[i] as string, fields[i + 1] as string);
    // A page of an allowed origin may also read the answer; without these two headers the allowance would be worth nothing.
    if (origin !== undefined) {
      c.res.headers.set('access-control-allow-origin', origin);
      c.res.headers.set(
        'access-control-expose-headers',
        'mcp-session-id, www-authenticate, retry-after, ratelimit, ratelimit-policy',
      );
      c.res.headers.append('vary', 'origin');
    }
  });

  app.get('/healthz', () => (o.live() ? json({ live: true }, 200) : json({ live: false }, 503)));
  app.get('/readyz', () => {
    const state = o.ready();
    return json(state, state.ready ? 200 : 503);
  });
  const { resource } = o;
  // Also for who has no token yet: that is what it is for.
  if (resource) for (const path of metadataPaths(resource)) app.get(path, () => json(metadata(resource), 200));
  app.all('/sse', () => {
    const error = new OpsError('not_found', 'HTTP+SSE of 2024 is not served.', {
      hint: `Use Streamable HTTP at ${endpoint()}`,
    });
    return json({ ...rpcError(null, error, newId(), -32_000), url: endpoint() }, 410);
  });
  app.options('/mcp', (c) =>
    c.req.header('origin') === undefined
      ? mcp.fetch(c.req.raw, c.get('visit'))
      : new Response(null, {
          status: 204,
          headers: {
            'access-control-allow-methods': 'POST, GET, DELETE',
            'access-control-allow-headers':
              'authorization, content-type, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, last-event-id',
            'access-control-max-age': '600',
          },
        }),
  );
  app.all('/mcp', async (c) => {
    const visit = c.get('visit');
    const response = await mcp.fetch(c.req.raw, visit).catch((thrown) => {
      visit.lasting?.();
      throw thrown;
    });
    const outgoing = c.env?.outgoing;
    if (visit.lasting) {
      node.lasting(outgoing);
      if (isStream(response) && outgoing?.destroyed === false) outgoing.once('close', visit.lasting);
      else visit.lasting();
    }
    return response;
  });
  app.notFound((c) => {
    const error = new OpsError('not_found', `Nothing is at ${c.req.path.slice(0, 100)}.`, {
      hint: `MCP is at ${endpoint()}`,
    });
    return json(rpcError(null, error, newId(), -32_000), 404);
  });
  app.onError((thrown, c) => {
    const callId = newId();
    log.error({ call: callId, err: thrown }, 'http request failed inside');
    const error = new OpsError('internal', 'Something failed inside the server.', {
      hint: 'The server log has the cause under this call id.',
    });
    const visit = c.get('visit');
    if (visit && !visit.recorded) refusals.record(visit, asked(c.req), error);
    return json(rpcError(null, error, callId), 500);
  });

  const node = createNodeServer({
    fetch: app.fetch,
    fast: (incoming, outgoing, otherwise) =>
      early.take(incoming, outgoing) ||
      fast.take(incoming, outgoing, otherwise) ||
      files?.take(incoming, outgoing) ||
      measured?.take(incoming, outgoing) ||
      decided?.take(incoming, outgoing) === true,
    patient: (socket) => files?.patient(socket) === true,
    connections: { perAddress: http.connectionsPerAddress, inAll: http.connections ?? 1_024 },
    manyBehind: createTrusts(http.trustedProxies ?? []),
    tls: o.tls ?? null,
    graceMs: o.graceMs,
    refusals,
    newId,
  });
  let closed: Promise<void> | null = null;
  return {
    app,
    async listen() {
      const { address: host = http.host, port, fd } = http;
      boundPort = (await node.listen({ host, port, ...(fd === undefined ? {} : { fd }) })).port;
      o.transfers?.servedAt(endpoint().replace(/\/mcp$/, '/transfers'));
      return { url: endpoint() };
    },
    beside: node.beside,
    close() {
      const then = async () => {
        fast.close();
        files?.close();
        measured?.close();
        await sessions?.close();
        await mcp.close();
      };
      closed ??= node.close(drainMs, then, () => {
        closing = true;
      });
      return closed;
    },
  };
}

/** For records. Who reads them must not be able to use a transfer's handle, or a link. */
const asked = ({ method, path }: { method: string; path: string }) =>
  `${method} ${/^\/(?:transfers|approvals)(?=\/)/.exec(path)?.[0] ?? path}`.slice(0, 160);
