/**
 * The shortest way of all: a POST to /mcp that is refused before its body is read, by its Host, by the rate of its address, or for want of
 * a good credential. That is what floods are made of, so it is answered straight from node:http. Decides nothing: it asks the functions
 * that both other ways ask, each of which remembers what it said, and leaves whatever is not refused to them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Challenges } from './challenges.ts';
import { headerOf } from './fast.ts';
import { rateFields } from './limits_admission.ts';
import type { Recognise } from './recognise.ts';
import type { Refusal, Refusals, Visit } from './refusals.ts';
import { rpcCode, rpcError } from './results.ts';
import type { Headers } from './security_headers.ts';

const TARGET = /^\/mcp(?:\?|$)/;

export interface Early {
  /** True: it was refused, and is answered. */
  take(incoming: IncomingMessage, outgoing: ServerResponse): boolean;
}

export function createEarly(o: {
  /** Once for each request; null: not now. */
  knock(incoming: IncomingMessage): { visit: Visit; refused: Omit<Refusal, 'what'> | null } | null;
  recognise: Recognise;
  challenges: Challenges;
  refusals: Refusals;
  /** What every answer carries. */
  headers: Headers;
}): Early {
  const common = o.headers.flat();

  function answer(
    outgoing: ServerResponse,
    visit: Visit,
    { status, error, code, headers = {} }: Omit<Refusal, 'what'>,
  ) {
    const id = o.refusals.record(visit, 'POST /mcp', error);
    const text = JSON.stringify(rpcError(undefined, error, id, code ?? rpcCode(error)));
    const length = String(Buffer.byteLength(text));
    const fields = headers.ratelimit === undefined ? rateFields(visit) : [];
    const own = Object.entries(headers).flat();
    outgoing.writeHead(status, [
      ...common,
      ...own,
      ...fields,
      'content-type',
      'application/json',
      'content-length',
      length,
    ]);
    outgoing.end(text);
  }

  return {
    take(incoming, outgoing) {
      // A page of an allowed origin may read its refusal: the long way says so.
      if (incoming.method !== 'POST' || incoming.headers.origin !== undefined || !TARGET.test(incoming.url ?? ''))
        return false;
      const made = o.knock(incoming);
      if (!made) return false;
      const { visit, refused } = made;
      if (refused) {
        answer(outgoing, visit, refused);
        return true;
      }
      const found = o.recognise(visit, (name) => headerOf(incoming, name));
      if (found instanceof Promise || 'principal' in found) return false;
      answer(outgoing, visit, { code: -32_000, ...o.challenges.refusal(found) });
      return true;
    },
  };
}
