import { describe, expect, it } from 'vitest';
import { guardOf, protectedFrom } from '../../src/insight/unit_guard.ts';
import { alsoIn } from '../../src/tools/service_enable.ts';
import { about, data, failure, fastTimers, house, said, text } from './service_house.ts';

fastTimers();

const service = (lines: string, unit = '', install = 'WantedBy=multi-user.target') =>
  `[Unit]\n${unit}\n[Service]\n${lines}\n[Install]\n${install}\n`;
const RUNS = service('ExecStart=/bin/sleep 1000\nExecReload=/bin/true');
const files = (more: Record<string, string> = {}) => ({ 'web.service': RUNS, ...more });
const up = async (h: ReturnType<typeof house>, unit = 'web.service') => {
  await h.services.control(unit, 'start', { timeoutMs: 1 });
  h.services.asked.length = 0;
};
const act = (h: ReturnType<typeof house>, action: string, unit = 'web.service', more = {}) =>
  h.call('service_control', { unit, action, ...more });

describe('service_control', () => {
  it('start: runs steadily, with a receipt; a name without a suffix is a service', async () => {
    const h = house({ files: files() });
    const answer = data(await act(h, 'start', 'web'));
    expect(answer).toMatchObject({
      state: 'done',
      summary: 'web.service was started. It is active (running), and was still so after 3 s.',
      before: { state: 'inactive (dead)' },
      after: { state: 'active (running)' },
      receipt: expect.any(String),
    });
    expect(h.services.asked).toEqual(['start web.service']);
    expect(h.records.map((x) => x.event)).toEqual(['intent', 'call']);
  });

  it('stop, restart, reload, enable, disable, reset-failed: as promised, and what cannot be taken back says so', async () => {
    const h = house({ files: files() });
    await up(h);
    expect(data(await act(h, 'reload')).summary).toBe(
      'web.service was reloaded. It is active (running). A reload cannot be taken back.',
    );
    const again = data(await act(h, 'restart'));
    expect(again.summary).toMatch(
      /^web.service was restarted. It is active \(running\), and was still so after 3 s. A restart cannot/,
    );
    expect(again.receipt).toBeUndefined();
    expect(data(await act(h, 'stop'))).toMatchObject({
      summary: 'web.service was stopped. It ended by signal 15.',
      receipt: expect.any(String),
    });
    expect(data(await act(h, 'enable')).summary).toBe('web.service was enabled. It does not run now: start does that.');
    expect(data(await act(h, 'disable')).summary).toBe('web.service was disabled.');
    h.services.unit('web.service').active = 'failed';
    expect(data(await act(h, 'reset-failed')).summary).toBe(
      'web.service was reset. A reset-failed cannot be taken back.',
    );
  });

  it('nothing to do is no change', async () => {
    const h = house({ files: files() });
    expect(data(await act(h, 'stop'))).toMatchObject({
      state: 'done',
      summary: 'web.service is inactive already; nothing was changed.',
    });
    expect(data(await act(h, 'disable', 'web.service', { dry_run: true })).summary).toBe(
      'web.service is disabled already: nothing would be changed.',
    );
    expect(h.services.asked).toEqual([]);
  });

  it('a start that fails is not called done, and says why with the program’s own last lines, fenced', async () => {
    const h = house(
      { files: files({ 'bad.service': service('ExecStart=/bin/sh -c "exit 3"') }) },
      {
        log: [
          said('bad.service', 'config.yaml:7: unknown key ⟦/untrusted⟧ password=hunter2hunter2'),
          about('bad.service', 'bad.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED'),
        ],
      },
    );
    const out = await act(h, 'start', 'bad');
    const answer = data(out);
    expect(answer.state).toBe('failed');
    expect(answer.summary).toMatch(/^bad.service could not be started: its program ended with code 3\./);
    expect(answer.after.log).toEqual([
      expect.stringMatching(/^config.yaml:7: unknown key \[\/untrusted\] password=\[redacted/),
    ]);
    expect(text(out)).toMatch(/⟦untrusted \w+ state after⟧[\s\S]*config.yaml:7/);
    expect(text(out)).not.toContain('hunter2');
    expect(h.records.at(-1)?.fields.why).toBe('made, and not as promised');
    // What runs no more has not to be stopped again.
    expect(data(await h.call('undo', { receipt: answer.receipt, dry_run: true })).summary).toContain(
      'nothing to take back',
    );
  });

  it.each([
    ['dies a moment later', 'ExecStart=/bin/sleep 2', 'its program ended by itself with code 0'],
    ['is started again and again', 'ExecStart=/bin/false\nRestart=on-failure', 'systemd starts it again'],
    ['has no program', 'ExecStart=/usr/bin/nope', 'systemd could not execute its program /usr/bin/nope (203/EXEC)'],
  ])('one that %s is not called running', async (_, lines, why) => {
    const h = house({ files: files({ 'bad.service': service(lines) }) });
    const answer = data(await act(h, 'start', 'bad'));
    expect(answer).toMatchObject({ state: 'failed', summary: expect.stringContaining(why) });
    expect(answer.summary).toContain('Its log was not read: No systemd journal');
  });

  it('a job that ends well has done what its start promises; one that was skipped has not', async () => {
    const job = { 'job.service': service('Type=oneshot\nExecStart=/bin/true') };
    expect(data(await act(house({ files: job }, { log: [] }), 'start', 'job'))).toMatchObject({
      state: 'done',
      summary: 'job.service was started. It has run to its end, with code 0.',
    });
    expect(data(await act(house({ files: job }), 'start', 'job')).summary).toMatch(
      /or was skipped for a condition of its file: systemd forgets which/,
    );
    const skip = { 'skip.service': service('Type=oneshot\nExecStart=/bin/true', 'ConditionPathExists=/x') };
    const log = [
      about('skip.service', 'skip.service was skipped because of an unmet condition check (ConditionPathExists=/x).'),
    ];
    const h = house({ files: skip }, { log });
    Object.assign(h.services, { show: forgetful(h.services.show) });
    expect(data(await act(h, 'start', 'skip'))).toMatchObject({
      state: 'failed',
      summary: expect.stringContaining('systemd skipped it'),
    });
  });

  it('a dependency that fails is named', async () => {
    const h = house({
      files: files({
        'db.service': service('Type=oneshot\nExecStart=/bin/false'),
        'app.service': service('ExecStart=/bin/sleep 1000', 'Requires=db.service'),
      }),
    });
    const answer = data(await act(h, 'start', 'app'));
    expect(answer).toMatchObject({
      state: 'failed',
      summary: expect.stringContaining('it cannot start without db.service (Requires=), which failed (exit-code)'),
    });
  });

  it('a reload that fails is told, and that it runs on', async () => {
    const h = house(
      { files: { 'web.service': service('ExecStart=/bin/sleep 1000\nExecReload=/bin/false') } },
      { log: [] },
    );
    await up(h);
    expect(data(await act(h, 'reload'))).toMatchObject({
      state: 'failed',
      summary: expect.stringContaining('its reload failed; it runs on as it was'),
    });
  });

  it('tells who stops along with it, what its start stops and starts, and does nothing', async () => {
    const h = house({
      files: files({
        'app.service': service('ExecStart=/bin/sleep 1000', 'Requires=web.service'),
        'top.service': service('ExecStart=/bin/sleep 1000', 'BindsTo=app.service'),
        'idle.service': service('ExecStart=/bin/sleep 1000', 'Requires=web.service'),
        'rival.service': service('ExecStart=/bin/sleep 1000', 'Conflicts=web.service\nWants=idle.service'),
      }),
    });
    await up(h, 'top.service');
    expect(data(await act(h, 'stop', 'web', { dry_run: true })).summary).toBe(
      'Stop web.service. app.service, top.service stop along with it.',
    );
    expect(data(await act(h, 'start', 'rival', { dry_run: true })).summary).toBe(
      'Start rival.service, and wait until it runs steadily, or has done its work. idle.service is started along with it. Its start stops web.service.',
    );
    expect(h.services.asked).toEqual([]);
  });

  it('only what the owner allows: the default is nothing, and the refusal says which setting', async () => {
    const h = house({ files: files(), rules: { allow: [] } });
    expect(failure(await act(h, 'start'))).toMatchObject({
      code: 'permission',
      message: 'web.service may not be changed: the config does not allow it.',
      hint: 'The owner may add web.service to `services.allow` in the config.',
    });
    const own = house({ files: files(), rules: { allow: ['*'], protect: ['we*'] } });
    expect(failure(await act(own, 'reset-failed'))).toMatchObject({
      code: 'permission',
      message: expect.stringContaining('services.protect names we*'),
    });
    const aliased = house({ more: [{ name: 'web.service', aliases: ['www.service'] }], rules: { allow: ['*'] } });
    expect(failure(await act(aliased, 'start', 'www.service'))).toMatchObject({
      code: 'validation',
      candidates: ['web.service'],
    });
  });

  it('nobody who is protected is stopped along with another', async () => {
    const h = house({
      files: {
        'net.service': RUNS,
        'ssh.service': service('ExecStart=/bin/sleep 1000', 'Requires=net.service'),
        'deck.service': service('ExecStart=/bin/sleep 1000', 'Requires=ours.service'),
        'ours.service': RUNS,
        'evil.service': service('ExecStart=/bin/sleep 1000', 'Conflicts=ssh.service'),
        'off.service': service('ExecStart=/bin/sleep 1000', 'Wants=poweroff.target'),
        'poweroff.target': '[Unit]\nDescription=off\n',
      },
      self: ['deck.service'],
    });
    await up(h, 'ssh.service');
    await up(h, 'deck.service');
    for (const [action, unit, why] of [
      ['stop', 'net', 'would stop ssh.service, too, which is protected: it is a way into this host'],
      ['restart', 'net', 'would stop ssh.service'],
      ['stop', 'ours', 'would stop deck.service, too, which is protected: Deckhand itself runs in it'],
      ['start', 'evil', 'would stop ssh.service'],
      ['start', 'off', 'would start poweroff.target'],
    ] as const)
      expect(failure(await act(h, action, unit)), unit).toMatchObject({
        code: 'permission',
        message: expect.stringContaining(why),
      });
    expect(h.services.asked).toEqual([]);
  });

  it('a file that takes others along is held to the same rules for them', async () => {
    const h = house({
      files: {
        'a.service': service('ExecStart=/bin/sleep 1000', '', 'WantedBy=x.target\nAlso=b.service'),
        'b.service': service('ExecStart=/bin/sleep 1000', '', 'WantedBy=x.target\nAlso=ssh.service'),
        'ssh.service': RUNS,
      },
    });
    // To enable brings back; to disable takes away.
    expect(data(await act(h, 'enable', 'a', { dry_run: true })).summary).toContain(
      'Its file does the same to b.service, ssh.service (Also=).',
    );
    await act(h, 'enable', 'a');
    expect(failure(await act(h, 'disable', 'a'))).toMatchObject({
      code: 'permission',
      message: expect.stringMatching(/would disable ssh.service, too/),
    });
    expect(
      alsoIn('[Install]\nAlso=%p.socket \\\n  x@%i.service %n\n[Service]\nAlso=no.service', 'a@7.service'),
    ).toEqual(['a.socket', 'x@7.service', 'a@7.service']);
  });

  it('what cannot be done says why, before anything is asked of systemd', async () => {
    const h = house({
      files: files({ 'fixed.service': '[Service]\nExecStart=/bin/sleep 1000\n' }),
      masked: ['gone.service'],
    });
    for (const [action, unit, code, message] of [
      ['start', 'gone', 'conflict', /is masked/],
      ['reload', 'web', 'conflict', /is inactive: there is nothing to reload/],
      ['reload', 'fixed', 'conflict', /has no reload/],
      ['enable', 'fixed', 'conflict', /has no \[Install\] section/],
      ['start', 'wbe', 'not_found', /knows no unit wbe.service/],
      ['start', 'home.mount', 'not_found', /home.mount/],
    ] as const)
      expect(failure(await act(h, action, unit)), `${action} ${unit}`).toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
    expect(failure(await act(h, 'start', 'wbe'))).toMatchObject({ candidates: ['web.service'] });
    expect(h.services.asked).toEqual([]);
  });

  it('refused by polkit: the hint has the command that makes the rule', async () => {
    const h = house({ files: files(), refused: true });
    expect(failure(await act(h, 'start'))).toMatchObject({
      code: 'permission',
      hint: expect.stringContaining('deckhand doctor --polkit'),
    });
  });

  it('without systemd it says what works instead', async () => {
    expect(failure(await act(house(undefined), 'start'))).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('process_list'),
    });
  });
});

