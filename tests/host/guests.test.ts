/** Which guests a Proxmox node has and which of them run, from its files alone. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { guests } from '../../src/host/hardware/guests.ts';

let node: string;
beforeEach(() => {
  node = mkdtempSync(join(tmpdir(), 'deckhand-pve-'));
});
afterEach(() => rmSync(node, { recursive: true, force: true }));
function put(files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(node, path)), { recursive: true });
    writeFileSync(join(node, path), text);
  }
}
const running = () => {
  const found = guests(node);
  return 'why' in found ? found.why : Object.fromEntries(found.guests.map((g) => [g.id, g.running]));
};

test('of the fixture: a node with two containers and two machines', () => {
  const found = guests(fileURLToPath(new URL('../fixtures/proxmox-node', import.meta.url)));
  if ('why' in found) throw new Error(found.why);
  expect(found.guests.map((g) => [g.id, g.kind])).toEqual([
    [100, 'vm'],
    [101, 'lxc'],
    [102, 'vm'],
    [103, 'lxc'],
  ]);
  for (const g of found.guests) expect(g.name).toBeTruthy();
});

test('a container runs while its control group holds a process, in either version', () => {
  put({
    'etc/pve/lxc/101.conf': 'hostname: web\n',
    'etc/pve/lxc/102.conf': 'hostname: db\n',
    'etc/pve/lxc/103.conf': 'hostname: old\n',
    'etc/pve/lxc/104.conf': 'hostname: off\n',
    'sys/fs/cgroup/lxc/101/cgroup.events': 'populated 1\nfrozen 0\n',
    'sys/fs/cgroup/lxc.payload.102/cgroup.events': 'populated 0\nfrozen 0\n',
    'sys/fs/cgroup/systemd/lxc/103/tasks': '',
  });
  expect(running()).toEqual({ 101: true, 102: false, 103: true, 104: false });
});

test('a machine runs while its process does; a left-over pid file of another process is not believed', () => {
  put({
    'etc/pve/qemu-server/200.conf': 'name: up\n',
    'etc/pve/qemu-server/201.conf': 'name: killed\n',
    'etc/pve/qemu-server/202.conf': 'name: scoped\n',
    'run/qemu-server/200.pid': '4200\n',
    'proc/4200/cmdline': '/usr/bin/kvm\0-id\x00200\0-name\0up\0',
    'run/qemu-server/201.pid': '4201\n',
    'proc/4201/cmdline': '/usr/bin/kvm\0-id\x002010\0',
    'sys/fs/cgroup/qemu.slice/202.scope/cgroup.procs': '1\n',
  });
  expect(running()).toEqual({ 200: true, 201: false, 202: true });
});

test('whether it runs is unknown, not false, where nothing that would tell is mounted', () => {
  put({ 'etc/pve/lxc/101.conf': 'hostname: a\n', 'etc/pve/qemu-server/200.conf': 'name: b\n' });
  expect(running()).toEqual({ 101: null, 200: null });
});

test('without the links of the cluster the node’s own folder is read; other files in it are no guests', () => {
  put({
    'etc/hostname': 'pve1.example.net\n',
    'etc/pve/nodes/pve1/lxc/101.conf': 'hostname: mine\n',
    'etc/pve/nodes/pve2/lxc/999.conf': 'hostname: of another node\n',
    'etc/pve/nodes/pve1/lxc/101.conf.tmp.7': '',
    'etc/pve/nodes/pve1/lxc/0.conf': '',
    'etc/pve/nodes/pve1/lxc/../lxc/x.conf': '',
  });
  expect(running()).toEqual({ 101: null });
});

test('a node whose configuration may not be read says so, and who may', () => {
  expect(running()).toMatch(/root and the group www-data/);
});

test('nothing of a configuration leaves but what is declared: no passwords, no keys, no notes', () => {
  put({
    'etc/pve/qemu-server/200.conf':
      '#note hunter2\nname: web\ncores: 2\ncipassword: hunter2\nsshkeys: ssh-rsa%20hunter2\nargs: -vnc hunter2\n[snap]\nname: hunter2\n',
  });
  const text = JSON.stringify(guests(node));
  expect(text).toContain('"name":"web"');
  expect(text).not.toContain('hunter2');
});
