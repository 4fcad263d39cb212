/** Rules that changed between two starts are told by name alone, and tokens leave a record when they come and go. */
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { settings } from '../../src/config/known.ts';
import { noteRules, RULES, recordedTokens, rulesOf } from '../../src/policy/policy_changes.ts';
import { openPolicyDigests } from '../../src/store/policy_digests.ts';
import { openState } from '../../src/store/state.ts';
import { openTokens } from '../../src/store/tokens.ts';
import { memoryDb } from '../fakes/memory_db.ts';
import { quiet } from '../fakes/policy.ts';

const folders: string[] = [];
afterEach(() => {
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function setUp() {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-rules-'));
  folders.push(dir);
  const records: Record<string, unknown>[] = [];
  const key = { now: 'key' as string | null };
  const audit = {
    append: (event: string, fields: Record<string, unknown>) => void records.push({ event, ...fields }),
    digest: (text: string) => (key.now === null ? 'no-key' : createHmac('sha256', key.now).update(text).digest('hex')),
  };
  const digests = openPolicyDigests(memoryDb());
  const state = openState(dir);
  let mono = 0;
  const file = openTokens(state, quiet, Date.now, () => (mono += 5));
  const tokens = recordedTokens(file, { by: 'cli:0', audit, digests });
  const start = (config: object, role = 'serve') =>
    noteRules({ role, config, tokens: file, digests, audit, now: () => 1 });
  return { records, tokens, start, state, file, key };
}

const config = {
  mode: 'ask',
  log: { level: 'info' },
  http: { port: 1, host: '127.0.0.1', tls: { certFile: null } },
  auth: { issuers: [{ name: 'home', clientSecretFile: '/secret/path' }] },
  redact: { values: ['hunter2hunter2'] },
};

test('the first start knows nothing; the next ones tell what changed, once, and no value', () => {
  const { start, records } = setUp();
  const first = start(config);
  expect(start(config)).toEqual(first);
  expect(records).toEqual([]);
  const changed = {
    ...config,
    mode: 'full',
    auth: { issuers: [] },
    redact: { values: ['correcthorse'] },
    log: { level: 'debug' },
    http: { ...config.http, port: 2, tls: { certFile: '/x' } },
  };
  const { policy } = start(changed);
  expect(policy).not.toBe(first.policy);
  expect(records).toMatchObject([
    {
      event: 'security',
      kind: 'policy_changed',
      role: 'serve',
      settings: ['mode', 'http.tls.certFile', 'auth.issuers', 'redact.values'],
      policy,
    },
  ]);
  expect(JSON.stringify(records)).not.toMatch(/correcthorse|hunter2|secret/);
  start(changed);
  expect(records).toHaveLength(1);
});

test('another key of the audit is told as that; without one nothing is told', () => {
  const { start, records, key } = setUp();
  start(config);
  key.now = null;
  start({ ...config, mode: 'full' });
  expect(records).toEqual([]);
  key.now = 'another';
  start(config);
  expect(records).toMatchObject([{ kind: 'policy_changed', settings: ['audit.key'] }]);
  start({ ...config, mode: 'full' });
  expect(records[1]).toMatchObject({ settings: ['mode'] });
});

test('each rule names settings that there are, and what decides who may do what is among them', () => {
  const paths = settings().map((s) => s.path);
  for (const rule of RULES)
    expect(
      paths.some((p) => p === rule || p.startsWith(`${rule}.`)),
      rule,
    ).toBe(true);
  const covered = paths.filter((p) => RULES.some((rule) => p === rule || p.startsWith(`${rule}.`)));
  expect(covered).toEqual(expect.arrayContaining(['mode', 'auth.issuers', 'roles', 'principals', 'tools.deny']));
  expect(rulesOf({ mode: 'ask', tools: { allow: [], deny: ['x'] }, log: { level: 'x' } })).toEqual(
    new Map<string, unknown>([
      ['mode', 'ask'],
      ['tools.allow', []],
      ['tools.deny', ['x']],
    ]),
  );
});

test('tokens leave a record when they come and go, without their secret, and are then no change of rules', () => {
  const { tokens, start, records, file } = setUp();
  start(config);
  const { secret, record } = tokens.add({ name: 'laptop', role: 'viewer', scopes: ['audit:read'], expiresAtMs: 4e12 });
  tokens.add({ name: 'other', role: 'admin' });
  tokens.revoke('other');
  expect(records).toMatchObject([
    {
      event: 'token',
      who: 'cli:0',
      token: 'laptop',
      role: 'viewer',
      scopes: ['audit:read'],
      expiresAt: '2096-10-02T07:06:40.000Z',
      credential: { fingerprint: record.fingerprint },
      what: 'A token was added.',
    },
    { event: 'token', token: 'other' },
    { event: 'token', who: 'cli:0', token: 'other', what: 'A token was revoked.' },
  ]);
  expect(JSON.stringify(records)).not.toContain(secret);
  expect(tokens.find(secret)?.name).toBe('laptop');
  start(config);
  expect(records).toHaveLength(3);
  // Past us: somebody edits the file, or an older version does.
  file.revoke('laptop');
  start(config);
  expect(records[3]).toMatchObject({ kind: 'policy_changed', settings: ['tokens'] });
});

test('what fails leaves no record; a file that cannot be trusted is a change', () => {
  const { tokens, start, records, state } = setUp();
  tokens.add({ name: 'laptop', role: 'viewer' });
  records.length = 0;
  expect(() => tokens.add({ name: 'laptop', role: 'viewer' })).toThrow('already');
  expect(() => tokens.revoke('nobody')).toThrow('no token');
  expect(records).toEqual([]);
  start(config);
  writeFileSync(state.tokens, 'damaged');
  start(config);
  expect(records).toMatchObject([{ kind: 'policy_changed', settings: ['tokens'] }]);
});