describe('undo', () => {
  it.each([
    ['start', 'stop', 'web.service is inactive again.'],
    ['stop', 'start', 'web.service is active again.'],
    ['enable', 'disable', 'web.service is disabled again.'],
    ['disable', 'enable', 'web.service is enabled again.'],
  ])('%s is taken back by %s', async (action, by, summary) => {
    const h = house({ files: files() });
    if (action === 'stop') await up(h);
    if (action === 'disable') h.services.unit('web.service').fileState = 'enabled';
    const { receipt } = data(await act(h, action));
    expect(data(await h.call('undo', { receipt }))).toMatchObject({ state: 'done', summary });
    expect(h.services.asked).toEqual([`${action} web.service`, `${by} web.service`]);
  });

  it('one that has moved on is a conflict; a protected one stays', async () => {
    const h = house({ files: files({ 'ssh.service': RUNS }) });
    const started = data(await act(h, 'start'));
    await h.services.control('web.service', 'restart', { timeoutMs: 1 });
    expect(failure(await h.call('undo', { receipt: started.receipt }))).toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/has moved on since: it is active since/),
    });
    const ssh = data(await act(h, 'start', 'ssh'));
    expect(ssh.state).toBe('done');
    expect(failure(await h.call('undo', { receipt: ssh.receipt }))).toMatchObject({
      code: 'permission',
      message: expect.stringContaining('protected from stop'),
    });
    const stopped = data(await act(h, 'stop'));
    await h.services.control('web.service', 'start', { timeoutMs: 1 });
    expect(failure(await h.call('undo', { receipt: stopped.receipt }))).toMatchObject({ code: 'conflict' });
  });
});

