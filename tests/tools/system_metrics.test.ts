import { describe, expect, it } from 'vitest';
import type { Snapshot } from '../../src/core/host.ts';
import { GROUPS, type MetricsAnswer, systemMetrics } from '../../src/tools/system_metrics.ts';
import { fakeHost, fakeSnapshot } from '../fakes/host.ts';
import { silent } from '../insight/facts.ts';
import { ask, context, numbers } from './context.ts';

const metrics = (args: unknown = {}, ctx = context()) => ask<MetricsAnswer>(systemMetrics, args, ctx);

describe('system_metrics', () => {
  it('gives the four usual groups, and no other, when none is named', async () => {
    const { data, text } = await metrics();
    expect(Object.keys(data)).toEqual([
      'at',
      'windowMs',
      'cpu',
      'cores',
      'memory',
      'disks',
      'networks',
      'whose',
      'unknown',
    ]);
    expect(data.cores).toMatchObject([
      { cpu: 0, usedPercent: 94, user: 89 },
      { cpu: 1, usedPercent: 2 },
    ]);
    expect(data.cpu).toMatchObject({
      contextSwitchesPerSecond: 1500,
      forksPerSecond: 12,
      modes: { user: 45, idle: 52 },
    });
    expect(data.disks).toMatchObject([{ name: 'vda', readsPerSecond: 64, writesPerSecond: 32, busyPercent: 12 }]);
    expect(data.networks?.map((n) => n.name)).toEqual(['lo', 'eth0']);
    expect(data.whose).toEqual({ disks: 'host', networks: 'host' });
    expect(text).toMatchInlineSnapshot(`
      "2026-11-20T12:00:01Z, over 1 s
      cpu 48% of 2 CPUs (host, /proc/stat): user 45 nice 0 system 3 idle 52 iowait 0 irq 0 softirq 0 steal 0; load 1.02 0.60 0.31 (host); 2 running, 0 blocked; 1500 switches/s, 12 forks/s
      core  used  user  system  iowait  steal
      cpu0   94%   89%    5.0%      0%     0%
      cpu1  2.0%  1.0%    1.0%      0%     0%
      memory (host, /proc/meminfo): total 4.0 GiB, available 2.5 GiB, free 1.0 GiB, buffers 100 MiB, cached 1.5 GiB, shmem 20.0 MiB, slab reclaimable 80.0 MiB, dirty 1.0 MiB, swap 1.0 GiB free of 1.0 GiB
      disks (host)
      disk       read    written  reads/s  writes/s  busy
      vda   4.0 MiB/s  1.0 MiB/s       64        32   12%
      networks (host)
      interface  state    Mbit/s         in        out  pkt in/s  pkt out/s  err/s  drop/s
      lo         unknown       -      0 B/s      0 B/s         0          0      0       0
      eth0       up         1000  3.0 MiB/s  195 KiB/s      2400        900      0       0"
    `);
  });

  it('gives every group by itself', async () => {
    for (const group of GROUPS) {
      const { data, text } = await metrics({ groups: [group] });
      expect(data[group], group).toBeDefined();
      expect(text, group).not.toMatch(/NaN|undefined|null/);
    }
  });

  it('gives pressure of the window beside the averages, and paging per second beside its totals', async () => {
    const { data } = await metrics({ groups: ['pressure', 'vmstat'], filter: 'pgpg' });
    expect(data.pressure?.cpu).toMatchObject({ whose: 'host', some10: 4.2, windowSomePercent: 4.2 });
    expect(data.vmstat).toEqual([
      { name: 'pgpgin', perSecond: 4096, total: 10_004_096 },
      { name: 'pgpgout', perSecond: 1024, total: 20_001_024 },
    ]);
  });

  it('filters devices, mounts and cores by part of their name', async () => {
    const { data } = await metrics({ groups: ['cpu', 'networks', 'filesystems'], filter: 'NAS' });
    expect(data.cores).toEqual([]);
    expect(data.networks).toEqual([]);
    expect(data.filesystems).toMatchObject([{ mount: '/srv/nas', device: 'nas:/export', inodes: null }]);
    expect((await metrics({ filter: 'cpu1' })).data.cores?.map((c) => c.cpu)).toEqual([1]);
  });

  it('measures a fresh window when asked to, whatever the sampler has', async () => {
    const began = performance.now();
    const { data } = await metrics({ sample_ms: 150 }, context({}, { host: fakeHost() }));
    expect(performance.now() - began).toBeGreaterThanOrEqual(145);
    expect(data).toMatchObject({ windowMs: 1000, cpu: { usedPercent: 48 } });
  });

  it('refuses groups it does not know and windows out of bounds', () => {
    for (const bad of [{ groups: ['gpu'] }, { groups: [] }, { sample_ms: 99 }, { sample_ms: 5001 }, { grups: ['cpu'] }])
      expect(systemMetrics.input.safeParse(bad).success, JSON.stringify(bad)).toBe(false);
  });

  it('answers on a host that tells nothing, with a reason for each group', async () => {
    const f = silent();
    const no = async () => {
      throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
    };
    const ctx = context(
      { identity: () => f.identity, snapshot: () => f.snapshot, filesystems: no },
      { recent: () => [] },
    );
    const { data, text } = await metrics({ groups: [...GROUPS] }, ctx);
    const whats = data.unknown.map((u) => u.what);
    for (const what of ['cpu', 'load', 'memory', 'disks', 'networks', 'filesystems', 'pressure.cpu', 'vmstat'])
      expect(whats).toContain(what);
    for (const what of ['temperatures', 'cgroup cpu', 'open files', 'entropy']) expect(whats).toContain(what);
    for (const [path] of numbers(data)) expect(path).toMatch(/^\.(windowMs|cpu\.cpus)$/);
    expect(text).not.toMatch(/NaN|undefined|null/);
  });

  it('lists devices without rates while there is one reading only, or when their counters fell', async () => {
    const fell: Snapshot = structuredClone(fakeSnapshot(1));
    if (fell.disks.value?.[0]) fell.disks.value[0].reads = 1;
    const { data } = await metrics({ groups: ['disks'] }, context({ snapshot: () => fell }));
    expect(data.disks).toMatchObject([{ name: 'vda', readBytesPerSecond: null, busyPercent: null }]);
    expect(data.unknown).toContainEqual({ what: 'rates of vda', why: 'its counters began anew in the window' });
  });
});
