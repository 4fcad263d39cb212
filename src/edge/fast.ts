/**
 * The short way of the commonest request: a well-formed tools/call of 2026-07-28 that reads, straight from node:http to the door and
 * back. The SDK, Hono and web requests around it cost several times what the call does. It decides only whether a request is
 * that ordinary; each rule is the function that the long way asks, too (gate, rate, token, narrowing, `behind`, `door.check`), and
 * whatever is in any way unusual goes the long way from its beginning, with nothing done yet but the count of its address. That both
 * ways answer and record the same is tested request by request (tests/edge/fast.test.ts).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  classifyInboundRequest,
  PROTOCOL_VERSION_META_KEY,
  SERVER_INFO_META_KEY,
} from '@modelcontextprotocol/server';
import type { Call, Log, Narrow, Outcome, Principal } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { machineClock } from '../policy/clock.ts';
import type { Door } from '../policy/ports.ts';
import { type Behind, faultOf, isRecord, REVISION } from './behind.ts';
import type { Challenges } from './challenges.ts';
import { narrowOf } from './gate.ts';
import { type HeadOf, perHead } from './heads.ts';
import { rateFields } from './limits_admission.ts';
import { clientName, knows } from './mcp.ts';
import { httpRefusal } from './mcp_http.ts';
import type { Recognise } from './recognise.ts';
import type { Visit } from './refusals.ts';
import { protocolError, rpcError, toResult } from './results.ts';
import { KEEP_ALIVE_MS, STREAM_AFTER_MS, STREAM_HEADERS } from './streams.ts';

const METHOD = 'tools/call';

/** Those that say what a request is. Twice the same of them is unusual; what they may say is in `ordinary`. */
const TOLD = new Set([
  'host',
  'authorization',
  'content-type',
  'content-length',
  'accept',
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
]);
/** Those whose mere presence asks for something that is only done on the long way. */
const ASKING = /^(origin|content-encoding|transfer-encoding|trailer|expect|upgrade|mcp-session-id|mcp-param-.*)$/;
const ENVELOPE = new Set<string>([PROTOCOL_VERSION_META_KEY, CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY]);

const JSON_TYPE = /^application\/json(; ?charset=utf-8)?$/i;
const BOTH = /^(application\/json, ?text\/event-stream|text\/event-stream, ?application\/json)$/;
const TARGET = /^\/mcp(\?[\w=&,-]*)?$/;
const LENGTH = /^\d{1,9}$/;

export interface Fast {
  /** True: it is seen to here, and `otherwise` is called should it turn out to be unusual after all. */
  take(incoming: IncomingMessage, outgoing: ServerResponse, otherwise: () => void): boolean;
  /** The signal of each call under way fires, as it does on the long way. */
  close(): void;
}

export interface FastOptions {
  door: Door;
  /** As on the long way: which call a message is. */
  behind(method: string, params: unknown, modern: boolean): Behind;
  identity: object;
  recognise: Recognise;
  challenges: Challenges;
  headOf: HeadOf;
  /** Host and rate of the address, counted once for both ways. Null: refused, and the long way says so. */
  knock(incoming: IncomingMessage): Visit | null;
  maxBodyBytes: number;
  /** What every answer carries; a stream has a `cache-control` of its own. */
  headers: readonly (readonly [string, string])[];
  newId(): string;
  now(): number;
  log: Log;
  streamAfterMs?: number;
}

interface Asked {
  id: string | number;
  tool: string;
  args: unknown;
  client: string | undefined;
}

