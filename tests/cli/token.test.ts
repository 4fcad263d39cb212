/** Tokens on the command line: rights and times as words, and a secret that stands alone. */
import { expect, test } from 'vitest';
import { add, expiryOf, list } from '../../src/cli/token.ts';
import { OpsError } from '../../src/core/errors.ts';
import { runOf, screen } from './screen.ts';

const NOW = Date.UTC(2026, 10, 20, 12, 0, 0);
const HOUR = 3_600_000;

test.each([
  ['12h', NOW + 12 * HOUR],
  ['30d', NOW + 30 * 24 * HOUR],
  ['2w', NOW + 14 * 24 * HOUR],
  ['1y', NOW + 365 * 24 * HOUR],
  ['2027-01-31', Date.UTC(2027, 0, 31, 23, 59, 59)],
  ['2026-11-20', Date.UTC(2026, 10, 20, 23, 59, 59)],
  ['2027-01-31T12:00:00Z', Date.UTC(2027, 0, 31, 12)],
  ['2027-01-31T12:00:00+02:00', Date.UTC(2027, 0, 31, 10)],
])('%s', (text, expected) => {
  expect(expiryOf(text, NOW)).toBe(expected);
});

test.each([
  '',
  '0d',
  '-1d',
  '30',
  '30m',
  '1e3d',
  '2027-02-31',
  '2027-13-01',
  '2027-01-31T12:00:00',
  'never',
  '999y',
  '2026-11-19',
  '9999-01-01',
  '30 d',
  'Infinityd',
])('refused: %j', (text) => {
  expect(() => expiryOf(text, NOW)).toThrow(OpsError);
});

function tokens() {
  const added: object[] = [];
  return {
    added,
    seen: (principal: string, mark: string) =>
      principal === 'token:a' && mark === 'f1'
        ? { known: { firstMs: NOW - HOUR, lastMs: NOW, lastAddress: '192.0.2.1', uses: 7, days: 1 }, why: null }
        : { known: null, why: null },
    tokens: {
      add(token: object) {
        added.push(token);
        return { secret: 'dh_secret' };
      },
      list: () => [
        {
          name: 'a',
          role: 'viewer',
          scopes: ['system:read'],
          extra: ['audit:read'],
          createdAtMs: NOW,
          expiresAtMs: null,
          fingerprint: 'f1',
        },
        { name: 'b', role: 'admin', scopes: ['admin'], extra: [], createdAtMs: NOW, expiresAtMs: 1, fingerprint: 'f2' },
      ],
    },
  };
}

test('add prints the token alone on standard output, all else on standard error', async () => {
  const io = screen();
  const app = tokens();
  const code = await add(
    runOf(io, app, { own: { role: 'operator', scope: ['audit:read', 'net:read,logs:read'] }, positionals: ['laptop'] }),
  );
  expect(code).toBe(0);
  expect(io.stdout).toBe('dh_secret\n');
  expect(io.stderr).toContain('laptop');
  expect(io.stderr).not.toContain('dh_secret');
  expect(app.added).toEqual([
    { name: 'laptop', role: 'operator', scopes: ['audit:read', 'net:read', 'logs:read'], expiresAtMs: null },
  ]);
});

test.each<[object, string]>([
  [{}, 'Which role?'],
  [{ role: 'root' }, '"root" is no role.'],
  [{ role: 'viewer', scope: ['system:wirte'] }, '"system:wirte" is no scope.'],
  [{ role: 'viewer', expires: 'soon' }, '"soon" is no time to expire at.'],
])('wrong words are refused before anything is opened: %j', async (own, message) => {
  const open = () => Promise.reject(new Error('opened'));
  const load = async () => ({ config: { roles: [{ name: 'deploy' }] } }) as never;
  await expect(add(runOf(screen(), {}, { own: own as never, positionals: ['x'], open, load }))).rejects.toThrow(
    message,
  );
});

test('list is a table without secrets, or JSON', async () => {
  const io = screen();
  await list(runOf(io, tokens()));
  expect(io.stdout.split('\n').map((l) => l.replace(/\s{2,}/g, ' | '))).toEqual([
    'NAME | RIGHTS | MADE | EXPIRES | LAST USE | FROM',
    'a | viewer + audit:read | 2026-11-20 | never | 2026-11-20T12:00:00Z | 192.0.2.1',
    'b | admin | 2026-11-20 | expired | never | -',
    '',
  ]);
  const json = screen();
  await list(runOf(json, tokens(), { own: { json: true } }));
  expect(JSON.parse(json.stdout)[0]).toMatchObject({
    name: 'a',
    role: 'viewer',
    createdAt: '2026-11-20T12:00:00Z',
    expiresAt: null,
    lastUsedAt: '2026-11-20T12:00:00Z',
    lastAddress: '192.0.2.1',
    firstUsedAt: '2026-11-20T11:00:00Z',
    uses: 7,
    daysUsed: 1,
  });
  expect(JSON.parse(json.stdout)[1]).toMatchObject({ lastUsedAt: null, lastAddress: null, uses: 0 });
  expect(JSON.parse(json.stdout)[1]).not.toHaveProperty('unknown');
});

test('where the state cannot tell, never is not said: it is unknown, with the reason', async () => {
  const dark = { ...tokens(), seen: () => ({ known: null, why: 'no space left' }) };
  const io = screen();
  await list(runOf(io, dark));
  expect(io.stdout).not.toMatch(/never +-$/m);
  expect(io.stderr).toContain('no space left');
  const json = screen();
  await list(runOf(json, dark, { own: { json: true } }));
  expect(JSON.parse(json.stdout)[0]).toMatchObject({ lastUsedAt: null, uses: null, unknown: 'no space left' });
});

test('no token yet: standard output stays empty, the way to one is told', async () => {
  const io = screen();
  expect(await list(runOf(io, { tokens: { list: () => [] } }))).toBe(0);
  expect(io.stdout).toBe('');
  expect(io.stderr).toContain('deckhand token add');
});
