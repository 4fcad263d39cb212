/** What the doctor says of issuers. */
import { expect, test } from 'vitest';
import { authChecks } from '../../src/cli/doctor_auth.ts';
import { OpsError } from '../../src/core/errors.ts';

const entry = { name: 'home', issuer: 'https://id.example.org/' };
const app = (auth: () => Promise<unknown>, issuers: object[] = [entry]) =>
  ({ config: { auth: { issuers } }, auth }) as never;
const said = (trouble: string | null) =>
  authChecks(
    app(async () => ({
      resource: { uri: 'https://deck.example.org/mcp', issuers: [entry.issuer], scopes: [] },
      check: async () => [{ ...entry, trouble }],
    })),
  );

test('without issuers nothing is loaded and nothing said', async () => {
  const never = () => Promise.reject(new Error('was asked'));
  expect(await authChecks(app(never, []))).toEqual([]);
});

test('one that answers is in order', async () => {
  expect(await said(null)).toEqual([
    {
      code: 'auth.resource',
      severity: 'ok',
      title: 'Issuers',
      text: 'tokens must name https://deck.example.org/mcp in aud; 1 may give them.',
      fix: null,
    },
    {
      code: 'auth.issuer.home',
      severity: 'ok',
      title: 'Issuer home',
      text: 'https://id.example.org/ answers as it should.',
      fix: null,
    },
  ]);
});

test('one that does not is broken, with why and what to try', async () => {
  const [, check] = await said('It answers 503.');
  expect(check).toMatchObject({ severity: 'broken', text: 'https://id.example.org/: It answers 503.' });
  expect(check?.fix).toContain('curl -sS https://id.example.org/.well-known/openid-configuration');
});

test('settings that a start would refuse are told with their way out', async () => {
  const refused = new OpsError('validation', 'No https URI.', { hint: 'Set `http.url`.' });
  expect(await authChecks(app(() => Promise.reject(refused)))).toEqual([
    { code: 'auth', severity: 'broken', title: 'Issuers', text: 'No https URI.', fix: 'Set `http.url`.' },
  ]);
});
