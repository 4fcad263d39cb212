/** Control groups of both versions, times of disks and speed of processors, from files as the kernel writes them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { rootAt } from '../../src/host/system/files.ts';
import { loadReader } from '../../src/host/system/load.ts';
import type { Mount } from '../../src/host/system/mounts.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-load-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const put = (files: Record<string, string>) => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
};
const mount = (path: string, type: string, superOptions: string[] = []): Mount => ({
  id: 1,
  parent: 0,
  device: '0:1',
  root: '/',
  path,
  options: [],
  type,
  source: '',
  superOptions,
});
const reader = (mounts: Mount[]) => loadReader(rootAt(dir), { mounts: () => mounts, monotonic: () => 42 });

it('v2: one tree has all', async () => {
  const at = '/sys/fs/cgroup/system.slice/app.service';
  put({
    [`${at}/cpu.stat`]: 'usage_usec 2500000\nuser_usec 1\nnr_periods 30\nnr_throttled 20\nthrottled_usec 9\n',
    [`${at}/cpu.max`]: '50000 100000\n',
    [`${at}/memory.current`]: '1048576\n',
    [`${at}/memory.max`]: 'max\n',
    [`${at}/memory.stat`]: 'anon 5\ninactive_file 4096\n',
    [`${at}/memory.events`]: 'low 0\nhigh 0\nmax 7\noom 0\n',
  });
  const { groups, atMs } = await reader([mount('/sys/fs/cgroup', 'cgroup2')]).sample();
  expect(atMs).toBe(42);
  expect(groups.value?.map((g) => g.path)).toEqual(['/system.slice', '/system.slice/app.service']);
  expect(groups.value?.[1]).toEqual({
    path: '/system.slice/app.service',
    home: { kind: 'unit', name: 'app.service', service: null },
    cpuMs: 2_500,
    quotaCpus: 0.5,
    periods: 30,
    throttled: 20,
    memoryBytes: 1_048_576,
    idleCacheBytes: 4_096,
    memoryLimitBytes: null,
    memoryHits: 7,
  });
});

it('v1: each controller has its own', async () => {
  const id = 'ab'.repeat(32);
  put({
    [`/cg/cpu/docker/${id}/cpu.stat`]: 'nr_periods 10\nnr_throttled 5\nthrottled_time 1\n',
    [`/cg/cpu/docker/${id}/cpu.cfs_quota_us`]: '-1\n',
    [`/cg/cpu/docker/${id}/cpu.cfs_period_us`]: '100000\n',
    [`/cg/acct/docker/${id}/cpuacct.usage`]: '5000000\n',
    [`/cg/memory/docker/${id}/memory.usage_in_bytes`]: '99\n',
    [`/cg/memory/docker/${id}/memory.limit_in_bytes`]: '9223372036854771712\n',
    [`/cg/memory/docker/${id}/memory.failcnt`]: '3\n',
    '/cg/memory/only/memory.usage_in_bytes': '5\n',
  });
  const mounts = [
    mount('/cg/cpu', 'cgroup', ['rw', 'cpu']),
    mount('/cg/acct', 'cgroup', ['rw', 'cpuacct']),
    mount('/cg/memory', 'cgroup', ['rw', 'memory']),
  ];
  const { groups } = await reader(mounts).sample();
  expect(groups.value?.map((g) => g.path).sort()).toEqual(['/docker', `/docker/${id}`, '/only']);
  expect(groups.value?.find((g) => g.path === `/docker/${id}`)).toMatchObject({
    home: { kind: 'container', name: id.slice(0, 12) },
    cpuMs: 5,
    quotaCpus: null,
    periods: 10,
    memoryLimitBytes: null,
    memoryHits: 3,
  });
});

it('disks, speed and reclaim as far as they are told; nothing at all is told as that', async () => {
  const bare = await reader([]).sample();
  expect(bare.groups).toEqual({ value: null, why: 'No control groups are mounted.' });
  expect(bare.disks.value).toBeNull();
  expect(bare).toMatchObject({ speed: { nowKhz: null, throttles: null }, reclaim: {} });
  const cpu = (n: number, file: string) => `/sys/devices/system/cpu/cpu${n}/${file}`;
  put({
    '/proc/diskstats':
      '   8 0 sda 100 5 800 250 50 5 400 750 3 900 1000 0 0 0 0 4 5\n   8 1 sda1 1 1 1 1 1 1 1 1 1 1 1\n garbage\n',
    '/proc/vmstat':
      'nr_free_pages 5\nallocstall_normal 7\nallocstall_movable 3\npgscan_direct 11\nworkingset_refault_file 13\n',
    [cpu(0, 'cpufreq/scaling_cur_freq')]: '1000000\n',
    [cpu(1, 'cpufreq/scaling_cur_freq')]: '2000000\n',
    [cpu(0, 'cpufreq/cpuinfo_max_freq')]: '3000000\n',
    [cpu(0, 'cpufreq/scaling_governor')]: 'powersave\n',
    [cpu(0, 'thermal_throttle/core_throttle_count')]: '4\n',
  });
  const s = await reader([]).sample();
  expect(s.disks.value).toEqual([
    { name: 'sda', stacked: false, reads: 100, writes: 50, readMs: 250, writeMs: 750, inFlight: 3, busyMs: 900 },
  ]);
  expect(s.speed).toEqual({ nowKhz: 1_500_000, mostKhz: 3_000_000, governor: 'powersave', throttles: 4 });
  expect(s.reclaim).toEqual({ allocstall: 10, pgscan_direct: 11, workingset_refault_file: 13 });
});

it('tells where a process belongs, and nothing of one whose pid is another’s by now', async () => {
  put({
    '/proc/1/cgroup': '0::/init.scope\n',
    '/proc/77/cgroup': '0::/system.slice/app.service\n',
    '/proc/77/stat': `77 (app) S 1 1 1 0 -1 4194304 ${'1 '.repeat(12)}4242 0 0 0\n`,
  });
  const { homes } = reader([]);
  expect(
    await homes([
      { pid: 77, startTicks: 4242 },
      { pid: 78, startTicks: 1 },
    ]),
  ).toEqual(new Map([[77, { kind: 'unit', name: 'app.service', service: null }]]));
  expect((await homes([{ pid: 77, startTicks: 1 }])).size).toBe(0);
});
