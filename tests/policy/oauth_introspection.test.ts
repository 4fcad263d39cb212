/** Tokens that say nothing by themselves: what their issuer says of them, for how long it counts, and what a flood can make us ask. */
import { describe, expect, test } from 'vitest';
import type { Principal } from '../../src/core/call.ts';
import { SIGNATURES } from '../../src/core/oauth.ts';
import { type Issuer, TIMES } from '../../src/policy/oauth/ports.ts';
import {
  DOWN,
  ISSUERS,
  judged,
  METADATA,
  RESOURCE,
  SOLO,
  START_S,
  tokenOf,
  type World,
  world,
} from './oauth_issuer.ts';

const IDP = 'https://idp.example.ts.net';
const META = `${IDP}/.well-known/oauth-authorization-server`;
const ASK = `${IDP}/introspect`;
const OK = 'ok jwt:tailnet:alice';
const AWAY = '503 The issuer tailnet cannot be asked now.';
const ENTRY: Issuer = {
  name: 'tailnet',
  issuer: IDP,
  kind: 'introspection',
  audience: [RESOURCE],
  algorithms: SIGNATURES,
  typ: ['at+jwt'],
  scopeClaim: 'scope',
  roles: [],
  require: [],
  maxAgeS: 3_600,
  client: { id: 'deckhand', secretFile: '/secret' },
  caFile: '/ca.pem',
};
const SAID = {
  active: true,
  iss: IDP,
  aud: RESOURCE,
  sub: 'alice',
  scope: 'system:read',
  exp: START_S + 300,
  iat: START_S - 5,
  token_type: 'Bearer',
};

function place(said: unknown = SAID): World & { tokens: () => (string | undefined)[] } {
  const w = world([...ISSUERS, ENTRY]);
  w.pages.set(META, { issuer: IDP, introspection_endpoint: ASK });
  w.pages.set(ASK, typeof said === 'function' ? said : () => said);
  return { ...w, tokens: () => w.asked.filter((a) => a.url === ASK).map((a) => a.form?.token) };
}
const opaque = (n: number | string = 'a') => `${n}`.padStart(64, '0');
const settle = async () => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};
const principal = async (w: World, token: string): Promise<Principal> => {
  const found = await w.oauth.recognise(token);
  if (!('principal' in found)) throw new Error(found.refused.message);
  return found.principal;
};

test('its issuer is asked with the client’s name, over its own authority, and what it says makes the principal', async () => {
  const w = place();
  const who = await principal(w, opaque());
  expect(who).toMatchObject({ id: 'jwt:tailnet:alice', kind: 'jwt', roles: [], expiresAtMs: (START_S + 300) * 1_000 });
  expect([...who.scopes]).toEqual(['system:read']);
  expect(who.credential).toEqual({ issuer: IDP, fingerprint: expect.stringMatching(/^.{16}$/) });
  expect(JSON.stringify(who.credential)).not.toContain(opaque());
  expect(w.asked.at(-1)).toEqual({
    url: ASK,
    named: true,
    form: { token: opaque(), token_type_hint: 'access_token' },
    signal: expect.any(AbortSignal),
    client: { id: 'deckhand', secretFile: '/secret' },
    caFile: '/ca.pem',
  });
});

test('without a name of ours and an authority of its own it is asked without them', async () => {
  const { client: _, caFile: __, ...bare } = ENTRY;
  const w = world([bare]);
  w.pages.set(META, { issuer: IDP, introspection_endpoint: ASK });
  w.pages.set(ASK, SAID);
  expect(await judged(w, opaque())).toBe(OK);
  expect(w.asked.at(-1)).toEqual({
    url: ASK,
    named: true,
    form: { token: opaque(), token_type_hint: 'access_token' },
    signal: expect.any(AbortSignal),
  });
});

