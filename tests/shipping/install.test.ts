/** What install.sh refuses before it touches anything, wherever it is run; what it does, install_real.test.ts says on a bare Debian. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../deploy/install.sh', import.meta.url));
const run = (args: string[], PATH = process.env.PATH) =>
  spawnSync('sh', [SCRIPT, ...args], { encoding: 'utf8', env: { PATH } });

const none = spawnSync('shellcheck', ['--version']).status !== 0;
if (none) process.stderr.write('SKIPPED tests/shipping/install: shellcheck is not installed.\n');

test.skipIf(none)('is plain sh that shellcheck has nothing to say about', () => {
  const { status, stdout } = spawnSync('shellcheck', ['-s', 'sh', SCRIPT], { encoding: 'utf8' });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});

test('explains itself, also beside other words', () => {
  for (const args of [['--help'], ['-h'], ['--allow', 'ping', '--help']]) {
    const { status, stdout } = run(args);
    expect(status).toBe(0);
    expect(stdout).toMatch(/--from FILE[\s\S]*--sha256 HEX[\s\S]*--allow POWER[\s\S]*--dry-run/);
  }
});

test('says what is wrong with its words, and what this machine lacks', () => {
  expect(run(['--from'])).toMatchObject({ status: 1, stderr: expect.stringContaining('--from needs a value') });
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-install-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, 'sh'), '');
  const sh = spawnSync('/bin/sh', [SCRIPT], { encoding: 'utf8', env: { PATH: dir } });
  expect(sh).toMatchObject({ status: 1, stderr: expect.stringContaining('tar is not installed') });
  // The tests run where systemd is not the first process, or not as root: either way nothing is done.
  if (existsSync('/run/systemd/system') && process.geteuid?.() === 0) return;
  const refused = run(['--from', join(dir, 'none.tar.gz')]);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(/systemd does not run here|Only root can install/);
});
