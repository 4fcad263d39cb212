/** The keys of an issuer: when they are asked for, what a withdrawn one ends, and what happens while the issuer is away. */
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { type Issuer, TIMES } from '../../src/policy/oauth/ports.ts';
import {
  DOWN,
  HOME,
  HOME_KEYS,
  ISSUERS,
  JWKS,
  judged,
  METADATA,
  ofSolo,
  publicJwk,
  SOLO,
  START_S,
  tokenOf,
  type World,
  world,
} from './oauth_issuer.ts';

const OK = 'ok jwt:home:alice';
const AWAY = '503 The issuer home cannot be asked now.';
const NO_KEY = '401 The token is not accepted: its issuer has no such key.';
const fetches = (w: World) => w.asked.filter((a) => a.url === JWKS(HOME)).length;
const settle = async () => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};
/** Of another subject, so that nothing remembered answers. */
let count = 0;
const fresh = (w: World, more: Parameters<typeof tokenOf>[0] = {}) =>
  tokenOf({ ...more, claims: { ...more.claims, jti: `j${count++}` } }, (w.at.ms + w.at.skewMs) / 1_000);
const unknownKid = (w: World) => fresh(w, { header: { kid: `kid-${count++}` }, claims: { iat: START_S - 500 } });
const setKeys = (w: World, ...keys: object[]) => void w.pages.set(JWKS(HOME), { keys });
const OTHERS = HOME_KEYS.filter((k) => !('kid' in k) || k.kid !== 'ec');

async function started(): Promise<World> {
  const w = world();
  expect(await judged(w, fresh(w))).toBe(OK);
  return w;
}

describe('asked for', () => {
  test('at the first token, once for a crowd of them, and not again for ten minutes', async () => {
    const w = world();
    const many = await Promise.all(Array.from({ length: 20 }, () => judged(w, fresh(w))));
    expect(new Set(many)).toEqual(new Set([OK]));
    expect(w.asked.map((a) => a.url)).toEqual([METADATA[HOME], JWKS(HOME)]);
    // The host that the owner has named may be anywhere; each question says whether it is one of those.
    expect(w.asked.map((a) => a.named)).toEqual([true, true]);
    w.at.ms += TIMES.keysMs - 1;
    await judged(w, fresh(w));
    expect(fetches(w)).toBe(1);
    w.at.ms += 1;
    await judged(w, fresh(w));
    await settle();
    expect(fetches(w)).toBe(2);
  });

  test('all questions go by the authority of the settings, where one is named', async () => {
    const w = world([{ ...(ISSUERS[0] as Issuer), caFile: '/ca.pem' }]);
    expect(await judged(w, fresh(w))).toBe(OK);
    expect(w.asked.map((a) => a.caFile)).toEqual(['/ca.pem', '/ca.pem']);
  });

  test('keys elsewhere are asked for as what metadata name, not the owner', async () => {
    const w = world();
    w.pages.set(METADATA[HOME], { issuer: HOME, jwks_uri: 'https://keys.example.net/set' });
    w.pages.set('https://keys.example.net/set', { keys: HOME_KEYS });
    expect(await judged(w, fresh(w))).toBe(OK);
    expect(w.asked.at(-1)).toMatchObject({ url: 'https://keys.example.net/set', named: false });
  });

  test('a flood of random key ids makes one question in the cooldown', async () => {
    const w = await started();
    w.at.ms += TIMES.cooldownMs;
    for (let i = 0; i < 200; i++) expect(await judged(w, unknownKid(w))).toBe(NO_KEY);
    expect(fetches(w)).toBe(2);
    w.at.ms += TIMES.cooldownMs - 1;
    await judged(w, unknownKid(w));
    expect(fetches(w)).toBe(2);
    w.at.ms += 1;
    await Promise.all(Array.from({ length: 50 }, () => judged(w, unknownKid(w))));
    expect(fetches(w)).toBe(3);
    // Nobody else notices.
    expect(await judged(w, fresh(w))).toBe(OK);
  });

  test('the control: a verifier that asks for each key it does not know asks two hundred times', async () => {
    const w = world();
    let asked = 0;
    const naive = createRemoteJWKSet(new URL(JWKS(HOME)), {
      cooldownDuration: 0,
      [customFetch]: async () => {
        asked++;
        return Response.json({ keys: HOME_KEYS });
      },
    });
    for (let i = 0; i < 200; i++) await jwtVerify(unknownKid(w), naive, { issuer: HOME }).catch(() => {});
    expect(asked).toBeGreaterThanOrEqual(200);
  });
});

