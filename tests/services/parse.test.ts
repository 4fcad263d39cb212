/** systemctl's answers as records, and the adapter in front of a systemctl that says what it is told to. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { ExecRequest, ExecResult } from '../../src/host/exec.ts';
import { MAX_SHOWN, serviceHost } from '../../src/host/services/index.ts';
import {
  failedAmong,
  figure,
  needs,
  parseLists,
  parseShow,
  parseSpan,
  parseTimers,
  parseTimestamp,
  unitFrom,
} from '../../src/host/services/parse.ts';
import { rootAt } from '../../src/host/system/files.ts';
import { FILES_257, SHOW_252, SHOW_257, TIMERS_252, UNITS_257 } from './said.ts';

const of = (text: string) => parseShow(text).map((p) => unitFrom(p, p.get('Id') ?? ''));

describe('records', () => {
  test('252: a loop, a masked one, one that runs', () => {
    const [loop, masked, run] = of(SHOW_252);
    expect(loop).toMatchObject({
      ...{ name: 't-loop.service', active: 'failed', result: 'exit-code', restarts: 3, restart: 'on-failure' },
      ...{ exit: { how: 'exited', status: 1, atMs: 1_795_270_070_000 }, startLimit: { burst: 3, intervalMs: 60_000 } },
      ...{ mainPid: null, program: '/bin/false', sinceMs: { value: 1_795_270_071_000 }, memoryLimitBytes: null },
      ...{ cgroup: null, user: null, skipped: null, dropIns: [], aliases: [] },
    });
    expect(masked).toMatchObject({
      load: 'masked',
      loadError: 'Unit t-masked.service is masked.',
      serviceType: null,
      exit: null,
    });
    expect(masked?.sinceMs).toEqual({ value: null, why: expect.any(String) });
    expect(run).toMatchObject({
      mainPid: 85,
      exit: null,
      description: 'Runs — “ünïcode”',
      dropIns: [expect.stringMatching(/10-x/)],
    });
    // It has processes, but nobody counts: that is not 0.
    expect(run?.memoryBytes).toEqual({ value: null, why: expect.stringContaining('accounting') });
    expect(run?.cpuMs.value).toBeNull();
    expect(run?.tasks).toBeNull();
  });

  test('257: a victim of the watchdog, one that is not there, a mount', () => {
    const [victim, missing, mount] = of(SHOW_257);
    expect(victim).toMatchObject({ result: 'watchdog', exit: { how: 'killed', status: 6 } });
    // The figure of a group that is gone is nobody's.
    expect(victim?.memoryBytes).toEqual({ value: null, why: 'It has no processes now.' });
    expect(missing).toMatchObject({ load: 'not-found', loadError: 'Unit ssh.socket not found.', skipped: null });
    expect(mount).toMatchObject({ name: '-.mount', type: 'mount', serviceType: null, exit: null, restarts: null });
    expect(mount?.cpuMs).toEqual({ value: null, why: 'A mount has no processes of its own.' });
  });

  test('counted ones', () => {
    const [u] = of(
      'Id=a.service\nControlGroup=/system.slice/a.service\nMemoryCurrent=4096\nCPUUsageNSec=1500000\nTasksCurrent=0',
    );
    expect(u).toMatchObject({ memoryBytes: { value: 4096 }, cpuMs: { value: 1.5 }, tasks: 0 });
  });

  test('skipped by a condition; several commands; what stands behind "=" stays whole', () => {
    const [u] = of(
      'Id=a.service\nActiveState=inactive\nConditionResult=no\nConditionTimestamp=@5\nExecStart={ path=/a ; argv[]=/a --token=x }\nExecStart={ path=/b ; argv[]=/b }\nStatusText=a=b',
    );
    expect(u).toMatchObject({ skipped: { atMs: 5000 }, program: '/a', status: 'a=b' });
    expect(JSON.stringify(u)).not.toContain('token');
  });

  test('needs that are not met', () => {
    const [p] = parseShow(
      'Id=a.service\nRequires=db.service up.service gone.mount /bad\nBindsTo=dev.device\nRequisite=idle.service',
    );
    const wanted = needs(p ?? new Map());
    expect([...wanted.keys()]).toEqual(['dev.device', 'idle.service', 'db.service', 'up.service', 'gone.mount']);
    const say = (id: string, load: string, active: string, also = '') =>
      `Id=${id}\nNames=${id} ${also}\nLoadState=${load}\nActiveState=${active}\nResult=\n`;
    const found = parseShow(
      [
        say('pg.service', 'loaded', 'failed', 'db.service'),
        say('up.service', 'loaded', 'active'),
        say('gone.mount', 'not-found', 'active'),
        say('dev.device', 'not-found', 'inactive'),
        say('idle.service', 'loaded', 'inactive'),
        say('other.service', 'loaded', 'failed'),
      ].join('\n'),
    );
    expect(failedAmong(wanted, found).map((d) => `${d.name} ${d.by}`)).toEqual([
      'db.service Requires',
      'dev.device BindsTo',
      'idle.service Requisite',
    ]);
  });

  test('lists', () => {
    const rows = parseLists(UNITS_257, FILES_257);
    expect(rows?.map((r) => `${r.name} ${r.load} ${r.active} ${r.fileState} ${r.template}`)).toEqual([
      '-.mount loaded active null false',
      'dev-tpmrm0.device loaded inactive null false',
      'home.mount not-found inactive null false',
      't-masked.service null inactive masked false',
      't-run.service loaded active disabled false',
      't-tmpl@.service null null static true',
    ]);
    for (const bad of ['', 'UNIT LOAD', '{}', '{"unit":"a.service"}']) expect(parseLists(bad, FILES_257)).toBeNull();
    expect(parseLists('[null,1,[],{"unit":5},{"unit":"--all"},{"unit":"a\\n.service"}]', '[{}]')).toEqual([]);
  });

  test('timers', () => {
    expect(parseTimers(TIMERS_252)).toEqual([
      { name: 't-bad.timer', activates: 't-bad.service', nextMs: 1_795_273_200_000, lastMs: null },
      { name: 't-job.timer', activates: 't-job.service', nextMs: 1_795_273_670_404, lastMs: 1_795_270_070_400 },
      { name: 'fstrim.timer', activates: 'fstrim.service', nextMs: null, lastMs: null },
    ]);
    expect(parseTimers('[{"unit":"x.timer","next":18446744073709551615}]')?.[0]).toMatchObject({ nextMs: null });
    expect(parseTimers('0 timers listed.')).toBeNull();
  });

  test.each<[string | undefined, number | null]>([
    ['@1795269697', 1_795_269_697_000],
    ['@1795269697.25', 1_795_269_697_250],
    ['Sat 2026-11-21 14:07:50.357469 UTC', Date.parse('2026-11-21T14:07:50.357Z')],
    ['Sat 2026-11-21 14:01:37 UTC', Date.parse('2026-11-21T14:01:37Z')],
    ['Sat 2026-11-21 14:01:37 CET', null],
    ['Sat 2026-13-41 14:01:37 UTC', null],
    ['@0', null],
    ['', null],
    ['n/a', null],
    [undefined, null],
  ])('the time %j', (text, ms) => expect(parseTimestamp(text)).toBe(ms));

  test.each<[string | undefined, number | null]>([
    ['10s', 10_000],
    ['1min 30s', 90_000],
    ['5h 51min 57.670332s', 21_117_670.332],
    ['500ms', 500],
    ['1month', 2_629_800_000],
    ['0', 0],
    ['infinity', null],
    ['3 parsecs', null],
    ['', null],
  ])('the span %j', (text, ms) => {
    const is = parseSpan(text);
    if (ms === null) expect(is).toBeNull();
    else expect(is).toBeCloseTo(ms, 3);
  });

  test('no figure is not 0', () => {
    expect(figure('0')).toBe(0);
    for (const none of ['[not set]', 'infinity', '18446744073709551615', '', '-1', '1e3', undefined])
      expect(figure(none)).toBeNull();
  });
});

describe('the adapter', () => {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });
  /** A host with these files, and a systemctl that answers so. */
  const on = (files: string[], say: (r: ExecRequest) => Partial<ExecResult>) => {
    const folder = mkdtempSync(join(tmpdir(), 'deckhand-services-'));
    folders.push(folder);
    for (const file of files) {
      mkdirSync(dirname(join(folder, file.split('=')[0] ?? '')), { recursive: true });
      // `path=text`.
      const [path = '', text = ''] = file.split('=');
      writeFileSync(join(folder, path), text);
    }
    const asked: string[][] = [];
    const host = serviceHost(
      { of: (path) => join(folder, path), foreign: false },
      {
        exec: async (r) => {
          asked.push([...r.args]);
          return { code: 0, stdout: '', stderr: '', ...say(r) };
        },
        has: () => true,
      },
    );
    return { host, asked };
  };
  const SYSTEMD = ['/run/systemd/system/x'];
  const echo = (r: ExecRequest) => ({
    stdout: r.args
      .slice(r.args.indexOf('--') + 1)
      .map((name) => `Id=${name}\nLoadState=loaded\nActiveState=active\n`)
      .join('\n'),
  });

  test.each([
    [['/run/openrc/softlevel'], /OpenRC.*rc-status/],
    [['/proc/1/comm=runit\n'], /runit/],
    [['/proc/1/comm=s6-svscan\n'], /s6/],
    // A package left its folder: it does not run.
    [['/run/runit/x', '/proc/1/comm=init\n'], /^systemd does not run here\. process_list/],
    [['/.dockerenv'], /this container/],
    [[], /^systemd does not run here\. process_list/],
  ])('without systemd (%j) it says what works', async (files, why) => {
    const { host, asked } = on(files, () => ({}));
    expect(host.available().why).toMatch(why);
    await expect(host.list()).rejects.toMatchObject({ code: 'unavailable', message: expect.stringMatching(why) });
    await expect(host.show(['a.service'])).rejects.toMatchObject({ code: 'unavailable' });
    await expect(host.timers()).rejects.toMatchObject({ code: 'unavailable' });
    expect(asked).toEqual([]);
  });

  test('a host that is only mounted, and one without systemctl', () => {
    const o = { exec: async () => ({ code: 0, stdout: '', stderr: '' }), has: () => false };
    const folder = mkdtempSync(join(tmpdir(), 'deckhand-services-'));
    folders.push(folder);
    mkdirSync(join(folder, 'run/systemd/system'), { recursive: true });
    expect(serviceHost(rootAt(folder), o).available().why).toMatch(/mounted host/);
    expect(serviceHost({ of: rootAt(folder).of, foreign: false }, o).available().why).toMatch(/systemctl/);
  });

  test.each(['--help', '*.service', 'a', 'a b.service', '../x.service', 'getty@.service'])(
    '%j is never asked for',
    async (name) => {
      const { host, asked } = on(SYSTEMD, echo);
      await expect(host.show([name])).rejects.toMatchObject({ code: 'validation' });
      expect(asked).toEqual([]);
    },
  );

  test('many are asked in batches, each once, in the order given; too many are refused', async () => {
    const { host, asked } = on(SYSTEMD, echo);
    const names = Array.from({ length: 250 }, (_, i) => `u${i}.service`);
    const units = await host.show([...names, 'u0.service']);
    expect(units.map((u) => u.name)).toEqual([...names, 'u0.service']);
    expect(asked.map((a) => a.length - a.indexOf('--') - 1)).toEqual([100, 100, 50]);
    const many = Array.from({ length: MAX_SHOWN + 1 }, () => 'a.service');
    await expect(host.show(many)).rejects.toMatchObject({ code: 'limit' });
  });

  test('an answer that is not one block for each is not guessed at', async () => {
    const { host } = on(SYSTEMD, () => ({ stdout: 'Id=a.service\n' }));
    await expect(host.show(['a.service', 'b.service'])).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('a systemd before 251 knows no unix time: asked once, then in its own', async () => {
    const { host, asked } = on(SYSTEMD, (r) =>
      r.args.includes('--timestamp=unix') ? { code: 1, stderr: 'Invalid value: unix.' } : echo(r),
    );
    await host.show(['a.service']);
    await host.show(['a.service']);
    expect(asked.map((a) => a.find((x) => x.startsWith('--timestamp')))).toEqual([
      '--timestamp=unix',
      '--timestamp=us+utc',
      '--timestamp=us+utc',
    ]);
  });

  test.each([
    ["systemctl: unrecognized option '--timestamp=unix'", 'unavailable', /too old/],
    ['System has not been booted with systemd as init system (PID 1).', 'unavailable', /does not answer/],
    ['Failed to list units: Access denied', 'permission', /refused/],
    ['Odd.', 'unavailable', /could not tell: Odd/],
    ['', 'unavailable', /code 1/],
  ])('%j is %s', async (stderr, code, message) => {
    const { host } = on(SYSTEMD, () => ({ code: 1, stderr }));
    const refused = { code, message: expect.stringMatching(message) };
    await expect(host.show(['a.service'])).rejects.toMatchObject(refused);
    await expect(host.list()).rejects.toMatchObject(refused);
  });

  test('columns instead of JSON (before 246) are not guessed at', async () => {
    const { host } = on(SYSTEMD, () => ({ stdout: 'a.service loaded active running A\n' }));
    await expect(host.list()).rejects.toMatchObject({
      code: 'unavailable',
      details: { hint: expect.stringContaining('246') },
    });
    await expect(host.timers()).rejects.toMatchObject({ code: 'unavailable' });
  });
});
