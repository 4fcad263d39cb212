/**
 * MCP itself: one factory of low-level SDK servers for both transports and both protocol eras. Every call, and every resource and
 * prompt as a call of the tool behind it, goes through the door; nothing is decided here. McpServer.registerTool is not used,
 * because it checks arguments before our code runs: a malformed call would never reach the door and leave no record.
 */
import {
  CLIENT_INFO_META_KEY,
  type GetPromptResult,
  type McpRequestContext,
  ProtocolError,
  ProtocolErrorCode,
  type ReadResourceResult,
  type RequestId,
  Server,
  type ServerContext,
  type ServerOptions,
} from '@modelcontextprotocol/server';
import type { Call, ClientAnswer, Face, Log, Narrow, Outcome, Principal, Progress } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import type { Door } from '../policy/ports.ts';
import { type Behind, behind, isRecord } from './behind.ts';
import { capabilitiesOf, identityOf, instructions, LIST_HINT, type ServerFacts } from './introduction.ts';
import { createLists } from './listing.ts';
import { createQuestions, verifyState } from './questions.ts';
import { protocolError, toContents, toMessages, toResult } from './results.ts';

/** Who is at the other end of one request. On HTTP it travels with the request; on stdio it is the same for all of them. */
export interface Caller {
  face: Face;
  principal: Principal | undefined;
  address?: string | undefined;
  listener?: Call['listener'];
  reachedAt?: string | undefined;
  narrow?: Narrow | undefined;
  /** The request has its audit record: whoever refuses it from here on must not write another. */
  recorded(id: RequestId): void;
  /** The connection that the answer would go to is gone. Absent where the SDK itself takes that for a cancelled request. */
  gone?: AbortSignal;
}

export interface McpOptions {
  door: Door;
  /** Null: each request brings its own (`withCaller`). */
  caller: Caller | null;
  info: ServerFacts;
  log: Log;
  newId(): string;
  /** For tests: how long a client's user may think. */
  askMs?: number;
}

export type McpFactory = (ctx?: Partial<McpRequestContext>) => Server;

export function createMcpFactory(o: McpOptions): McpFactory {
  const { door } = o;
  const { catalog } = door;
  const lists = createLists(catalog);
  const identity = identityOf(o.info);
  const options: ServerOptions = {
    instructions: instructions(o.info),
    capabilities: capabilitiesOf(catalog),
    cacheHints: {
      'server/discover': LIST_HINT,
      'tools/list': LIST_HINT,
      'resources/list': LIST_HINT,
      'resources/templates/list': LIST_HINT,
      'prompts/list': LIST_HINT,
      'resources/read': { ttlMs: 0, cacheScope: 'private' },
    },
    // The SDK would build an Ajv for each server, that is for each HTTP request, to check answers that policy judges anyway.
    jsonSchemaValidator: {
      getValidator: () => () => ({ valid: false, data: undefined, errorMessage: 'not used here' }),
    },
    requestState: { verify: verifyState },
  };

  return (context) => {
    const server = new Server(identity, options);
    const { log, askMs } = o;
    const modern = context?.era === 'modern';
    const questions = createQuestions({
      server,
      modern,
      host: o.info.hostname,
      log,
      ...(askMs === undefined ? {} : { askMs }),
    });
    const callerOf = (ctx: ServerContext): Caller => {
      const caller = o.caller ?? carried(ctx);
      if (!caller) throw new ProtocolError(ProtocolErrorCode.InternalError, 'The request came without its caller.');
      return caller;
    };
    const seen = (ctx: ServerContext) => {
      const { principal, narrow } = callerOf(ctx);
      return lists(door.visible(principal, narrow));
    };

    /** One walk through the door, with what this request has: its signal, its progress token, its client. */
    async function walk(target: Behind, ctx: ServerContext, answer?: ClientAnswer | null): Promise<Walked> {
      const caller = callerOf(ctx);
      const id = o.newId();
      caller.recorded(ctx.mcpReq.id);
      if (target.kind !== 'call') {
        // The transports ask `behind` first and answer this themselves; this is for a transport that forgot to.
        const error =
          target.kind === 'bad' ? target.error : new OpsError('internal', 'No call stands behind this request.');
        door.refused({ ...caller, id, what: target.what, reason: error });
        throw protocolError(error, id);
      }
      const client = clientOf(ctx, server);
      const progress = progressOf(ctx, o.log);
      const cancel = cancelled(ctx.mcpReq.signal, caller.gone);
      const call: Call = {
        id,
        face: caller.face,
        tool: target.tool,
        args: target.args,
        principal: caller.principal,
        signal: cancel.signal,
        ...(caller.address === undefined ? {} : { address: caller.address }),
        ...(caller.listener === undefined ? {} : { listener: caller.listener }),
        ...(caller.reachedAt === undefined ? {} : { reachedAt: caller.reachedAt }),
        ...(caller.narrow === undefined ? {} : { narrow: caller.narrow }),
        ...(client === undefined ? {} : { client }),
        ...(progress === undefined ? {} : { progress }),
        ...(answer ? { answer } : {}),
      };
      try {
        return { outcome: await door.run(call), id };
      } finally {
        cancel.release();
      }
    }

    server.setRequestHandler('tools/list', (_request, ctx) => ({ tools: seen(ctx).tools }));
    server.setRequestHandler('tools/call', async ({ params }, ctx) => {
      const target = behind('tools/call', params, catalog);
      const reply = questions.reply(ctx);
      let walked = await walk(target, ctx, reply?.answer);
      const ask = walked.outcome.status === 'pending' ? walked.outcome.ask : undefined;
      if (ask && questions.may(ask, reply, ctx)) {
        if (modern) return questions.result(ask, walked.id);
        // The caller waits; its answer makes this the call of somebody who was asked. Asked once: a second question in a row is told.
        const left = cancelled(ctx.mcpReq.signal, callerOf(ctx).gone);
        const answer = await questions.put(ask, ctx, left.signal).finally(left.release);
        if (answer) walked = await walk(target, ctx, answer);
      }
      const { outcome, id } = walked;
      // The spec's answer to a tool that does not exist is an error of the protocol, not a result of the tool.
      if (outcome.status === 'failed' && outcome.error.code === 'not_found' && !knows(door, callerOf(ctx), params.name))
        throw protocolError(outcome.error, id);
      return toResult(outcome, id);
    });

    if (catalog.resources.length > 0) {
      server.setRequestHandler('resources/list', (_request, ctx) => ({ resources: seen(ctx).resources }));
      server.setRequestHandler('resources/templates/list', (_request, ctx) => ({
        resourceTemplates: seen(ctx).templates,
      }));
      server.setRequestHandler('resources/read', async ({ params }, ctx): Promise<ReadResourceResult> => {
        const { outcome, id } = await walk(behind('resources/read', params, catalog), ctx);
        if (outcome.status === 'failed') throw protocolError(outcome.error, id, params.uri);
        return toContents(params.uri, outcome, id);
      });
    }
    if (catalog.prompts.length > 0) {
      server.setRequestHandler('prompts/list', (_request, ctx) => ({ prompts: seen(ctx).prompts }));
      server.setRequestHandler('prompts/get', async ({ params }, ctx): Promise<GetPromptResult> => {
        const target = behind('prompts/get', params, catalog);
        const { outcome, id } = await walk(target, ctx);
        if (outcome.status === 'failed') throw protocolError(outcome.error, id);
        return toMessages(target.kind === 'call' ? target.prompt : undefined, outcome, id);
      });
    }
    server.onerror = (error) => o.log.debug({ err: error }, 'mcp');
    return server;
  };
}