export function createFast(o: FastOptions): Fast {
  const { door } = o;
  const envelopes = createEnvelopes();
  const underWay = new Set<AbortController>();
  const common = o.headers.flat();
  const streamed = [
    ...o.headers.filter(([name]) => name !== 'cache-control'),
    ...Object.entries(STREAM_HEADERS),
  ].flat();

  function take(incoming: IncomingMessage, outgoing: ServerResponse, otherwise: () => void): boolean {
    const head = o.headOf(incoming);
    const asking = ordinary(incoming, head);
    const tool = incoming.rawHeaders[head.nameAt];
    const length = incoming.rawHeaders[head.lengthAt] ?? '';
    if (!asking || tool === undefined || !LENGTH.test(length) || Number(length) > o.maxBodyBytes) return false;
    const visit = o.knock(incoming);
    if (!visit) return false;
    const found = o.recognise(visit, (name) => headerOf(incoming, name));
    // Who has to be asked about elsewhere is waited for on the long way.
    if (found instanceof Promise || !('principal' in found)) return false;
    const { principal } = found;
    readWhole(incoming, Number(length), (body) => {
      if (body === null) return otherwise();
      const asked = askedBy(body, tool);
      const call = asked && callOf(asked, principal, asking.narrow, visit);
      if (!call) {
        // Where the long way finds what has been read already.
        Object.assign(incoming, { rawBody: body });
        return otherwise();
      }
      void answer(asked, call, visit, outgoing);
    });
    return true;
  }

  /** Null: not the ordinary message, or one that the long way has words for. */
  function askedBy(body: Buffer, named: string): Asked | null {
    const text = body.toString();
    // Bytes that are no UTF-8: what they become is for one decoder to say.
    if (text.includes('\ufffd')) return null;
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      return null;
    }
    if (faultOf(message) !== null || !isRecord(message) || !hasOnly(message, MESSAGE)) return null;
    const { id, method, params } = message;
    if (method !== METHOD || id === undefined || !isRecord(params) || !hasOnly(params, PARAMS)) return null;
    const { _meta: meta } = params;
    if (!isRecord(meta) || !hasOnly(meta, ENVELOPE) || meta[PROTOCOL_VERSION_META_KEY] !== REVISION) return null;
    if (!envelopes.good(meta, message)) return null;
    const target = o.behind(METHOD, params, true);
    if (target.kind !== 'call' || target.tool !== named) return null;
    // The SDK copies the arguments, and what becomes of this key is its to say.
    if (Object.hasOwn(target.args as object, '__proto__')) return null;
    return {
      id: id as string | number,
      tool: named,
      args: target.args,
      client: clientName(meta[CLIENT_INFO_META_KEY]),
    };
  }

  function callOf(asked: Asked, principal: Principal, narrow: Narrow | undefined, visit: Visit): Call | null {
    const { address, listener } = visit;
    const tool = door.catalog.tools.find((t) => t.name === asked.tool);
    // Changes are few, and may come to ask the client something.
    if (!tool || tool.change) return null;
    const call: Call = {
      id: o.newId(),
      face: 'mcp-http',
      tool: asked.tool,
      args: asked.args,
      principal,
      signal: NEVER,
      listener,
      ...(address === undefined ? {} : { address }),
      ...(narrow === undefined ? {} : { narrow }),
      ...(asked.client === undefined ? {} : { client: asked.client }),
    };
    return door.check(call) === null && httpRefusal(tool, call, null, door, o.now(), o.challenges) === null
      ? call
      : null;
  }

  async function answer(asked: Asked, call: Call, visit: Visit, outgoing: ServerResponse): Promise<void> {
    const stop = new AbortController();
    const left = () => {
      answered();
      clearInterval(alive);
      if (underWay.delete(stop)) stop.abort(new DOMException('The caller cancelled.', 'AbortError'));
    };
    let alive: NodeJS.Timeout | undefined;
    const answered = machineClock.roughly(o.streamAfterMs ?? STREAM_AFTER_MS, () => {
      outgoing.writeHead(200, [...streamed, ...rateFields(visit)]);
      outgoing.write(': working\n\n');
      alive = setInterval(() => outgoing.write(': keepalive\n\n'), KEEP_ALIVE_MS);
    });
    underWay.add(stop);
    outgoing.once('close', left);
    // A client that left while its body was being read has had its `close`.
    if (outgoing.destroyed) left();
    call.signal = stop.signal;
    const text = await said(asked, call);
    underWay.delete(stop);
    answered();
    clearInterval(alive);
    if (outgoing.destroyed) return;
    if (outgoing.headersSent) {
      outgoing.end(`event: message\ndata: ${text}\n\n`);
      return;
    }
    const length = Buffer.byteLength(text);
    outgoing.writeHead(200, [
      ...common,
      'content-type',
      'application/json',
      'content-length',
      String(length),
      ...rateFields(visit),
    ]);
    // As many bytes as characters: it is ASCII, which Node writes with less ado.
    outgoing.end(text, length === text.length ? 'latin1' : 'utf8');
  }

  async function said({ id }: Asked, call: Call): Promise<string> {
    try {
      const outcome = await door.run(call);
      // A tool that went away between the question and the call.
      if (outcome.status === 'failed' && outcome.error.code === 'not_found' && !knows(door, call, call.tool)) {
        const { code, message, data } = protocolError(outcome.error, call.id);
        return JSON.stringify({ jsonrpc: '2.0', id, error: { code, message, data } });
      }
      const { _meta: meta, ...rest } = toResult(outcome, call.id);
      const about = JSON.stringify({ ...meta, [SERVER_INFO_META_KEY]: o.identity });
      return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"resultType":"complete",${inside(rest, outcome)},"_meta":${about}}}`;
    } catch (thrown) {
      o.log.error({ call: call.id, err: thrown }, 'http request failed inside');
      const error = new OpsError('internal', 'Something failed inside the server.', {
        hint: 'The server log has the cause under this call id.',
      });
      return JSON.stringify(rpcError(id, error, call.id));
    }
  }

  return {
    take,
    close() {
      for (const stop of underWay) stop.abort(new DOMException('The caller cancelled.', 'AbortError'));
    },
  };
}

/** Of a request of node:http; several of one name are joined as fetch joins them. */
export const headerOf = ({ headers }: IncomingMessage, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
};

/** Of equal reads that share their answer it is the same text; the structured part of one is said with one text only. */
const texts = new WeakMap<object, { text: string; json: string }>();

/** The members of a result, as JSON without the braces. */
function inside(result: object, outcome: Outcome): string {
  if (outcome.status !== 'done') return JSON.stringify(result).slice(1, -1);
  const known = texts.get(outcome.data);
  if (known?.text === outcome.text) return known.json;
  const json = JSON.stringify(result).slice(1, -1);
  texts.set(outcome.data, { text: outcome.text, json });
  return json;
}

const NEVER = new AbortController().signal;
const MESSAGE = new Set(['jsonrpc', 'id', 'method', 'params']);
const PARAMS = new Set(['name', 'arguments', '_meta']);

const hasOnly = (record: Record<string, unknown>, names: ReadonlySet<string>): boolean => {
  for (const key of Object.keys(record)) if (!names.has(key)) return false;
  return true;
};

type Told = Record<string, string | undefined>;

/** What a head asks for, where it is that of the ordinary request; null: the long way. Its length and its tool's name are looked at each time. */
const ordinary = perHead(({ method, url = '', rawHeaders }): { narrow: Narrow | undefined } | null => {
  if (method !== 'POST' || !TARGET.test(url)) return null;
  const told = toldBy(rawHeaders);
  const narrow = narrowOf(url);
  return told && isOrdinary(told) && !(narrow instanceof OpsError) ? { narrow } : null;
});

/** Null: something is there twice, or asks for the long way. */
function toldBy(raw: readonly string[]): Told | null {
  const told: Told = {};
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    if (TOLD.has(name)) {
      if (told[name] !== undefined) return null;
      told[name] = raw[i + 1] as string;
    } else if (ASKING.test(name)) return null;
  }
  return told;
}

const isOrdinary = (told: Told): boolean =>
  told['mcp-protocol-version'] === REVISION &&
  told['mcp-method'] === METHOD &&
  told.host !== undefined &&
  JSON_TYPE.test(told['content-type'] ?? '') &&
  BOTH.test(told.accept ?? '');

/** Null: the sender left in the middle of it. node:http holds a sender to the length it declared. */
function readWhole(incoming: IncomingMessage, bytes: number, then: (body: Buffer | null) => void): void {
  const parts: Buffer[] = [];
  let open = true;
  const over = () => {
    if (!open) return;
    open = false;
    const body = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    then(body.length === bytes ? body : null);
  };
  incoming
    .on('data', (part: Buffer) => void parts.push(part))
    .on('end', over)
    .on('error', over)
    .on('close', over);
}

const MOST_ENVELOPES = 64;
const LONGEST_ENVELOPE = 2_048;

/**
 * Whether the SDK takes what a client says of itself. Its schemas cost as much as the rest of the way together, and a client says
 * the same with each call; so its judgement is kept, text by text.
 */
function createEnvelopes(): { good(meta: object, message: object): boolean } {
  const known = new Set<string>();
  return {
    good(meta, body) {
      const text = JSON.stringify(meta);
      if (known.has(text)) return true;
      const found = classifyInboundRequest({
        httpMethod: 'POST',
        protocolVersionHeader: REVISION,
        mcpMethodHeader: METHOD,
        body,
      });
      if (found.kind !== 'modern' || found.messageKind !== 'request') return false;
      if (known.size >= MOST_ENVELOPES) known.clear();
      if (text.length <= LONGEST_ENVELOPE) known.add(text);
      return true;
    },
  };
}
