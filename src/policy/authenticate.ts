/**
 * Credentials become principals here and nowhere else. A face hands over what it was given; what a client says of
 * itself (clientInfo, headers) never reaches this file.
 */
import type { Principal } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import type { Role, Scope } from '../core/scopes.ts';
import { scopesOf } from '../core/scopes.ts';
import type { Authenticate } from './credentials.ts';

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
  expiresAtMs: number | null;
  fingerprint: string;
}

/** Both compare in constant time and read a changed file anew, so that a revoked token stops at once. */
export interface TokenSource {
  find(secret: string): TokenRecord | null;
  holds(record: Pick<TokenRecord, 'name' | 'fingerprint'>): boolean;
}

export function bearerPrincipal(tokens: TokenSource, secret: string): Principal | null {
  const record = tokens.find(secret);
  if (!record) return null;
  return {
    id: `token:${record.name}`,
    kind: 'token',
    scopes: scopesOfRecord(record),
    expiresAtMs: record.expiresAtMs,
    valid: () => tokens.holds(record),
  };
}

const MAKE_ONE =
  'On the host, `deckhand token add NAME --role viewer` makes one; send it as `Authorization: Bearer TOKEN`.';

/** Tokens of the store and nothing else. */
export function byToken(find: (secret: string) => Principal | null): Authenticate {
  return ({ bearer }) => {
    const principal = bearer ? find(bearer) : null;
    if (principal) return { principal };
    const sent = bearer !== undefined;
    const what = sent ? 'The token is unknown, expired or revoked.' : 'A bearer token is needed.';
    return { refused: new OpsError('permission', what, { hint: MAKE_ONE }), status: 401, sent };
  };
}

/** One set for as long as the token's file is what it was: each HTTP request asks for its principal anew. */
const sets = new WeakMap<TokenRecord, ReadonlySet<Scope>>();
function scopesOfRecord(record: TokenRecord): ReadonlySet<Scope> {
  let set = sets.get(record);
  if (!set) {
    set = new Set(record.scopes);
    sets.set(record, set);
  }
  return set;
}
