/**
 * Answers of the HTTP face to requests that never become a call, and their records: each is told to the door exactly once, which counts
 * equal ones together (policy/refusals.ts), so that the numbers on record add up to what was refused. Bodies are JSON-RPC errors with
 * the next step in them; none says more about the server than the caller needs.
 */
import type { Principal } from '../core/call.ts';
import type { OpsError } from '../core/errors.ts';
import type { Listener, Recognised } from '../policy/credentials.ts';
import type { Door } from '../policy/ports.ts';
import type { Rated } from './limits_admission.ts';
import { rpcCode, rpcError } from './results.ts';

/** One HTTP request, as far as it has come. */
export interface Visit {
  address: string | undefined;
  /** The address as limits count it. */
  key: string;
  listener: Listener;
  /** For URLs in its answer (tailnet_socket.ts). */
  reachedAt?: string | undefined;
  /** By which its credential is remembered: SHA-256 of a bearer (limits_admission.ts); null: none was sent. */
  credential?: string | null;
  /** The bearer whose hash that is; absent: it is none's. */
  hashed?: string;
  /** On whose account it went, and what is left there. */
  rated?: Rated;
  /** While other instances are asked what they have counted. */
  elsewhere?: Promise<void>;
  /** Asked once (recognise.ts). */
  recognised?: Recognised | Promise<Recognised>;
  principal?: Principal;
  /** It has its audit record. */
  recorded: boolean;
  /** Its answer is a stream that the client holds open; called when that ends. */
  lasting?: () => void;
}

export interface Refusal {
  status: number;
  error: OpsError;
  /** What was asked for: a method and a name, or a method and a path. */
  what: string;
  /** The JSON-RPC id to answer to, where one was read. */
  id?: unknown;
  code?: number;
  /** Of the resource that was asked for. */
  uri?: string;
  headers?: Record<string, string>;
}

export interface Refusals {
  record(visit: Visit, what: string, error: OpsError): string;
  answer(visit: Visit, refusal: Refusal): Response;
}

export function createRefusals(o: { door: Door; newId(): string }): Refusals {
  function record(visit: Visit, what: string, error: OpsError): string {
    const id = o.newId();
    if (visit.recorded) return id;
    visit.recorded = true;
    const { address, key, principal, listener } = visit;
    o.door.refused({ id, face: 'mcp-http', principal, address, listener, source: key, what, reason: error });
    return id;
  }
  return {
    record,
    answer(visit, { status, error, what, id, code, uri, headers }) {
      const callId = record(visit, what, error);
      return json(rpcError(id, error, callId, code ?? rpcCode(error), uri), status, headers);
    },
  };
}

export function json(body: unknown, status: number, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });
}

export const retryAfter = (ms: number | undefined): Record<string, string> => ({
  'retry-after': String(Math.max(1, Math.ceil((ms ?? 1_000) / 1_000))),
});