describe('what it says is judged', () => {
  test.each<[string, object, RegExp]>([
    ['not active', { active: false }, /its issuer says that it is not active/],
    ['active as a text', { active: 'true' }, /not active/],
    ['nothing', { active: undefined }, /not active/],
    ['no audience', { aud: undefined }, /another audience/],
    ['another audience', { aud: 'https://other.example.org/mcp' }, /another audience/],
    ['an audience more', { aud: [RESOURCE, 'https://other.example.org'] }, /another audience/],
    ['no subject', { sub: undefined }, /its subject/],
    ['an odd subject', { sub: 'a\u202eb' }, /its subject/],
    ['another issuer', { iss: `${IDP}/` }, /its issuer is not one of those/],
    ['an end that is past', { exp: START_S }, /has expired/],
    ['an end that is a text', { exp: `${START_S + 60}` }, /wrong type/],
    ['an end without end', { exp: Number.POSITIVE_INFINITY }, /wrong type/],
    ['a beginning later', { nbf: START_S + 31 }, /not valid yet/],
    ['issued later', { iat: START_S + 31 }, /issued in the future/],
    ['issued long ago', { iat: START_S - 3_631 }, /too long ago/],
    ['a DPoP token', { token_type: 'DPoP' }, /bound to a key/],
    ['a type that is none', { token_type: 7 }, /bound to a key/],
    ['a bound token', { cnf: { jkt: 'x' } }, /bound to a key/],
    ['an ID token', { nonce: 'x' }, /ID token/],
  ])('%s', async (_, more, says) => {
    expect(await judged(place({ ...SAID, ...more }), opaque())).toMatch(says);
  });
  test.each<[string, object]>([
    ['no issuer', { iss: undefined }],
    ['no times', { exp: undefined, iat: undefined }],
    ['a list of one audience', { aud: [RESOURCE] }],
    ['clocks that differ a little', { iat: START_S + 30, nbf: START_S + 30 }],
    ['a type in lower case', { token_type: 'bearer' }],
    ['no type', { token_type: undefined }],
  ])('%s is enough', async (_, more) => {
    expect(await judged(place({ ...SAID, ...more }), opaque())).toBe(OK);
  });
});

describe('for how long', () => {
  test('what it said counts for half a minute: then it is asked again, and a token that was revoked is out', async () => {
    let said: object = SAID;
    const w = place(() => said);
    const who = await principal(w, opaque());
    said = { active: false };
    w.at.ms += TIMES.activeMs - 1;
    expect(w.oauth.recognise(opaque())).toEqual({ principal: who });
    expect(w.tokens().length).toBe(1);
    w.at.ms += 1;
    expect(await judged(w, opaque())).toMatch(/not active/);
    expect(w.tokens().length).toBe(2);
    // A no counts for a while, too, and is asked about again after it.
    expect(await judged(w, opaque())).toMatch(/not active/);
    expect(w.tokens().length).toBe(2);
    said = SAID;
    w.at.ms += TIMES.inactiveMs;
    expect(await judged(w, opaque())).toBe(OK);
  });

  test('never past its end', async () => {
    const w = place({ ...SAID, exp: START_S + 10 });
    await principal(w, opaque());
    w.at.ms += 10_000;
    expect(await judged(w, opaque())).toMatch(/has expired/);
  });

  test('a call that lasts is let go on while it is asked anew, and stops when the issuer says no', async () => {
    let said: object = SAID;
    const w = place(() => said);
    const who = await principal(w, opaque());
    w.at.ms += TIMES.activeMs;
    expect([who.valid(), who.valid()]).toEqual([true, true]);
    await settle();
    expect(w.tokens().length).toBe(2);
    // Said again: another half minute.
    w.at.ms += TIMES.activeMs - 1;
    expect(who.valid()).toBe(true);
    await settle();
    expect(w.tokens().length).toBe(2);
    said = { active: false };
    w.at.ms += 1;
    expect(who.valid()).toBe(true);
    await settle();
    expect(who.valid()).toBe(false);
  });

  test('with an issuer that is away it ends soon after', async () => {
    const w = place();
    const who = await principal(w, opaque());
    w.pages.set(ASK, DOWN);
    w.at.ms += TIMES.activeLastMs - 1;
    expect(who.valid()).toBe(true);
    await settle();
    w.at.ms += 1;
    expect(who.valid()).toBe(false);
  });
});

