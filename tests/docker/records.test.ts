/** What engines say, as records: counters of both cgroup versions, Podman's ways, and whatever nobody expects. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { detailOf, runOf, sampleOf, summaryOf } from '../../src/host/docker/container_records.ts';
import { usageOf } from '../../src/host/docker/usage.ts';

const AT = '2026-11-20T12:00:00.5Z';
const stats = (memory: object, over: object = {}) => ({
  read: AT,
  cpu_stats: {
    cpu_usage: { total_usage: 5_000, percpu_usage: [1, 2] },
    system_cpu_usage: 9_000,
    online_cpus: 4,
    throttling_data: { periods: 3, throttled_periods: 1, throttled_time: 77 },
  },
  memory_stats: memory,
  pids_stats: { current: 7, limit: 2 ** 64 },
  networks: { eth0: { rx_bytes: 1, tx_bytes: 2 }, eth1: { rx_bytes: 10, rx_dropped: 3 } },
  blkio_stats: {
    io_service_bytes_recursive: [
      { op: 'Read', value: 4 },
      { op: 'read', value: 1 },
      { op: 'Write', value: 9 },
      { op: 'Total', value: 99 },
    ],
  },
  ...over,
});

describe('a sample', () => {
  test('of cgroup v1 and of v2: the page cache under its own name', () => {
    const v1 = sampleOf(
      'x',
      stats({ usage: 100, limit: 1_000, stats: { total_inactive_file: 30, inactive_file: 1, cache: 40 } }),
      'docker',
    );
    expect(v1).toEqual({
      id: 'x',
      atMs: Date.UTC(2026, 10, 20, 12, 0, 0, 500),
      cpu: { totalNs: 5_000, systemNs: 9_000, onlineCpus: 4, throttledNs: 77, periods: 3, throttledPeriods: 1 },
      memory: { usageBytes: 100, inactiveFileBytes: 30, limitBytes: 1_000, cgroup: 1 },
      pids: { current: 7, limit: null },
      network: { rxBytes: 11, txBytes: 2, rxErrors: 0, txErrors: 0, rxDropped: 3, txDropped: 0 },
      block: { readBytes: 5, writtenBytes: 9 },
    });
    const v2 = sampleOf('x', stats({ usage: 100, limit: 2 ** 63, stats: { inactive_file: 20, anon: 5 } }), 'docker');
    expect(v2?.memory).toEqual({ usageBytes: 100, inactiveFileBytes: 20, limitBytes: null, cgroup: 2 });
  });

  test('unknown is null: the host’s network, no counters, Podman’s throttling and machine time', () => {
    const bare = sampleOf(
      'x',
      stats({}, { networks: undefined, blkio_stats: { io_service_bytes_recursive: null }, pids_stats: {} }),
      'docker',
    );
    expect(bare).toMatchObject({ network: null, block: null, pids: { current: null, limit: null } });
    expect(bare?.memory).toEqual({ usageBytes: null, inactiveFileBytes: null, limitBytes: null, cgroup: null });
    expect(sampleOf('x', stats({}), 'podman')?.cpu).toMatchObject({ systemNs: null, throttledNs: null, periods: null });
    const old = sampleOf(
      'x',
      stats({}, { cpu_stats: { cpu_usage: { total_usage: 1, percpu_usage: [1, 2, 3] } } }),
      'docker',
    );
    expect(old?.cpu.onlineCpus).toBe(3);
  });

  test('of what does not run there is none', () => {
    expect(sampleOf('x', stats({}, { read: '0001-01-01T00:00:00Z' }), 'docker')).toBeNull();
    expect(sampleOf('x', {}, 'docker')).toBeNull();
  });
});

test('health and state, in the words of both engines', () => {
  const of = (Status: string, State = 'running') => summaryOf({ Status, State });
  expect(of('Up 3 hours (healthy)').health).toBe('healthy');
  expect(of('Up 3 seconds (health: starting)').health).toBe('starting');
  expect(of('Up 1 minute (unhealthy)').health).toBe('unhealthy');
  expect(of('Up 1 minute (Paused)', 'paused')).toMatchObject({ health: null, state: 'paused' });
  expect(of('', 'configured').state).toBe('created');
  expect(of('', 'stopped').state).toBe('exited');
});

test('an end: never, by code, between two starts', () => {
  const state = (s: object) => runOf({ State: s });
  expect(state({ StartedAt: AT, FinishedAt: '0001-01-01T00:00:00Z', ExitCode: 0, Running: true })).toMatchObject({
    exitCode: null,
    finishedAtMs: null,
  });
  expect(state({ StartedAt: AT, FinishedAt: AT, ExitCode: 137, OOMKilled: true })).toMatchObject({
    exitCode: 137,
    oomKilled: true,
  });
  expect(state({ StartedAt: AT, FinishedAt: AT, ExitCode: 0, Running: true })).toMatchObject({ exitCode: null });
  expect(state({ StartedAt: AT, FinishedAt: AT, ExitCode: 1, Running: true, Restarting: true })).toMatchObject({
    exitCode: 1,
  });
});

test('room and what pruning frees, as docker system df counts', () => {
  const usage = usageOf(
    {
      LayersSize: 1_000,
      Images: [
        { Size: 600, SharedSize: 100, Containers: 1 },
        { Size: 500, SharedSize: 100, Containers: 0 },
      ],
      Containers: [{ SizeRw: 10, State: 'running' }, { SizeRw: 20, State: 'exited' }, { State: 'created' }],
      Volumes: [
        { Name: 'v', UsageData: { Size: 7, RefCount: 1 } },
        { Name: 'a'.repeat(64), UsageData: { Size: 8, RefCount: 0 } },
        { Name: 'w', UsageData: { Size: -1, RefCount: -1 } },
      ],
      BuildCache: [
        { Size: 5, InUse: false },
        { Size: 6, InUse: true },
        { Size: 9, Shared: true },
      ],
    },
    [{ Id: 'n', Name: 'net', Driver: 'bridge', IPAM: { Config: [{ Subnet: '10.0.0.0/24' }] } }],
    [{ Names: ['/web'], NetworkSettings: { Networks: { net: {} } }, Mounts: [{ Type: 'volume', Name: 'v' }] }],
  );
  expect(usage).toMatchObject({
    imagesBytes: 1_000,
    containersBytes: 30,
    volumesBytes: 15,
    buildCacheBytes: 11,
    reclaimable: { imagesBytes: 500, containersBytes: 20, volumesBytes: 8, buildCacheBytes: 5 },
  });
  expect(usage.networks[0]).toMatchObject({ subnets: ['10.0.0.0/24'], containers: ['web'] });
  expect(usage.volumes.map((v) => [v.sizeBytes, v.usedBy, v.anonymous])).toEqual([
    [7, ['web'], false],
    [8, [], true],
    [null, [], false],
  ]);
});

test('whatever an engine says, nothing crashes', () => {
  const keys = [
    'Id',
    'State',
    'Config',
    'HostConfig',
    'NetworkSettings',
    'Networks',
    'Ports',
    'Mounts',
    'Health',
    'Log',
    'Env',
    'Labels',
  ];
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: 'small' },
      fc.constant(null),
      fc.integer(),
      fc.double(),
      fc.string(),
      tie('list'),
      tie('map'),
    ),
    list: fc.array(tie('any'), { maxLength: 3 }),
    map: fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string()), tie('any'), { maxKeys: 6 }),
  })).map;
  fc.assert(
    fc.property(value, (said) => {
      const it = said as Record<string, unknown>;
      for (const run of [
        () => summaryOf(it),
        () => detailOf(it, ''),
        () => runOf(it),
        () => sampleOf('x', { read: AT, ...it }, 'podman'),
        () => usageOf(it, [it], [it]),
      ])
        expect(run).not.toThrow();
    }),
  );
});
