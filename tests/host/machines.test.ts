/**
 * Eight kinds of machine through the real readers, tools and door, five seconds apart: what each is taken for, whose its
 * figures are, which findings stand, what is noise and what is blind. (What the answers cost: machine_costs.test.ts.)
 */
import { describe, expect, test } from 'vitest';
import { GROUPS } from '../../src/tools/system_metrics.ts';
import type { OverviewAnswer } from '../../src/tools/system_overview.ts';
import { type Machine, machine } from '../fakes/machine.ts';

interface Metrics {
  cores: { cpu: number; usedPercent: number | null }[];
  disks: { name: string; readBytesPerSecond: number | null; busyPercent: number | null }[];
  networks: {
    name: string;
    rxBytesPerSecond: number | null;
    speedMbit: number | null;
    errorsPerSecond: number | null;
  }[];
  cpu: { usedPercent: number | null; whose: string; throttledPercent: number | null };
  temperatures: { sensor: string; celsius: number; criticalCelsius: number | null }[];
  kernel: { openFiles: number; openFilesMax: number | null };
  more?: { handle: string; shown: number; total: number };
}

const overview = async (m: Machine) => (await m.call<OverviewAnswer>('system_overview')).data;
const ids = (o: OverviewAnswer) => o.findings.map((f) => f.id);
const evidence = (o: OverviewAnswer, id: string) => o.findings.find((f) => f.id === id)?.evidence;
const KiB = 1024;
const MiB = 1024 ** 2;
const FOREIGN = 'Commands cannot be run on a mounted host.';