describe('an issuer that is away', () => {
  test('lets nobody in but whom it has just named, and comes back', async () => {
    const w = place();
    await principal(w, opaque());
    w.pages.set(ASK, DOWN);
    expect(await judged(w, opaque())).toBe(OK);
    expect(await judged(w, opaque('b'))).toBe(AWAY);
    for (let i = 0; i < 50; i++) expect(await judged(w, opaque(i))).toBe(AWAY);
    expect(w.tokens().length).toBe(2);
    w.pages.set(ASK, () => SAID);
    w.at.ms += TIMES.retryMs;
    expect(await judged(w, opaque('b'))).toBe(OK);
    expect(w.said.map((s) => s.message)).toEqual([
      'an issuer cannot be asked about a token',
      'the issuer answers again',
    ]);
  });

  test('is complained of once, also when several were asked about at once', async () => {
    const w = place();
    w.pages.set(ASK, DOWN);
    await Promise.all([judged(w, opaque('a')), judged(w, opaque('b'))]);
    expect(w.said.length).toBe(1);
  });

  test.each([
    ['it refuses our own name', 401],
    ['an error', 500],
    ['no object', [SAID]],
    ['no JSON', null],
  ])('%s', async (_, page) => {
    const w = place();
    w.pages.set(ASK, page);
    expect(await judged(w, opaque())).toBe(AWAY);
  });

  test('an address for it elsewhere is not used', async () => {
    const w = place();
    w.pages.set(META, { issuer: IDP, introspection_endpoint: 'https://elsewhere.example.org/introspect' });
    expect(await judged(w, opaque())).toBe(AWAY);
    expect(w.said[0]?.fields.why).toMatch(/no introspection_endpoint at the issuer’s own address/);
    expect((await w.oauth.check()).at(-1)?.trouble).toMatch(/no introspection_endpoint/);
    const well = place({ active: false });
    expect((await well.oauth.check()).at(-1)?.trouble).toBeNull();
    // It is asked as for any token: our own name is tried with it.
    expect(well.tokens()).toEqual(['deckhand-doctor']);
    well.pages.set(ASK, 401);
    expect((await well.oauth.check()).at(-1)?.trouble).toMatch(/answers 401 .* clientId/);
  });
});

describe('a flood', () => {
  test('of one token is one question', async () => {
    const w = place();
    await Promise.all(Array.from({ length: 100 }, () => judged(w, opaque())));
    expect(w.tokens().length).toBe(1);
  });

  test('of many asks about sixteen at once, and the rest are told to come again', async () => {
    const { promise, resolve } = Promise.withResolvers<object>();
    const w = place(() => promise);
    const all = Array.from({ length: 100 }, (_, i) => judged(w, opaque(i)));
    await settle();
    expect(w.tokens().length).toBe(16);
    resolve(SAID);
    const said = await Promise.all(all);
    expect(said.filter((s) => s === OK).length).toBe(16);
    expect(said.filter((s) => s === AWAY).length).toBe(84);
  });

  test('of bad ones is remembered up to a bound', async () => {
    const w = place({ active: false });
    for (let i = 0; i < 1_001; i++) await judged(w, opaque(i));
    expect(w.tokens().length).toBe(1_001);
    await judged(w, opaque(1_000));
    expect(w.tokens().length).toBe(1_001);
    // The oldest has made room.
    await judged(w, opaque(0));
    expect(w.tokens().length).toBe(1_002);
  });
});

describe('whose token is shown to whom', () => {
  test('a JWT that names this issuer is, and no other', async () => {
    const w = place();
    const its = tokenOf({ claims: { iss: IDP } });
    expect(await judged(w, its)).toBe(OK);
    expect(w.tokens()).toEqual([its]);
    expect(await judged(w, tokenOf())).toMatch(/^ok jwt:home/);
    expect(await judged(w, tokenOf({ claims: { iss: 'https://nobody.example.org' } }))).toMatch(
      /its issuer is not one/,
    );
    expect(await judged(w, `${tokenOf()}=`)).toMatch(/not three parts/);
    expect(w.tokens()).toEqual([its]);
  });

  test('without such an issuer an opaque token is shown to nobody', async () => {
    const w = world();
    expect(await judged(w, opaque())).toMatch(/not three parts/);
    expect(w.asked).toEqual([]);
    expect([METADATA[SOLO]]).toBeDefined();
  });
});
