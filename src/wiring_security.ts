/**
 * The wiring of security events: who was here, bursts, rules that changed, tokens that came and went. Beside app.ts because that is long
 * enough. Decides only under which name a token is put on record: who ran the command, or that a server made its first one.
 */
import type { Loaded } from './config/load.ts';
import { noteRules, type PolicyAtStart, recordedTokens } from './policy/policy_changes.ts';
import type { Audit, Clock } from './policy/ports.ts';
import { createSecurity, type Security } from './policy/security.ts';
import type { Db } from './store/db.ts';
import { openPolicyDigests } from './store/policy_digests.ts';
import { openSeen, type Seen } from './store/seen.ts';
import type { Tokens } from './store/tokens.ts';

type Notify = Parameters<typeof createSecurity>[0]['notify'];

export interface SecurityWiring {
  security: Security;
  seen: Pick<Seen, 'of'>;
  /** Their coming and going is on record. */
  tokens: Tokens;
  /** At the start of a server. */
  noteRules(role: string, config: Loaded['config']): PolicyAtStart;
  /** Who is told of events from now on. */
  tell(notify: NonNullable<Notify>): void;
}

export function openSecurity(o: { db: Db; audit: Audit; clock: Clock; tokens: Tokens; by: string }): SecurityWiring {
  const { db, audit, clock } = o;
  const seen = openSeen(db, clock);
  const digests = openPolicyDigests(db);
  let notify: Notify;
  return {
    security: createSecurity({ seen, audit, clock, notify: (event) => notify?.(event) }),
    seen,
    tokens: recordedTokens(o.tokens, { by: o.by, audit, digests }),
    noteRules: (role, config) => noteRules({ role, config, tokens: o.tokens, digests, audit, now: clock.now }),
    tell(to) {
      notify = to;
    },
  };
}
