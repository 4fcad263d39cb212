/**
 * What header and claims of a token must say, and what they give: scopes, roles, a principal. The times and the signature have been
 * looked at before (jwt.ts), or the issuer itself has said that the token is active (introspection.ts). Pure.
 */
import type { Principal } from '../../core/call.ts';
import { SCOPES, type Scope } from '../../core/scopes.ts';
import type { Fault } from './faults.ts';
import type { Issuer } from './ports.ts';

export type Claims = Readonly<Record<string, unknown>>;

const LONGEST_SUBJECT = 255;
/** Control characters, what cannot be seen, line ends, and halves of characters: two subjects that look alike are not the same. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const LATEST = 253_402_300_799;

/** Those of OpenID Connect and of its logout; `typ` and `token_use` are how Keycloak and Cognito say it among the claims. */
const OF_ID_TOKENS = ['nonce', 'at_hash', 'c_hash', 's_hash', 'auth_hash'] as const;
const NO_ACCESS = /^(id|refresh|offline|logout)$/i;

export function headerFault(header: Claims, issuer: Pick<Issuer, 'algorithms' | 'typ'>): Fault | null {
  const { alg, typ, kid, cty } = header;
  if (typeof alg !== 'string' || !(issuer.algorithms as readonly string[]).includes(alg)) return 'alg';
  if (['crit', 'b64', 'zip'].some((name) => Object.hasOwn(header, name))) return 'extension';
  if (cty !== undefined || Object.hasOwn(header, 'enc')) return 'nested';
  if (typeof typ !== 'string' || !issuer.typ.includes(typ.toLowerCase().replace(/^application\//, ''))) return 'typ';
  if (kid !== undefined && (typeof kid !== 'string' || kid === '' || kid.length > 255 || UNSEEN.test(kid)))
    return 'kid';
  return null;
}

/** Beyond what jose checks (they are numbers): that they are times, in their order, and that it does not live longer than it may be old. */
export function timesFault(claims: Claims, maxAgeS: number): Fault | null {
  const { exp, iat, nbf = 0 } = claims as { exp: number; iat: number; nbf?: number };
  if (![exp, iat, nbf].every((t) => t >= 0 && t <= LATEST)) return 'times';
  if (exp <= iat || nbf >= exp) return 'times';
  return exp - iat > maxAgeS ? 'lifetime' : null;
}

export function claimsFault(claims: Claims, issuer: Pick<Issuer, 'audience' | 'require'>): Fault | null {
  const { aud, sub } = claims;
  if (OF_ID_TOKENS.some((name) => Object.hasOwn(claims, name))) return 'id_token';
  if (Object.hasOwn(claims, 'events')) return 'logout';
  if ([claims.typ, claims.token_use].some((said) => typeof said === 'string' && NO_ACCESS.test(said)))
    return 'id_token';
  if (Object.hasOwn(claims, 'cnf')) return 'bound';
  const audience = typeof aud === 'string' ? [aud] : aud;
  if (!Array.isArray(audience) || audience.length === 0) return 'audience';
  // One more than ours would let the others use it here, and us there.
  if (!audience.every((one) => typeof one === 'string' && issuer.audience.includes(one))) return 'audience';
  if (typeof sub !== 'string' || sub.trim() === '' || sub.length > LONGEST_SUBJECT || UNSEEN.test(sub))
    return 'subject';
  if (sub !== sub.trim()) return 'subject';
  return issuer.require.every(([name, value]) => texts(claimAt(claims, name)).includes(value)) ? null : 'required';
}

const KNOWN: ReadonlySet<string> = new Set(SCOPES);

export function principalOf(
  claims: Claims,
  issuer: Pick<Issuer, 'name' | 'issuer' | 'scopeClaim' | 'roleClaim' | 'roles'>,
  o: { fingerprint: string; expiresAtMs: number | null; valid(): boolean },
): Principal {
  const said = claimAt(claims, issuer.scopeClaim);
  const scopes = typeof said === 'string' ? said.split(' ') : texts(said);
  const values = issuer.roleClaim === undefined ? [] : texts(claimAt(claims, issuer.roleClaim));
  const roles = issuer.roles.filter(([value]) => values.includes(value)).map(([, role]) => role);
  const { jti, client_id: client } = claims;
  return {
    id: `jwt:${issuer.name}:${claims.sub as string}`,
    kind: 'jwt',
    scopes: new Set(scopes.filter((s): s is Scope => KNOWN.has(s))),
    roles: [...new Set(roles)],
    credential: {
      issuer: issuer.issuer,
      ...(bounded(jti) ? { jti } : { fingerprint: o.fingerprint }),
      ...(bounded(client) ? { client } : {}),
    },
    expiresAtMs: o.expiresAtMs,
    valid: o.valid,
  };
}

const bounded = (text: unknown): text is string =>
  typeof text === 'string' && text !== '' && text.length <= 128 && !UNSEEN.test(text);

/** By its whole name, or as a way into objects: `realm_access.roles`. */
function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let at: unknown = claims;
  for (const part of name.split('.')) {
    if (typeof at !== 'object' || at === null || Array.isArray(at) || !Object.hasOwn(at, part)) return undefined;
    at = (at as Claims)[part];
  }
  return at;
}

/** A text, a number or a switch as it is written; those of a list. Nothing is split. */
function texts(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((v) => /^(string|number|boolean)$/.test(typeof v)).map(String);
}
