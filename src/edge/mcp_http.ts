/**
 * One request to /mcp, once its Host, Origin and rate have passed: token, narrowing, body, then the SDK. What the door would refuse
 * for want of a right or by its rate is answered as HTTP says (401, 403, 429), with the record that the door itself makes;
 * everything the SDK serves is answered by the SDK. No rule lives here: `door.check` and `door.run` decide.
 */
import { classifyInboundRequest, createMcpHandler, type ServerEventBus } from '@modelcontextprotocol/server';
import type { Call, Log, Principal } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { holds, type Scope } from '../core/scopes.ts';
import { entryScope, leastScopes, scopesOfCall, type Tool } from '../core/tool.ts';
import type { Door } from '../policy/ports.ts';
import { type Behind, claimed, isRecord, REVISION } from './behind.ts';
import { type Message, readBody } from './body.ts';
import type { Challenges } from './challenges.ts';
import { narrowOf } from './gate.ts';
import { createConnections } from './limits_connections.ts';
import { type Caller, type McpFactory, withCaller } from './mcp.ts';
import type { Recognise } from './recognise.ts';
import { json, type Refusals, retryAfter, type Visit } from './refusals.ts';
import { rpcError, toContents, toMessages, toResult } from './results.ts';
import type { Sessions } from './sessions.ts';
import { isStream, jsonWhenSingle, KEEP_ALIVE_MS, streamWhenSlow } from './streams.ts';

/** Enough for every client of one host; each holds a connection, and those are bounded by address already. */
const MOST_SUBSCRIPTIONS = 64;
/** Streams that one principal holds open, in sessions and without: the others shall find some. */
const MOST_STREAMS_OF_ONE = 16;
const MOST_STREAMS = 256;

export interface McpRoute {
  fetch(request: Request, visit: Visit): Promise<Response>;
  /** Ends subscriptions and what is still under way. */
  close(): Promise<void>;
}

/** The MCP server that stands behind the route. */
export interface Served {
  factory: McpFactory;
  /** Which call of the door a message is; none, where the server answers by itself. */
  behind(method: string, params: unknown, modern: boolean): Behind;
  /** Where changes of lists are told. Without it there are none to tell. */
  bus?: ServerEventBus;
}

export interface McpRouteOptions {
  door: Door;
  served: Served;
  /** Null: 2025-era clients are served request by request. */
  sessions: Sessions | null;
  recognise: Recognise;
  challenges: Challenges;
  refusals: Refusals;
  maxBodyBytes: number;
  newId(): string;
  now(): number;
  log: Log;
  /** For tests: how long an answer may take before it becomes a stream. */
  streamAfterMs?: number;
}

/** One request as far as it is understood. */
interface Asked {
  request: Request;
  visit: Visit;
  caller: Caller;
  message: Message | undefined;
  what: string;
  legacy: boolean;
  /** The door will have heard of it, unless the SDK refuses it first. */
  call: boolean;
}

const NEVER = new AbortController().signal;

type CallBehind = Extract<Behind, { kind: 'call' }>;

