/** Who may read the audit. The tool's scope is asked by the door; this is asked again at the moment of reading. */
import { expect, test } from 'vitest';
import { ROLES, scopesOf } from '../../src/core/scopes.ts';
import { auditFor } from '../../src/policy/audit_search.ts';
import { rig, who } from '../fakes/policy.ts';

const query = { limit: 1, order: 'newest' as const };
const { signal } = new AbortController();

test.each(ROLES)('role %s', async (role) => {
  const { policy } = rig();
  const asked = auditFor(who('token:x', [...scopesOf(role)]), policy).search(query, signal);
  if (role === 'admin') expect(await asked).toMatchObject({ entries: [] });
  else await expect(asked).rejects.toMatchObject({ code: 'permission', details: { hint: expect.any(String) } });
});

test('a token with the scope may, until it is revoked', async () => {
  const { policy } = rig();
  let valid = true;
  const audit = auditFor(who('token:x', ['system:read', 'audit:read'], { valid: () => valid }), policy);
  expect(await audit.search(query, signal)).toMatchObject({ entries: [] });
  valid = false;
  await expect(audit.search(query, signal)).rejects.toMatchObject({ code: 'permission' });
});
