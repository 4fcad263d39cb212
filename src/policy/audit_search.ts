/**
 * The audit as one principal may read it. The tool asks for its scope like any other; this asks once more at the moment of
 * reading, so that no other tool can be made to read it, and a token revoked meanwhile reads nothing.
 */
import type { AuditSearch } from '../core/audit.ts';
import type { Principal } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { holds } from '../core/scopes.ts';
import type { Policy } from './ports.ts';

export function auditFor(who: Principal, p: Pick<Policy, 'records'>): AuditSearch {
  return {
    async search(query, signal) {
      if (!who.valid() || !holds(who.scopes, 'audit:read'))
        throw new OpsError('permission', 'Reading the audit needs the scope audit:read.', {
          hint: 'Use a token that holds it; on the host, `deckhand token add NAME --role viewer --scope audit:read` makes one.',
        });
      return p.records.search(query, signal);
    },
  };
}
