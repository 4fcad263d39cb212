/** The doctor's word on shared limits: none set, away, a password that cannot be read. How it looks when all is well is tested with a real server. */

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { limitChecks } from '../../src/cli/doctor_limits.ts';
import { askShared } from '../../src/edge/limits_redis.ts';

const SERVER = ['/usr/bin/redis-server', '/usr/bin/valkey-server'].find(existsSync);
const REAL = process.env.DECKHAND_REAL === '1' && SERVER !== undefined;

let dir = '';
let child: ChildProcess | null = null;
afterEach(async () => {
  if (child) {
    const end = new Promise((resolve) => child?.once('exit', resolve));
    child.kill('SIGKILL');
    await end;
    child = null;
  }
  if (dir) rmSync(dir, { recursive: true, force: true });
});
const checks = (url: string | null, passwordFile: string | null = null) =>
  limitChecks({ shared: { url, passwordFile } } as never);

test('where none is set there is nothing to say', async () => {
  expect(await checks(null)).toEqual([]);
});

test('one that is away is a warning, with what holds meanwhile', async () => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-doctor-'));
  const [check] = await checks(`unix:${join(dir, 'none')}`);
  expect(check).toMatchObject({ code: 'limits.shared', severity: 'warning' });
  expect(check?.text).toMatch(/ENOENT.*counts for itself/);
});

test('a password that others can read is not used, and not shown', async () => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-doctor-'));
  const file = join(dir, 'password');
  writeFileSync(file, 'hunter2\n');
  chmodSync(file, 0o644);
  const [check] = await checks(`unix:${join(dir, 'none')}`, file);
  expect(check?.text).toContain('may be read by others');
  expect(JSON.stringify(check)).not.toContain('hunter2');
});

describe.skipIf(!REAL)(`a real server${REAL ? '' : ' (SKIPPED: needs DECKHAND_REAL=1 and redis-server)'}`, () => {
  test('answers, and says who it is', async () => {
    dir = mkdtempSync(join(tmpdir(), 'deckhand-doctor-'));
    const [path, file] = [join(dir, 's'), join(dir, 'password')];
    writeFileSync(file, 'hunter2\n', { mode: 0o600 });
    const argv = ['--port', '0', '--unixsocket', path, '--save', '', '--dir', dir, '--requirepass', 'hunter2'];
    child = spawn(SERVER as string, argv, { stdio: 'ignore' });
    await vi.waitFor(() => askShared({ url: `unix:${path}`, password: 'hunter2' }), { timeout: 20_000, interval: 50 });
    const [check] = await checks(`unix:${path}`, file);
    expect(check?.text).toMatch(/^(redis|valkey) \d.* answers in/);
    const [without] = await checks(`unix:${path}`);
    expect(without?.text).toContain('NOAUTH');
  });
});
