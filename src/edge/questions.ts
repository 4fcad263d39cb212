/**
 * A question of the door, put to the client's user: as an `input_required` result to a client of 2026-07-28, as a request of ours while the
 * call is open to one of 2025-11-25. Whether there is a question, and what an answer is worth, policy decides: here is only the form
 * of both, who can be asked, and for how long.
 *
 * What goes out as `requestState` is the handle of the approval and nothing else. That needs no seal: it is random, and everything it stands
 * for lies in the store (principal, tool, input, state before, ten minutes, one use), so that a handle which is forged, foreign, old,
 * used, or sent along with other arguments finds nothing that it could answer.
 */
import {
  CLIENT_CAPABILITIES_META_KEY,
  type ElicitRequestFormParams,
  type InputRequiredResult,
  inputRequired,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Ask, ClientAnswer, Log } from '../core/call.ts';
import { isRecord } from './behind.ts';

/** Shorter than most clients wait for a call, so that it ends with the plain answer and not with their time-out. */
export const ASK_MS = 55_000;
/** Open at once on one connection: nobody reads more dialogs than that, and each keeps a request open. */
const MOST_OPEN = 4;
const KEY = 'approval';
const HANDLE = /^a_[a-z2-7]{16,40}$/;

/** One field that must be filled in: a client that accepts forms unread, or sends them back empty, has not said yes. */
const FORM: ElicitRequestFormParams['requestedSchema'] = {
  type: 'object',
  properties: {
    decision: { type: 'string', title: 'Decision', description: 'Approve it this once?', enum: ['approve', 'deny'] },
  },
  required: ['decision'],
};

/** What a repeated call of 2026-07-28 brings with it. */
export interface Reply {
  /** The question it is about. */
  handle: string;
  /** Absent: neither yes nor no. */
  answer?: ClientAnswer;
}

export interface Questions {
  /** Null: it brings none, and is a call like any other. */
  reply(ctx: ServerContext): Reply | null;
  /** Whether this client can be asked, and has not just been asked this. */
  may(ask: Ask, reply: Reply | null, ctx: ServerContext): boolean;
  /** The answer that is a question. */
  result(ask: Ask, callId: string): InputRequiredResult;
  /** Null: no answer came, and the call is answered as without a question. */
  put(ask: Ask, ctx: ServerContext, left: AbortSignal): Promise<ClientAnswer | null>;
}

export function createQuestions(o: {
  server: Server;
  modern: boolean;
  /** Named first: who uses several hosts must see which one asks. */
  host: string;
  log: Log;
  askMs?: number;
}): Questions {
  const { server, modern, log, askMs = ASK_MS } = o;
  const words = (ask: Ask) => `Host ${o.host.replace(/[^\w.-]/g, '-').slice(0, 64)}: ${ask.message}`;
  let open = 0;
  const able = ({ envelope }: ServerContext['mcpReq']) =>
    takesForms(
      modern
        ? (envelope as Record<string, unknown> | undefined)?.[CLIENT_CAPABILITIES_META_KEY]
        : server.getClientCapabilities(),
    );
  return {
    reply({ mcpReq }) {
      const handle = modern ? mcpReq.requestState<unknown>() : undefined;
      if (typeof handle !== 'string') return null;
      // Who cannot be asked has not been asked.
      const answer = able(mcpReq) ? answerOf(handle, mcpReq.inputResponses?.[KEY]) : null;
      return { handle, ...(answer ? { answer } : {}) };
    },
    // A client that answers without deciding (an empty form) would be asked for ever.
    may: (ask, reply, { mcpReq }) => reply?.handle !== ask.handle && able(mcpReq),
    result(ask, callId) {
      const question = inputRequired.elicit({ mode: 'form', message: words(ask), requestedSchema: FORM });
      const asked = inputRequired({ inputRequests: { [KEY]: question }, requestState: ask.handle });
      return { ...asked, _meta: { 'deckhand/call': callId } };
    },
    async put(ask, { mcpReq }, left) {
      const { handle } = ask;
      if (open >= MOST_OPEN || left.aborted) return null;
      open++;
      try {
        // Over its own call's stream; when it ends without an answer the SDK takes the question back.
        const params = { message: words(ask), requestedSchema: FORM };
        const said = await mcpReq.send({ method: 'elicitation/create', params }, { timeout: askMs, signal: left });
        return answerOf(handle, said);
      } catch (err) {
        log.debug({ err, approval: handle }, 'the client’s user gave no answer');
        return null;
      } finally {
        open--;
      }
    },
  };
}

/** For the SDK: what is no handle is refused as the protocol says, before there is a call. */
export function verifyState(state: string): string {
  if (!HANDLE.test(state)) throw new Error('not a handle of an approval');
  return state;
}

/** Dismissed, empty, or of another form: no answer, and the question stays open for whoever may decide it elsewhere. */
function answerOf(handle: string, said: unknown): ClientAnswer | null {
  if (!isRecord(said)) return null;
  if (said.action === 'decline') return { handle, accepted: false };
  const decision = said.action === 'accept' && isRecord(said.content) ? said.content.decision : undefined;
  if (decision === 'approve') return { handle, accepted: true };
  return decision === 'deny' ? { handle, accepted: false } : null;
}

/** `elicitation: {}` is how forms were declared before there were other modes. */
function takesForms(capabilities: unknown): boolean {
  const elicitation = isRecord(capabilities) ? capabilities.elicitation : undefined;
  if (!isRecord(elicitation)) return false;
  return isRecord(elicitation.form) || Object.keys(elicitation).length === 0;
}