export function createMcpRoute(o: McpRouteOptions): McpRoute {
  const { door, refusals, sessions, served } = o;
  const handler = createMcpHandler(served.factory, {
    ...(served.bus ? { bus: served.bus } : {}),
    legacy: 'stateless',
    maxSubscriptions: MOST_SUBSCRIPTIONS,
    keepAliveMs: KEEP_ALIVE_MS,
    onerror: (err) => o.log.debug({ err }, 'mcp http'),
  });
  const streams = createConnections({ perAddress: MOST_STREAMS_OF_ONE, inAll: MOST_STREAMS });
  const allow = sessions ? 'GET, POST, DELETE' : 'POST';

  async function fetch(request: Request, visit: Visit): Promise<Response> {
    const { method, headers } = request;
    const sessionId = sessions ? headers.get('mcp-session-id') : null;
    const bySession = (method === 'GET' || method === 'DELETE') && sessionId !== null;
    if (method !== 'POST' && !bySession) {
      const error = new OpsError('validation', `${method} is not served here.`, {
        hint: 'POST one JSON-RPC message; a GET or DELETE needs the Mcp-Session-Id of a 2025-era session.',
      });
      return json(rpcError(null, error, o.newId(), -32_000), 405, { allow });
    }
    const what = `${method} /mcp`;
    const found = await o.recognise(visit, (name) => headers.get(name) ?? undefined);
    if (!('principal' in found)) return refusals.answer(visit, { what, code: -32_000, ...o.challenges.refusal(found) });
    const { principal } = found;
    const narrow = narrowOf(request.url);
    if (narrow instanceof OpsError) return refusals.answer(visit, { status: 400, what, error: narrow });
    const caller: Caller = {
      face: 'mcp-http',
      principal,
      address: visit.address,
      listener: visit.listener,
      reachedAt: visit.reachedAt,
      narrow,
      recorded() {
        visit.recorded = true;
      },
    };
    const asked: Asked = { request, visit, caller, message: undefined, what, legacy: true, call: false };
    if (bySession) return inSession(asked, sessionId);

    const body = await readBody(request, o.maxBodyBytes);
    if (!body.ok) {
      const close: Record<string, string> = body.status === 413 ? { connection: 'close' } : {};
      return refusals.answer(visit, { ...body, what, headers: close });
    }
    return post({ ...asked, message: body.message }, body.message, sessionId);
  }

  async function post(asked: Asked, message: Message, sessionId: string | null): Promise<Response> {
    const { request, visit, caller } = asked;
    const { id, method, params } = message;
    asked.legacy = !isModern(message, request.headers.get('mcp-protocol-version'));
    if (asked.legacy && sessionId !== null && !sessionOf(asked, sessionId)) return sessionGone(asked);
    const target = method !== undefined && id !== undefined ? served.behind(method, params, !asked.legacy) : null;
    if (target?.kind === 'bad' && (asked.legacy || coherent(request, message))) {
      const status = target.code === -32_601 && !asked.legacy ? 404 : 200;
      return refusals.answer(visit, { ...target, status, id });
    }
    if (target?.kind === 'call') {
      const refused = await ahead(request, visit, caller, message, target);
      if (refused) return refused;
      asked.call = true;
      // 2025-11-25 would have the call go on for a client that comes back for its answer; nobody can come back here.
      if (asked.legacy) caller.gone = request.signal;
    }
    if (method === 'subscriptions/listen') {
      const refused = lasts(asked, id);
      if (refused) return refused;
    }
    asked.what = target?.what ?? (method ?? 'a response').slice(0, 160);
    const options = { parsedBody: message, authInfo: withCaller(caller) };
    if (asked.legacy && sessions) {
      if (sessionId !== null) return inSession(asked, sessionId);
      if (method === 'initialize') {
        const open = await sessions.open(caller.principal?.id ?? '');
        return finish(asked, open(request, options));
      }
    }
    return finish(asked, handler.fetch(request, options));
  }

  /** Its answer is a stream that the client holds open: there are so many of them. */
  function lasts({ visit, caller, what }: Asked, id: unknown): Response | null {
    const entered = streams.enter(caller.principal?.id ?? '');
    if ('refused' in entered) {
      const error = new OpsError('limit', 'Too many streams are open.', { hint: 'Close one.', retryAfterMs: 5_000 });
      return refusals.answer(visit, { status: 429, what, error, id, headers: retryAfter(5_000) });
    }
    visit.lasting = entered.leave;
    return null;
  }

  const sessionOf = ({ caller }: Asked, sessionId: string) => sessions?.find(sessionId, caller.principal?.id ?? '');

  /** Whatever was asked: a client opens a new session when it hears this, and only then. */
  function sessionGone({ visit, message, what }: Asked): Response {
    const error = new OpsError('not_found', 'Session not found.', {
      hint: 'It ended: send `initialize` for a new one.',
    });
    return refusals.answer(visit, { status: 404, what, error, id: message?.id, code: -32_001 });
  }

  async function inSession(asked: Asked, sessionId: string): Promise<Response> {
    const { request, caller, message } = asked;
    const handle = sessionOf(asked, sessionId);
    if (!handle) return sessionGone(asked);
    if (request.method === 'GET') {
      const refused = lasts(asked, undefined);
      if (refused) return refused;
    }
    const options = { authInfo: withCaller(caller), ...(message ? { parsedBody: message } : {}) };
    return finish(asked, handle(request, options));
  }

  /** JSON or a stream; and a record for what the SDK refused before it was a call. */
  async function finish(
    { request, visit, message, what, legacy, call }: Asked,
    work: Promise<Response>,
  ): Promise<Response> {
    let answer = work;
    if (message !== undefined) {
      if (legacy && !wantsProgress(message)) answer = answer.then(jsonWhenSingle);
      if (readsStreams(request)) answer = streamWhenSlow(answer, o.streamAfterMs);
    }
    const response = await answer;
    // A stream begins before its call does: that one makes its record itself.
    if (visit.recorded || (response.status < 400 && (!call || isStream(response)))) return response;
    refusals.record(visit, what, new OpsError('validation', `Refused by the protocol with ${response.status}.`));
    return response;
  }

  /** The 401, 403 or 429 that this call would meet at the door; the door refuses it for the record. Null: it may go on. */
  async function ahead(
    request: Request,
    visit: Visit,
    caller: Caller,
    message: Message,
    target: CallBehind,
  ): Promise<Response | null> {
    const call: Call = {
      id: '',
      face: 'mcp-http',
      tool: target.tool,
      args: target.args,
      principal: caller.principal,
      signal: NEVER,
      ...(caller.address === undefined ? {} : { address: caller.address }),
      listener: visit.listener,
      ...(caller.narrow === undefined ? {} : { narrow: caller.narrow }),
    };
    const tool = door.catalog.tools.find((t) => t.name === target.tool);
    const refusal = httpRefusal(tool, call, door.check(call), door, o.now(), o.challenges);
    if (!refusal) return null;
    // Made only now, because this question is asked of every call and nearly none is refused.
    Object.assign(call, { id: o.newId(), signal: request.signal });
    const outcome = await door.run(call);
    visit.recorded = true;
    if (outcome.status === 'failed')
      return json(rpcError(message.id, outcome.error, call.id), refusal.status, refusal.headers(outcome.error));
    // A token bucket may have been refilled, or a scope granted, between the question and the call: then it was answered.
    const result = target.resource
      ? toContents(String((message.params as { uri?: unknown }).uri), outcome, call.id)
      : target.prompt
        ? toMessages(target.prompt, outcome, call.id)
        : toResult(outcome, call.id);
    return json({ jsonrpc: '2.0', id: message.id, result: { resultType: 'complete', ...result } }, 200);
  }

  return { fetch, close: () => handler.close() };
}

