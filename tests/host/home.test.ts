/** Pure parts of the signalling host: where a process belongs, which names are protected, the masks of signals. */
import { describe, expect, test } from 'vitest';
import { homeOf, isSystemUnit, serviceOf } from '../../src/host/system/home.ts';
import { guarded, isDeckhand } from '../../src/host/system/protected.ts';
import { masksOf } from '../../src/host/system/signal.ts';

const id = 'a1b2c3d4e5f6'.padEnd(64, '0');
const v2 = (path: string) => `0::${path}\n`;
const unit = (name: string) => ({ kind: 'unit', name, service: null });

describe('where a process belongs', () => {
  test.each([
    ['/system.slice/nginx.service', unit('nginx.service')],
    ['/system.slice/system-postgresql.slice/postgresql@17-main.service', unit('postgresql@17-main.service')],
    ['/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service', unit('syncthing.service')],
    [
      '/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-x.scope',
      { kind: 'session', name: 'user@1000.service' },
    ],
    ['/user.slice/user-1000.slice/session-3.scope', { kind: 'session', name: 'session-3.scope' }],
    ['/system.slice/run-r12.scope', unit('run-r12.scope')],
    [`/system.slice/docker-${id}.scope`, { kind: 'container', name: 'a1b2c3d4e5f6' }],
    [`/docker/${id}`, { kind: 'container', name: 'a1b2c3d4e5f6' }],
    [`/docker/${id}/system.slice/nginx.service`, { kind: 'container', name: 'a1b2c3d4e5f6' }],
    [`/kubepods.slice/kubepods-pod1.slice/cri-containerd-${id}.scope`, { kind: 'container', name: 'a1b2c3d4e5f6' }],
    [
      `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${id}.scope/container`,
      { kind: 'container', name: 'a1b2c3d4e5f6' },
    ],
    ['/lxc/101/ns/system.slice/cron.service', { kind: 'container', name: '101' }],
    ['/lxc.payload.web/init.scope', { kind: 'container', name: 'web' }],
    ['/qemu.slice/100.scope', { kind: 'machine', name: '100' }],
    ['/machine.slice/machine-qemu\\x2d1\\x2dwin.scope/libvirt', { kind: 'machine', name: 'qemu-1-win' }],
    ['/machine.slice/machine-web.scope', { kind: 'container', name: 'web' }],
    ['/machine.slice/systemd-nspawn@web.service/payload', { kind: 'container', name: 'web' }],
    ['/init.scope', null],
    ['/', null],
  ])('%s', (path, home) => expect(homeOf(v2(path), v2('/init.scope'))).toEqual(home));

  test('inside a container, what is above its first process is cut off: we are in it ourselves', () => {
    expect(homeOf(v2('/lxc/101/system.slice/nginx.service'), v2('/lxc/101/init.scope'))).toEqual(unit('nginx.service'));
    expect(homeOf(v2(`/docker/${id}`), v2(`/docker/${id}`))).toBeNull();
    // Control: not knowing where the first process is, it is taken for a container of ours.
    expect(homeOf(v2('/lxc/101/system.slice/nginx.service'), null)).toEqual({ kind: 'container', name: '101' });
  });

  test('cgroup v1: systemd’s own tree, else any; nothing readable is nothing known', () => {
    const v1 = '4:memory:/x\n1:name=systemd:/system.slice/cron.service\n';
    expect(homeOf(v1, null)).toEqual(unit('cron.service'));
    expect(homeOf('4:pids:/system.slice/a.service\n', null)).toEqual(unit('a.service'));
    expect(homeOf('4:memory:/system.slice/a.service\n', null)).toEqual(unit('a.service'));
    expect(homeOf('', null)).toBeNull();
  });

  test('only units of the system’s manager are asked for, by names that are names', () => {
    const ask = (path: string) => isSystemUnit(homeOf(v2(path), null), v2(path));
    expect(ask('/system.slice/nginx.service')).toBe(true);
    expect(ask('/user.slice/user-1000.slice/user@1000.service/app.slice/x.service')).toBe(false);
    expect(ask('/system.slice/a b;c.service')).toBe(false);
    expect(ask('/system.slice/run-1.scope')).toBe(false);
  });

  test('systemd is asked with a fixed command; whatever goes wrong with it, only the remark is missing', async () => {
    const asked: unknown[] = [];
    const answers = (code: number, stdout: string) => ({
      has: () => true,
      async exec(request: { args: readonly string[] }) {
        asked.push(request.args);
        return { code, stdout, stderr: '' };
      },
    });
    const said = 'Restart=on-failure\nMainPID=310\n';
    expect(await serviceOf('nginx.service', answers(0, said))).toEqual({ restart: 'on-failure', mainPid: 310 });
    expect(asked).toEqual([['show', '--property=Restart', '--property=MainPID', '--', 'nginx.service']]);
    expect(await serviceOf('nginx.service', answers(1, said))).toBeNull();
    expect(await serviceOf('nginx.service', answers(0, 'MainPID=0\n'))).toBeNull();
    expect(await serviceOf('nginx.service', { ...answers(0, said), has: () => false })).toBeNull();
    const broken = { has: () => true, exec: () => Promise.reject(new Error('it hangs')) };
    expect(await serviceOf('nginx.service', broken)).toBeNull();
    await expect(serviceOf('nginx.service', broken, AbortSignal.abort(new Error('left')))).rejects.toThrow('left');
  });
});

