/** Machines like the fixtures, with one thing changed: what a reader does when a file is missing, odd or named otherwise. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { OverviewAnswer } from '../../src/tools/system_overview.ts';
import { type Machine, machine } from '../fakes/machine.ts';

const overview = async (m: Machine) => (await m.call<OverviewAnswer>('system_overview')).data;

describe('machines like these, changed a little', () => {
  const write = (folder: string, path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };

  test('without hwmon the thermal zone tells, and its critical trip point', async () => {
    using m = await machine('arm-board', {
      prepare: (folder) => rmSync(join(folder, 'sys/class/hwmon'), { recursive: true }),
    });
    expect(m.host.system.snapshot().temperatures.value).toEqual([
      { sensor: 'cpu-thermal', celsius: 71.576, criticalCelsius: 110 },
    ]);
    expect((await m.host.system.health()).voltage).toBeUndefined();
  });

  test('the boot areas of an eMMC and unused nbd are no disks; a used nbd is', async () => {
    using m = await machine('arm-board', {
      prepare: (folder) => {
        const line = (name: string) => ` 43 0 ${name} 9 0 90 1 9 0 90 1 0 5 2 0 0 0 0 0 0\n`;
        const names = ['mmcblk0boot0', 'nbd0', 'nbd1'];
        const old = readFileSync(join(folder, 'proc/diskstats'), 'utf8');
        write(folder, 'proc/diskstats', old + names.map(line).join(''));
        write(folder, 'sys/block/mmcblk0boot0/size', '8192\n');
        write(folder, 'sys/block/nbd0/size', '0\n');
        write(folder, 'sys/block/nbd1/size', '2097152\n');
      },
    });
    expect(m.host.system.snapshot().disks.value?.map((d) => d.name)).toEqual(['mmcblk0', 'sda', 'nbd1']);
  });

  test('little memory on a node without ZFS is a shortage', async () => {
    using m = await machine('proxmox-node', {
      prepare: (folder) => rmSync(join(folder, 'proc/spl'), { recursive: true }),
    });
    m.later();
    expect((await overview(m)).findings.map((f) => f.id)).toContain('memory_tight');
  });

  test('a node without PSI is told its own way to turn it on, other machines theirs', async () => {
    const mend = async (prepare: (folder: string) => void, kind = 'proxmox-node') => {
      using m = await machine(kind, { prepare });
      return (await m.host.system.health()).blind.find((b) => b.what.startsWith('pressure'))?.fix;
    };
    const noPsi = (folder: string) => rmSync(join(folder, 'proc/pressure'), { recursive: true });
    expect(await mend(noPsi)).toBe('add psi=1 to /etc/kernel/cmdline, run proxmox-boot-tool refresh and reboot');
    expect(await mend(noPsi, 'vm')).toContain('/etc/default/grub');
    expect(await mend(noPsi, 'lxc-lxcfs')).toContain('the machine below');
  });

  test('a bridge that somebody named br-lan is shown, one that Docker named is not', async () => {
    using m = await machine('server-64', {
      prepare: (folder) => {
        const dev = readFileSync(join(folder, 'proc/net/dev'), 'utf8');
        write(folder, 'proc/net/dev', dev.replace('bond0.300:', ' br-lan:'));
        write(folder, 'sys/class/net/br-lan/operstate', 'up\n');
      },
    });
    const { networks } = await overview(m);
    expect(networks.map((n) => n.name)).toContain('br-lan');
    expect(networks.map((n) => n.name).filter((n) => n.startsWith('br-3f'))).toEqual([]);
  });

  test('a process with a line break in its name stays on one line', async () => {
    using m = await machine('vm');
    m.later();
    const { text } = await m.call('system_overview');
    expect(text).toContain('Web Content) (x ↵ y (700)');
    expect(text).not.toMatch(/^y \(700/m);
  });
});