interface HttpRefusal {
  status: 401 | 403 | 429;
  headers(error: OpsError): Record<string, string>;
}

/** Which refusals (`error`: of `door.check`) HTTP has words for. A mode that forbids changes is none of them: no other token would help. */
export function httpRefusal(
  tool: Tool | undefined,
  call: Call,
  error: OpsError | null,
  door: Door,
  now: number,
  challenges: Challenges,
): HttpRefusal | null {
  if (error?.code === 'limit') return { status: 429, headers: (e) => retryAfter(e.details.retryAfterMs) };
  if (error && error.code !== 'permission') return null;
  const { principal } = call;
  const expired = (p: Principal) => p.expiresAtMs !== null && p.expiresAtMs <= now;
  // Without an error the door has just found it valid: asking again would read the token file once more.
  if (!principal || (error && (!principal.valid() || expired(principal))))
    return { status: 401, headers: () => challenges.expired() };
  const needed = tool ? scopesNeeded(tool, call.args, principal) : [];
  if (needed.every((s) => holds(principal.scopes, s))) return null;
  // Would all scopes help? Where the mode forbids it, they would not, and the door's own words say so.
  const all: ReadonlySet<Scope> = new Set(['admin']);
  if (!door.visible({ ...principal, scopes: all, own: all }, call.narrow).includes(tool as Tool)) return null;
  return { status: 403, headers: () => challenges.insufficientScope(needed) };
}

/** All scopes of this very call, so that one step-up is enough: the least one, and what its arguments need where they are valid. */
function scopesNeeded(tool: Tool, args: unknown, who: Principal): Scope[] {
  const parsed = tool.scopes.of ? tool.input.safeParse(args) : undefined;
  if (parsed?.success) return scopesOfCall(tool, parsed.data);
  const entry = entryScope(tool, (s) => holds(who.scopes, s));
  return [...leastScopes(tool), ...(entry ? [entry] : [])];
}

const isModern = ({ params }: Message, header: string | null): boolean =>
  (header !== null && header.trim() >= '2026') || claimed(params) !== undefined;

/**
 * Its headers and its envelope say the same, and the revision is ours. Of any other message the SDK says what is wrong (-32020, -32022)
 * before anybody looks at what it asks: to a client of a later revision an unknown method would otherwise look like an old server.
 */
function coherent({ headers }: Request, message: Message): boolean {
  const version = headers.get('mcp-protocol-version');
  const method = headers.get('mcp-method');
  if (version !== REVISION || method === null) return false;
  const found = classifyInboundRequest({
    httpMethod: 'POST',
    protocolVersionHeader: version,
    mcpMethodHeader: method,
    body: message,
  });
  // A shape that is wrong in itself is said better by us.
  return found.kind === 'modern' || (found.kind === 'reject' && found.rung === 'jsonrpc-shape');
}

const wantsProgress = ({ params }: Message): boolean =>
  isRecord(params) && isRecord(params._meta) && params._meta.progressToken !== undefined;

/** A client that cannot read a stream waits for its JSON. */
function readsStreams(request: Request): boolean {
  const accept = request.headers.get('accept');
  return accept !== null && /text\/event-stream|\*\/\*/.test(accept);
}
