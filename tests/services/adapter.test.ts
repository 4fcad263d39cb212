/** The changing and reading side of the adapter on its own: systemctl's words, unit files that may be read, scores, our own units. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import type { ExecRequest, ExecResult } from '../../src/host/exec.ts';
import { parseExposure } from '../../src/host/services/exposure.ts';
import { servicesLater } from '../../src/host/services/later.ts';
import { ownUnits } from '../../src/host/services/own.ts';
import { jobOf } from '../../src/host/services/said.ts';
import { changeTimes, unitFiles } from '../../src/host/services/unit_files.ts';
import { servicesMissing } from '../../src/host/services/without.ts';
import { rootAt } from '../../src/host/system/files.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-adapter-'));
  mkdirSync(join(dir, 'run/systemd/system'), { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const here = () => ({ of: (path: string) => join(dir, path), foreign: false });

describe('control', () => {
  const asked: ExecRequest[] = [];
  const host = (say: () => Promise<ExecResult>) =>
    servicesLater(here(), {
      has: () => true,
      rules: { allow: [], protect: [] },
      exec: (r) => {
        asked.push(r);
        return say();
      },
    });
  test('fixed arguments, nobody is asked for a password; our patience is not the job’s', async () => {
    const done = await host(async () => ({ code: 0, stdout: '', stderr: '' })).control('a.service', 'restart', {
      timeoutMs: 7,
    });
    expect(done).toEqual({ end: 'done', said: '' });
    expect(asked.at(-1)).toMatchObject({
      binary: 'systemctl',
      args: ['restart', '--no-ask-password', '--no-pager', '--', 'a.service'],
      timeoutMs: 7,
    });
    const late = host(async () => Promise.reject(new OpsError('timeout', 'too long')));
    expect(await late.control('a.service', 'start', { timeoutMs: 7 })).toEqual({ end: 'late', said: '' });
    await expect(
      late.control('a.service', 'start', { timeoutMs: 7, signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'timeout' });
  });

  test.each([
    ['Job for a.service failed because the control process exited with error code.\nSee "systemctl status"', 'failed'],
    ['A dependency job for a.service failed. See …', 'failed'],
    ['Failed to start a.service: Interactive authentication required.', 'permission'],
    ['Failed to start a.service: Access denied', 'permission'],
    ['Failed to start a.service: Unit a.service is masked.', 'conflict'],
    ['Failed to start a.service: Unit a.service not found.', 'not_found'],
    ['Failed to enable unit: Unit a.service does not exist', 'not_found'],
    ['Failed to reload a.service: Job type reload is not applicable for unit a.service.', 'conflict'],
    [
      'Failed to stop a.service: Operation refused, unit a.service may be requested by dependency only (it is configured to refuse manual start/stop).',
      'conflict',
    ],
    ['System has not been booted with systemd as init system (PID 1).', 'unavailable'],
    ['Something that nobody has seen', 'unavailable'],
  ])('%s', (stderr, is) => {
    const told = () => jobOf('a.service', 'start', 1, stderr);
    if (is === 'failed') expect(told().end).toBe('failed');
    else expect(told).toThrow(expect.objectContaining({ code: is }));
  });
});

describe('unit files', () => {
  // Real paths: where an opened file lies is what the kernel says.
  const plain = { of: (path: string) => path, foreign: false };
  test('only from the places that root writes', () => {
    const own = join(dir, 'mine.service');
    writeFileSync(own, '[Service]\n');
    expect(unitFiles(plain, [own])).toMatchObject({ value: null, why: expect.stringContaining('outside systemd') });
    const link = join(dir, 'evil.service');
    symlinkSync('/etc/shadow', link);
    expect(unitFiles(plain, [link]).value).toBeNull();
    expect(unitFiles(plain, ['/etc/systemd/nothing.service'])).toMatchObject({
      value: null,
      why: expect.stringContaining('not there'),
    });
    expect(unitFiles(plain, [dir])).toMatchObject({ value: null, why: expect.stringContaining('no plain file') });
    expect(unitFiles(plain, [])).toMatchObject({ value: null });
  });

  test('the control: a reader that follows names reads what the link leads to', async () => {
    const secret = join(dir, 'secret');
    writeFileSync(secret, 'root:hash');
    const link = join(dir, 'evil.service');
    symlinkSync(secret, link);
    const { readFileSync } = await import('node:fs');
    expect(readFileSync(link, 'utf8')).toBe('root:hash');
    expect(unitFiles(plain, [link]).value).toBeNull();
  });

  test('when they were put there', () => {
    writeFileSync(join(dir, 'a'), '', { mode: 0o755 });
    const [a, ...none] = changeTimes(here(), ['/a', '/gone']);
    expect(a).toMatchObject({ path: '/a', executable: true });
    expect(Math.abs((a?.atMs ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(none).toEqual([]);
  });
});

test('a score with what weighs most, of either spelling of the marks; without a score nothing', () => {
  const said = `  NAME                    DESCRIPTION                              EXPOSURE
- RemoveIPC=              Service user may leave SysV IPC objects around        0.1
✗ PrivateNetwork=         Service has access to the host's network              0.5
+ NotifyAccess=           Service child processes cannot alter service state

-> Overall exposure level for a.service: 9.3 UNSAFE :-{
`;
  expect(parseExposure(said)).toEqual({
    score: 9.3,
    worst: [
      { name: 'PrivateNetwork=', weight: 0.5, why: "Service has access to the host's network" },
      { name: 'RemoveIPC=', weight: 0.1, why: 'Service user may leave SysV IPC objects around' },
    ],
  });
  expect(parseExposure('Unit a.service not found, cannot analyze.')).toBeNull();
});

test('our own units, of either kind of cgroups', () => {
  const of = (text: string) => {
    writeFileSync(join(dir, 'cgroup'), text);
    return ownUnits(join(dir, 'cgroup'));
  };
  expect(of('0::/system.slice/deckhand.service\n')).toEqual(['system.slice', 'deckhand.service']);
  expect(of('12:pids:/x\n1:name=systemd:/user.slice/user-0.slice/session-3.scope\n')).toEqual([
    'user.slice',
    'user-0.slice',
    'session-3.scope',
  ]);
  expect(of('0::/\n')).toEqual([]);
  expect(ownUnits(join(dir, 'none'))).toEqual([]);
});

test('what is missing, and what works instead', () => {
  rmSync(join(dir, 'run'), { recursive: true });
  expect(servicesMissing(here())).toEqual({
    why: 'systemd does not run here.',
    fix: expect.stringContaining('process_list'),
  });
  mkdirSync(join(dir, 'run/systemd/system'), { recursive: true });
  expect(servicesMissing(here())).toBeNull();
  expect(servicesMissing(rootAt(dir))).toMatchObject({ fix: expect.stringContaining('on the host itself') });
});
