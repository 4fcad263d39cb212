/** The table of a unit's causes, row by row on facts alone. What a real systemd brings forth is tests/services/faults_real.test.ts. */
import { describe, expect, it } from 'vitest';
import type { Unit } from '../../src/core/services.ts';
import type { UnitFacts, UnitSaid } from '../../src/insight/causes_unit_seen.ts';
import { diagnoseUnit, UNIT_ROWS } from '../../src/insight/diagnose_unit.ts';
import { oomVictim, portNamed, unitTroubleIn } from '../../src/insight/unit_said.ts';
import { unit } from '../services/unit.ts';

const NOW = 1_800_000_000_000;
const facts = (u: Partial<Unit>, over: Partial<UnitFacts> = {}): UnitFacts => ({
  nowMs: NOW,
  u: unit(u),
  log: [],
  kernel: null,
  changed: null,
  starters: null,
  job: null,
  full: null,
  ...over,
});
const own = (text: string, bad = true): UnitSaid => ({ atMs: NOW - 1_000, text, manager: false, bad });
const systemd = (text: string): UnitSaid => ({ atMs: NOW - 900, text, manager: true, bad: false });
const failed = (result: string, exit: Unit['exit'] = null, over: Partial<Unit> = {}): Partial<Unit> => ({
  active: 'failed',
  sub: 'failed',
  result,
  exit,
  ...over,
});
const exited = (status: number) => ({ how: 'exited' as const, status, atMs: NOW - 1_000 });
const killed = (status: number) => ({ how: 'killed' as const, status, atMs: NOW - 1_000 });
const up: Partial<Unit> = { active: 'active', sub: 'running', mainPid: 7, startedAtMs: { value: NOW - 3_600_000 } };
const ids = (f: UnitFacts) => diagnoseUnit(f).causes.map((c) => `${c.id} ${c.certainty}`);
const timer = (active: string, over: Partial<Unit> = {}) =>
  unit({
    name: 'web.timer',
    type: 'timer',
    active,
    sub: active === 'active' ? 'waiting' : 'dead',
    triggers: ['web.service'],
    ...over,
  });

