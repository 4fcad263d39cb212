/**
 * Tokens made to get in, each refused for its own reason, and beside each one a twin that is let in: a verifier that refuses all would
 * pass the first half. The control is jose with what its examples show, an issuer and an audience: it lets in what the list says.
 */
import { createLocalJWKSet, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { FAULTS } from '../../src/policy/oauth/faults.ts';
import { ROWS, type Row } from './oauth_hostile_rows.ts';
import {
  HOME,
  HOME_KEYS,
  judged,
  publicJwk,
  RESOURCE,
  SOLO,
  type Spec,
  START_MS,
  STRICT,
  tokenOf,
  world,
} from './oauth_issuer.ts';

const text = (spec: Spec | string) => (typeof spec === 'string' ? spec : tokenOf(spec));

test('there are enough of them, and each is another', () => {
  expect(ROWS.length).toBeGreaterThanOrEqual(120);
  expect(new Set(ROWS.map((r) => r.name)).size).toBe(ROWS.length);
  // Each reason that a JWT can be refused for is met.
  expect(new Set(ROWS.map((r) => r.fault))).toEqual(new Set(Object.keys(FAULTS).filter((f) => f !== 'inactive')));
});

describe.each(ROWS)('$name', ({ fault, bad, good }) => {
  test(`is refused: ${fault}`, async () => {
    const w = world();
    expect(await judged(w, text(bad))).toBe(`401 The token is not accepted: ${FAULTS[fault]}.`);
    // Nothing of it was kept.
    expect(await judged(w, text(bad))).toBe(`401 The token is not accepted: ${FAULTS[fault]}.`);
  });
  test('and its twin is let in', async () => {
    expect(await judged(world(), tokenOf(good))).toMatch(/^ok jwt:(home|solo|strict):/);
  });
});

describe('the control: jose with an issuer and an audience', () => {
  const sets: Record<string, object[]> = {
    [HOME]: HOME_KEYS,
    [SOLO]: [publicJwk('solo')],
    [STRICT]: [publicJwk('strict', { kid: 'strict' }), publicJwk('rsa', { kid: 'rsa' })],
  };
  const known = Object.entries(sets).map(([issuer, keys]) => ({ issuer, keys: createLocalJWKSet({ keys }) }));
  async function passes({ bad }: Row): Promise<boolean> {
    const said = typeof bad === 'object' ? bad.claims?.iss : undefined;
    const { issuer, keys } = known.find((k) => k.issuer === said) ?? (known[0] as (typeof known)[number]);
    try {
      await jwtVerify(text(bad), keys, { issuer, audience: RESOURCE, currentDate: new Date(START_MS) });
      return true;
    } catch {
      return false;
    }
  }
  test('lets in what is marked so, and nothing else of the list', async () => {
    const passed = [];
    for (const row of ROWS) if (await passes(row)) passed.push(row.name);
    expect(passed.sort()).toEqual(
      ROWS.filter((r) => r.josePasses)
        .map((r) => r.name)
        .sort(),
    );
    expect(passed.length).toBeGreaterThan(80);
  });
});