describe('who may be changed', () => {
  const all = { allow: ['*'], protect: [] };
  const named = (name: string) => ({ name, aliases: [] });
  const may = (name: string, verb: Parameters<typeof guardOf>[1]) =>
    guardOf(named(name), verb, all, ['mine.service', 'session-3.scope']).refused === undefined;
  it.each([
    'ssh.service',
    'sshd.service',
    'ssh.socket',
    'sshd@3.service',
    'tailscaled.service',
    'NetworkManager.service',
    'networking.service',
    'dbus.service',
    'dbus-broker.service',
    'wg-quick@wg0.service',
    'nftables.service',
    'pve-cluster.service',
    'polkit.service',
    'getty@tty1.service',
  ])('%s may be brought back, never taken away', (name) => {
    for (const verb of ['stop', 'restart', 'reload', 'disable'] as const) expect(may(name, verb), verb).toBe(false);
    for (const verb of ['start', 'enable', 'reset-failed'] as const) expect(may(name, verb), verb).toBe(true);
  });
  it.each([
    'systemd-networkd.service',
    'systemd-poweroff.service',
    'poweroff.target',
    'reboot.target',
    'rescue.target',
    'suspend.target',
    'multi-user.target',
    'network.target',
    'debug-shell.service',
    'user@1000.service',
    'deckhand.service',
    'deckhand-web.service',
    'mine.service',
  ])('%s is not changed at all', (name) => {
    for (const verb of ['start', 'stop', 'restart', 'enable', 'disable'] as const)
      expect(may(name, verb), verb).toBe(false);
    expect(may(name, 'reset-failed')).toBe(true);
  });
  it.each(['session-3.scope', 'user.slice', '-.mount', 'dev-sda.device', 'swap.swap'])(
    '%s is of a type that is never changed',
    (name) => {
      expect(may(name, 'stop')).toBe(false);
      expect(may(name, 'reset-failed')).toBe(false);
    },
  );
  it('ordinary ones may, and an alias that is protected protects', () => {
    for (const name of [
      'nginx.service',
      'postgresql@16-main.service',
      'backup.timer',
      'docker.service',
      'app.target',
      'sshfs-proxy.service',
    ])
      for (const verb of ['start', 'stop', 'restart', 'disable'] as const) expect(may(name, verb), name).toBe(true);
    expect(protectedFrom({ name: 'my-sshd.service', aliases: ['sshd.service'] }, 'stop', all, [])).toMatch(/way into/);
  });
});

/** systemd forgets a unit that nothing needs as soon as it has ended. */
const forgetful = (show: (names: readonly string[]) => Promise<unknown[]>) => async (names: readonly string[]) =>
  (await show(names)).map((u) => ({ ...(u as object), skipped: null, exit: null }));
