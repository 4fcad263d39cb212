/**
 * How an outcome of the door reads in MCP: a CallToolResult, and for what is no tool call a JSON-RPC error. Nothing is
 * decided here but form; the words come from the door.
 */
import {
  type CallToolResult,
  type GetPromptResult,
  ProtocolError,
  type ReadResourceResult,
} from '@modelcontextprotocol/server';
import type { Outcome } from '../core/call.ts';
import { CODES, type OpsError, toWire, type WireError } from '../core/errors.ts';
import type { PromptDef } from '../core/tool.ts';
import { dataOf, rpcCode, sentence } from './rpc_error.ts';

export { type RpcError, rpcCode, rpcError } from './rpc_error.ts';

export type Failed = Extract<Outcome, { status: 'failed' }>;
export type Answered = Exclude<Outcome, Failed>;

/** Paths to foreign text are a warning: too many of them become "everything", never fewer. */
const FOREIGN_BYTES = 1_024;

export function toResult(outcome: Outcome, callId: string): CallToolResult {
  if (outcome.status === 'failed') {
    const wire = toWire(outcome.error, callId);
    // No structuredContent: the 1.x client checks it against the tool's output schema even when isError is set, and would
    // throw its own complaint instead of showing this one.
    return { content: [text(failureText(wire))], isError: true, _meta: { 'deckhand/error': wire } };
  }
  return {
    content: [text(outcome.text)],
    structuredContent: outcome.data,
    _meta: { 'deckhand/call': callId, ...foreignMeta(outcome) },
  };
}

/** The text, not the data: a resource is put in front of a model as it is, and in the text foreign parts are fenced. */
export function toContents(uri: string, outcome: Answered, callId: string): ReadResourceResult {
  const content = { uri, mimeType: 'text/plain', text: outcome.text };
  return { contents: [content], _meta: { 'deckhand/call': callId, ...foreignMeta(outcome) } };
}

export function toMessages(prompt: PromptDef | undefined, outcome: Answered, callId: string): GetPromptResult {
  return {
    ...(prompt ? { description: prompt.description } : {}),
    messages: [{ role: 'user', content: text(`${prompt?.lead ?? ''}\n\n${outcome.text}`) }],
    _meta: { 'deckhand/call': callId },
  };
}

function foreignMeta({ foreignPaths }: Answered): { 'deckhand/foreign'?: string[] } {
  if (foreignPaths.length === 0) return {};
  const bytes = foreignPaths.reduce((sum, p) => sum + p.length + 3, 0);
  return { 'deckhand/foreign': bytes <= FOREIGN_BYTES ? foreignPaths : ['*'] };
}

const text = (value: string) => ({ type: 'text' as const, text: value });

export function failureText(wire: WireError): string {
  const lines = [`${wire.code}: ${wire.message}`];
  if (wire.hint) lines.push(wire.hint);
  if (wire.candidates?.length) lines.push(`One of: ${wire.candidates.join(', ')}`);
  if (wire.retryAfterMs !== undefined) lines.push(`Retry after ${Math.ceil(wire.retryAfterMs / 1_000)} s.`);
  else if (CODES[wire.code].retry) lines.push('A later retry may succeed.');
  if (wire.call) lines.push(`call ${wire.call}`);
  return lines.join('\n');
}

/** `uri`: of the resource that was asked for. */
export function protocolError(error: OpsError, callId: string, uri?: string): ProtocolError {
  return new ProtocolError(rpcCode(error), sentence(error), dataOf(error, callId, uri));
}
