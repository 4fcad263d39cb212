/** A failure as a JSON-RPC error: code and words. Apart from results.ts, which needs the SDK: the first lines over stdio must not. */
import { type OpsError, toWire, type WireError } from '../core/errors.ts';

/** The codes JSON-RPC has, and for the rest the first one of the range left to servers. */
export function rpcCode({ code }: Pick<OpsError, 'code'>): number {
  if (code === 'validation' || code === 'not_found') return -32_602;
  return code === 'internal' ? -32_603 : -32_000;
}

const LONGEST_URI = 2_048;

/** A client that asked for a resource that does not exist finds its URI there (SEP-2164). */
export function dataOf(error: OpsError, callId: string, uri: string | undefined): WireError & { uri?: string } {
  const named = error.code === 'not_found' && uri !== undefined && uri.length <= LONGEST_URI;
  return { ...toWire(error, callId), ...(named ? { uri } : {}) };
}

export interface RpcError {
  jsonrpc: '2.0';
  id: string | number | null;
  error: { code: number; message: string; data: WireError & { uri?: string } };
}

/** An answer that we give ourselves, because the SDK never saw the request or must not see it. */
export function rpcError(id: unknown, error: OpsError, callId: string, code = rpcCode(error), uri?: string): RpcError {
  const known = typeof id === 'string' || typeof id === 'number' ? id : null;
  return { jsonrpc: '2.0', id: known, error: { code, message: sentence(error), data: dataOf(error, callId, uri) } };
}

/** Many clients show the message alone: the next step belongs into it. */
export const sentence = (error: OpsError) =>
  error.details.hint ? `${error.message} ${error.details.hint}` : error.message;
