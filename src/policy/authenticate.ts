/**
 * Credentials become principals here and nowhere else. A face hands over what it was given; what a client says of
 * itself (clientInfo, headers) never reaches this file.
 */
import type { Principal } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import type { Role, Scope } from '../core/scopes.ts';
import { scopesOf } from '../core/scopes.ts';
import type { Access } from './access.ts';
import type { Authenticate, Recognised } from './credentials.ts';

/** Launched by a client on this host: the uid is the kernel's word. */
export const stdioPrincipal = (uid: number, role: Role): Principal => local('stdio', uid, role);
/** A person (or a script of theirs) at a terminal. Never the same as a client that runs under the same uid. */
export const cliPrincipal = (uid: number, role: Role): Principal => local('cli', uid, role);

function local(kind: 'stdio' | 'cli', uid: number, role: Role): Principal {
  return { id: `${kind}:${uid}`, kind, scopes: new Set(scopesOf(role)), expiresAtMs: null, valid: () => true };
}

/** What the token store answers with; `scopes` is all it holds. */
export interface TokenRecord {
  name: string;
  scopes: readonly Scope[];
  /** Roles of the owner's config that it names. */
  roles?: readonly string[];
  expiresAtMs: number | null;
  fingerprint: string;
}

/** Both compare in constant time and read a changed file anew, so that a revoked token stops at once. */
export interface TokenSource {
  find(secret: string, digest?: string): TokenRecord | null;
  holds(record: Pick<TokenRecord, 'name' | 'fingerprint'>): boolean;
}

export function bearerPrincipal(tokens: TokenSource, secret: string, digest?: string): Principal | null {
  const record = tokens.find(secret, digest);
  if (!record) return null;
  const known = made.get(record);
  if (known?.tokens === tokens) return known.principal;
  const principal: Principal = {
    id: `token:${record.name}`,
    kind: 'token',
    scopes: new Set(record.scopes),
    credential: { fingerprint: record.fingerprint },
    ...(record.roles?.length ? { roles: record.roles } : {}),
    expiresAtMs: record.expiresAtMs,
    valid: () => tokens.holds(record),
  };
  made.set(record, { tokens, principal });
  return principal;
}

/** Made once for as long as the token's file is what it was: each HTTP request asks for its principal anew, and what policy knows of one hangs on it. */
const made = new WeakMap<TokenRecord, { tokens: TokenSource; principal: Principal }>();

const MAKE_ONE =
  'On the host, `deckhand token add NAME --role viewer` makes one; send it as `Authorization: Bearer TOKEN`.';

const SIGN_IN =
  'Sign in at the authorization server that `resource_metadata` leads to, or send a token of `deckhand token add`.';
/** What our own tokens begin with: nobody else is shown one of them, also not one that was revoked. */
const OURS = 'dh_';

export interface Ways {
  /** A token of the store. */
  find(secret: string, digest?: string): Principal | null;
  /** Tokens of issuers (oauth/); absent: none are accepted. */
  oauth?: ((token: string) => Recognised | Promise<Recognised>) | undefined;
  /** Who comes through tailscaled, given what a token is worth. Absent: on that listener, too, only a token counts. */
  tailnet?: ((bearer: Authenticate) => Authenticate) | undefined;
}

/** By the bearer token alone, on whatever listener. Those of the store are looked up at once. */
export function byBearer({ find, oauth }: Omit<Ways, 'tailnet'>): Authenticate {
  const hint = oauth ? SIGN_IN : MAKE_ONE;
  return ({ bearer, digest }) => {
    if (bearer === undefined)
      return { refused: new OpsError('permission', 'A bearer token is needed.', { hint }), status: 401, sent: false };
    if (bearer === null) {
      const refused = new OpsError('validation', 'The Authorization header is malformed.', {
        hint: 'Send it once, as `Authorization: Bearer TOKEN`.',
      });
      return { refused, status: 400, sent: true };
    }
    const principal = find(bearer, digest);
    if (principal) return { principal };
    if (oauth && !bearer.startsWith(OURS)) return oauth(bearer);
    const refused = new OpsError('permission', 'The token is unknown, expired or revoked.', { hint });
    return { refused, status: 401, sent: true };
  };
}

/** Whoever comes through tailscaled is asked about there; everybody else shows a token. */
export function createAuthenticate(ways: Ways): Authenticate {
  const bearer = byBearer(ways);
  const tailnet = ways.tailnet?.(bearer);
  return tailnet ? (shown) => (shown.listener === 'tailnet' ? tailnet(shown) : bearer(shown)) : bearer;
}

/** Tokens of the store and nothing else. */
export const byToken = (find: Ways['find']): Authenticate => createAuthenticate({ find });

/** Whoever is recognised comes with all that the owner's roles and entries give. */
export function withGrants(access: Pick<Access, 'known'>, authenticate: Authenticate): Authenticate {
  const known = (is: Recognised): Recognised => ('principal' in is ? { principal: access.known(is.principal) } : is);
  return (shown) => {
    const is = authenticate(shown);
    return is instanceof Promise ? is.then(known) : known(is);
  };
}