describe('facts and the causes in order', () => {
  it.each<[string, UnitFacts, string[]]>([
    ['runs', facts(up), ['not_down certain']],
    ['runs, and its log sounds bad', facts(up, { log: [own('bind: address already in use')] }), ['not_down certain']],
    ['runs, a limit of starts long ago', facts({ ...up, restarts: 9 }), ['not_down certain']],
    [
      'restarts again and again',
      facts({ ...up, restarts: 4, startedAtMs: { value: NOW - 2_000 } }),
      ['unit_restart_loop certain'],
    ],
    ['just starting', facts({ active: 'activating', sub: 'start' }), ['starting certain']],
    ['masked', facts({ load: 'masked' }), ['unit_masked certain']],
    [
      'file broken',
      facts({ load: 'bad-setting', loadError: 'Unit web.service has a bad unit file setting.' }),
      ['unit_file_broken certain'],
    ],
    [
      'dependency',
      facts({
        failedDependencies: [
          { name: 'db.service', by: 'Requires', load: 'loaded', active: 'failed', result: 'exit-code' },
        ],
      }),
      ['unit_dependency_failed certain'],
    ],
    ['skipped', facts({ skipped: { atMs: NOW } }), ['condition_not_met certain']],
    [
      'skipped, and forgotten',
      facts({}, { log: [systemd('web.service skipped, unmet condition check ConditionPathExists=/x')] }),
      ['condition_not_met certain'],
    ],
    ['OOM', facts(failed('oom-kill', killed(9))), ['unit_oom_killed certain']],
    [
      'OOM by the kernel',
      facts(failed('signal', killed(9)), {
        kernel: [{ atMs: NOW, text: 'oom-kill:constraint=MEMCG,task_memcg=/system.slice/web.service,task=x,pid=5' }],
      }),
      ['unit_oom_killed certain', 'unit_killed likely'],
    ],
    [
      'SIGKILL with a limit',
      facts(failed('signal', killed(9), { memoryLimitBytes: 1e8 })),
      ['unit_oom_killed likely', 'unit_killed likely'],
    ],
    ['SIGKILL without', facts(failed('signal', killed(9))), ['unit_killed likely', 'unit_oom_killed possible']],
    ['watchdog', facts(failed('watchdog', killed(6))), ['unit_watchdog certain']],
    ['time-out', facts(failed('timeout', killed(9), { serviceType: 'notify' })), ['unit_timed_out certain']],
    ['crash', facts(failed('core-dump', { how: 'dumped', status: 11, atMs: NOW })), ['unit_crashed certain']],
    ['no program', facts(failed('exit-code', exited(203))), ['program_missing certain']],
    [
      'a program that is there',
      facts(failed('exit-code', exited(203)), { changed: [{ path: '/usr/sbin/web', atMs: 0, executable: true }] }),
      ['program_missing likely'],
    ],
    [
      'a program that may not run',
      facts(failed('exit-code', exited(203)), { changed: [{ path: '/usr/sbin/web', atMs: 0, executable: false }] }),
      ['unit_permission_denied certain'],
    ],
    ['no user', facts(failed('exit-code', exited(217))), ['unit_user_missing certain']],
    ['no folder', facts(failed('exit-code', exited(200))), ['unit_not_set_up certain']],
    ['resources', facts(failed('resources')), ['unit_not_set_up certain']],
    ['protocol', facts(failed('protocol')), ['unit_protocol certain']],
    [
      'port',
      facts(failed('exit-code', exited(1)), {
        log: [own('nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)')],
      }),
      ['unit_port_taken likely', 'unit_exit_error likely'],
    ],
    [
      'config',
      facts(failed('exit-code', exited(1)), {
        log: [own('nginx: [emerg] unknown directive "servr" in /etc/nginx/nginx.conf:7')],
      }),
      ['config_error likely', 'unit_exit_error likely'],
    ],
    [
      'denied',
      facts(failed('exit-code', exited(1)), { log: [own('open() "/var/lib/x" failed (13: Permission denied)')] }),
      ['unit_permission_denied likely', 'unit_exit_error likely'],
    ],
    [
      'disk',
      facts(failed('exit-code', exited(1)), { log: [own('write: No space left on device')], full: ['/ is full'] }),
      ['unit_disk_full certain', 'unit_exit_error likely'],
    ],
    [
      'file',
      facts(failed('exit-code', exited(1)), {
        log: [own("FileNotFoundError: [Errno 2] No such file or directory: '/etc/x'")],
      }),
      ['file_missing likely', 'unit_exit_error likely'],
    ],
    ['nothing said', facts(failed('exit-code', exited(3))), ['unit_exit_error likely']],
    [
      'changed a minute before',
      facts(failed('exit-code', exited(3)), {
        changed: [{ path: '/etc/systemd/system/web.service', atMs: NOW - 60_000, executable: false }],
      }),
      ['unit_exit_error likely', 'recently_changed possible'],
    ],
    [
      'changed afterwards',
      facts(failed('exit-code', exited(3)), { changed: [{ path: '/x', atMs: NOW + 60_000, executable: false }] }),
      ['unit_exit_error likely'],
    ],
    [
      'gave up',
      facts(failed('exit-code', exited(1), { restarts: 5, restart: 'always' })),
      ['unit_restart_loop certain', 'unit_exit_error likely'],
    ],
    ['never started, disabled', facts({ fileState: 'disabled' }), ['not_enabled likely']],
    [
      'stopped on request',
      facts({ exit: killed(15) }, { log: [systemd('Stopping web.service...'), systemd('Stopped web.service.')] }),
      ['unit_stopped likely'],
    ],
    ['down, nobody knows', facts({}), ['unknown possible']],
    [
      'a job whose timer waits',
      facts({ serviceType: 'oneshot' }, { starters: [timer('active')] }),
      ['waits_for_its_trigger certain'],
    ],
    [
      'a job whose timer is dead',
      facts({ serviceType: 'oneshot' }, { starters: [timer('inactive')] }),
      ['timer_dead likely'],
    ],
    ['a dead timer', facts({ ...timer('inactive', { fileState: 'enabled' }) }), ['timer_dead certain']],
    [
      'a timer whose job failed',
      facts({ ...timer('active') }, { job: unit({ ...failed('exit-code', exited(7)) }) }),
      ['timer_job_failed certain'],
    ],
    ['a timer that waits', facts({ ...timer('active') }), ['not_down certain']],
  ])('%s', (_, f, expected) => expect(ids(f)).toEqual(expected));

  it('names the port, the unit and the timer in the next step, and no word that could be more', () => {
    const next = (f: UnitFacts) => diagnoseUnit(f).causes[0]?.next;
    expect(
      next(facts(failed('exit-code', exited(1)), { log: [own('listen EADDRINUSE: address already in use :::3000')] })),
    ).toBe('ss -ltnp | grep :3000');
    expect(
      next(
        facts({
          failedDependencies: [
            { name: 'a\\x2d;x.service', by: 'Requires', load: 'loaded', active: 'failed', result: null },
          ],
        }),
      ),
    ).toBe('diagnose {"problem":"down","target":"unit:OTHER"}');
    expect(next(facts({ ...timer('inactive', { fileState: 'enabled' }) }))).toBe(
      'service_control {"unit":"web.timer","action":"start"}',
    );
  });

  it('ids are unique', () => {
    const all = UNIT_ROWS.map((r) => r.id);
    expect(new Set(all).size).toBe(all.length);
  });
});

describe('words of programs', () => {
  it.each([
    ['AH00526: Syntax error on line 3 of /etc/apache2/x.conf:', 'config_error'],
    ['/etc/ssh/sshd_config: line 12: Bad configuration option: Prot', 'config_error'],
    ['yaml: line 4: did not find expected key', 'config_error'],
    ['json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)', 'config_error'],
    ['FATAL: could not load configuration', 'config_error'],
    ['/x: error while loading shared libraries: libfoo.so.1: cannot open shared object file', 'file_missing'],
    ["Error: Cannot find module '/srv/app.js'", 'file_missing'],
    ['bind: Address already in use', 'port_in_use'],
    ['started in 3 ms', null],
    ['GET /unknown 404', null],
  ])('%s', (text, trouble) => expect(unitTroubleIn(text)).toBe(trouble));
  it.each([
    ['bind() to 0.0.0.0:8080 failed (98: Address already in use)', 8080],
    ['listen tcp :9090: bind: address already in use', 9090],
    ['could not bind to port 5432', 5432],
    ['httpd: bind: Address already in use', null],
    ['port 99999', null],
  ])('port of %s', (text, port) => expect(portNamed(text)).toBe(port));
  it('whom the kernel killed', () => {
    const who = { unit: 'web.service', pid: 4711 };
    expect(oomVictim('oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/system.slice/web.service', who)).toBe(true);
    expect(oomVictim('Out of memory: Killed process 4711 (web) total-vm:1kB', who)).toBe(true);
    expect(oomVictim('Out of memory: Killed process 47110 (x)', who)).toBe(false);
    expect(oomVictim('web.service pid 4711 started', who)).toBe(false);
  });
});
