/** Credentials become principals. */
import { expect, test } from 'vitest';
import { bearerPrincipal, cliPrincipal, stdioPrincipal, type TokenRecord } from '../../src/policy/authenticate.ts';

test('a client under a uid and a person under the same uid are two principals', () => {
  const [client, person] = [stdioPrincipal(1000, 'operator'), cliPrincipal(1000, 'admin')];
  expect([client.id, person.id]).toEqual(['stdio:1000', 'cli:1000']);
  expect(client.scopes.has('services:write')).toBe(true);
  expect(client.scopes.has('audit:read')).toBe(false);
  expect([...person.scopes]).toEqual(['admin']);
  expect(stdioPrincipal(0, 'viewer').scopes.has('system:write')).toBe(false);
  // Neither can be revoked: the kernel's word does not change while the process lives.
  expect([client.valid(), person.valid()]).toEqual([true, true]);
});

test('a token is its principal while it stands, and stops the moment it is revoked', () => {
  const record: TokenRecord = { name: 'laptop', scopes: ['system:read'], expiresAtMs: null, fingerprint: 'f1' };
  let stands = true;
  const tokens = { find: (secret: string) => (secret === 'right' && stands ? record : null), holds: () => stands };
  expect(bearerPrincipal(tokens, 'wrong')).toBeNull();
  const who = bearerPrincipal(tokens, 'right');
  expect(who).toMatchObject({ id: 'token:laptop', kind: 'token' });
  expect(who?.valid()).toBe(true);
  // The same file, the same set: what is remembered of a set of rights is found again by the next request.
  expect(bearerPrincipal(tokens, 'right')?.scopes).toBe(who?.scopes);
  stands = false;
  expect(who?.valid()).toBe(false);
  expect(bearerPrincipal(tokens, 'right')).toBeNull();
});

test('a token brings the roles it was made with, and one without any brings none', () => {
  const record: TokenRecord = { name: 'laptop', scopes: [], expiresAtMs: null, fingerprint: 'f1' };
  const rolesOf = (roles?: string[]) => {
    const made = roles === undefined ? record : { ...record, roles };
    return bearerPrincipal({ find: () => made, holds: () => true }, 'right');
  };
  expect(rolesOf(['web', 'db'])?.roles).toEqual(['web', 'db']);
  expect(rolesOf()).not.toHaveProperty('roles');
  expect(rolesOf([])).not.toHaveProperty('roles');
});
