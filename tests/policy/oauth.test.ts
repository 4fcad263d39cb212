/** What a good token gives, for how long it is remembered, and that nobody gets anything out of what is remembered. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Principal } from '../../src/core/call.ts';
import { canonicalUri } from '../../src/core/oauth.ts';
import { type Issuer, TIMES } from '../../src/policy/oauth/ports.ts';
import {
  HOME,
  ISSUERS,
  JWKS,
  judged,
  KEYS,
  ofSolo,
  publicJwk,
  RESOURCE,
  type Spec,
  START_MS,
  START_S,
  tokenOf,
  type World,
  world,
} from './oauth_issuer.ts';

const principal = async (w: Pick<World, 'oauth'>, token: string): Promise<Principal> => {
  const found = await w.oauth.recognise(token);
  if (!('principal' in found)) throw new Error(found.refused.message);
  return found.principal;
};
const first = ISSUERS[0] as Issuer;
const having = (more: Partial<Issuer>) => world([{ ...first, ...more }]);
const scopes = async (more: Partial<Issuer>, claims: Spec['claims']) => [
  ...(await principal(having(more), tokenOf({ claims }))).scopes,
];

describe('what it gives', () => {
  test('a principal of its issuer and subject, with what tells this token from others and is no secret', async () => {
    const token = tokenOf();
    const who = await principal(world(), token);
    expect(who).toMatchObject({ id: 'jwt:home:alice', kind: 'jwt', roles: [] });
    expect(who.credential).toEqual({ issuer: HOME, jti: 'a-jti', client: 'a-client' });
    expect(who.expiresAtMs).toBe((START_S + 600 + TIMES.toleranceS) * 1_000);
    expect(JSON.stringify(who)).not.toContain(token.split('.')[2]);
  });

  test.each([
    ['a text', { scope: 'openid system:read  docker:write nonsense admin2' }, ['system:read', 'docker:write']],
    ['a list', { scope: ['system:read', 'net:read', 7, 'system:read docker:read'] }, ['system:read', 'net:read']],
    ['nothing', { scope: undefined }, []],
    ['an object', { scope: { 'system:read': true } }, []],
    ['another case', { scope: 'System:Read ADMIN' }, []],
    ['tabs between', { scope: 'system:read\tadmin' }, []],
  ])('scopes out of %s', async (_, claims, expected) => {
    expect(await scopes({}, claims)).toEqual(expected);
  });

  test('scopes out of another claim, and out of one within another', async () => {
    expect(await scopes({ scopeClaim: 'scp' }, { scope: 'admin', scp: 'net:read' })).toEqual(['net:read']);
    expect(await scopes({ scopeClaim: 'a.b' }, { a: { b: 'net:read' } })).toEqual(['net:read']);
    expect(await scopes({ scopeClaim: 'a.b' }, { a: 'x', b: 'net:read' })).toEqual([]);
    // By its whole name first.
    expect(await scopes({ scopeClaim: 'a.b' }, { 'a.b': 'net:read', a: { b: 'admin' } })).toEqual(['net:read']);
    expect(await scopes({ scopeClaim: 'constructor.name' }, {})).toEqual([]);
    expect(await scopes({ scopeClaim: '__proto__.scope' }, {})).toEqual([]);
  });

  test('nothing comes out of what JSON puts beside the claims', async () => {
    const token = tokenOf({
      claimsText: (t) => `{"__proto__":{"scope":"admin","groups":["ops"]},${t.slice(1)}`,
      claims: { scope: undefined },
    });
    expect([...(await principal(having({ roleClaim: 'groups', roles: [['ops', 'admin']] }), token)).scopes]).toEqual(
      [],
    );
  });

  test.each([
    [
      ['ops', 'family'],
      ['admin', 'viewer'],
    ],
    ['ops', ['admin']],
    ['ops family', []],
    [['Ops', 'ops '], []],
    [['ops', 'ops'], ['admin']],
    [{ ops: true }, []],
    [undefined, []],
    [[['ops']], []],
  ])('roles out of groups %j', async (groups, expected) => {
    const roles = [
      ['ops', 'admin'],
      ['family', 'viewer'],
      ['a=b', 'admin'],
    ] as const;
    const who = await principal(having({ roleClaim: 'groups', roles }), tokenOf({ claims: { groups } }));
    expect(who.roles).toEqual(expected);
  });

  test.each([
    ['no jti', { jti: undefined }],
    ['an empty one', { jti: '' }],
    ['one that is too long', { jti: 'x'.repeat(129) }],
    ['one with a line break', { jti: 'a\nb' }],
    ['a number', { jti: 7 }],
  ])('with %s it is known by a fingerprint', async (_, claims) => {
    const who = await principal(world(), tokenOf({ claims: { ...claims, client_id: 'x\u0007' } }));
    expect(who.credential).toEqual({ issuer: HOME, fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/) });
  });

  test('a second signature of the same content is the same token for the record', async () => {
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const other = (s: Buffer) => {
      const half = order - BigInt(`0x${s.subarray(32).toString('hex')}`);
      return Buffer.concat([s.subarray(0, 32), Buffer.from(half.toString(16).padStart(64, '0'), 'hex')]);
    };
    const w = world();
    const token = tokenOf({ claims: { jti: undefined } });
    const again = token.replace(/[^.]+$/, (s) => other(Buffer.from(s, 'base64url')).toString('base64url'));
    const [a, b] = [await principal(w, token), await principal(w, again)];
    expect(again).not.toBe(token);
    expect(b.credential).toEqual(a.credential);
  });
});

describe('it is remembered', () => {
  test('by what was decoded, signature and all: the second time it is known at once', async () => {
    const w = world();
    const token = tokenOf();
    const who = await principal(w, token);
    expect(w.oauth.recognise(token)).toEqual({ principal: who });
    // The same principal, so that what others remember of it is found again.
    expect((w.oauth.recognise(token) as { principal: Principal }).principal).toBe(who);
  });

  test('and nothing that is only like it: other claims under its signature, its claims under another', async () => {
    const w = world();
    const [h, c, s] = tokenOf().split('.') as [string, string, string];
    await principal(w, `${h}.${c}.${s}`);
    const more = Buffer.from(c, 'base64url').toString().replace('system:read', 'admin');
    expect(await judged(w, `${h}.${Buffer.from(more).toString('base64url')}.${s}`)).toMatch(/signature is wrong/);
    expect(await judged(w, `${h}.${c}.${s.replace(/^./, (x) => (x === 'A' ? 'B' : 'A'))}`)).toMatch(
      /signature is wrong/,
    );
    // A border that moves between the parts makes another token, also where all bytes together stay the same.
    const whole = (text: string) => text + ' '.repeat((3 - (text.length % 3)) % 3);
    const even = tokenOf({ headerText: whole, claimsText: whole, claims: { jti: 'even' } });
    await principal(w, even);
    const [eh = '', ec = '', es = ''] = even.split('.');
    expect(await judged(w, `${eh}${ec.slice(0, 4)}.${ec.slice(4)}.${es}`)).toMatch(/^401/);
    expect(await judged(w, `${eh}.${ec}${es.slice(0, 4)}.${es.slice(4)}`)).toMatch(/^401/);
    // Another text of the same bytes is none at all.
    expect(await judged(w, `${h}.${c}.${s}=`)).toMatch(/not three parts/);
  });

  test('never past its end: then it is looked at anew, and past the tolerance it is out', async () => {
    const w = world();
    const token = tokenOf({ claims: { exp: START_S + 60 } });
    const who = await principal(w, token);
    w.at.ms += 59_999;
    expect(w.oauth.recognise(token)).toEqual({ principal: who });
    w.at.ms += 1;
    const after = w.oauth.recognise(token);
    expect(after).toBeInstanceOf(Promise);
    expect('principal' in (await after)).toBe(true);
    w.at.ms += TIMES.toleranceS * 1_000;
    expect(await judged(w, token)).toMatch(/has expired/);
    expect(who.expiresAtMs).toBe(START_MS + 90_000);
  });

  test('two thousand of them; the one that was used longest ago goes first', async () => {
    const w = world();
    const token = (n: number) => tokenOf({ key: 'ed', header: { alg: 'EdDSA' }, claims: { jti: `j${n}` } });
    const tokens = Array.from({ length: 2_001 }, (_, n) => token(n));
    for (const t of tokens.slice(0, 2_000)) await principal(w, t);
    expect(w.oauth.recognise(tokens[0] as string)).not.toBeInstanceOf(Promise);
    await principal(w, tokens[2_000] as string);
    expect(w.oauth.recognise(tokens[0] as string)).not.toBeInstanceOf(Promise);
    expect(w.oauth.recognise(tokens[1] as string)).toBeInstanceOf(Promise);
  });
});

test('whatever one letter of a good token is changed to, it is refused; without the change it is let in', async () => {
  const w = world();
  const token = tokenOf({ key: 'ed', header: { alg: 'EdDSA' } });
  expect(await judged(w, token)).toMatch(/^ok/);
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=';
  await fc.assert(
    fc.asyncProperty(fc.nat(token.length - 1), fc.constantFrom(...letters), async (at, letter) => {
      fc.pre(token[at] !== letter);
      expect(await judged(w, token.slice(0, at) + letter + token.slice(at + 1))).toMatch(/^401/);
    }),
    { numRuns: 500 },
  );
});

describe('clocks that differ', () => {
  test.each([
    [-30, /^ok/],
    [-31, /issued in the future/],
    [0, /^ok/],
    [89, /^ok/],
    [90, /has expired/],
  ])('ours by %i s, for a token of a minute', async (skewS, says) => {
    const w = world();
    w.at.skewMs = skewS * 1_000;
    expect(await judged(w, tokenOf({ claims: { iat: START_S, exp: START_S + 60 } }))).toMatch(says);
  });

  test('a clock that is set back keeps no key for longer', async () => {
    const w = world();
    const long = { exp: START_S + 80_000 };
    await principal(w, tokenOf({ claims: long }));
    w.at.ms += TIMES.keysMs;
    w.at.skewMs = -TIMES.keysMs;
    w.pages.set(JWKS(HOME), { keys: [] });
    await principal(w, tokenOf({ claims: { ...long, jti: 'other' } }));
    for (let i = 0; i < 50; i++) await Promise.resolve();
    expect(await judged(w, tokenOf({ claims: { ...long, jti: 'third' } }))).toMatch(/no such key/);
  });
});

test('each algorithm of the list', async () => {
  const w = world();
  const all: [Spec['key'], string][] = [
    ['ec', 'ES256'],
    ['ec384', 'ES384'],
    ['ec512', 'ES512'],
    ['ed', 'EdDSA'],
    ['ed', 'Ed25519'],
    ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'].map((a): [Spec['key'], string] => ['rsa', a]),
  ];
  for (const [key, alg] of all)
    expect(await judged(w, tokenOf({ ...(key ? { key } : {}), header: { alg } })), alg).toMatch(/^ok/);
  expect(all.map(([, alg]) => alg).sort()).toEqual([...first.algorithms].sort());
});

test('issuers are told apart to the letter: the key of one is nothing to another, the same subject is somebody else', async () => {
  const w = world();
  expect((await principal(w, tokenOf())).id).toBe('jwt:home:alice');
  expect((await principal(w, tokenOf(ofSolo()))).id).toBe('jwt:solo:alice');
  w.pages.set(JWKS(HOME), { keys: [publicJwk('solo', { kid: 'solo' })] });
  expect(KEYS.solo).toBeDefined();
  expect(await judged(w, tokenOf({ ...ofSolo(), header: { typ: 'JWT', kid: 'home' } }))).toMatch(/no such key/);
});

test.each([
  ['https://Deck.Example.org/mcp', 'https://deck.example.org/mcp'],
  ['HTTPS://deck.example.org:443/mcp/', 'https://deck.example.org/mcp'],
  ['https://deck.example.org:8443/a/mcp', 'https://deck.example.org:8443/a/mcp'],
  ['https://deck.example.org/', 'https://deck.example.org'],
  ['https://deck.example.org/MCP?x#y', 'https://deck.example.org/MCP'],
  ['http://deck.example.org/mcp', null],
  ['deck.example.org', null],
  ['', null],
])('the canonical URI of %j', (text, expected) => expect(canonicalUri(text)).toBe(expected));

test('the URI of tests is canonical', () => expect(canonicalUri(RESOURCE)).toBe(RESOURCE));