describe('rotation', () => {
  test('a new key is found by the first token that it signed', async () => {
    const w = await started();
    w.at.ms += TIMES.cooldownMs;
    setKeys(w, ...OTHERS, publicJwk('stranger', { kid: 'new' }));
    expect(await judged(w, fresh(w, { key: 'stranger', header: { kid: 'new' } }))).toBe(OK);
  });

  test('within the cooldown a token that is younger than the keys is asked to come again; an older one is told no', async () => {
    const w = await started();
    setKeys(w, ...OTHERS, publicJwk('stranger', { kid: 'new' }));
    w.at.ms += 5_000;
    const young = fresh(w, { key: 'stranger', header: { kid: 'new' }, claims: { iat: START_S + 4 } });
    const said = await w.oauth.recognise(young);
    expect(said).toMatchObject({ status: 503, refused: { details: { retryAfterMs: TIMES.cooldownMs - 5_000 } } });
    expect(await judged(w, fresh(w, { key: 'stranger', header: { kid: 'new' }, claims: { iat: START_S - 4 } }))).toBe(
      NO_KEY,
    );
    w.at.ms += TIMES.cooldownMs;
    expect(await judged(w, young)).toBe(OK);
  });

  test('a key that was withdrawn ends what it had verified, with the next asking', async () => {
    const w = await started();
    const token = fresh(w);
    const found = await w.oauth.recognise(token);
    if (!('principal' in found)) throw new Error('not let in');
    setKeys(w, ...OTHERS);
    // Not known yet: the answer comes at once, out of what is remembered.
    expect(w.oauth.recognise(token)).toEqual(found);
    w.at.ms += TIMES.keysMs;
    expect(found.principal.valid()).toBe(true);
    await settle();
    expect(found.principal.valid()).toBe(false);
    expect(await judged(w, token)).toBe(NO_KEY);
    // It comes back with the key, and is another key to us until it does.
    setKeys(w, ...HOME_KEYS);
    w.at.ms += TIMES.cooldownMs;
    expect(await judged(w, fresh(w))).toBe(OK);
  });

  test('one that stays is the same key, whatever comes and goes beside it', async () => {
    const w = await started();
    const token = fresh(w, { claims: { exp: START_S + 6_000 } });
    const before = await w.oauth.recognise(token);
    setKeys(w, publicJwk('stranger', { kid: 'new' }), ...HOME_KEYS.filter((k) => 'kid' in k && k.kid === 'ec'));
    w.at.ms += TIMES.keysMs;
    await judged(w, fresh(w));
    await settle();
    expect(w.oauth.recognise(token)).toEqual(before);
  });

  test('a set without keys withdraws all', async () => {
    const w = await started();
    setKeys(w);
    w.at.ms += TIMES.keysMs;
    await judged(w, fresh(w));
    await settle();
    expect(await judged(w, fresh(w))).toBe(NO_KEY);
  });
});