describe('names that are protected', () => {
  test.each([
    'sshd',
    'sshd-session',
    'systemd',
    'systemd-journal',
    'dbus-broker-lau',
    'tailscaled',
    'dockerd',
    'containerd-shim',
    'watchdog-mux',
  ])('%s, with a reason', (name) => expect(guarded([name], [])?.length).toBeGreaterThan(20));
  test.each(['nginx', 'sshd2', 'my-systemd', 'ssh', 'containers', 'runcat'])('not %s', (name) =>
    expect(guarded([name], [])).toBeNull(),
  );

  test('the owner’s: names, long ones as the kernel cuts them, and a * at the end', () => {
    expect(guarded(['postgres'], ['postgres'])).toContain('`processes.protect` has postgres');
    expect(guarded(['prometheus-node'], ['prometheus-node-exporter'])).not.toBeNull();
    expect(guarded(['prometheus'], ['prometheus-node-exporter'])).toBeNull();
    expect(guarded(['kvm-100'], ['kvm*'])).not.toBeNull();
    expect(guarded(['prometheus-node'], ['prometheus-node-exp*'])).not.toBeNull();
    expect(guarded(['MainThread', 'homebridge'], ['homebridge'])).not.toBeNull();
    expect(guarded(['nginx'], ['ngin', 'nginx2'])).toBeNull();
  });

  test('a Deckhand is known however it was started, and an editor of its files is none', () => {
    const is = (line: string) => isDeckhand(line.split(' '));
    expect(is('/usr/bin/node /opt/deckhand/bin/deckhand.mjs stdio')).toBe(true);
    expect(is('node --max-semi-space-size=1 /usr/local/bin/deckhand serve')).toBe(true);
    expect(is('/opt/n/MainThread /x/deckhand-0.1/dist/hardware.mjs')).toBe(true);
    expect(is('deckhand serve')).toBe(true);
    expect(is('vim /opt/deckhand/bin/deckhand.mjs')).toBe(false);
    expect(is('node /srv/app.js deckhand')).toBe(false);
    expect(is('node')).toBe(false);
    expect(is('')).toBe(false);
  });
});

test('masks: the last eight digits, pending of thread and process together; without them nothing is known', () => {
  const status = (cgt: string) =>
    `Name:\tx\nSigPnd:\t0000000000000001\nShdPnd:\t0000000000004000\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001000\nSigCgt:\t${cgt}\n`;
  expect(masksOf(status('ffffffff80004002'))).toEqual({
    blocked: 0,
    ignored: 0x1000,
    caught: 0x80004002,
    pending: 0x4001,
  });
  expect(masksOf('Name:\tSigCgt\nState:\tS\n')).toBeNull();
  expect(masksOf(null)).toBeNull();
});