describe('a server with 64 cores', () => {
  test('what it is, and which findings stand', async () => {
    using m = await machine('server-64');
    m.later();
    const o = await overview(m);
    expect(o.host).toMatchObject({
      hostname: 'db-a7',
      os: 'Ubuntu 24.04.3 LTS',
      kernel: '6.8.0-85-generic',
      arch: 'x64',
      virtualisation: 'none',
      container: false,
      foundBy: 'the CPU has no flag "hypervisor"',
      model: 'Dell Inc. PowerEdge R7525',
      uptimeSeconds: 5_184_017,
      utcOffset: '-05:00',
    });
    expect(o.cpu).toMatchObject({
      model: 'AMD EPYC 7543 32-Core Processor',
      cpus: 64,
      whose: 'host',
      // 8 × 98 %, 24 × 25 %, 32 × 2 %.
      usedPercent: 22.6,
      modes: { user: 20, iowait: 1.5, steal: 0 },
      load: [14.9, 13.92, 12.79],
      limitCpus: null,
    });
    expect(o.memory).toMatchObject({
      totalBytes: 263_851_432 * KiB,
      availableBytes: 181_220_140 * KiB,
      limitBytes: null,
    });
    expect(o.memory).not.toHaveProperty('zfsCacheBytes');
    expect(o.pressure).toEqual({ whose: 'host', cpu: 3.2, memory: 0, io: 6.1 });
    expect(ids(o)).toEqual(['raid_degraded', 'temperature_high', 'network_errors', 'security_updates', 'disk_busy']);
    // 97 % of 38 TB leave a terabyte: not full. The RAID 1 that is being checked is whole.
    expect(evidence(o, 'raid_degraded')).toBe('md2 (raid6) active, 7 of 8 disks');
    expect(evidence(o, 'temperature_high')).toBe('nvme5 Composite 82 °C of 85');
    // The bond adds up its slaves' errors, but over packets enough to bear them.
    expect(evidence(o, 'network_errors')).toBe('enp65s0f1np1 10 errors/s');
    // The array and the volume on it are busy with it, and not named.
    expect(evidence(o, 'disk_busy')).toBe('nvme5n1 busy 98%');
    expect(o.blind).toEqual([]);
    expect(o.unknown).toEqual([{ what: 'failed units', why: FOREIGN }]);
  });

  test('what is noise: partitions, paths, layers; VLANs and links that are down', async () => {
    using m = await machine('server-64');
    m.later();
    const names = m.host.system.snapshot().disks.value?.map((d) => d.name) ?? [];
    expect(names.filter((n) => /p\d$|^loop|c0n1$|^sd.\d/.test(n))).toEqual([]);
    expect(names).toHaveLength(19);
    const o = await overview(m);
    expect(o.disks.map((d) => d.name)).toEqual(['nvme5n1', 'nvme0n1', 'nvme1n1', 'nvme3n1', 'nvme4n1', 'nvme6n1']);
    expect(o.disks[0]).toEqual({
      name: 'nvme5n1',
      readBytesPerSecond: 200 * MiB,
      writtenBytesPerSecond: 25 * MiB,
      busyPercent: 98,
    });
    expect(o.networks).toEqual([
      { name: 'bond0', rxBytesPerSecond: 300_000_000, txBytesPerSecond: 110_000_000 },
      { name: 'enp65s0f0np0', rxBytesPerSecond: 250_000_000, txBytesPerSecond: 100_000_000 },
      { name: 'enp65s0f1np1', rxBytesPerSecond: 50_000_000, txBytesPerSecond: 10_000_000 },
      { name: 'eno8303', rxBytesPerSecond: 12_500, txBytesPerSecond: 25_000 },
      { name: 'idrac', rxBytesPerSecond: 100, txBytesPerSecond: 100 },
    ]);
    expect(o.filesystems.map((f) => f.mount)).toEqual([
      '/',
      '/var/lib/postgresql',
      '/mnt/archive',
      '/srv/backup',
      '/srv/scratch',
    ]);
    expect(o.temperatures).toEqual([
      { sensor: 'nvme5 Sensor 2', celsius: 89, criticalCelsius: null },
      { sensor: 'mlx5 0000:41:00.1 asic', celsius: 69, criticalCelsius: 105 },
      { sensor: 'k10temp 0000:00:19.3 Tctl', celsius: 63, criticalCelsius: null },
      { sensor: 'nvme9 Sensor 2', celsius: 59, criticalCelsius: null },
    ]);
    expect(o.leftOut).toEqual({ filesystems: 6, disks: 13, networks: 10, temperatures: 64 });
  });

  test('every figure at once stays within its bytes, and `more` gives what was left out', async () => {
    using m = await machine('server-64');
    m.later();
    const all = await m.call<Metrics>('system_metrics', { groups: [...GROUPS] });
    expect(all.bytes).toBeLessThanOrEqual(16 * KiB);
    expect(all.data.more?.total).toBe(64 + 68);
    expect(all.data.disks).toHaveLength(19);
    expect(all.data.networks).toHaveLength(15);
    expect(all.data.kernel).toMatchObject({ openFiles: 21_376, openFilesMax: null });
    const { handle } = all.data.more ?? { handle: '' };
    const kept = m.rig.kept.get(handle)?.data as unknown as Metrics;
    expect(kept.cores).toHaveLength(64);
    expect(kept.cores.map((c) => c.usedPercent)).toEqual([
      ...Array(8).fill(98),
      ...Array(24).fill(25),
      ...Array(32).fill(2),
    ]);
    expect(kept.temperatures).toHaveLength(68);
    expect(new Set(kept.temperatures.map((t) => t.sensor)).size).toBe(68);
    const query = { handle, list: 'cores', offset: 30, limit: 4, select: ['cpu', 'usedPercent'] };
    const page = await m.call<{ items: unknown[] }>('result_query', query);
    expect(JSON.stringify(page.data)).toContain(
      JSON.stringify([30, 31, 32, 33].map((cpu) => ({ cpu, usedPercent: cpu < 32 ? 25 : 2 }))),
    );
    const hot = await m.call('result_query', { handle, list: 'temperatures', grep: 'nvme5' });
    expect(JSON.stringify(hot.data)).toContain('{"sensor":"nvme5 Composite","celsius":81.85,"criticalCelsius":84.85}');
    const usual = await m.call<Metrics>('system_metrics');
    expect(usual.data.cores).toHaveLength(64);
    expect(usual.data.more).toBeUndefined();
    const one = await m.call<Metrics>('system_metrics', { groups: ['cpu'], filter: 'cpu40' });
    expect(one.data.cores).toMatchObject([{ cpu: 40, usedPercent: 2 }]);
  });

  test('the password of a backup script does not leave', async () => {
    using m = await machine('server-64');
    m.later();
    const { data, text } = await m.call('process_list', { limit: 60 });
    expect(JSON.stringify(data)).toContain('backup.sh');
    expect(JSON.stringify(data) + text).not.toContain('hunter2-zeppelin');
  });
});

