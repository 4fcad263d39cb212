/** What may be written of issuers, and what a start makes of it. */
import { describe, expect, test } from 'vitest';
import { AuthSettings, IssuerEntry } from '../../src/config/auth.ts';
import type { OpsError } from '../../src/core/errors.ts';
import type { Shown } from '../../src/policy/credentials.ts';
import { openAuth } from '../../src/wiring_auth.ts';
import { quiet, who } from '../fakes/policy.ts';

const entry = (over: object = {}) => ({ name: 'home', issuer: 'https://id.example.org', ...over });
const wrong = (...issuers: object[]) =>
  AuthSettings.safeParse({ issuers })
    .error?.issues.map((i) => i.message)
    .join();

test('the defaults are the careful ones', () => {
  expect(IssuerEntry.parse(entry())).toEqual({
    ...entry(),
    kind: 'jwt',
    audience: [],
    typ: ['at+jwt'],
    scopeClaim: 'scope',
    roles: [],
    require: [],
    maxAgeMinutes: 1_440,
  });
  // What a client asks for first reads, and is not the audit.
  expect(AuthSettings.parse({}).scopes).toEqual([
    'system:read',
    'docker:read',
    'logs:read',
    'services:read',
    'files:read',
    'net:read',
  ]);
});

test.each([
  ['http', { issuer: 'http://id.example.org' }, /https URL/],
  ['a user', { issuer: 'https://a@id.example.org' }, /https URL/],
  ['a query', { issuer: 'https://id.example.org?x' }, /https URL/],
  ['a fragment', { issuer: 'https://id.example.org#x' }, /https URL/],
  ['a space', { issuer: 'https://id.example.org/ x' }, /https URL/],
  ['no URL', { issuer: 'id.example.org' }, /https URL/],
  ['a shared secret', { algorithms: ['HS256'] }, /Invalid option/],
  ['no signature', { algorithms: ['none'] }, /Invalid option/],
  ['no algorithm', { algorithms: [] }, /Too small/],
  ['a type in upper case', { typ: ['JWT'] }, /lower case/],
  ['a mapping without a role', { roles: ['ops'] }, /value=role/],
  ['an odd role', { roles: ['ops=Admin!'] }, /value=role/],
  ['a requirement without a value', { require: ['email_verified'] }, /claim=value/],
  ['a secret in the file', { clientSecret: 'x' }, /Unrecognized key/],
  ['a secret without a name', { clientSecretFile: '/x' }, /expected the id/],
  ['a file that is no path', { caFile: 'ca.pem' }, /absolute path/],
])('%s is refused', (_, over, says) => {
  expect(wrong(entry(over))).toMatch(says);
  expect(wrong(entry())).toBeUndefined();
});

test('names, issuers and whoever is asked about opaque tokens stand once', () => {
  const other = { name: 'other', issuer: 'https://id.example.org/' };
  // A slash is another issuer.
  expect(wrong(entry(), other)).toBeUndefined();
  expect(wrong(entry(), { ...other, name: 'home' })).toMatch(/each name once/);
  expect(wrong(entry(), entry({ name: 'other' }))).toMatch(/each issuer once/);
  expect(wrong(entry({ kind: 'introspection' }), other)).toBeUndefined();
  expect(wrong(entry({ kind: 'introspection' }), { ...other, kind: 'introspection' })).toMatch(/shown to nobody else/);
});

describe('a start', () => {
  const open = (over: { auth?: object; url?: string | null; roles?: object[] }) =>
    openAuth({
      config: {
        auth: AuthSettings.parse(over.auth ?? {}),
        http: { url: over.url ?? null },
        tailnet: { socket: null },
        roles: over.roles ?? [],
      } as never,
      find: (secret: string) => (secret === 'dh_x' ? who('token:x', []) : null),
      clock: { now: Date.now, elapsed: () => performance.now() },
      log: quiet,
      forged: () => {},
    } as never);
  const why = (work: Promise<unknown>) =>
    work.then(
      () => 'opened',
      (e: OpsError) => `${e.message} ${e.details.hint}`,
    );
  const bearer = (token: string): Shown => ({
    listener: 'tcp',
    address: undefined,
    bearer: token,
    header: () => undefined,
  });

  test('without issuers takes tokens of ours and names no resource', async () => {
    const { authenticate, resource, check } = await open({});
    expect(resource).toBeNull();
    expect(await check()).toEqual([]);
    expect(await authenticate(bearer('dh_x'))).toMatchObject({ principal: { id: 'token:x' } });
    expect(await authenticate(bearer('eyJ'))).toMatchObject({ status: 401 });
  });

  test.each([
    ['nothing', {}],
    ['plain http', { url: 'http://deck.example.org' }],
  ])('with issuers and %s as its own address is refused', async (_, over) => {
    expect(await why(open({ auth: { issuers: [entry()] }, ...over }))).toMatch(
      /no https URI .*`http.url`.*`auth.resource`/,
    );
  });

  test.each<[{ url: string; auth?: object }, string]>([
    [{ url: 'https://Deck.example.org' }, 'https://deck.example.org/mcp'],
    [{ url: 'https://deck.example.org/box' }, 'https://deck.example.org/box/mcp'],
    [{ url: 'http://127.0.0.1', auth: { resource: 'https://Deck.example.org:443/x' } }, 'https://deck.example.org/x'],
  ])('%j names %s', async ({ url, auth = {} }, uri) => {
    const { resource } = await open({ url, auth: { ...auth, issuers: [entry()], scopes: ['system:read'] } });
    expect(resource).toEqual({ uri, issuers: ['https://id.example.org'], scopes: ['system:read'] });
  });

  test('a role that nobody made is told, with the one that was meant', async () => {
    const url = 'https://deck.example.org';
    const auth = (role: string) => ({ issuers: [entry({ roleClaim: 'groups', roles: [`a=b=${role}`] })] });
    expect(await why(open({ url, auth: auth('operater') }))).toMatch(
      /home gives the role operater.*Roles are viewer, operator, admin/,
    );
    expect(await why(open({ url, auth: auth('operator') }))).toBe('opened');
    expect(await why(open({ url, auth: auth('deploy') }))).toMatch(/none of that name/);
    expect(await why(open({ url, auth: auth('deploy'), roles: [{ name: 'deploy' }] }))).toBe('opened');
  });

  test('every part of an entry is taken along', async () => {
    const full = entry({
      kind: 'introspection',
      algorithms: ['ES256'],
      clientId: 'deckhand',
      clientSecretFile: '/nowhere/secret',
      caFile: '/nowhere/ca.pem',
    });
    const { authenticate, check } = await open({
      url: 'https://deck.example.org',
      auth: { issuers: [full, entry({ name: 'b', issuer: 'https://b.example.org', clientId: 'x' })] },
    });
    // The authority's file is missing: nobody can be asked, and the doctor says which file it is.
    expect(await authenticate(bearer('opaque'))).toMatchObject({ status: 503 });
    expect((await check())[0]?.trouble).toContain('/nowhere/ca.pem');
  });
});