interface Walked {
  outcome: Outcome;
  /** Of the call, as in its record. */
  id: string;
}

/** A caller rides in the SDK's `authInfo`, the one thing that it carries from a request to a handler. No token goes along. */
export const withCaller = (caller: Caller) => ({
  token: '',
  clientId: caller.principal?.id ?? '',
  scopes: [],
  extra: { caller },
});
const carried = (ctx: ServerContext) => ctx.http?.authInfo?.extra?.caller as Caller | undefined;

export const knows = (door: Door, { principal, narrow }: Pick<Caller, 'principal' | 'narrow'>, name: string) =>
  door.visible(principal, narrow).some((t) => t.name === name);

/**
 * The SDK aborts with whatever the client wrote as its reason, or with an error of its own: to the door both are a caller who left.
 * Released when the call is over, because the SDK aborts then, too, and making that reason is not free.
 */
function cancelled(...signals: (AbortSignal | undefined)[]): { signal: AbortSignal; release(): void } {
  const stop = new AbortController();
  const left = () => stop.abort(new DOMException('The caller cancelled.', 'AbortError'));
  for (const signal of signals)
    if (signal?.aborted) left();
    else signal?.addEventListener('abort', left, { once: true });
  return {
    signal: stop.signal,
    release() {
      for (const signal of signals) signal?.removeEventListener('abort', left);
    },
  };
}

const MOST_CLIENT = 100;

function clientOf(ctx: ServerContext, server: Server): string | undefined {
  const envelope = ctx.mcpReq.envelope as Record<string, unknown> | undefined;
  return clientName(envelope?.[CLIENT_INFO_META_KEY] ?? server.getClientVersion());
}

/** Display only: whoever decides a right by this has a bug. */
export function clientName(said: unknown): string | undefined {
  if (!isRecord(said) || typeof said.name !== 'string') return undefined;
  return `${said.name}/${typeof said.version === 'string' ? said.version : '?'}`.slice(0, MOST_CLIENT);
}

/** Only for a client that sent a token: without one there is nobody to tell. How often is the door's to say. */
function progressOf(ctx: ServerContext, log: Log): ((p: Progress) => void) | undefined {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return undefined;
  let last = Number.NEGATIVE_INFINITY;
  return ({ done, total, text }) => {
    // The spec: it must rise with each notification.
    if (done <= last || ctx.mcpReq.signal.aborted) return;
    last = done;
    const params = {
      progressToken,
      progress: done,
      ...(total === undefined ? {} : { total }),
      ...(text === undefined ? {} : { message: text }),
    };
    ctx.mcpReq
      .notify({ method: 'notifications/progress', params })
      .catch((err: unknown) => log.debug({ err }, 'progress could not be sent'));
  };
}
