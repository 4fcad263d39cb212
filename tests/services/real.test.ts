/**
 * The adapter in front of a real systemd: units in each state that a host brings forth, and every record beside what `systemctl show`
 * says of the same unit, key by key. Loud when it is skipped.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Unit } from '../../src/core/services.ts';
import { serviceHost } from '../../src/host/services/index.ts';
import { serviceExit } from '../../src/insight/service_exit.ts';
import { SYSTEMD_CODES } from '../../src/insight/systemd_codes.ts';
import { until } from '../docker/engine.ts';
import { bootSystemd, lacking, type Systemd } from './systemd.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write('SKIPPED tests/services/real: needs DECKHAND_REAL=1, root, systemd-nspawn and debootstrap.\n');
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

const service = (lines: string, unit = '') => `[Unit]\n${unit}\n[Service]\n${lines}\n`;
const FILES: Record<string, string> = {
  'd-run.service': service(
    'ExecStart=/bin/sleep 1000\nMemoryMax=100M\nMemoryAccounting=yes\nCPUAccounting=yes\n[Install]\nWantedBy=multi-user.target',
    'Description=Runs — “ünïcode”',
  ),
  'd-run.service.d/10-more.conf': '[Service]\nEnvironment=PASSWORD=hunter2\n',
  'd-code.service': service('ExecStart=/bin/sh -c "exit 3"'),
  'd-signal.service': service('ExecStart=/bin/sh -c "kill -SEGV $$$$"\nLimitCORE=0'),
  'd-exec.service': service('ExecStart=/usr/bin/not-there'),
  'd-user.service': service('User=nosuchuser\nExecStart=/bin/true'),
  'd-chdir.service': service('WorkingDirectory=/not/there\nExecStart=/bin/true'),
  'd-loop.service': service(
    'Restart=on-failure\nRestartSec=20ms\nExecStart=/bin/false',
    'StartLimitIntervalSec=60\nStartLimitBurst=3',
  ),
  'd-often.service': service('ExecStart=/bin/sleep 1000', 'StartLimitIntervalSec=60\nStartLimitBurst=2'),
  'd-slow.service': service('Type=notify\nTimeoutStartSec=1\nExecStart=/bin/sleep 1000'),
  'd-hangs.service': service(
    'Type=notify\nNotifyAccess=all\nWatchdogSec=500ms\nExecStart=/bin/sh -c "systemd-notify --ready; exec sleep 1000"',
  ),
  'd-memory.service': service('MemoryMax=20M\nMemorySwapMax=0\nExecStart=/usr/bin/tail /dev/zero'),
  'd-job.service': service('Type=oneshot\nExecStart=/bin/true'),
  'd-job.timer': '[Timer]\nOnActiveSec=100ms\nAccuracySec=1ms\nOnCalendar=*-*-* 03:00:00\n',
  'd-badjob.service': service('Type=oneshot\nExecStart=/bin/sh -c "exit 7"'),
  'd-badjob.timer': '[Timer]\nOnActiveSec=100ms\nAccuracySec=1ms\n',
  'd-base.service': service('Type=oneshot\nExecStart=/bin/sh -c "exit 4"'),
  'd-needs.service': service('ExecStart=/bin/sleep 1000', 'Requires=d-base.service\nAfter=d-base.service'),
  'd-misses.service': service('ExecStart=/bin/sleep 1000', 'BindsTo=d-nowhere.service\nAfter=d-nowhere.service'),
  'd-tmpl@.service': service('ExecStart=/bin/sleep %i'),
  'd-skipped.service': service('ExecStart=/bin/true', 'ConditionPathExists=/not/there'),
  'd-garbled.service': '[Service]\nExecStart=\n',
  'd-target.target': '[Unit]\nDescription=A target\n',
};
const START =
  'd-run d-code d-signal d-exec d-user d-chdir d-loop d-slow d-hangs d-memory d-job.timer d-badjob.timer d-needs d-tmpl@777 d-skipped d-target.target';

describe.skipIf(!real)('systemd 257', () => {
  let lab: Systemd;
  let host: ReturnType<typeof serviceHost>;
  const one = async (name: string): Promise<Unit> => (await host.show([name]))[0] as Unit;
  const ended = (name: string) =>
    until(`${name} has ended`, async () => (await one(name)).active === 'failed', 15_000).then(() => one(name));
  const words = (u: Unit) => serviceExit(u);
  /** As `systemctl show` prints it, asked on its own. */
  const said = async (unit: string, key: string) => (await lab.run(['systemctl', 'show', '-P', key, unit])).out.trim();

  beforeAll(async () => {
    lab = await bootSystemd();
    host = serviceHost(lab.root, { exec: lab.exec, has: () => true });
    const files = Object.entries(FILES).map(
      ([name, text]) =>
        `mkdir -p "$(dirname '/etc/systemd/system/${name}')"\ncat >'/etc/systemd/system/${name}' <<'END'\n${text}END\n`,
    );
    await lab.script(`set -e\n${files.join('')}systemctl daemon-reload
systemctl mask --quiet d-masked.service
systemctl start --no-block ${START}
systemctl start d-misses 2>/dev/null || true
for i in 1 2 3; do systemctl restart d-often 2>/dev/null || true; done`);
  }, 400_000);

  afterAll(async () => {
    await lab?.close();
    expect(lab?.left() ?? []).toEqual([]);
  }, 30_000);

  test('is there', () => expect(host.available()).toEqual({ value: { manager: 'systemd' } }));

  test('one that runs', async () => {
    const u = await until('it runs', async () => {
      const is = await one('d-run.service');
      return is.active === 'active' && is.mainPid !== null && is;
    });
    expect(u).toMatchObject({
      ...{ type: 'service', description: 'Runs — “ünïcode”', load: 'loaded', sub: 'running', fileState: 'disabled' },
      ...{
        serviceType: 'simple',
        result: 'success',
        exit: null,
        restarts: 0,
        program: '/bin/sleep',
        needsReload: false,
      },
      ...{ memoryLimitBytes: 100 * 1024 * 1024, cgroup: '/system.slice/d-run.service', failedDependencies: [] },
      fragmentPath: '/etc/systemd/system/d-run.service',
      dropIns: ['/etc/systemd/system/d-run.service.d/10-more.conf'],
    });
    expect(String(u.mainPid)).toBe(await said('d-run', 'MainPID'));
    const cgroup = (path: string) =>
      lab.run(['cat', `/sys/fs/cgroup/${path}/system.slice/d-run.service/${'cgroup.procs'}`]);
    expect((await cgroup('memory')).out.trim()).toBe(String(u.mainPid));
    expect(u.memoryBytes.value).toBeGreaterThan(0);
    const cpu = await said('d-run', 'CPUUsageNSec');
    if (cpu === '[not set]') expect(u.cpuMs).toMatchObject({ value: null, why: expect.stringContaining('accounting') });
    else expect(u.cpuMs.value).toBeGreaterThan(0);
    expect(Math.abs((u.sinceMs.value ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(JSON.stringify(u)).not.toContain('hunter2');
  });

  test.each([
    ['d-code.service', 'exit-code', { how: 'exited', status: 3 }, 'exit_code'],
    ['d-signal.service', 'signal', { how: 'killed', status: 11 }, 'signal'],
    ['d-exec.service', 'exit-code', { how: 'exited', status: 203 }, 'not_started'],
    ['d-user.service', 'exit-code', { how: 'exited', status: 217 }, 'not_started'],
    ['d-chdir.service', 'exit-code', { how: 'exited', status: 200 }, 'not_started'],
    ['d-slow.service', 'timeout', { how: 'killed', status: 15 }, 'timeout'],
    ['d-hangs.service', 'watchdog', { how: 'killed', status: 6 }, 'watchdog'],
    // cgroup v1 tells systemd nothing of the OOM killer: only the signal is seen.
    ['d-memory.service', 'signal', { how: 'killed', status: 9 }, 'killed'],
    ['d-loop.service', 'exit-code', { how: 'exited', status: 1 }, 'start_limit'],
  ])('%s failed by %s', async (name, result, exit, cause) => {
    const u = await ended(name);
    expect(u).toMatchObject({ active: 'failed', sub: 'failed', result, exit, mainPid: null });
    expect(u.exit?.atMs).toBeGreaterThan(Date.now() - 120_000);
    expect(u.memoryBytes.value, u.memoryBytes.why).toBeNull();
    expect(await said(name, 'Result')).toBe(u.result);
    expect(await said(name, 'ExecMainStatus')).toBe(String(u.exit?.status));
    expect(await said(name, 'NRestarts')).toBe(String(u.restarts));
    expect(words(u)).toMatchObject({ cause });
  });

  test('a restart loop that systemd has given up', async () => {
    const u = await ended('d-loop.service');
    expect(u).toMatchObject({ restarts: 3, restart: 'on-failure', startLimit: { burst: 3, intervalMs: 60_000 } });
    expect(words(u)?.reason).toMatch(/gave up/);
  });

  test('one that was started too often by hand', async () => {
    const u = await ended('d-often.service');
    expect(u.result).toBe('start-limit-hit');
    expect(words(u)).toMatchObject({ cause: 'start_limit' });
  });

  test('a dead dependency, and one that is not there', async () => {
    await ended('d-base.service');
    const [needing, missing] = await host.show(['d-needs.service', 'd-misses.service']);
    expect(needing).toMatchObject({
      active: 'inactive',
      failedDependencies: [
        { name: 'd-base.service', by: 'Requires', load: 'loaded', active: 'failed', result: 'exit-code' },
      ],
    });
    expect(missing?.failedDependencies).toMatchObject([
      { name: 'd-nowhere.service', by: 'BindsTo', load: 'not-found' },
    ]);
    expect(words(needing as Unit)).toMatchObject({ cause: 'dependency' });
    expect(words(missing as Unit)).toMatchObject({ cause: 'dependency' });
  });

  test('masked, missing, garbled, a target, the root mount: in the order asked', async () => {
    const asked = ['d-target.target', 'd-masked.service', 'd-nope.service', 'd-garbled.service', '-.mount'];
    const units = await host.show(asked);
    expect(units.map((u) => u.name)).toEqual(asked);
    const [target, masked, nope, garbled, mount] = units;
    expect(target).toMatchObject({ active: 'active', result: null, exit: null, cpuMs: { value: null } });
    expect(masked).toMatchObject({ load: 'masked', active: 'inactive', fileState: 'masked' });
    expect(masked?.loadError).toContain('masked');
    expect(nope).toMatchObject({ load: 'not-found', loadError: 'Unit d-nope.service not found.' });
    expect(garbled).toMatchObject({ load: 'bad-setting' });
    expect(mount).toMatchObject({ type: 'mount', active: 'active', sub: 'mounted' });
  });

  test('an instance of a template; the template itself cannot be shown', async () => {
    expect(await one('d-tmpl@777.service')).toMatchObject({
      active: 'active',
      fragmentPath: expect.stringContaining('@.'),
    });
    await expect(host.show(['d-tmpl@.service'])).rejects.toMatchObject({ code: 'validation' });
  });

  test('a timer, the result of its job, one that waits for nothing and one that is stopped', async () => {
    const timer = async (name: string) => (await host.timers()).find((t) => t.name === name);
    const good = await until('the job ran', async () => {
      const t = await timer('d-job.timer');
      return t?.exit && t;
    });
    expect(good).toMatchObject({
      activates: 'd-job.service',
      active: 'active',
      result: 'success',
      exit: { status: 0 },
    });
    expect(new Date(good.nextMs.value ?? 0).toISOString()).toMatch(/T03:00:00/);
    expect(Math.abs((good.lastMs.value ?? 0) - Date.now())).toBeLessThan(60_000);
    const bad = await until('the bad job ran', async () => {
      const t = await timer('d-badjob.timer');
      return t?.exit && t;
    });
    expect(bad).toMatchObject({ result: 'exit-code', exit: { how: 'exited', status: 7 }, nextMs: { value: null } });
    // Its condition is not met in a container.
    expect(await timer('fstrim.timer')).toMatchObject({
      active: 'inactive',
      nextMs: { value: null, why: 'The timer is inactive.' },
      lastMs: { value: null },
      result: null,
    });
  });

  test('the list has them all, with the state of their files, as systemctl lists them', async () => {
    const { units, notRead } = await host.list();
    expect(notRead).toBe(0);
    const row = (name: string) => units.find((u) => u.name === name);
    expect(row('d-run.service')).toMatchObject({
      load: 'loaded',
      active: 'active',
      sub: 'running',
      fileState: 'disabled',
    });
    expect(row('d-tmpl@.service')).toMatchObject({ template: true, active: null, fileState: 'static' });
    expect(row('d-masked.service')).toMatchObject({ fileState: 'masked' });
    expect(row('d-nope.service')).toBeUndefined();
    const failed = units.filter((u) => u.active === 'failed').map((u) => u.name);
    const theirs = await lab.run(['systemctl', 'list-units', '--failed', '--plain', '--no-legend', '--full']);
    expect(failed).toEqual(
      theirs.out
        .split('\n')
        .flatMap((l) => l.split(' ')[0] || [])
        .sort(),
    );
    expect((await host.list({ types: ['timer'] })).units.every((u) => u.type === 'timer')).toBe(true);
  });

  test('every unit of the machine can be shown at once', async () => {
    const { units } = await host.list();
    const names = units.filter((u) => !u.template).map((u) => u.name);
    const shown = await host.show(names.slice(0, 500));
    expect(shown.length).toBe(Math.min(500, names.length));
    expect(shown.length).toBeGreaterThan(100);
  });

  test("our table of systemd's exit codes is its own", async () => {
    const { out } = await lab.run(['systemd-analyze', 'exit-status', '--no-pager']);
    const theirs = [...out.matchAll(/^(\S+)\s+(2\d\d)\s+systemd\s*$/gm)].map((m): [number, string] => [
      Number(m[2]),
      m[1] as string,
    ]);
    expect(theirs.length).toBeGreaterThan(30);
    const ours = Object.entries(SYSTEMD_CODES).map(([code, { name }]): [number, string] => [Number(code), name]);
    // 255 is EXCEPTION for systemd too, but any program's exit(-1) first of all.
    expect(ours.sort()).toEqual(theirs.filter(([code]) => code !== 255).sort());
  });

  test('a caller that leaves ends the command', async () => {
    await expect(host.list({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'timeout' });
  });
});
