/** Result, exit code and restarts of a unit in words: the cause is never told where there is none. */
import { expect, test } from 'vitest';
import type { Unit } from '../../src/core/services.ts';
import { serviceExit } from '../../src/insight/service_exit.ts';
import { SYSTEMD_CODES } from '../../src/insight/systemd_codes.ts';
import { unit } from '../services/unit.ts';

const exited = (status: number) => ({ how: 'exited' as const, status, atMs: 1 });
const killed = (status: number) => ({ how: 'killed' as const, status, atMs: 1 });
const failed = (part: Partial<Unit>) => unit({ active: 'failed', sub: 'failed', ...part });
const loop = { restart: 'on-failure', restarts: 5, result: 'exit-code', exit: exited(1) };

test.each<[string, Unit]>([
  ['runs', unit({ active: 'active', sub: 'running' })],
  ['runs, after a crash that Restart= has mended', unit({ active: 'active', restarts: 9, exit: killed(11) })],
  ['was never started', unit()],
  ['ended well', unit({ exit: exited(0) })],
  ['was stopped', unit({ exit: killed(15) })],
  ['is just starting', unit({ active: 'activating', sub: 'start' })],
])('nothing is wrong with one that %s', (_, u) => expect(serviceExit(u)).toBeNull());

test.each<[Unit, string, string, RegExp]>([
  [unit({ load: 'masked' }), 'masked', 'masked', /nothing can start it/],
  [unit({ load: 'not-found' }), 'missing', 'no such unit', /no unit/],
  [unit({ load: 'bad-setting', loadError: 'Bad.' }), 'bad_file', 'bad-setting', /Bad\./],
  [unit({ skipped: { atMs: 1 } }), 'skipped', 'condition not met', /no failure/],
  [failed({ result: 'exit-code', exit: exited(3) }), 'exit_code', 'exit 3', /code 3\.$/],
  [failed({ result: 'exit-code', exit: exited(127) }), 'exit_code', 'exit 127', /does not exist/],
  [failed({ result: 'exit-code', exit: exited(126) }), 'exit_code', 'exit 126', /may not be executed/],
  [failed({ result: 'exit-code', exit: exited(137) }), 'exit_code', 'exit 137', /SIGKILL/],
  [failed({ result: 'exit-code', exit: exited(255) }), 'exit_code', 'exit 255', /code 255\.$/],
  [failed({ result: 'exit-code', exit: exited(203) }), 'not_started', '203/EXEC', /\/usr\/sbin\/web \(203/],
  [failed({ result: 'exit-code', exit: exited(217), user: 'web' }), 'not_started', '217/USER', /user web/],
  [failed({ result: 'exit-code', exit: exited(226) }), 'not_started', '226/NAMESPACE', /mount namespace/],
  [failed({ result: 'exit-code', exit: exited(0) }), 'exit_code', 'a command failed', /ExecStartPre/],
  [failed({ result: 'exit-code' }), 'exit_code', 'a command failed', /ExecStartPre/],
  [failed({ result: 'signal', exit: killed(11) }), 'signal', 'SIGSEGV', /crash/],
  [failed({ result: 'signal', exit: killed(1) }), 'signal', 'SIGHUP', /SIGHUP\.$/],
  [failed({ result: 'signal' }), 'signal', 'signal', /a signal/],
  [failed({ result: 'signal', exit: killed(9) }), 'killed', 'SIGKILL', /somebody did that, or the kernel/],
  [failed({ result: 'signal', exit: killed(9), memoryLimitBytes: 20971520 }), 'killed', 'SIGKILL', /20 MiB/],
  [
    failed({ result: 'core-dump', exit: { how: 'dumped', status: 6, atMs: 1 } }),
    ...(['core_dump', 'SIGABRT (core)', /core dump/] as const),
  ],
  [failed({ result: 'oom-kill', exit: killed(9) }), 'oom', 'OOM-killed', /want of memory\.$/],
  [failed({ result: 'oom-kill', memoryLimitBytes: 20971520 }), 'oom', 'OOM-killed', /20 MiB/],
  [failed({ result: 'timeout', exit: killed(15), serviceType: 'notify' }), 'timeout', 'timed out', /SIGTERM/],
  [failed({ result: 'watchdog', exit: killed(6) }), 'watchdog', 'watchdog', /WatchdogSec/],
  [failed({ result: 'protocol' }), 'protocol', 'protocol', /Type=simple/],
  [failed({ result: 'resources' }), 'resources', 'resources', /EnvironmentFile/],
  [failed({ result: 'exec-condition' }), 'unknown', 'exec-condition', /exec-condition/],
  [failed({ result: null }), 'unknown', 'failed', /no result/],
  [failed({ result: 'start-limit-hit' }), 'start_limit', 'started too often', /5 within 10 s/],
  [failed(loop), 'start_limit', 'gave up: exit 1', /gave up.*code 1/],
])('%#: %o', (u, cause, short, reason) => {
  const is = serviceExit(u);
  expect(is).toMatchObject({ cause, short });
  expect(is?.reason).toMatch(reason);
  expect(is?.next.length).toBeGreaterThan(10);
});

test('a loop is told only where Restart= would have gone on', () => {
  // Restarted for crashes over the weeks, and now ended with a code that Restart=on-abnormal leaves alone.
  expect(serviceExit(failed({ ...loop, restart: 'on-abnormal' }))?.cause).toBe('exit_code');
  expect(serviceExit(failed({ ...loop, restarts: 1 }))?.cause).toBe('exit_code');
  expect(serviceExit(failed({ ...loop, startLimit: null }))?.cause).toBe('exit_code');
  const waiting = serviceExit(unit({ ...loop, active: 'activating', sub: 'auto-restart' }));
  expect(waiting).toMatchObject({ cause: 'exit_code', reason: expect.stringContaining('5 restarts') });
});

test('a dependency is the reason only of what has not run', () => {
  const base = { name: 'db.service', by: 'Requires', load: 'loaded', active: 'failed', result: 'exit-code' };
  expect(serviceExit(unit({ failedDependencies: [base] }))).toMatchObject({
    cause: 'dependency',
    short: 'needs db.service',
    reason: expect.stringContaining('failed (exit-code)'),
  });
  const missing = { ...base, load: 'not-found', active: 'inactive' };
  expect(serviceExit(unit({ failedDependencies: [missing] }))?.reason).toContain('does not exist');
  expect(serviceExit(failed({ result: 'exit-code', exit: exited(1), failedDependencies: [base] }))?.cause).toBe(
    'exit_code',
  );
});

test('every code says what to do', () => {
  for (const [code, c] of Object.entries(SYSTEMD_CODES)) {
    expect(Number(code)).toBeGreaterThanOrEqual(200);
    expect(c.next, c.name).toMatch(/\.$/);
  }
});
