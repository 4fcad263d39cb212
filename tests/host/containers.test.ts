/** Whose figure it is: on each kind of host, the fixtures say what must be said, and the traps are in them. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { createHost, type OpenHost } from '../../src/host/index.ts';
import { quietLog } from './contract.ts';

const open: OpenHost[] = [];
afterAll(() => {
  for (const host of open) host.close();
});

function fixture(kind: string, nowMs: number) {
  const procRoot = fileURLToPath(new URL(`../fixtures/${kind}`, import.meta.url));
  const host = createHost({ log: quietLog, procRoot, now: () => nowMs });
  open.push(host);
  return host.system;
}

const GiB = 1024 ** 3;
const MiB = 1024 ** 2;

describe('a virtual machine', () => {
  const system = fixture('vm', (1_762_770_000 + 864_012) * 1000);

  test('is one, and not a container', () => {
    const identity = system.identity();
    expect(identity.virtualisation).toEqual({ kind: 'kvm', container: false, foundBy: 'the kernel has a kvm-clock' });
    expect(identity.os.value).toBe('Debian GNU/Linux 13 (trixie)');
    expect(identity.cpuModel.value).toBe('AMD EPYC 7543 32-Core Processor');
    expect(identity.machineModel.value).toBe('QEMU Standard PC (Q35 + ICH9, 2009)');
    expect(identity.zone).toEqual({ name: 'Europe/Berlin', offsetMinutes: 60 });
    expect(identity.cgroup).toEqual({ version: 2, path: '/system.slice/deckhand.service' });
    expect(identity.uptimeMs.value).toBe(864_012_440);
    // Our own service may use one processor only: that is not the machine's number.
    expect(identity.cpus).toBe(2);
  });

  test("the limits of our own service are not taken for the machine's", () => {
    const { memory, cpu } = system.snapshot();
    expect(memory.value).toMatchObject({
      whose: 'host',
      source: '/proc/meminfo',
      totalBytes: 4_015_276 * 1024,
      limitBytes: null,
      usedByCgroupBytes: null,
      hostTotalBytes: null,
    });
    expect(cpu.value).toMatchObject({ whose: 'host', source: '/proc/stat', limitCpus: null, cgroupUsedMs: null });
    expect(cpu.value?.perCore.map((c) => c.cpu)).toEqual([0, 1]);
  });

  test('disks are whole disks once, and those built on them are marked', () => {
    const { disks, networks, load, pressure } = system.snapshot();
    expect(disks.value?.map((d) => [d.name, d.stacked ?? false])).toEqual([
      ['vda', false],
      ['dm-0', true],
    ]);
    expect(disks.value?.[0]).toMatchObject({ readBytes: 20_410_224 * 512, reads: 302_331, busyMs: 503_312 });
    // virtio says -1.
    expect(networks.value?.find((n) => n.name === 'ens18')).toMatchObject({
      state: 'up',
      speedMbit: null,
      rxDropped: 12,
    });
    expect(load.value).toEqual({ whose: 'host', one: 0.42, five: 0.36, fifteen: 0.3, runnable: 2, tasks: 214 });
    expect(pressure.io.value).toMatchObject({ whose: 'host', some: { avg10: 0.4, totalUs: 9_033_412 } });
  });

  test('mounts: one for each filesystem, names with spaces, and the one that fell to read-only', async () => {
    const list = await system.filesystems();
    expect(list.map((f) => [f.mount, f.local, f.readOnly, f.remountedReadOnly])).toEqual([
      ['/', true, false, false],
      ['/dev/shm', true, false, false],
      ['/run', true, false, false],
      ['/srv/nas', false, false, false],
      ['/srv/old data', true, true, true],
    ]);
  });

  test('processes with names made to confuse', async () => {
    const { processes, hidden } = await system.processes({ commands: true, io: true, fds: true });
    expect(hidden).toBeNull();
    expect(processes.find((p) => p.pid === 700)).toMatchObject({
      name: 'Web Content) (x\ny',
      state: 'R',
      ppid: 1,
      nice: 5,
      threads: 24,
      cpuMs: (812_331 + 90_233) * 10,
      command: '/opt/app/bin/app --name a b --token=geheim',
      readBytes: 4_096_000,
      fds: 4,
    });
    expect(processes.find((p) => p.pid === 2)).toMatchObject({ name: 'kthreadd', kernel: true, command: null });
    expect(processes.find((p) => p.pid === 733)).toMatchObject({ state: 'Z', rssBytes: 0 });
  });

  test('slow facts from files alone', async () => {
    const health = await system.health();
    expect(health.rebootRequired.value).toEqual({
      required: true,
      why: 'running 6.12.43+deb13-amd64, installed 6.12.48+deb13-amd64',
    });
    expect(health.raid.value).toEqual([
      { array: 'md0', level: 'raid1', degraded: true, state: 'active, 1 of 2 disks' },
    ]);
    expect(health.clock.value).toMatchObject({ synchronised: true });
    expect(health.oomKills.value).toEqual({ sinceBoot: 2, whose: 'host' });
    expect(health.failedUnits).toMatchObject({ value: null });
  });
});

describe('Docker on cgroup v1', () => {
  const system = fixture('docker-v1', (1_754_130_000 + 8_640_034) * 1000);

  test('limits are those of the container; what /proc shows is the machine', () => {
    expect(system.identity().virtualisation).toEqual({
      kind: 'docker',
      container: true,
      foundBy: '/.dockerenv is there',
    });
    expect(system.identity().uptimeWhose).toBe('host');
    const s = system.snapshot();
    expect(s.memory.value).toEqual({
      whose: 'container',
      source: 'cgroup memory.limit_in_bytes',
      totalBytes: 512 * MiB,
      // 512 less 384 used, of which 96 are file cache that goes first.
      availableBytes: 224 * MiB,
      freeBytes: 128 * MiB,
      buffersBytes: null,
      cachedBytes: 128 * MiB,
      shmemBytes: 4_096_000,
      slabReclaimableBytes: null,
      dirtyBytes: 135_168,
      limitBytes: 512 * MiB,
      usedByCgroupBytes: 384 * MiB,
      hostTotalBytes: 32_868_412 * 1024,
      swap: { totalBytes: 256 * MiB, freeBytes: 240 * MiB },
    });
    expect(s.cpu.value).toMatchObject({ whose: 'host', limitCpus: 1.5, cgroupUsedMs: 903_312.04112 });
    expect(s.cpu.value?.throttledMs).toBeCloseTo(60_331.204);
    expect(s.cpu.value?.source).toContain('cpuacct.usage');
    expect(s.load.value?.whose).toBe('host');
    expect(s.whose).toEqual({ disks: 'host', networks: 'container', vmstat: 'host', temperatures: 'host' });
    expect(s.pressure.cpu).toMatchObject({ value: null });
    expect(s.temperatures.value).toEqual([{ sensor: 'coretemp Package id 0', celsius: 54, criticalCelsius: 100 }]);
  });

  test('OOM kills are its own; a reboot is not its business', async () => {
    const health = await system.health();
    expect(health.oomKills.value).toEqual({ sinceBoot: 3, whose: 'container' });
    expect(health.rebootRequired).toMatchObject({ value: null });
    expect(health.blind.map((b) => b.what)).toEqual(['pressure (PSI)', 'units (services, timers, failed units)']);
  });

  test("the engine's own mounts are not data; a volume is", async () => {
    expect((await system.filesystems()).map((f) => f.mount)).toEqual(['/', '/data', '/dev/shm']);
  });
});

describe('Docker on cgroup v2', () => {
  const system = fixture('docker-v2', (1_761_905_956 + 1_728_044) * 1000);

  test('limit, use and pressure of the container', () => {
    const identity = system.identity();
    expect(identity.virtualisation).toMatchObject({ kind: 'docker', container: true });
    // Eight processors, a cpuset of four.
    expect(identity.cpus).toBe(4);
    const s = system.snapshot();
    expect(s.memory.value).toMatchObject({
      whose: 'container',
      source: 'cgroup memory.max',
      totalBytes: GiB,
      limitBytes: GiB,
      usedByCgroupBytes: 644_245_094,
      availableBytes: GiB - (644_245_094 - 167_772_160),
      hostTotalBytes: 16_333_412 * 1024,
      swap: { totalBytes: GiB, freeBytes: GiB - 20_971_520 },
    });
    expect(s.cpu.value).toMatchObject({ limitCpus: 2, cgroupUsedMs: 903_312.041, throttledMs: 20_331.204 });
    expect(s.pressure.cpu.value).toMatchObject({ whose: 'container', some: { avg10: 12.5 } });
    expect(s.load.value?.whose).toBe('host');
  });

  test('OOM kills are its own', async () => {
    expect((await system.health()).oomKills.value).toEqual({ sinceBoot: 1, whose: 'container' });
  });
});

describe('an unprivileged LXC under Proxmox, with lxcfs', () => {
  const system = fixture('lxc-lxcfs', (1_757_000_000 + 922_332) * 1000);

  test("memory is lxcfs's, whose total is the limit that no visible cgroup has", () => {
    const identity = system.identity();
    expect(identity.virtualisation).toEqual({
      kind: 'lxc',
      container: true,
      foundBy: '/run/systemd/container says "lxc"',
    });
    expect(identity.lxcfs).toContain('/proc/meminfo');
    expect(identity.cpus).toBe(2);
    expect(identity.uptimeWhose).toBe('container');
    expect(identity.uptimeMs.value).toBe(432_001_180);
    expect(system.snapshot().memory.value).toMatchObject({
      whose: 'container',
      source: '/proc/meminfo (lxcfs)',
      totalBytes: 2 * GiB,
      limitBytes: 2 * GiB,
      // Of the whole container, not of our own service with its 256 MiB.
      usedByCgroupBytes: 913_309_696,
      hostTotalBytes: 65_715_324 * 1024,
    });
  });

  test("CPU time is that of cpu.stat: /proc/stat is the machine's, on the container's processors", () => {
    const cpu = system.snapshot().cpu.value;
    expect(cpu).toMatchObject({ whose: 'host', cgroupUsedMs: 33_120_411.204, limitCpus: null });
    expect(cpu?.source).toContain("the machine's time");
    expect(cpu?.perCore.map((c) => c.cpu)).toEqual([3, 7]);
  });

  test('load and disks are those of the machine although lxcfs is mounted over them', () => {
    const s = system.snapshot();
    expect(s.load.value).toMatchObject({ whose: 'host', one: 5.66 });
    expect(s.whose).toMatchObject({ disks: 'host', networks: 'container' });
    expect(s.pressure.cpu.value?.whose).toBe('container');
  });

  test("start times count from the kernel's boot, not from the container's", async () => {
    const { processes } = await system.processes();
    const init = processes.find((p) => p.pid === 1);
    const bootedAtMs = system.identity().bootedAtMs.value ?? 0;
    expect(Math.abs((init?.startedAtMs ?? 0) - bootedAtMs)).toBeLessThan(2_000);
  });

  test('what is hidden is told with its mend', async () => {
    const health = await system.health();
    expect(health.oomKills.value).toEqual({ sinceBoot: 4, whose: 'container' });
    expect(health.blind.map((b) => b.what)).toEqual(["the container's own load", 'temperatures']);
    expect(health.blind[0]?.fix).toContain('lxcfs -l');
  });
});

describe('the fixtures, bent', () => {
  const folders: string[] = [];
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  /** A copy of a fixture that `change` may spoil. */
  function bent(kind: string, change: (put: (path: string, text: string) => void, folder: string) => void) {
    const folder = mkdtempSync(join(tmpdir(), 'deckhand-bent-'));
    folders.push(folder);
    cpSync(fileURLToPath(new URL(`../fixtures/${kind}`, import.meta.url)), folder, {
      recursive: true,
      verbatimSymlinks: true,
    });
    change((path, text) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }, folder);
    const host = createHost({ log: quietLog, procRoot: folder });
    open.push(host);
    return host.system;
  }

  test('a machine booted from a container image is no container, whatever lies in its root', () => {
    const system = bent('vm', (put) => put('.dockerenv', ''));
    expect(system.identity().virtualisation).toMatchObject({ kind: 'kvm', container: false });
  });

  test('with the cgroup tree of the machine in view, the tightest limit on the way up holds', () => {
    const scope = 'system.slice/pods.slice/docker-b71c.scope';
    const system = bent('docker-v2', (put, folder) => {
      const files = 'memory.max memory.current memory.stat memory.events cpu.max cpu.stat cpu.pressure pids.current';
      mkdirSync(join(folder, 'sys/fs/cgroup', scope), { recursive: true });
      for (const f of files.split(' '))
        renameSync(join(folder, 'sys/fs/cgroup', f), join(folder, 'sys/fs/cgroup', scope, f));
      put('sys/fs/cgroup/system.slice/pods.slice/memory.max', `${512 * MiB}\n`);
      put('sys/fs/cgroup/system.slice/pods.slice/memory.current', `${100 * MiB}\n`);
      put('sys/fs/cgroup/system.slice/pods.slice/cpu.max', '50000 100000\n');
      put('sys/fs/cgroup/system.slice/memory.max', 'max\n');
      put('proc/self/cgroup', `0::/${scope}\n`);
      put('proc/1/cgroup', `0::/${scope}\n`);
    });
    const s = system.snapshot();
    expect(s.memory.value).toMatchObject({ limitBytes: 512 * MiB, usedByCgroupBytes: 100 * MiB, whose: 'container' });
    expect(s.cpu.value).toMatchObject({ limitCpus: 0.5, cgroupUsedMs: 903_312.041 });
  });

  test("a container without limits: the memory is the machine's, the use its own", () => {
    const system = bent('docker-v2', (put) => {
      put('sys/fs/cgroup/memory.max', 'max\n');
      put('sys/fs/cgroup/cpu.max', 'max 100000\n');
    });
    const s = system.snapshot();
    expect(s.memory.value).toMatchObject({
      whose: 'host',
      source: '/proc/meminfo',
      totalBytes: 16_333_412 * 1024,
      limitBytes: null,
      usedByCgroupBytes: 644_245_094,
    });
    expect(s.cpu.value).toMatchObject({ limitCpus: null, cgroupUsedMs: 903_312.041 });
  });

  test('an LXC whose lxcfs is gone says so, and shows nothing of the machine as its own', async () => {
    const system = bent('lxc-lxcfs', (put, folder) => {
      const table = readFileSync(join(folder, 'proc/self/mountinfo'), 'utf8');
      put('proc/self/mountinfo', table.replace(/^.*fuse\.lxcfs.*\n/gm, ''));
    });
    expect(system.snapshot().memory.value).toMatchObject({
      whose: 'host',
      limitBytes: null,
      usedByCgroupBytes: 913_309_696,
    });
    expect(system.snapshot().cpu.value).toMatchObject({ whose: 'host', cgroupUsedMs: 33_120_411.204 });
    expect((await system.health()).blind.map((b) => b.what)).toContain("the container's own memory and limits");
  });

  test('lxcfs on cgroup v1 knows the time of the container, and with -l its load', () => {
    const system = bent('lxc-lxcfs', (put, folder) => {
      const table = readFileSync(join(folder, 'proc/self/mountinfo'), 'utf8').replace(
        /^(1507 .*) - cgroup2 .*$/m,
        '$1 - tmpfs tmpfs rw\n1508 1507 0:30 / /sys/fs/cgroup/pids rw - cgroup none rw,pids\n1509 1507 0:31 / /sys/fs/cgroup/cpuacct rw - cgroup none rw,cpu,cpuacct',
      );
      put('proc/self/mountinfo', table);
      put('sys/fs/cgroup/pids/pids.current', '62\n');
      put('proc/loadavg', '0.10 0.10 0.05 1/61 900\n');
    });
    const s = system.snapshot();
    expect(s.cpu.value).toMatchObject({ whose: 'container', source: '/proc/stat (lxcfs)' });
    expect(s.load.value).toMatchObject({ whose: 'container', one: 0.1 });
    expect(s.whose?.disks).toBe('container');
  });

  test('a host seen through its mounted views: its own name, mounts and network, and no commands', async () => {
    const system = bent('vm', (put) => {
      put('proc/sys/kernel/hostname', 'the-container\n');
      put('proc/1/net/dev', readFileSync('/dev/null', 'utf8'));
      put('proc/1/mountinfo', '28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n');
    });
    expect(system.identity().hostname).toBe('web1');
    expect((await system.filesystems()).map((f) => f.mount)).toEqual(['/']);
    expect(system.snapshot().networks.value?.map((n) => n.name)).toEqual(['lo', 'ens18']);
    expect((await system.health()).failedUnits).toMatchObject({
      value: null,
      why: expect.stringContaining('cannot be run'),
    });
  });
});
