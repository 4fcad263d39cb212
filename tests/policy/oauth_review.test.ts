/** What a stranger's token does to everybody else's: nothing, also where their issuer chokes on it. */
import { expect, test } from 'vitest';
import { createOAuth } from '../../src/policy/oauth/index.ts';
import type { Issuer } from '../../src/policy/oauth/ports.ts';
import { quiet } from '../fakes/policy.ts';

const ISSUER = 'https://idp.example.org';
const AUDIENCE = 'https://ops.example.org/mcp';
const issuer: Issuer = {
  name: 'idp',
  issuer: ISSUER,
  kind: 'introspection',
  audience: [AUDIENCE],
  algorithms: ['ES256'],
  typ: ['at+jwt'],
  scopeClaim: 'scope',
  roles: [],
  require: [],
  maxAgeS: 86_400,
};

/** `answers`: what the issuer says of a token; of all others that it is Alice's. */
function setUp(answers: Record<string, { status: number; body: unknown }>) {
  const asked: string[] = [];
  const oauth = createOAuth([issuer], {
    async ask({ url, form }) {
      if (url.includes('.well-known'))
        return { status: 200, body: { issuer: ISSUER, introspection_endpoint: `${ISSUER}/introspect` } };
      asked.push(form?.token ?? '');
      const alice = { active: true, aud: AUDIENCE, sub: 'alice', scope: 'system:read', exp: 4_000_000_000 };
      return answers[form?.token ?? ''] ?? { status: 200, body: alice };
    },
    now: () => 1_800_000_000_000,
    elapsed: () => 0,
    log: quiet,
  });
  return { oauth, asked };
}

test.each([
  ['400', { status: 400, body: { error: 'invalid_request' } }],
  ['400 without words', { status: 400, body: null }],
  ['413', { status: 413, body: null }],
  ['422', { status: 422, body: 'no' }],
])('a token that its issuer answers with %s is refused alone, and remembered as such', async (_status, answer) => {
  const { oauth, asked } = setUp({ unreadable: answer });
  for (let i = 0; i < 3; i++) expect(await oauth.recognise('unreadable')).toMatchObject({ status: 401, sent: true });
  expect(asked).toEqual(['unreadable']);
  expect(await oauth.recognise('a-good-one')).toMatchObject({ principal: { id: 'jwt:idp:alice' } });
});

test.each([
  ['401', { status: 401, body: null }],
  ['500', { status: 500, body: null }],
  ['400 for our own name', { status: 400, body: { error: 'invalid_client' } }],
])('the control: %s is so for every token, and nobody is let in', async (_status, answer) => {
  const { oauth } = setUp({ first: answer });
  expect(await oauth.recognise('first')).toMatchObject({ status: 503 });
  expect(await oauth.recognise('a-good-one')).toMatchObject({ status: 503 });
});

test('the doctor is told of an issuer that chokes on what nobody has', async () => {
  const { oauth } = setUp({ 'deckhand-doctor': { status: 400, body: null } });
  expect((await oauth.check())[0]?.trouble).toContain('400');
});
