/** Trees of /sys, /proc, /run and /etc for the readers of hardware, made in a temporary folder. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';

const made: string[] = [];
afterAll(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Path to text; "-> target" makes a link, and null a folder. */
export function tree(files: Record<string, string | null>): string {
  const folder = mkdtempSync(join(tmpdir(), 'deckhand-hardware-'));
  made.push(folder);
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path);
    mkdirSync(text === null ? file : dirname(file), { recursive: true });
    if (text?.startsWith('-> ')) symlinkSync(text.slice(3), file);
    else if (text !== null) writeFileSync(file, text);
  }
  return folder;
}

/** A program of a test, as JavaScript. */
export const program = (source: string): string => join(tree({ 'child.mjs': source }), 'child.mjs');

const disk = (name: string, way: string, is: Record<string, string>) => ({
  [`sys/block/${name}`]: `-> ../devices/${way}/block/${name}`,
  ...Object.fromEntries(Object.entries(is).map(([k, v]) => [`sys/devices/${way}/block/${name}/${k}`, `${v}\n`])),
});

/** A node with two sockets of two cores with two threads each, disks of four kinds, an array, a pool and a graphics card. */
export function homelab(): Record<string, string | null> {
  const cpus: Record<string, string> = {};
  for (let n = 0; n < 8; n++) {
    const [socket, core] = [n % 2, Math.floor(n / 2) % 2];
    const siblings = [n % 4, (n % 4) + 4].join(',');
    const socketCpus = socket === 0 ? '0,2,4,6' : '1,3,5,7';
    const cpu = `sys/devices/system/cpu/cpu${n}`;
    cpus[`${cpu}/topology/thread_siblings_list`] = `${siblings}\n`;
    cpus[`${cpu}/topology/physical_package_id`] = `${socket}\n`;
    cpus[`${cpu}/topology/core_id`] = `${core}\n`;
    cpus[`${cpu}/cpufreq/cpuinfo_max_freq`] = `${n === 3 ? 4_100_000 : 3_900_000}\n`;
    const cache = (i: number, level: string, type: string, size: string, shared: string) => {
      for (const [k, v] of Object.entries({ level, type, size, shared_cpu_list: shared }))
        cpus[`${cpu}/cache/index${i}/${k}`] = `${v}\n`;
    };
    cache(0, '1', 'Data', '32K', siblings);
    cache(1, '1', 'Instruction', '32K', siblings);
    cache(2, '2', 'Unified', '1024K', siblings);
    cache(3, '3', 'Unified', '16M', socketCpus);
  }
  return {
    ...cpus,
    'proc/cpuinfo': 'processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Silver 4208 CPU @ 2.10GHz\n',
    'sys/class/dmi/id/sys_vendor': 'Supermicro\n',
    'sys/class/dmi/id/product_name': 'Super Server\n',
    'sys/class/dmi/id/product_version': '0123456789\n',
    'sys/class/dmi/id/product_serial': 'SERIAL-OF-SYSTEM\n',
    'sys/class/dmi/id/board_vendor': 'Supermicro\n',
    'sys/class/dmi/id/board_name': 'X11DPL-i\n',
    'sys/class/dmi/id/board_serial': 'SERIAL-OF-BOARD\n',
    'sys/class/dmi/id/bios_vendor': 'American Megatrends Inc.\n',
    'sys/class/dmi/id/bios_version': '3.9\n',
    'sys/class/dmi/id/bios_date': '07/15/2024\n',
    'sys/class/dmi/id/chassis_type': '23\n',
    'sys/firmware/efi': null,
    ...disk('sda', 'pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0', {
      size: '15628053168',
      removable: '0',
      'queue/rotational': '1',
      'device/model': 'WDC WD80EFAX-68K',
      'device/vendor': 'ATA     ',
      'device/rev': '0A81',
      'device/serial': 'SERIAL-OF-DISK',
    }),
    ...disk('sdb', 'pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host4/target4:0:0/4:0:0:0', {
      size: '62914560',
      removable: '1',
      'queue/rotational': '0',
      'device/model': 'Ultra Fit',
      'device/vendor': 'SanDisk',
    }),
    ...disk('sdc', 'pci0000:3a/0000:3a:00.0/host5/port-5:0/end_device-5:0/target5:0:0/5:0:0:0', {
      size: '7814037168',
      'queue/rotational': '1',
      'device/model': 'ST4000NM0023',
      'device/vendor': 'SEAGATE',
    }),
    ...disk('nvme0n1', 'pci0000:5d/0000:5d:02.0/0000:5e:00.0/nvme/nvme0', {
      size: '1953525168',
      'queue/rotational': '0',
      'device/model': 'Samsung SSD 980 PRO 1TB',
      'device/firmware_rev': '5B2QGXA7',
      'device/transport': 'pcie',
    }),
    'sys/block/loop0/size': '1\n',
    'sys/block/sr0/size': '1\n',
    'proc/mdstat':
      'Personalities : [raid1]\nmd0 : active raid1 sda1[0] sdb1[1](F)\n      104320 blocks [2/1] [U_]\n\nunused devices: <none>\n',
    'sys/block/md0/size': '208640\n',
    'sys/block/md0/md/dev-sda1/state': 'in_sync\n',
    'sys/block/md0/md/dev-sdb1/state': 'faulty\n',
    'sys/block/md0/md/mismatch_cnt': '0\n',
    'proc/spl/kstat/zfs/tank/state': 'DEGRADED\n',
    'sys/bus/pci/devices/0000:01:00.0/class': '0x030000\n',
    'sys/bus/pci/devices/0000:01:00.0/vendor': '0x10de\n',
    'sys/bus/pci/devices/0000:01:00.0/device': '0x2504\n',
    'sys/bus/pci/devices/0000:01:00.0/driver': '-> ../../../../bus/pci/drivers/nvidia',
    'sys/bus/pci/devices/0000:02:00.0/class': '0x020000\n',
    'sys/class/net/eno1/device/uevent': 'DRIVER=i40e\nPCI_CLASS=20000\n',
    'sys/class/net/eno1/address': 'aa:bb:cc:00:11:22\n',
    'sys/class/net/eno1/ifindex': '2\n',
    'sys/class/net/eno1/operstate': 'up\n',
    'sys/class/net/eno1/speed': '10000\n',
    'sys/class/net/eno1/duplex': 'full\n',
    'sys/class/net/eno1/mtu': '9000\n',
    'sys/class/net/vmbr0/operstate': 'up\n',
    'run/udev/data/n2':
      'E:ID_VENDOR_FROM_DATABASE=Intel Corporation\nE:ID_MODEL_FROM_DATABASE=Ethernet Connection X722\nE:ID_SERIAL=SERIAL-OF-NET\n',
    'sys/class/power_supply/BAT0/type': 'Battery\n',
    'sys/class/power_supply/BAT0/status': 'Discharging\n',
    'sys/class/power_supply/BAT0/capacity': '61\n',
    'sys/class/power_supply/BAT0/energy_full': '41000000\n',
    'sys/class/power_supply/BAT0/energy_full_design': '50000000\n',
    'sys/class/power_supply/BAT0/cycle_count': '0\n',
    'sys/class/power_supply/BAT0/serial_number': 'SERIAL-OF-BATTERY\n',
    'sys/class/power_supply/hidpp_battery_0/type': 'Battery\n',
    'sys/class/power_supply/hidpp_battery_0/scope': 'Device\n',
    'sys/class/power_supply/AC/type': 'Mains\n',
  };
}
