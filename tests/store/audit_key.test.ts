/** One chain has one key, whether it lies in the state folder or systemd passes it. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openAudit } from '../../src/store/audit.ts';
import { haveKey, readKey } from '../../src/store/audit_key.ts';
import { verifyAudit } from '../../src/store/audit_verify.ts';
import { openState } from '../../src/store/state.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} } as never;
const [A, B] = ['a1'.repeat(32), 'b2'.repeat(32)];
let root: string;
let dir: string;
let passed: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'deckhand-key-'));
  dir = join(root, 'state');
  passed = join(root, 'credentials');
  mkdirSync(passed);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const pass = (key: string) => writeFileSync(join(passed, 'audit.key'), `${key}\n`);
const write = (credentials: string | null) => {
  const audit = openAudit(openState(dir, credentials), quiet);
  audit.append('start', { role: 'test' }, { durable: true });
  audit.close();
};
const verdict = () => verifyAudit(join(dir, 'audit'), readKey(join(dir, 'audit.key'), passed)).ok;
const refusal = (credentials: string | null) => {
  try {
    haveKey(openState(dir, credentials));
    return null;
  } catch (thrown) {
    return thrown as Error & { details: { hint: string } };
  }
};

test('passed to a new folder: the folder has its mark, and not the key', () => {
  pass(A);
  write(passed);
  expect(readFileSync(join(dir, 'audit.key'), 'utf8')).toMatch(/^credential [0-9a-f]{64}\n$/);
  expect(readFileSync(join(dir, 'audit.key'), 'utf8')).not.toContain(A);
  write(passed);
  expect(verdict()).toBe(true);
});

test('not passed any more: refused, and no second key is made', () => {
  pass(A);
  write(passed);
  for (const credentials of [null, join(root, 'nothing')])
    expect(refusal(credentials)?.message).toMatch(/is a credential of the service .* not here/);
  expect(readFileSync(join(dir, 'audit.key'), 'utf8')).toMatch(/^credential /);
});

test('another one is refused, beside a mark, beside a key, and beside a chain whose key was taken away', () => {
  pass(A);
  write(passed);
  pass(B);
  expect(refusal(passed)?.message).toMatch(/another key/);
  rmSync(join(dir, 'audit.key'));
  expect(refusal(passed)?.message).toMatch(/written with another key/);
  expect(existsSync(join(dir, 'audit.key'))).toBe(false);
  writeFileSync(join(dir, 'audit.key'), `${A}\n`, { mode: 0o600 });
  expect(refusal(passed)?.details.hint).toMatch(/install -m 600 .*audit.key/);
});

test('a key that lay in the folder becomes a credential without a new chain', () => {
  write(null);
  const key = readFileSync(join(dir, 'audit.key'), 'utf8').trim();
  pass(key);
  // Both are the same one: fine, and then the file goes.
  write(passed);
  expect(readFileSync(join(dir, 'audit.key'), 'utf8').trim()).toBe(key);
  rmSync(join(dir, 'audit.key'));
  write(passed);
  expect(readFileSync(join(dir, 'audit.key'), 'utf8')).toMatch(/^credential /);
  expect(verdict()).toBe(true);
});

test('what is no key is not taken for one', () => {
  pass('secret');
  expect(refusal(passed)?.message).toMatch(/64 hex digits/);
});
