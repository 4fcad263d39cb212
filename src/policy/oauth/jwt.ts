/**
 * A JWT of one issuer (RFC 9068 and what is near it) becomes a principal, or a reason why not. jose looks at signature and times; what it
 * takes by default and no resource server should is refused by claims.ts. The caller has picked the issuer by `iss`, which is believed only
 * because the signature is by one of that issuer's own keys.
 */
import { errors, jwtVerify } from 'jose';
import type { Principal } from '../../core/call.ts';
import type { Signature } from '../../core/oauth.ts';
import { claimsFault, headerFault, principalOf, timesFault } from './claims.ts';
import type { Fault } from './faults.ts';
import type { Key, Keys } from './keys.ts';
import { type Around, type Issuer, TIMES } from './ports.ts';
import type { Parts, Read } from './token.ts';

/** `cacheUntilMs`: from then on it is verified anew. */
export type Judged =
  | { principal: Principal; cacheUntilMs: number; live(): boolean }
  | { fault: Fault }
  | { away: number };

export async function judgeJwt(
  { text }: Parts,
  { header, payload, fingerprint }: Read,
  issuer: Issuer,
  keys: Keys,
  { now }: Pick<Around, 'now'>,
): Promise<Judged> {
  const wrong = headerFault(header, issuer);
  if (wrong) return { fault: wrong };
  const alg = header.alg as Signature;
  const issuedAtMs = typeof payload.iat === 'number' ? payload.iat * 1_000 : 0;
  const found = await keys.find(header.kid as string | undefined, alg, issuedAtMs);
  if (!('key' in found)) return found;
  const fault =
    (await verified(text, alg, found.key)) ?? timesFault(payload, issuer.maxAgeS) ?? claimsFault(payload, issuer);
  if (fault) return { fault };
  const expMs = (payload.exp as number) * 1_000;
  const live = () => keys.live(found.key);
  return {
    principal: principalOf(payload, issuer, {
      fingerprint,
      expiresAtMs: expMs + TIMES.toleranceS * 1_000,
      valid: live,
    }),
    cacheUntilMs: expMs,
    live,
  };

  async function verified(token: string, alg: Signature, key: Key): Promise<Fault | null> {
    try {
      await jwtVerify(token, await keys.crypto(key, alg), {
        algorithms: [alg],
        issuer: issuer.issuer,
        requiredClaims: ['sub', 'aud', 'exp', 'iat'],
        maxTokenAge: issuer.maxAgeS,
        clockTolerance: TIMES.toleranceS,
        currentDate: new Date(now()),
      });
      return null;
    } catch (thrown) {
      return faultOf(thrown);
    }
  }
}

const BY_CLAIM: Record<string, Fault> = { nbf: 'early', iat: 'future' };

function faultOf(thrown: unknown): Fault {
  if (thrown instanceof errors.JWTExpired) return thrown.claim === 'iat' ? 'old' : 'expired';
  if (!(thrown instanceof errors.JWTClaimValidationFailed)) return 'signature';
  if (thrown.reason === 'missing') return 'missing';
  return (thrown.reason === 'check_failed' && BY_CLAIM[thrown.claim]) || 'types';
}
