import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CpuTimes, Identity, Snapshot } from '../../src/core/host.ts';
import { MODES, perSecond, ratesBetween } from '../../src/insight/rates.ts';
import { fakeIdentity, fakeSnapshot } from '../fakes/host.ts';

const container: Identity = {
  ...fakeIdentity,
  virtualisation: { kind: 'lxc', container: true, foundBy: '/run/systemd/container' },
};
type Cpu = NonNullable<Snapshot['cpu']['value']>;
const withCpu = (s: Snapshot, over: Partial<Cpu>): Snapshot => ({
  ...s,
  cpu: { value: { ...(s.cpu.value as Cpu), ...over } },
});

describe('rates between two snapshots', () => {
  it('gives what the fake host did in its second', () => {
    const r = ratesBetween(fakeSnapshot(0), fakeSnapshot(1), fakeIdentity);
    expect(r.windowMs).toBe(1000);
    expect(r.cpu.value).toMatchObject({ whose: 'host', source: '/proc/stat', usedPercent: 48, cpus: 2 });
    expect(r.cpu.value?.modes).toMatchObject({ user: 45, system: 3, idle: 52, steal: 0 });
    expect(r.cpu.value?.perCore.map((c) => c.usedPercent)).toEqual([94, 2]);
    expect(r.disks.value?.[0]).toMatchObject({ name: 'vda', readBytesPerSecond: 4 * 2 ** 20, busyPercent: 12 });
    expect(r.networks.value?.[1]).toMatchObject({ name: 'eth0', rxBytesPerSecond: 3 * 2 ** 20, errorsPerSecond: 0 });
    expect(r.vmstat.value).toMatchObject({ pgpgin: 4096, pgmajfault: 0 });
    expect(r.pressure.cpu.somePercent).toBeCloseTo(4.2);
  });

  it('has no rates, and says why, from one snapshot or from one moment twice', () => {
    for (const before of [null, fakeSnapshot(1)]) {
      const r = ratesBetween(before, fakeSnapshot(1), fakeIdentity);
      expect(r.windowMs).toBe(0);
      expect(r.cpu).toEqual({ value: null, why: 'one reading only: a rate needs two' });
      expect(r.disks.value).toBeNull();
    }
  });

  it('passes on the reason of an unreadable reading', () => {
    const after: Snapshot = { ...fakeSnapshot(1), disks: { value: null, why: 'EACCES' } };
    expect(ratesBetween(fakeSnapshot(0), after, fakeIdentity).disks).toEqual({ value: null, why: 'EACCES' });
  });

  it('takes CPU of a container from its cgroup, whatever /proc/stat says of the machine', () => {
    const before = withCpu(fakeSnapshot(0), { cgroupUsedMs: 5_000 });
    const after = withCpu(fakeSnapshot(1), { cgroupUsedMs: 5_400 });
    const cpu = ratesBetween(before, after, container).cpu.value;
    expect(cpu).toMatchObject({ whose: 'container', cpus: 2, modesWhose: 'host' });
    expect(cpu?.usedPercent).toBeCloseTo(20);
    // The same counters on a machine are those of our own service only.
    expect(ratesBetween(before, after, fakeIdentity).cpu.value).toMatchObject({ whose: 'host', usedPercent: 48 });
  });

  it('measures a container against its limit where that is less than its processors', () => {
    const limit = { limitCpus: 0.5 };
    const before = withCpu(fakeSnapshot(0), { ...limit, cgroupUsedMs: 0, throttledMs: 100 });
    const after = withCpu(fakeSnapshot(1), { ...limit, cgroupUsedMs: 400, throttledMs: 350 });
    const cpu = ratesBetween(before, after, container).cpu.value;
    expect(cpu).toMatchObject({ cpus: 0.5, usedPercent: 80, throttledPercent: 25, limitCpus: 0.5 });
  });

  it('takes being held back as a share of periods, since the time adds up over processors', () => {
    const at = (all: number, throttled: number, throttledMs: number) => ({
      limitCpus: 2,
      cgroupUsedMs: 0,
      throttledMs,
      periods: { all, throttled },
    });
    const share = (x: ReturnType<typeof at>, y: ReturnType<typeof at>) =>
      ratesBetween(withCpu(fakeSnapshot(0), x), withCpu(fakeSnapshot(1), y), container).cpu.value?.throttledPercent;
    // Four processors that stood still for a quarter of a second each: not the whole second.
    expect(share(at(100, 10, 0), at(110, 12, 1000))).toBe(20);
    expect(share(at(100, 10, 0), at(100, 10, 0)), 'nothing ran').toBe(0);
    expect(share(at(100, 10, 0), at(5, 1, 0)), 'counted anew').toBeNull();
  });

  it('keeps the cgroup figure when the modes cannot be told', () => {
    const total: CpuTimes = { ...(fakeSnapshot(0).cpu.value as Cpu).total, user: 0 };
    const cpu = ratesBetween(
      withCpu(fakeSnapshot(0), { cgroupUsedMs: 0 }),
      withCpu(fakeSnapshot(1), { cgroupUsedMs: 1_000, total }),
      container,
    ).cpu.value;
    expect(cpu).toMatchObject({ usedPercent: 50, modes: null });
  });

  it('takes a step back of idle or iowait for nothing, of any other mode for other counters', () => {
    const base = fakeSnapshot(0).cpu.value as Cpu;
    const times = (over: Partial<CpuTimes>) => withCpu(fakeSnapshot(1), { total: { ...base.total, ...over } });
    const back = ratesBetween(
      fakeSnapshot(0),
      times({ iowait: base.total.iowait - 40, user: base.total.user + 100 }),
      fakeIdentity,
    );
    expect(back.cpu.value).toMatchObject({ usedPercent: 100, modes: { iowait: 0, user: 100 } });
    const other = ratesBetween(fakeSnapshot(0), times({ user: base.total.user - 10 }), fakeIdentity);
    expect(other.cpu.value).toBeNull();
    expect(other.cpu.why).toMatch(/backwards/);
  });

  it('gives null rates for a disk that came back under its old name, and for one that is new', () => {
    const before = fakeSnapshot(0);
    const disk = before.disks.value?.[0];
    if (!disk) throw new Error('the fake has a disk');
    const fell = { ...disk, readBytes: 10, reads: disk.reads + 5 };
    const after: Snapshot = { ...fakeSnapshot(1), disks: { value: [fell, { ...disk, name: 'sdx' }] } };
    for (const d of ratesBetween(before, after, fakeIdentity).disks.value ?? [])
      expect({ ...d, name: '' }).toEqual({
        name: '',
        readBytesPerSecond: null,
        writtenBytesPerSecond: null,
        readsPerSecond: null,
        writesPerSecond: null,
        busyPercent: null,
      });
  });

  it('loses only the busy time when the 32-bit counter of it wraps', () => {
    const before = fakeSnapshot(0);
    const after = fakeSnapshot(1);
    if (before.disks.value?.[0]) before.disks.value[0].busyMs = 2 ** 32 - 1;
    const [d] = ratesBetween(before, after, fakeIdentity).disks.value ?? [];
    expect(d).toMatchObject({ busyPercent: null, writtenBytesPerSecond: 2 ** 20 });
  });

  const counter = fc.oneof(fc.nat(), fc.double({ min: 0, max: 2 ** 63, noNaN: true }), fc.constant(Number.NaN));
  const times = fc.record(Object.fromEntries(MODES.map((m) => [m, counter]))) as fc.Arbitrary<CpuTimes>;
  const disks = fc.array(
    fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      readBytes: counter,
      writtenBytes: counter,
      reads: counter,
      writes: counter,
      busyMs: counter,
    }),
    { maxLength: 4 },
  );
  const snapshot = fc
    .record({
      atMs: fc.oneof(fc.nat(100_000), fc.double({ min: 0, max: 1e9, noNaN: true })),
      total: times,
      perCore: fc.array(fc.record({ cpu: fc.nat(3), times }), { maxLength: 4 }),
      cgroupUsedMs: fc.option(counter),
      throttledMs: fc.option(counter),
      limitCpus: fc.option(fc.constantFrom(0, 0.5, 4)),
      disks,
      vmstat: fc.dictionary(fc.constantFrom('pswpin', 'pswpout'), counter),
    })
    .map(({ atMs, disks, vmstat, ...cpu }): Snapshot => {
      const s = withCpu(fakeSnapshot(0), { ...cpu, contextSwitches: cpu.total.user, forks: null });
      return { ...s, atMs, disks: { value: disks }, vmstat: { value: vmstat } };
    });

  it('never gives a negative rate, a share above 100 or NaN, whatever the counters do', () => {
    fc.assert(
      fc.property(snapshot, snapshot, fc.constantFrom(fakeIdentity, container), (before, after, identity) => {
        const r = ratesBetween(before, after, identity);
        walk(r, (path, n) => {
          if (/limitCpus|perCore\.\d+\.cpu$|speedMbit/.test(path)) return;
          expect(Number.isFinite(n), path).toBe(true);
          expect(n, path).toBeGreaterThanOrEqual(0);
          if (/percent/i.test(path) || /modes/.test(path)) expect(n, path).toBeLessThanOrEqual(100);
        });
      }),
    );
  });

  it('perSecond is null or a finite number from 0 on', () => {
    const any = fc.option(fc.double());
    fc.assert(
      fc.property(any, any, fc.double(), (a, b, ms) => {
        const rate = perSecond(a, b, ms);
        expect(rate === null || (Number.isFinite(rate) && rate >= 0)).toBe(true);
      }),
    );
  });
});

function walk(value: unknown, see: (path: string, n: number) => void, path = ''): void {
  if (typeof value === 'number') see(path, value);
  else if (value && typeof value === 'object') for (const [k, v] of Object.entries(value)) walk(v, see, `${path}.${k}`);
}