describe('the issuer is away', () => {
  test('known keys serve on for an hour, then nobody is let in, and it comes back by itself', async () => {
    const w = await started();
    const early = fresh(w, { claims: { exp: START_S + 9_000 } });
    const before = await w.oauth.recognise(early);
    w.pages.set(JWKS(HOME), DOWN);
    w.pages.set(METADATA[HOME], DOWN);
    w.at.ms += TIMES.keysLastMs - 1;
    expect(await judged(w, fresh(w))).toBe(OK);
    expect(w.oauth.recognise(early)).toEqual(before);
    await settle();
    // A key that nobody knows: it may be new.
    w.at.ms -= 1;
    expect(await judged(w, unknownKid(w))).toBe(AWAY);
    w.at.ms += 2;
    expect(await judged(w, fresh(w))).toBe(AWAY);
    if ('principal' in before) expect(before.principal.valid()).toBe(false);
    expect(await judged(w, early)).toBe(AWAY);
    w.pages.set(METADATA[HOME], { issuer: HOME, jwks_uri: JWKS(HOME) });
    setKeys(w, ...HOME_KEYS);
    w.at.ms += TIMES.retryMs;
    expect(await judged(w, fresh(w))).toBe(OK);
    expect(w.said.map((s) => `${s.level} ${s.message}`)).toEqual([
      'warn the keys of an issuer cannot be asked for',
      'info the issuer answers again',
    ]);
  });

  test('from the first token on: nobody is let in, and it is asked once in a while, whatever comes', async () => {
    const w = world();
    w.pages.set(METADATA[HOME], DOWN);
    for (let i = 0; i < 100; i++) expect(await judged(w, fresh(w))).toBe(AWAY);
    expect(w.asked.length).toBe(1);
    const said = await w.oauth.recognise(fresh(w));
    expect(said).toMatchObject({
      status: 503,
      sent: true,
      refused: { code: 'unavailable', details: { retryAfterMs: TIMES.retryMs } },
    });
    w.at.ms += TIMES.retryMs;
    await judged(w, fresh(w));
    expect(w.asked.length).toBe(2);
  });

  test('one issuer that is away is none of the others’ business', async () => {
    const w = world();
    w.pages.set(METADATA[HOME], DOWN);
    expect(await judged(w, fresh(w))).toBe(AWAY);
    expect(await judged(w, tokenOf(ofSolo()))).toBe('ok jwt:solo:alice');
  });

  test.each([
    ['no set of keys', { nothing: true }],
    ['a list', [1]],
    ['null', null],
    ['a text for keys', { keys: 'x' }],
    ['too many keys', { keys: Array.from({ length: 101 }, () => publicJwk('ec')) }],
    ['404', 404],
    ['503', 503],
    ['no JSON', undefined],
  ])('%s in place of the keys counts as away', async (_, page) => {
    const w = await started();
    w.pages.set(JWKS(HOME), page);
    w.at.ms += TIMES.cooldownMs;
    expect(await judged(w, unknownKid(w))).toBe(AWAY);
    expect(await judged(w, fresh(w))).toBe(OK);
  });

  test('metadata without keys count as away', async () => {
    const w = world();
    w.pages.set(METADATA[HOME], { issuer: HOME, jwks_uri: 'http://id.example.org/jwks' });
    expect(await judged(w, fresh(w))).toBe(AWAY);
  });

  test('keys that moved are found: metadata are asked anew when they lead nowhere', async () => {
    const w = await started();
    w.pages.set(JWKS(HOME), 404);
    w.pages.set(METADATA[HOME], { issuer: HOME, jwks_uri: 'https://id.example.org/moved' });
    w.pages.set('https://id.example.org/moved', { keys: HOME_KEYS });
    w.at.ms += TIMES.cooldownMs;
    expect(await judged(w, unknownKid(w))).toBe(AWAY);
    w.at.ms += TIMES.retryMs;
    expect(await judged(w, unknownKid(w))).toBe(NO_KEY);
    expect(w.asked.at(-1)?.url).toBe('https://id.example.org/moved');
  });
});

test('what is no key for signatures is passed over, and the rest of the set counts', async () => {
  const w = world();
  const rows = [
    null,
    1,
    [],
    {},
    { kty: 'EC' },
    { kty: 'RSA', kid: 'a' },
    { kty: 'RSA', n: '', kid: 'b' },
    { kty: 'RSA', n: 'AAAA', kid: 'c' },
  ];
  const odd = [
    publicJwk('ec', { kid: 7 }),
    publicJwk('ec', { kid: 'x', alg: 7 }),
    publicJwk('ec', { kid: 'y', key_ops: 'verify' }),
  ];
  setKeys(
    w,
    ...(rows as object[]),
    ...odd,
    publicJwk('ec', { kid: 'ec', x5c: ['MIIB'], x5u: 'https://evil.example.org' }),
  );
  expect(await judged(w, fresh(w))).toBe(OK);
});

test('a key that cannot be read verifies nothing', async () => {
  const w = world();
  setKeys(w, { ...publicJwk('ec', { kid: 'ec' }), x: 'AAAA' });
  expect(await judged(w, fresh(w))).toMatch(/its signature is wrong/);
  expect(await judged(w, fresh(w))).toMatch(/its signature is wrong/);
});

describe('for the doctor', () => {
  test('says what is wrong with each issuer', async () => {
    const w = world();
    w.pages.set(METADATA[SOLO], { issuer: `${SOLO}/`, jwks_uri: JWKS(SOLO) });
    w.pages.set(JWKS('https://strict.example.org/'), { keys: [] });
    expect(await w.oauth.check()).toEqual([
      { name: 'home', issuer: HOME, trouble: null },
      { name: 'solo', issuer: SOLO, trouble: expect.stringMatching(/name another issuer/) },
      { name: 'strict', issuer: 'https://strict.example.org/', trouble: expect.stringMatching(/no key that is fit/) },
    ]);
    w.pages.set(JWKS(HOME), 404);
    w.at.ms += TIMES.cooldownMs;
    expect((await w.oauth.check())[0]).toMatchObject({ trouble: expect.stringMatching(/no set of keys/) });
  });
});
