/**
 * Each way a service fails, made in a real systemd with a journal, beside as many that are well: service_list, service_status and diagnose
 * are right about each, through the door. Loud when it is skipped.
 */
import { encode } from 'gpt-tokenizer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { journalHost } from '../../src/host/journal/index.ts';
import { serviceHost } from '../../src/host/services/index.ts';
import { catalog } from '../../src/tools/index.ts';
import { until } from '../docker/engine.ts';
import { fakeHost } from '../fakes/host.ts';
import { callOf, rig, who } from '../fakes/policy.ts';
import { data, failure, text } from '../tools/service_house.ts';
import { bootSystemd, lacking, type Systemd, withUnits } from './systemd.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write(
    'SKIPPED tests/services/faults_real: needs DECKHAND_REAL=1, root, systemd-nspawn and debootstrap.\n',
  );
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

const service = (lines: string, unit = '') =>
  `[Unit]\n${unit}\n[Service]\n${lines}\n[Install]\nWantedBy=multi-user.target\n`;
const sh = (text: string) => `ExecStart=/bin/bash -c '${text}'`;

const after = (ms: number, fire: () => void) => {
  const timer = setTimeout(fire, ms);
  return () => clearTimeout(timer);
};

interface Case {
  fault: string;
  unit: string;
  files: Record<string, string>;
  /** Its state in the end, as systemd says it. */
  state: string;
  /** What stands first in the diagnosis, and how sure. */
  cause: string;
  sure: string;
  /** The very line, or fact, among the evidence of the first or second cause. */
  evidence: RegExp;
  /** Of service_status. Null: nothing is wrong with it. */
  short: RegExp | null;
  /** Starts it; by default `systemctl start --no-block`. */
  make?: string;
  attention?: string | null;
}

