/** Where an issuer says things: both standards, and that nobody speaks for another. */
import { describe, expect, test } from 'vitest';
import type { OpsError } from '../../src/core/errors.ts';
import type { AskJson } from '../../src/core/oauth.ts';
import { createDiscovery, type Discovery, wellKnown } from '../../src/policy/oauth/discovery.ts';
import { TIMES } from '../../src/policy/oauth/ports.ts';
import { DOWN } from './oauth_issuer.ts';

const ISSUER = 'https://id.example.org/tenant';
const GOOD = {
  issuer: ISSUER,
  jwks_uri: 'https://id.example.org/keys',
  introspection_endpoint: 'https://id.example.org/introspect',
};

const NEVER = new AbortController().signal;
const from = (d: Discovery) => ({ get: () => d.get(NEVER), forget: d.forget });

function place(pages: Record<string, unknown>, issuer = ISSUER) {
  const asked: string[] = [];
  const at = { ms: 0 };
  const ask: AskJson = async ({ url, caFile }) => {
    asked.push(`${url}${caFile ? ` by ${caFile}` : ''}`);
    const page = pages[url];
    if (page instanceof Error) throw page;
    if (typeof page === 'number') return { status: page, body: null };
    return page === undefined ? { status: 404, body: null } : { status: 200, body: page };
  };
  return {
    discovery: from(createDiscovery({ issuer, caFile: '/ca.pem' }, { ask, elapsed: () => at.ms })),
    asked,
    at,
    pages,
  };
}
const [OAUTH, OIDC, APPENDED] = wellKnown(ISSUER) as [string, string, string];
const why = (p: Promise<unknown>) =>
  p.then(
    () => 'found',
    (e: OpsError) => e.message,
  );

test.each([
  [
    ISSUER,
    [
      'https://id.example.org/.well-known/oauth-authorization-server/tenant',
      'https://id.example.org/.well-known/openid-configuration/tenant',
      'https://id.example.org/tenant/.well-known/openid-configuration',
    ],
  ],
  [
    'https://id.example.org/',
    [
      'https://id.example.org/.well-known/oauth-authorization-server',
      'https://id.example.org/.well-known/openid-configuration',
    ],
  ],
  [
    'https://id.example.org:8443/a/b/',
    [
      'https://id.example.org:8443/.well-known/oauth-authorization-server/a/b',
      'https://id.example.org:8443/.well-known/openid-configuration/a/b',
      'https://id.example.org:8443/a/b/.well-known/openid-configuration',
    ],
  ],
])('the places of %s', (issuer, places) => expect(wellKnown(issuer)).toEqual(places));

test.each([OAUTH, OIDC, APPENDED])('%s counts', async (url) => {
  const { discovery, asked } = place({ [url]: GOOD });
  const found = await discovery.get();
  expect(found).toMatchObject({ keys: GOOD.jwks_uri, introspection: GOOD.introspection_endpoint });
  expect(asked.at(-1)).toBe(`${url} by /ca.pem`);
  expect([found.named(GOOD.jwks_uri), found.named('https://keys.example.net/')]).toEqual([true, false]);
});

test('a crowd that asks at once is one question', async () => {
  const { discovery, asked } = place({ [OAUTH]: GOOD });
  await Promise.all([discovery.get(), discovery.get(), discovery.get()]);
  expect(asked.length).toBe(1);
});

test('it is asked once an hour, and anew when that was forgotten', async () => {
  const { discovery, asked, at } = place({ [OAUTH]: GOOD });
  await discovery.get();
  at.ms = TIMES.metadataMs - 1;
  await discovery.get();
  expect(asked.length).toBe(1);
  at.ms += 1;
  await discovery.get();
  expect(asked.length).toBe(2);
  discovery.forget();
  await discovery.get();
  expect(asked.length).toBe(3);
});

describe('who stands there may not speak for another', () => {
  test.each([
    `${ISSUER}/`,
    ISSUER.toUpperCase(),
    ISSUER.replace('https', 'http'),
    `${ISSUER} `,
    undefined,
    null,
    [ISSUER],
  ])('the name %j', async (issuer) => {
    const bad = { ...GOOD, issuer };
    expect(await why(place({ [OAUTH]: bad }).discovery.get())).toMatch(/name another issuer than the settings/);
    // Another place may still hold its own.
    expect(await why(place({ [OAUTH]: bad, [APPENDED]: GOOD }).discovery.get())).toBe('found');
  });
});

test.each([
  ['nothing', {}, /no metadata where/],
  ['no JSON', { [OAUTH]: null, [OIDC]: 'text' }, /no metadata where/],
  ['an error of the server', { [OAUTH]: 500, [OIDC]: GOOD }, /answers 500/],
  ['too many questions', { [OAUTH]: 429 }, /answers 429/],
  ['no answer', { [OAUTH]: DOWN }, /does not answer/],
])('%s: it cannot be asked', async (_, pages, says) => {
  expect(await why(place(pages).discovery.get())).toMatch(says);
});

test.each([
  ['http', 'http://id.example.org/x'],
  ['a name and a password', 'https://a:b@id.example.org/x'],
  ['no URL', '//id.example.org/x'],
  ['a file', 'file:///etc/passwd'],
  ['too long', `https://id.example.org/${'x'.repeat(2_100)}`],
  ['no text', 7],
])('an address with %s is none', async (_, url) => {
  const found = await place({ [OAUTH]: { ...GOOD, jwks_uri: url, introspection_endpoint: url } }).discovery.get();
  expect(found).toMatchObject({ keys: null, introspection: null });
});

test.each(['https://other.example.org/introspect', 'https://id.example.org:8443/introspect'])(
  'tokens and the client’s secret are not sent to %s',
  async (introspection_endpoint) => {
    const found = await place({ [OAUTH]: { ...GOOD, introspection_endpoint } }).discovery.get();
    expect(found.introspection).toBeNull();
  },
);
