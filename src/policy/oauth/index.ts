/**
 * A bearer token that is none of ours becomes a principal, or a refusal. Decides which issuer is asked (the one whose name stands in the
 * token, to the letter; one without a name goes to the one issuer that is asked about tokens), and remembers what was verified, by what
 * was decoded. Loaded only where `auth.issuers` names any.
 */
import type { Principal } from '../../core/call.ts';
import type { Recognised } from '../credentials.ts';
import { createDiscovery } from './discovery.ts';
import { awayFor, refusedFor } from './faults.ts';
import { createIntrospection } from './introspection.ts';
import { type Judged, judgeJwt } from './jwt.ts';
import { createKeys } from './keys.ts';
import type { Around, Issuer } from './ports.ts';
import { looksLikeJwt, opaqueKey, partsOf, readParts } from './token.ts';

const MOST_KEPT = 2_000;

export interface OAuth {
  /** At once where the token has been seen; never rejects. */
  recognise(token: string): Recognised | Promise<Recognised>;
  /** Each issuer asked as a first token would; `trouble` is null where all is well. For a person, never for a client. */
  check(): Promise<{ name: string; issuer: string; trouble: string | null }[]>;
}

interface Kept {
  principal: Principal;
  untilMs: number;
  live(): boolean;
}

export function createOAuth(issuers: readonly Issuer[], around: Around): OAuth {
  const { now } = around;
  const all = issuers.map((issuer) => {
    const discovery = createDiscovery(issuer, around);
    const keys = createKeys(issuer, discovery, around);
    return { issuer, discovery, keys, introspection: createIntrospection(issuer, discovery, around) };
  });
  type One = (typeof all)[number];
  const byName = new Map(all.map((one) => [one.issuer.issuer, one]));
  const opaque = all.find(({ issuer }) => issuer.kind === 'introspection');
  const kept = new Map<string, Kept>();

  function remembered(key: string): Recognised | null {
    const found = kept.get(key);
    if (!found) return null;
    kept.delete(key);
    if (now() >= found.untilMs || !found.live()) return null;
    // The one that was used longest ago goes first.
    kept.set(key, found);
    return { principal: found.principal };
  }

  async function told(work: Promise<Judged>, { issuer }: One, key: string): Promise<Recognised> {
    const judged = await work;
    if ('fault' in judged) return refusedFor(judged.fault);
    if ('away' in judged) return awayFor(issuer.name, judged.away);
    const { principal, cacheUntilMs: untilMs, live } = judged;
    if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value as string);
    if (now() < untilMs) kept.set(key, { principal, untilMs, live });
    return { principal };
  }

  return {
    recognise(token) {
      if (!looksLikeJwt(token)) {
        if (!opaque) return refusedFor('form');
        const key = opaqueKey(token);
        return remembered(key) ?? told(opaque.introspection.judge(token, key), opaque, key);
      }
      const parts = partsOf(token);
      if (typeof parts === 'string') return refusedFor(parts);
      const before = remembered(parts.key);
      if (before) return before;
      const read = readParts(parts);
      if (typeof read === 'string') return refusedFor(read);
      const one = byName.get(read.payload.iss as string);
      if (!one) return refusedFor(Object.hasOwn(read.payload, 'iss') ? 'issuer' : 'missing');
      const work =
        one.issuer.kind === 'introspection'
          ? one.introspection.judge(token, parts.key)
          : judgeJwt(parts, read, one.issuer, one.keys, around);
      return told(work, one, parts.key);
    },
    check: () =>
      Promise.all(
        all.map(async ({ issuer: { name, issuer, kind }, keys, introspection }) => {
          const trouble = await (kind === 'introspection' ? introspection : keys).check();
          return { name, issuer, trouble };
        }),
      ),
  };
}