describe('a small ARM board', () => {
  test('what it is, without DMI and without names in cpuinfo', async () => {
    using m = await machine('arm-board');
    m.later();
    const o = await overview(m);
    expect(o.host).toMatchObject({
      arch: 'arm64',
      virtualisation: 'none',
      model: 'Raspberry Pi 4 Model B Rev 1.5',
      utcOffset: '+00:00',
    });
    expect(o.cpu).toMatchObject({ model: 'Cortex-A72', cpus: 4, usedPercent: 19.3 });
    expect(o.memory).toMatchObject({ swapTotalBytes: 511_996 * KiB, swapUsedBytes: 109_552 * KiB });
    expect(o.temperatures).toEqual([{ sensor: 'cpu_thermal', celsius: 72, criticalCelsius: 110 }]);
    // The card and the USB disk; neither partitions nor what is in memory.
    expect(o.disks.map((d) => [d.name, d.busyPercent])).toEqual([
      ['sda', 6],
      ['mmcblk0', 24],
    ]);
    expect(o.networks.map((n) => n.name)).toEqual(['wlan0', 'tailscale0']);
    expect(ids(o)).toEqual(['voltage_low', 'disk_filling', 'reboot_required']);
    // Not the kernel of the next model, which is newer too.
    expect(evidence(o, 'reboot_required')).toBe('running 6.12.34+rpt-rpi-v8, installed 6.12.47+rpt-rpi-v8');
    expect(o.blind).toEqual([
      {
        what: 'pressure (PSI)',
        why: 'the kernel does not measure it',
        fix: 'add psi=1 to the one line of /boot/firmware/cmdline.txt and reboot',
      },
    ]);
    expect(o.unknown).toEqual([
      { what: 'pressure', why: 'the kernel does not measure it' },
      { what: 'failed units', why: FOREIGN },
      { what: 'updates', why: FOREIGN },
    ]);
  });
});

describe('a Proxmox node', () => {
  test('is a machine, although lxcfs is mounted on it', async () => {
    using m = await machine('proxmox-node');
    m.later();
    const o = await overview(m);
    expect(o.host).toMatchObject({ virtualisation: 'none', container: false, model: 'Supermicro Super Server' });
    expect(o.memory).toMatchObject({ whose: 'host', source: '/proc/meminfo', limitBytes: null });
    expect(m.host.system.snapshot().whose).toEqual({
      disks: 'host',
      networks: 'host',
      vmstat: 'host',
      temperatures: 'host',
    });
    // Time of guests is in user, and not counted twice.
    expect(o.cpu).toMatchObject({ usedPercent: 28.8, modes: { user: 22.5, system: 6.3, iowait: 2.5 } });
    expect(o.blind).toEqual([]);
  });

  test('a full ZFS cache is no shortage; a pool that lost a disk and a guest that is full are', async () => {
    using m = await machine('proxmox-node');
    m.later();
    const o = await overview(m);
    expect(o.memory).toMatchObject({ usedPercent: 95, zfsCacheBytes: 31_138_512_896 });
    expect(m.host.system.snapshot().memory.value?.zfsCache?.reclaimableBytes).toBe(31_138_512_896 - 2_147_483_648);
    expect(ids(o)).toEqual(['disk_full', 'zfs_not_online', 'oom_kills', 'disk_busy']);
    expect(evidence(o, 'zfs_not_online')).toBe('tank DEGRADED');
    expect(evidence(o, 'disk_full')).toContain('/rpool/data/subvol-101-disk-0 98%');
    expect(evidence(o, 'disk_busy')).toBe('sdf busy 96%');
  });

  test('what belongs to guests is noise', async () => {
    using m = await machine('proxmox-node');
    m.later();
    const o = await overview(m);
    expect(o.networks.map((n) => n.name)).toEqual(['eno1', 'vmbr0', 'enxb03af2b6059f']);
    expect(o.disks.map((d) => d.name).filter((n) => /^zd|^loop|p\d$/.test(n))).toEqual([]);
    expect(
      m.host.system
        .snapshot()
        .disks.value?.filter((d) => d.stacked)
        .map((d) => d.name),
    ).toEqual(['zd0', 'zd16', 'zd32']);
    expect(o.filesystems.map((f) => f.mount)).toEqual([
      '/',
      '/rpool/data/subvol-101-disk-0',
      '/tank/backup',
      '/rpool/data/subvol-103-disk-0',
    ]);
    // The board's chip says 127 °C of an input that nothing is wired to.
    expect(o.temperatures.map((t) => t.sensor)).toEqual([
      'coretemp Package id 0',
      'pch_cannonlake',
      'nvme1 Composite',
      'nvme0 Composite',
    ]);
    const health = await m.host.system.health();
    expect(health.rebootRequired.value).toEqual({ required: false, why: null });
  });
});