const FAULTS: Case[] = [
  {
    fault: 'crash',
    unit: 'f-crash.service',
    state: 'failed/failed',
    cause: 'unit_crashed',
    sure: 'certain',
    evidence: /killed 11/,
    short: /SIGSEGV/,
    files: { 'f-crash.service': service(`${sh('echo reading table 7; kill -SEGV $$$$')}\nLimitCORE=0`) },
  },
  {
    fault: 'loop',
    unit: 'f-loop.service',
    state: 'failed/failed',
    cause: 'unit_restart_loop',
    sure: 'certain',
    evidence: /3 restarts, Restart=on-failure \(limit 3 in 1 min\)/,
    short: /gave up: exit 1/,
    files: {
      'f-loop.service': service(
        `${sh('echo cannot go on >&2; exit 1')}\nRestart=on-failure\nRestartSec=50ms`,
        'StartLimitIntervalSec=60\nStartLimitBurst=3',
      ),
    },
  },
  {
    fault: 'loop that goes on',
    unit: 'f-round.service',
    state: 'activating/auto-restart',
    cause: 'unit_restart_loop',
    sure: 'certain',
    evidence: /restarts, Restart=always/,
    short: /exit 2/,
    attention: 'loop',
    files: { 'f-round.service': service(`${sh('exit 2')}\nRestart=always\nRestartSec=30`, 'StartLimitIntervalSec=0') },
  },
  {
    // cgroup v1 tells systemd nothing of the OOM killer: its signal, and the kernel's own line where it can be read.
    fault: 'OOM',
    unit: 'f-memory.service',
    state: 'failed/failed',
    cause: 'unit_oom_killed',
    sure: 'certain|likely',
    evidence: /MemoryMax 20\.0 MiB/,
    short: /SIGKILL|OOM/,
    files: { 'f-memory.service': service('ExecStart=/usr/bin/tail /dev/zero\nMemoryMax=20M\nMemorySwapMax=0') },
  },
  {
    fault: 'failed dependency',
    unit: 'f-needs.service',
    state: 'inactive/dead',
    cause: 'unit_dependency_failed',
    sure: 'certain',
    evidence: /f-base\.service \(Requires=\): failed, exit-code/,
    short: /needs f-base\.service/,
    attention: null,
    files: {
      'f-base.service': service(`Type=oneshot\n${sh('exit 4')}`),
      'f-needs.service': service('ExecStart=/bin/sleep 1000', 'Requires=f-base.service\nAfter=f-base.service'),
    },
    make: 'systemctl start f-needs || true',
  },
  {
    fault: 'missing dependency',
    unit: 'f-lost.service',
    state: 'inactive/dead',
    cause: 'unit_dependency_failed',
    sure: 'certain',
    evidence: /f-nowhere\.service \(BindsTo=\): not-found/,
    short: /needs f-nowhere/,
    attention: null,
    files: {
      'f-lost.service': service('ExecStart=/bin/sleep 1000', 'BindsTo=f-nowhere.service\nAfter=f-nowhere.service'),
    },
    make: 'systemctl start f-lost || true',
  },
  {
    fault: 'taken port',
    unit: 'f-port.service',
    state: 'failed/failed',
    cause: 'unit_port_taken',
    sure: 'likely',
    evidence: /[Aa]ddress already in use/,
    short: /exit 1/,
    files: {
      'f-port.service': service('ExecStart=/usr/bin/busybox httpd -f -p 8099 -h /srv'),
      'f-holder.service': service('ExecStart=/usr/bin/busybox httpd -f -p 8099 -h /srv'),
    },
    make: 'systemctl start f-holder; for i in 1 2 3 4 5 6 7 8 9 10; do grep -q :1FA3 /proc/net/tcp /proc/net/tcp6 && break; sleep 0.2; done; systemctl start f-port',
  },
  {
    fault: 'syntax error',
    unit: 'f-config.service',
    state: 'failed/failed',
    cause: 'config_error',
    sure: 'likely',
    evidence: /x\.sh: line 2: syntax error near unexpected token/,
    short: /exit 2/,
    files: { 'f-config.service': service('ExecStart=/bin/bash /share/x.sh') },
    make: `printf 'if true; then\\n)\\n' >/share/x.sh; systemctl start --no-block f-config`,
  },
  {
    fault: 'broken unit file',
    unit: 'f-garbled.service',
    state: 'inactive/dead',
    cause: 'unit_file_broken',
    sure: 'certain',
    evidence: /bad.?unit.?file|bad-setting|lacks|refusing/i,
    short: /bad-setting/,
    attention: null,
    files: { 'f-garbled.service': '[Service]\nExecStart=\n' },
    make: 'systemctl start f-garbled 2>/dev/null || true',
  },
  {
    fault: 'missing program',
    unit: 'f-exec.service',
    state: 'failed/failed',
    cause: 'program_missing',
    sure: 'certain',
    evidence: /program \/usr\/bin\/not-there/,
    short: /203\/EXEC/,
    files: { 'f-exec.service': service('ExecStart=/usr/bin/not-there') },
  },
  {
    fault: 'missing file',
    unit: 'f-file.service',
    state: 'failed/failed',
    cause: 'file_missing',
    sure: 'likely',
    evidence: /\/srv\/nothing: No such file or directory/,
    short: /exit 1/,
    files: { 'f-file.service': service('ExecStart=/bin/cat /srv/nothing') },
  },
  {
    fault: 'missing folder',
    unit: 'f-chdir.service',
    state: 'failed/failed',
    cause: 'unit_not_set_up',
    sure: 'certain',
    evidence: /exited 200/,
    short: /200\/CHDIR/,
    files: { 'f-chdir.service': service('WorkingDirectory=/not/there\nExecStart=/bin/true') },
  },
  {
    fault: 'missing user',
    unit: 'f-user.service',
    state: 'failed/failed',
    cause: 'unit_user_missing',
    sure: 'certain',
    evidence: /user nosuchuser/,
    short: /217\/USER/,
    files: { 'f-user.service': service('User=nosuchuser\nExecStart=/bin/true') },
  },
  {
    fault: 'permission',
    unit: 'f-denied.service',
    state: 'failed/failed',
    cause: 'unit_permission_denied',
    sure: 'likely',
    evidence: /\/etc\/shadow: Permission denied/,
    short: /exit 1/,
    files: { 'f-denied.service': service('User=nobody\nExecStart=/bin/cat /etc/shadow') },
  },
  {
    fault: 'not executable',
    unit: 'f-noexec.service',
    state: 'failed/failed',
    cause: 'unit_permission_denied',
    sure: 'certain',
    evidence: /Permission denied|not executable/,
    short: /203\/EXEC/,
    files: { 'f-noexec.service': service('ExecStart=/etc/passwd') },
  },
  {
    fault: 'time-out',
    unit: 'f-slow.service',
    state: 'failed/failed',
    cause: 'unit_timed_out',
    sure: 'certain',
    evidence: /timed out/,
    short: /timed out/,
    files: { 'f-slow.service': service('Type=notify\nTimeoutStartSec=1\nExecStart=/bin/sleep 1000') },
  },
  {
    fault: 'watchdog',
    unit: 'f-hangs.service',
    state: 'failed/failed',
    cause: 'unit_watchdog',
    sure: 'certain',
    evidence: /[Ww]atchdog/,
    short: /watchdog/,
    files: {
      'f-hangs.service': service(
        `Type=notify\nNotifyAccess=all\nWatchdogSec=500ms\n${sh('systemd-notify --ready; exec sleep 1000')}`,
      ),
    },
  },
  {
    fault: 'dead timer',
    unit: 'f-dead.timer',
    state: 'inactive/dead',
    cause: 'timer_dead',
    sure: 'certain',
    evidence: /f-dead\.timer: inactive, file enabled/,
    short: null,
    attention: 'dead',
    files: {
      'f-dead.timer': '[Timer]\nOnCalendar=*-*-* 03:00:00\n[Install]\nWantedBy=timers.target\n',
      'f-dead.service': service('Type=oneshot\nExecStart=/bin/true'),
    },
    make: 'systemctl enable --quiet f-dead.timer',
  },
  {
    fault: 'job of a timer failed',
    unit: 'f-badjob.timer',
    state: 'active/waiting',
    cause: 'timer_job_failed',
    sure: 'certain',
    evidence: /f-badjob\.service: exit-code \(exited 7/,
    short: null,
    attention: 'failed',
    files: {
      'f-badjob.timer': '[Timer]\nOnActiveSec=100ms\nAccuracySec=1ms\nOnCalendar=*-*-* 03:00:00\n',
      'f-badjob.service': service(`Type=oneshot\n${sh('exit 7')}`),
    },
    make: 'systemctl start f-badjob.timer; for i in 1 2 3 4 5 6 7 8 9 10; do systemctl is-failed -q f-badjob.service && break; sleep 0.2; done',
  },
  {
    fault: 'disk full',
    unit: 'f-full.service',
    state: 'failed/failed',
    cause: 'unit_disk_full',
    sure: 'likely|certain',
    evidence: /No space left on device/,
    short: /exit 1/,
    files: { 'f-full.service': service(sh('echo data >/dev/full')) },
  },
  {
    fault: 'masked',
    unit: 'f-masked.service',
    state: 'inactive/dead',
    cause: 'unit_masked',
    sure: 'certain',
    evidence: /masked/,
    short: /masked/,
    attention: null,
    files: {},
    make: 'systemctl mask --quiet f-masked.service',
  },
  {
    fault: 'condition not met',
    unit: 'f-skip.service',
    state: 'inactive/dead',
    cause: 'condition_not_met',
    sure: 'certain',
    evidence: /unmet condition/,
    short: null,
    attention: null,
    files: { 'f-skip.service': service('ExecStart=/bin/sleep 1000', 'ConditionPathExists=/not/there') },
  },
  {
    fault: 'not enabled',
    unit: 'f-off.service',
    state: 'inactive/dead',
    cause: 'not_enabled',
    sure: 'likely',
    evidence: /file disabled/,
    short: null,
    attention: null,
    files: { 'f-off.service': service('ExecStart=/bin/sleep 1000') },
    make: 'true',
  },
  {
    fault: 'changed before it failed',
    unit: 'f-changed.service',
    state: 'failed/failed',
    cause: 'unit_exit_error',
    sure: 'likely',
    evidence: /exited 3/,
    short: /exit 3/,
    files: { 'f-changed.service': service(sh('exit 3')) },
  },
];

/** The same shapes, and well. What they say may sound bad. */
const WELL: { unit: string; files: Record<string, string>; make?: string; cause: string; down: boolean }[] = [
  ...[
    ['w-plain', 'ExecStart=/bin/sleep 1000'],
    ['w-talks', sh('echo error: nothing; echo Permission denied once; exec sleep 1000')],
    ['w-port', 'ExecStart=/usr/bin/busybox httpd -f -p 8100 -h /srv'],
    ['w-limit', 'ExecStart=/bin/sleep 1000\nMemoryMax=100M'],
    ['w-user', 'User=nobody\nExecStart=/bin/sleep 1000'],
    ['w-config', sh('echo "unknown option ignored"; exec sleep 1000')],
    ['w-notify', `Type=notify\nNotifyAccess=all\nTimeoutStartSec=5\n${sh('systemd-notify --ready; exec sleep 1000')}`],
    [
      'w-watchdog',
      `Type=notify\nNotifyAccess=all\nWatchdogSec=10\n${sh('systemd-notify --ready; while sleep 1; do systemd-notify WATCHDOG=1; done')}`,
    ],
    ['w-restart', 'Restart=always\nExecStart=/bin/sleep 1000'],
    ['w-folder', 'WorkingDirectory=/srv\nExecStart=/bin/sleep 1000'],
    ['w-stays', 'Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true'],
    ['w-file', 'ExecStart=/usr/bin/tail -f /etc/hostname'],
    ['w-env', 'Environment=A=b\nExecStart=/bin/sleep 1000'],
    ['w-pre', 'ExecStartPre=/bin/true\nExecStart=/bin/sleep 1000'],
    ['w-mayfail', 'ExecStartPre=-/bin/false\nExecStart=/bin/sleep 1000'],
    ['w-code', 'SuccessExitStatus=3\nExecStart=/bin/sleep 1000'],
    ['w-slice', 'Slice=w-some.slice\nExecStart=/bin/sleep 1000'],
    ['w-tmp', 'PrivateTmp=yes\nExecStart=/bin/sleep 1000'],
  ].map(([name, lines]) => ({
    unit: `${name}.service`,
    files: { [`${name}.service`]: service(lines as string) },
    cause: 'not_down',
    down: false,
  })),
  {
    unit: 'w-base.service',
    files: { 'w-base.service': service('ExecStart=/bin/sleep 1000') },
    cause: 'not_down',
    down: false,
  },
  {
    unit: 'w-needs.service',
    files: { 'w-needs.service': service('ExecStart=/bin/sleep 1000', 'Requires=w-base.service\nAfter=w-base.service') },
    cause: 'not_down',
    down: false,
  },
  {
    unit: 'w-wants.service',
    files: { 'w-wants.service': service('ExecStart=/bin/sleep 1000', 'Wants=f-nowhere.service') },
    cause: 'not_down',
    down: false,
  },
  {
    unit: 'w-job.timer',
    files: {
      'w-job.timer': '[Timer]\nOnActiveSec=100ms\nAccuracySec=1ms\nOnCalendar=*-*-* 03:00:00\n',
      'w-job.service': service('Type=oneshot\nExecStart=/bin/true'),
    },
    cause: 'not_down',
    down: false,
  },
  { unit: 'w-job.service', files: {}, make: 'true', cause: 'waits_for_its_trigger', down: false },
  { unit: 'w-target.target', files: { 'w-target.target': '[Unit]\nDescription=x\n' }, cause: 'not_down', down: false },
];

describe.skipIf(!real)('systemd 257', () => {
  let lab: Systemd;
  let r: ReturnType<typeof rig>;
  const keeper = who('token:keeper', ['services:write', 'logs:read', 'system:read']);
  const call = (tool: string, args: object) => r.door.run(callOf(tool, args, { principal: keeper }));

  beforeAll(async () => {
    lab = await bootSystemd();
    const services = serviceHost(lab.root, { exec: lab.exec, has: () => true, rules: { allow: ['*'], protect: [] } });
    const journal = journalHost(lab.root, { exec: lab.exec, stream: lab.stream, has: () => true });
    r = rig({
      catalog,
      context: {
        host: { ...fakeHost(), services, journal },
        recent: () => [],
        recentProcesses: () => null,
        absent: () => [],
      },
    } as Parameters<typeof rig>[0]);
    // Real time: equal questions a moment apart share their answer, and no more than that.
    Object.assign(r.policy.clock, { now: () => Date.now(), elapsed: () => performance.now(), after });
    const all = [...FAULTS, ...WELL];
    await withUnits(lab, Object.assign({}, ...all.map((c) => c.files)));
    await lab.script(all.map((c) => c.make ?? `systemctl start --no-block ${c.unit}`).join('\n'), { ms: 60_000 });
  }, 400_000);

  afterAll(async () => {
    await lab?.close();
    expect(lab?.left() ?? []).toEqual([]);
  }, 30_000);

  const settled = (unit: string, state: string) =>
    until(
      `${unit} is ${state}`,
      async () => {
        const u = data(await call('service_status', { unit, lines: 0 }));
        return u.state === state;
      },
      20_000,
    );

  test.each(FAULTS.map((c) => [c.fault, c] as const))('%s', async (_, c) => {
    await settled(c.unit, c.state);
    const status = data(await call('service_status', { unit: c.unit }));
    expect(status.state).toBe(c.state);
    if (c.short === null) expect(status.problem).toBeNull();
    else expect(status.problem?.short).toMatch(c.short);

    const type = c.unit.split('.').at(-1);
    const list = data(await call('service_list', { type, state: 'all', name: c.unit, limit: 5 }));
    const row = list.units.find((u: { name: string }) => u.name === c.unit);
    expect(row).toMatchObject({ state: c.state, attention: c.attention === undefined ? 'failed' : c.attention });

    const found = await call('diagnose', { problem: 'down', target: `unit:${c.unit}` });
    const d = data(found);
    const said = JSON.stringify(d.causes, null, 1);
    expect(d.causes?.[0]?.id, said ?? text(found)).toBe(c.cause);
    expect(d.causes[0].certainty, said).toMatch(new RegExp(`^(?:${c.sure})$`));
    expect(d.causes[0].evidence.join('\n'), said).toMatch(c.evidence);
    expect(encode(text(found)).length).toBeLessThanOrEqual(600);
  });

  test('a change shortly before is among the possible causes', async () => {
    const d = data(await call('diagnose', { problem: 'down', target: 'unit:f-changed' }));
    expect(d.causes).toContainEqual(expect.objectContaining({ id: 'recently_changed', certainty: 'possible' }));
  });

  test.each(WELL.map((c) => [c.unit, c] as const))('%s is well', async (_, c) => {
    const u = await until(`${c.unit} is up`, async () => {
      const is = data(await call('service_status', { unit: c.unit, lines: 0 }));
      return (is.state.startsWith('active/') || !c.cause.startsWith('not_down')) && is;
    });
    expect(u.problem).toBeNull();
    const d = data(await call('diagnose', { problem: 'down', target: `unit:${c.unit}` }));
    expect({ id: d.causes[0]?.id, down: d.down }, JSON.stringify(d)).toEqual({ id: c.cause, down: c.down });
    const type = c.unit.split('.').at(-1);
    const list = data(await call('service_list', { type, state: 'all', name: c.unit, limit: 5 }));
    expect(list.units.find((x: { name: string }) => x.name === c.unit).attention).toBeNull();
  });

  test('the default list: failed first, and compact', async () => {
    const out = await call('service_list', {});
    const names = data(out).units.map((u: { name: string }) => u.name);
    expect(names[0]).toMatch(/^f-/);
    const failed = FAULTS.filter((c) => c.state === 'failed/failed').map((c) => c.unit);
    expect(
      data(await call('service_list', { state: 'failed', limit: 100 })).units.map((u: { name: string }) => u.name),
    ).toEqual(expect.arrayContaining(failed));
    expect(encode(text(out)).length).toBeLessThanOrEqual(1_300);
  });

  test('changes, for real: start, stop, restart, enable, disable, and back', async () => {
    const act = async (action: string, unit = 'w-plain') => data(await call('service_control', { unit, action }));
    expect(await act('stop')).toMatchObject({ state: 'done', after: { state: 'inactive (dead)' } });
    const started = await act('start');
    expect(started).toMatchObject({ state: 'done', after: { state: 'active (running)' }, receipt: expect.any(String) });
    expect(data(await call('undo', { receipt: started.receipt }))).toMatchObject({
      state: 'done',
      after: { state: 'inactive (dead)' },
    });
    expect((await act('restart')).state).toBe('done');
    const enabled = await act('enable');
    expect(enabled).toMatchObject({ state: 'done', after: { file: 'enabled' } });
    expect(data(await call('undo', { receipt: enabled.receipt }))).toMatchObject({ after: { file: 'disabled' } });
    expect((await act('stop', 'w-base')).summary).toContain('w-base.service was stopped');
    expect(data(await call('service_status', { unit: 'w-needs', lines: 0 })).state).toBe('inactive/dead');
  }, 60_000);

  test('a start that fails is not called done, and tells the very line', async () => {
    const denied = data(await call('service_control', { unit: 'f-denied', action: 'restart' }));
    expect(denied).toMatchObject({
      state: 'failed',
      summary: expect.stringContaining('its program ended with code 1'),
    });
    expect(denied.after.log.join('\n')).toMatch(/\/etc\/shadow: Permission denied/);
    const skipped = data(await call('service_control', { unit: 'f-skip', action: 'start' }));
    expect(skipped).toMatchObject({ state: 'failed', summary: expect.stringContaining('Condition') });
    const late = data(await call('service_control', { unit: 'f-slow', action: 'start' }));
    expect(late).toMatchObject({ state: 'failed', summary: expect.stringContaining('did not come up') });
    const needs = data(await call('service_control', { unit: 'f-needs', action: 'start' }));
    expect(needs).toMatchObject({ state: 'failed', summary: expect.stringContaining('f-base.service') });
  }, 60_000);

  test.each([
    ['stop', 'dbus.service'],
    ['restart', 'systemd-journald.service'],
    ['stop', 'systemd-logind.service'],
    ['start', 'poweroff.target'],
    ['disable', 'console-getty.service'],
    ['stop', 'user.slice'],
  ])('protected: %s %s', async (action, unit) => {
    expect(failure(await call('service_control', { unit, action }))).toMatchObject({ code: 'permission' });
  });

  test('one that a protected unit requires is not stopped either', async () => {
    await withUnits(
      lab,
      {
        'p-under.service': service('ExecStart=/bin/sleep 1000'),
        'ssh.service': service('ExecStart=/bin/sleep 1000', 'Requires=p-under.service\nAfter=p-under.service'),
      },
      'systemctl start ssh',
    );
    expect(failure(await call('service_control', { unit: 'p-under', action: 'stop' }))).toMatchObject({
      code: 'permission',
      message: expect.stringContaining('ssh.service'),
    });
    expect(data(await call('service_status', { unit: 'ssh', lines: 0 })).state).toBe('active/running');
    // The control: systemd itself takes ssh along.
    await lab.run(['systemctl', 'stop', 'p-under']);
    expect((await lab.run(['systemctl', 'is-active', 'ssh'], { mayFail: true })).out.trim()).toBe('inactive');
  });
});
