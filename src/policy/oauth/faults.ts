/**
 * Why a token is not accepted: one word for each reason, and the sentence that client and record get. No sentence repeats anything of the
 * token: what stands in it is the sender's to choose.
 */
import { OpsError } from '../../core/errors.ts';
import type { Recognised } from '../credentials.ts';

export const FAULTS = {
  size: 'it is longer than any token that is accepted',
  form: 'it is not three parts of base64url',
  encrypted: 'it is encrypted',
  json: 'its header or its claims are no plain JSON object, or a name stands in them twice',
  alg: 'its algorithm is not accepted',
  extension: 'its header asks for an extension that is not understood here (crit, b64, zip)',
  nested: 'it wraps another token',
  typ: 'its type is not that of an access token',
  kid: 'its key id is malformed',
  issuer: 'its issuer is not one of those that are accepted',
  no_kid: 'it names no key, and its issuer has several',
  no_key: 'its issuer has no such key',
  signature: 'its signature is wrong',
  missing: 'a claim that each token needs is missing (iss, sub, aud, exp, iat)',
  types: 'a claim is of the wrong type',
  times: 'its times contradict each other, or are none',
  expired: 'it has expired',
  early: 'it is not valid yet',
  future: 'it was issued in the future',
  old: 'it was issued too long ago',
  lifetime: 'it lives longer than this server allows',
  audience: 'it was issued for another audience',
  id_token: 'it is an ID token, which says who signed in and is no key to anything',
  logout: 'it is a logout token or another security event',
  bound: 'it is bound to a key of its holder (cnf), which cannot be shown here',
  subject: 'its subject is empty, too long, or holds characters that cannot be seen',
  required: 'it lacks what this server requires of its issuer’s tokens',
  inactive: 'its issuer says that it is not active',
} as const;
export type Fault = keyof typeof FAULTS;

const HINT = 'Sign in again at the authorization server; the owner sees what is accepted under `auth.issuers`.';

const sayings = new Map<Fault, Recognised & { refused: OpsError }>();

/** Made once for each: a flood of bad tokens costs no stack traces. */
export function refusedFor(fault: Fault): Recognised {
  let said = sayings.get(fault);
  if (!said) {
    const refused = new OpsError('permission', `The token is not accepted: ${FAULTS[fault]}.`, { hint: HINT });
    said = { refused, status: 401, sent: true };
    sayings.set(fault, said);
  }
  return said;
}

/** It cannot be told now what the token is worth. `name`: of the issuer, in the owner's words. */
export function awayFor(name: string, retryAfterMs: number): Recognised {
  const refused = new OpsError('unavailable', `The issuer ${name} cannot be asked now.`, {
    hint: 'Call again in a moment; `deckhand doctor` on the host says what is wrong.',
    retryAfterMs: Math.ceil(retryAfterMs),
  });
  return { refused, status: 503, sent: true };
}