describe('WSL 2', () => {
  test('is told by its kernel; what Windows lends it is not its own', async () => {
    using m = await machine('wsl2');
    m.later();
    const o = await overview(m);
    expect(o.host).toMatchObject({
      virtualisation: 'wsl',
      container: false,
      model: null,
      zone: 'Asia/Kolkata',
      utcOffset: '+05:30',
    });
    expect(o.cpu).toMatchObject({ cpus: 8, usedPercent: 20, modes: { user: 18, system: 2 } });
    expect(o.temperatures).toEqual([]);
    expect(o.filesystems.map((f) => [f.mount, f.type])).toEqual([
      ['/', 'ext4'],
      ['/mnt/c', '9p'],
      ['/mnt/d', '9p'],
    ]);
    const mounts = await m.host.system.filesystems();
    expect(mounts.find((f) => f.mount === '/mnt/c')).toMatchObject({ device: 'C:\\', local: false });
    expect(mounts.map((f) => f.mount).filter((p) => p.startsWith('/usr/lib/wsl') || p === '/init')).toEqual([]);
    expect(o.disks.map((d) => d.name)).toEqual(['sdd', 'sda', 'sdb', 'sdc']);
    expect(ids(o)).toEqual(['disk_filling']);
    expect(o.blind.map((b) => b.fix)).toEqual([
      expect.stringContaining('.wslconfig'),
      'in /etc/wsl.conf: [boot] systemd=true; then on Windows: wsl --shutdown',
    ]);
    expect(o.unknown.map((u) => u.what)).toEqual(['pressure', 'failed units', 'updates', 'clock', 'host.model']);
    const { processes } = await m.host.system.processes();
    expect(processes.find((p) => p.pid === 1)?.name).toBe('init(Ubuntu-24.0');
  });
});

describe('the older fixtures, five seconds on', () => {
  test('a virtual machine', async () => {
    using m = await machine('vm');
    m.later();
    const o = await overview(m);
    expect(o.cpu).toMatchObject({
      whose: 'host',
      usedPercent: 47.5,
      modes: { user: 40, system: 7.5, iowait: 1, idle: 51.5 },
    });
    expect(o.disks).toEqual([
      { name: 'vda', readBytesPerSecond: MiB, writtenBytesPerSecond: 4 * MiB, busyPercent: 20 },
    ]);
    expect(o.networks).toEqual([{ name: 'ens18', rxBytesPerSecond: 1_024_000, txBytesPerSecond: 102_400 }]);
    expect(o.topCpu[0]).toMatchObject({ pid: 700, cpuPercent: 70 });
    expect(ids(o)).toEqual(['filesystem_read_only', 'raid_degraded', 'oom_kills', 'reboot_required']);
  });

  test("Docker on v1: its own CPU of its limit, beside the machine's modes", async () => {
    using m = await machine('docker-v1');
    m.later();
    const o = await overview(m);
    // 3.75 s of CPU in 5 s, of one and a half.
    expect(o.cpu).toMatchObject({
      whose: 'container',
      limitCpus: 1.5,
      usedPercent: 50,
      modesWhose: 'host',
      modes: { user: 40, system: 10 },
    });
    expect(o.memory).toMatchObject({ whose: 'container', limitBytes: 512 * MiB, usedPercent: 56.3 });
    expect(evidence(o, 'cpu_throttled')).toBe('throttled in 20% of the periods, limit 1.5 CPUs');
  });

  test('Docker on v2: the limit of memory is the cgroup’s; being held back is a share of periods', async () => {
    using m = await machine('docker-v2');
    m.later();
    const o = await overview(m);
    expect(o.cpu).toMatchObject({ whose: 'container', limitCpus: 2, usedPercent: 50, cpus: 4 });
    expect(o.memory).toMatchObject({ whose: 'container', source: 'cgroup memory.max', totalBytes: 1024 * MiB });
    const { data } = await m.call<Metrics>('system_metrics', { groups: ['cpu'] });
    // Two seconds of waiting in five, added up over four processors: not 40 %.
    expect(data.cpu.throttledPercent).toBe(10);
  });

  test("an LXC under lxcfs: CPU from cpu.stat, memory from lxcfs's meminfo", async () => {
    using m = await machine('lxc-lxcfs');
    m.later();
    const o = await overview(m);
    expect(o.cpu).toMatchObject({
      whose: 'container',
      // 4 s in 5 s on two processors; the machine's own are at 90 %.
      usedPercent: 40,
      cpus: 2,
      modesWhose: 'host',
      modes: { user: 80, system: 10 },
      loadWhose: 'host',
    });
    expect(o.memory).toMatchObject({ whose: 'container', source: '/proc/meminfo (lxcfs)', limitBytes: 2048 * MiB });
  });
});
