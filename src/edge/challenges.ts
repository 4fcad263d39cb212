/**
 * What HTTP says to who may not come in: status and WWW-Authenticate (RFC 6750 3, RFC 9728 5.1). Decides only the words; who may is asked
 * of policy. `error` only when a credential was sent.
 */
import type { OpsError } from '../core/errors.ts';
import type { Scope } from '../core/scopes.ts';
import type { Recognised } from '../policy/credentials.ts';
import { retryAfter } from './refusals.ts';

export interface Challenges {
  /** For somebody who is nobody yet. */
  refusal(refused: Extract<Recognised, { refused: OpsError }>): {
    status: number;
    error: OpsError;
    headers: Record<string, string>;
  };
  /** Of a session or a token that ran out in the middle. */
  expired(): Record<string, string>;
  /** Step-up: all that this operation needs, so that one round is enough. */
  insufficientScope(scopes: readonly Scope[]): Record<string, string>;
}

export interface ChallengeFacts {
  /** URL of the protected-resource metadata, where there is an authorization server to name. */
  resourceMetadata: string | null;
  /** What a client should ask for first. */
  scope: string | null;
}

export function createChallenges(facts: ChallengeFacts = { resourceMetadata: null, scope: null }): Challenges {
  const say = (...parts: (string | null)[]) => ({
    'www-authenticate': ['Bearer realm="deckhand"', ...parts.filter((p) => p !== null)].join(', '),
  });
  const metadata = facts.resourceMetadata === null ? null : `resource_metadata="${facts.resourceMetadata}"`;
  const first = facts.scope === null ? null : `scope="${facts.scope}"`;
  const invalid = (description: string) =>
    say('error="invalid_token"', `error_description="${quotable(description)}"`, first, metadata);
  return {
    refusal({ refused, status, sent }) {
      if (status === 401)
        return { status, error: refused, headers: sent ? invalid(refused.message) : say(first, metadata) };
      if (status === 503 || status === 429)
        return { status, error: refused, headers: retryAfter(refused.details.retryAfterMs ?? 5_000) };
      // RFC 6750 3.1: what is malformed is told apart from what is no good.
      return { status, error: refused, headers: status === 400 ? say('error="invalid_request"', metadata) : {} };
    },
    expired: () => invalid('The token is unknown, expired or revoked.'),
    insufficientScope: (scopes) => say('error="insufficient_scope"', `scope="${scopes.join(' ')}"`, metadata),
  };
}

/** RFC 6750 3: printable ASCII without quotes and backslashes. */
const quotable = (text: string) => text.replace(/[^\x20-\x7e]|["\\]/g, "'").slice(0, 200);
