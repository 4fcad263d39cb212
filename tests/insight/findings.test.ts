import { describe, expect, it } from 'vitest';
import type { ContainerSummary } from '../../src/core/docker.ts';
import type { Facts } from '../../src/insight/facts.ts';
import { SEVERITIES } from '../../src/insight/facts.ts';
import { findingsDoc, findingsOf, RULES } from '../../src/insight/findings.ts';
import { NET_RULES } from '../../src/insight/rules_net.ts';
import { catalog } from '../../src/tools/index.ts';
import { fakeContainer } from '../fakes/docker_parts.ts';
import { crowd, GiB, healthy, MiB, silent, with_ } from './facts.ts';

type Spoil = (f: Facts) => void;
/** For each finding: facts just short of it, just at it, and far beyond. */
type Case = { below: Spoil[]; at: Spoil; above: Spoil };

const net =
  (over: object): Spoil =>
  (f) => {
    const eth0 = f.rates.networks.value?.[1];
    if (eth0) Object.assign(eth0, over);
  };
const disk =
  (busyPercent: number, windowMs = 1000): Spoil =>
  (f) => {
    const vda = f.rates.disks.value?.[0];
    if (vda) vda.busyPercent = busyPercent;
    f.rates.windowMs = windowMs;
  };
const cpu =
  (over: object, windowMs = 1000): Spoil =>
  (f) => {
    if (f.rates.cpu.value) Object.assign(f.rates.cpu.value, over);
    f.rates.windowMs = windowMs;
  };
const mode =
  (name: 'iowait' | 'steal', n: number, windowMs = 1000): Spoil =>
  (f) => {
    if (f.rates.cpu.value?.modes) f.rates.cpu.value.modes[name] = n;
    f.rates.windowMs = windowMs;
  };
const load =
  (five: number, over: object = {}): Spoil =>
  (f) => {
    f.snapshot.load = { value: { whose: 'host', one: 1, five, fifteen: 1, runnable: 1, tasks: 200, ...over } };
  };
const inContainer =
  (spoil: Spoil): Spoil =>
  (f) => {
    f.identity.virtualisation = { kind: 'docker', container: true, foundBy: '/.dockerenv' };
    spoil(f);
  };
const heat =
  (celsius: number, criticalCelsius: number | null): Spoil =>
  (f) => {
    f.snapshot.temperatures = { value: [{ sensor: 'coretemp', celsius, criticalCelsius }] };
  };
const used = (percent: number, whole: number) =>
  with_.size({ totalBytes: whole, usedBytes: (percent / 100) * whole, availableBytes: (1 - percent / 100) * whole });
const inodes = (n: number) => with_.size({ inodes: 1000, inodesUsed: n });
const raid = (degraded: boolean) =>
  with_.health({ raid: { value: [{ array: 'md0', level: 'raid1', degraded, state: '[U_]' }] } });
const zfs = (state: string) => with_.health({ zfs: { value: [{ pool: 'tank', state }] } });
const updates = (pending: number, security: number | null, listAgeMs = 0) =>
  with_.health({ updates: { value: { pending, security, listAgeMs } } });
const clock = (offsetMs: number) =>
  with_.health({ clock: { value: { synchronised: true, source: 'chrony', offsetMs } } });
const swapped =
  (pswpin: number): Spoil =>
  (f) => {
    if (f.rates.vmstat.value) f.rates.vmstat.value.pswpin = pswpin;
  };
const limited = (availableBytes: number | null, usedByCgroupBytes: number) =>
  with_.memory({
    limitBytes: 1000 * MiB,
    totalBytes: 1000 * MiB,
    availableBytes,
    usedByCgroupBytes,
    whose: 'container',
  });
const uptime =
  (ms: number): Spoil =>
  (f) => {
    f.identity.uptimeMs = { value: ms };
  };
const files =
  (n: number): Spoil =>
  (f) => {
    f.snapshot.fileHandles = { value: { used: n, max: 100 } };
  };
const entropy =
  (bits: number, kernel: string): Spoil =>
  (f) => {
    f.snapshot.entropyBits = { value: bits };
    f.identity.kernel = { value: kernel };
  };
const eats =
  (share: number, availableShare: number): Spoil =>
  (f) => {
    with_.memory({ availableBytes: availableShare * 4 * GiB })(f);
    with_.processes(crowd(1, { rssBytes: share * 4 * GiB }))(f);
  };
const speed =
  (speedMbit: number | null, state = 'up', name = 'eth0'): Spoil =>
  (f) => {
    const eth0 = f.snapshot.networks.value?.[1];
    if (eth0) Object.assign(eth0, { speedMbit, state, name });
  };
const voltage = (low: boolean) => with_.health({ voltage: { low, source: 'rpi_volt' } });
const stackedDisk: Spoil = (f) => {
  disk(100)(f);
  const vda = f.snapshot.disks.value?.[0];
  if (vda) vda.stacked = true;
};
const zfsCached = (reclaimableBytes: number) =>
  with_.memory({ availableBytes: 0.04 * 4 * GiB, zfsCache: { bytes: reclaimableBytes + MiB, reclaimableBytes } });
const containers =
  (...all: Partial<ContainerSummary>[]): Spoil =>
  (f) => {
    f.containers = { value: all.map((over, i) => fakeContainer(`c${i}`, over)) };
  };
const days = (n: number) => n * 86_400_000;

const CASES: Record<string, Case> = {
  filesystem_hung: {
    below: [with_.filesystem({ size: { value: null, why: 'EACCES: permission denied' } })],
    at: with_.filesystem({ size: { value: null, why: 'does not answer within 500 ms' } }),
    above: with_.filesystem({ mount: '/mnt/x y', size: { value: null, why: 'does not answer' } }),
  },
  filesystem_broken: {
    below: [
      with_.filesystem({ size: { value: null, why: 'this user may not ask it' } }),
      with_.filesystem({ size: { value: null, why: 'does not answer' } }),
    ],
    at: with_.filesystem({ size: { value: null, why: 'asking for its size fails (EIO)' } }),
    above: with_.filesystem({ size: { value: null, why: 'its daemon has died (ENOTCONN): unmount it' } }),
  },
  filesystem_read_only: {
    below: [with_.filesystem({ readOnly: true })],
    at: with_.filesystem({ readOnly: true, remountedReadOnly: true }),
    above: with_.filesystem({ readOnly: true, remountedReadOnly: true, size: { value: null, why: 'EIO' } }),
  },
  disk_full: {
    // Nearly full, but half a terabyte is free; a disc is always full.
    below: [used(94.9, 100 * GiB), used(95, 10_000 * GiB), with_.filesystem({ readOnly: true, type: 'iso9660' })],
    at: used(95, 100 * GiB),
    above: used(100, 100 * MiB),
  },
  disk_filling: {
    below: [used(84.9, 100 * GiB), used(90, 1000 * GiB), used(99, 100 * GiB)],
    at: used(85, 100 * GiB),
    above: used(94.9, 100 * GiB),
  },
  inodes_full: { below: [inodes(949)], at: inodes(950), above: inodes(1000) },
  inodes_filling: { below: [inodes(849), inodes(950)], at: inodes(850), above: inodes(949) },
  raid_degraded: { below: [raid(false)], at: raid(true), above: raid(true) },
  zfs_not_online: { below: [zfs('ONLINE')], at: zfs('DEGRADED'), above: zfs('FAULTED') },
  disk_busy: { below: [disk(94.9), disk(100, 999), stackedDisk], at: disk(95), above: disk(100, 5000) },
  io_pressure: {
    below: [with_.pressure('io', 'full', 19.9), with_.pressure('io', 'some', 90)],
    at: with_.pressure('io', 'full', 20),
    above: with_.pressure('io', 'full', 99),
  },
  iowait_high: {
    below: [mode('iowait', 24.9), mode('iowait', 90, 100)],
    at: mode('iowait', 25),
    above: mode('iowait', 99),
  },
  writeback_backlog: {
    below: [
      with_.memory({ totalBytes: 8 * GiB, dirtyBytes: 1.19 * GiB }),
      with_.memory({ totalBytes: 4 * GiB, dirtyBytes: 0.99 * GiB }),
    ],
    at: with_.memory({ totalBytes: 8 * GiB, dirtyBytes: 1.2 * GiB }),
    above: with_.memory({ totalBytes: 8 * GiB, dirtyBytes: 4 * GiB }),
  },
  memory_low: {
    below: [
      with_.memory({ availableBytes: 0.05 * 4 * GiB }),
      with_.memory({ totalBytes: 512 * GiB, availableBytes: 20 * GiB }),
      zfsCached(0.02 * 4 * GiB),
      with_.memory({ availableBytes: null }),
    ],
    at: with_.memory({ availableBytes: 0.0499 * 4 * GiB }),
    above: with_.memory({ availableBytes: 0 }),
  },
  memory_tight: {
    below: [
      with_.memory({ availableBytes: 0.1 * 4 * GiB }),
      with_.memory({ availableBytes: 0.04 * 4 * GiB }),
      zfsCached(0.07 * 4 * GiB),
    ],
    at: with_.memory({ availableBytes: 0.0999 * 4 * GiB }),
    above: with_.memory({ availableBytes: 0.05 * 4 * GiB }),
  },
  container_memory_limit: {
    // The cgroup's count is full of page cache; what counts is what cannot be taken back.
    below: [limited(101 * MiB, 1000 * MiB), limited(null, 899 * MiB)],
    at: limited(100 * MiB, 0),
    above: limited(null, 1000 * MiB),
  },
  oom_kills: {
    below: [with_.health({ oomKills: { value: { sinceBoot: 0, whose: 'host' } } })],
    at: with_.health({ oomKills: { value: { sinceBoot: 1, whose: 'host' } } }),
    above: with_.health({ oomKills: { value: { sinceBoot: 90, whose: 'container' } } }),
  },
  swap_storm: { below: [swapped(249)], at: swapped(250), above: swapped(90_000) },
  swap_full: {
    below: [
      with_.memory({ swap: { totalBytes: 100 * MiB, freeBytes: 5.1 * MiB } }),
      with_.memory({ swap: { totalBytes: 63 * MiB, freeBytes: 0 } }),
      with_.memory({ swap: null }),
    ],
    at: with_.memory({ swap: { totalBytes: 100 * MiB, freeBytes: 5 * MiB } }),
    above: with_.memory({ swap: { totalBytes: 100 * MiB, freeBytes: 0 } }),
  },
  memory_pressure: {
    below: [with_.pressure('memory', 'some', 9.9)],
    at: with_.pressure('memory', 'some', 10),
    above: with_.pressure('memory', 'some', 90),
  },
  process_eats_memory: { below: [eats(0.49, 0.1), eats(0.8, 0.2)], at: eats(0.5, 0.19), above: eats(0.9, 0.15) },
  cpu_saturated: {
    below: [cpu({ usedPercent: 94.9 }), cpu({ usedPercent: 100 }, 999), cpu({ usedPercent: null })],
    at: cpu({ usedPercent: 95 }),
    above: cpu({ usedPercent: 100 }, 5000),
  },
  load_high: {
    below: [load(7.9), inContainer(load(90))],
    at: load(8),
    above: inContainer(load(90, { whose: 'container' })),
  },
  cpu_pressure: {
    below: [with_.pressure('cpu', 'some', 49.9)],
    at: with_.pressure('cpu', 'some', 50),
    above: with_.pressure('cpu', 'some', 99),
  },
  cpu_throttled: {
    below: [cpu({ throttledPercent: 9.9 }), cpu({ throttledPercent: 90 }, 100), cpu({ throttledPercent: null })],
    at: cpu({ throttledPercent: 10, limitCpus: 0.5 }),
    above: cpu({ throttledPercent: 90, limitCpus: 2 }),
  },
  steal_high: { below: [mode('steal', 9.9), mode('steal', 90, 100)], at: mode('steal', 10), above: mode('steal', 60) },
  process_churn: {
    below: [cpu({ forksPerSecond: 499 }), cpu({ forksPerSecond: 9000 }, 100)],
    at: cpu({ forksPerSecond: 500 }),
    above: cpu({ forksPerSecond: 9000 }),
  },
  temperature_high: {
    // A mark of 0 or 65,261 °C is a driver's default, a reading of 200 °C a broken sensor.
    below: [heat(94.9, 100), heat(94, null), heat(40, 0), heat(90, 65_261.8), heat(200, null)],
    at: heat(95, 100),
    above: heat(99, 65_261.8),
  },
  network_errors: {
    below: [
      net({ errorsPerSecond: 0.9 }),
      net({ errorsPerSecond: 1, rxPacketsPerSecond: 2000, txPacketsPerSecond: 0 }),
      (f) => [net({ errorsPerSecond: 50 }), with_.windowMs(100)].forEach((s) => void s(f)),
    ],
    at: net({ errorsPerSecond: 1, rxPacketsPerSecond: 600, txPacketsPerSecond: 400 }),
    above: net({ errorsPerSecond: 900 }),
  },
  network_drops: {
    below: [
      net({ droppedPerSecond: 9 }),
      net({ droppedPerSecond: 10, rxPacketsPerSecond: 1100, txPacketsPerSecond: 0 }),
    ],
    at: net({ droppedPerSecond: 10, rxPacketsPerSecond: 600, txPacketsPerSecond: 400 }),
    above: net({ droppedPerSecond: 9000 }),
  },
  interface_saturated: {
    below: [net({ rxBytesPerSecond: 112e6 }), net({ rxBytesPerSecond: 1e9, speedMbit: null })],
    at: net({ rxBytesPerSecond: 112.5e6 }),
    above: net({ txBytesPerSecond: 125e6 }),
  },
  interface_slow: {
    below: [speed(1000), speed(null), speed(-1), speed(10, 'down'), speed(10, 'up', 'tun0')],
    at: speed(100),
    above: speed(10),
  },
  containers_restarting: {
    below: [containers({}), containers({ state: 'exited' })],
    at: containers({ state: 'restarting' }),
    above: containers(...Array.from({ length: 9 }, () => ({ state: 'restarting' as const }))),
  },
  containers_unhealthy: {
    below: [
      containers({ health: 'starting' }, { health: 'healthy' }),
      containers({ state: 'exited', health: 'unhealthy' }),
    ],
    at: containers({ health: 'unhealthy' }),
    above: containers({ health: 'unhealthy', name: 'a b; rm -rf /' }),
  },
  containers_dead: {
    below: [containers({ state: 'removing' })],
    at: containers({ state: 'dead' }),
    above: containers({ state: 'dead' }, { state: 'dead' }),
  },
  units_failed: {
    below: [with_.health({ failedUnits: { value: [] } })],
    at: with_.health({ failedUnits: { value: ['nginx.service'] } }),
    above: with_.health({ failedUnits: { value: ['a.service', 'b.service', 'c.service', 'd.mount'] } }),
  },
  security_updates: { below: [updates(3, 0), updates(3, null)], at: updates(3, 1), above: updates(90, 90) },
  updates_pending: { below: [updates(0, 0), updates(3, 1)], at: updates(1, 0), above: updates(90, null) },
  update_list_old: {
    below: [updates(0, 0, days(14) - 1)],
    at: updates(0, 0, days(14)),
    above: updates(0, 0, days(400)),
  },
  reboot_required: {
    below: [with_.health({ rebootRequired: { value: { required: false, why: null } } })],
    at: with_.health({ rebootRequired: { value: { required: true, why: 'linux-image-6.12' } } }),
    above: with_.health({ rebootRequired: { value: { required: true, why: null } } }),
  },
  clock_unsynchronised: {
    below: [clock(0)],
    at: with_.health({ clock: { value: { synchronised: false, source: null, offsetMs: null } } }),
    above: with_.health({ clock: { value: { synchronised: false, source: 'chrony', offsetMs: 3 } } }),
  },
  clock_off: {
    below: [clock(999), clock(-999)],
    at: clock(-1000),
    above: (f) => {
      f.nowMs = Date.UTC(1970, 0, 2);
    },
  },
  voltage_low: {
    below: [voltage(false)],
    at: voltage(true),
    above: voltage(true),
  },
  just_booted: { below: [uptime(600_000)], at: uptime(599_999), above: uptime(0) },
  zombies: {
    below: [with_.processes(crowd(19, { state: 'Z' })), with_.processes(crowd(90, { state: 'S' }))],
    at: with_.processes(crowd(20, { state: 'Z', ppid: 2001 })),
    above: with_.processes(crowd(900, { state: 'Z', ppid: 4 })),
  },
  stuck_processes: {
    below: [with_.processes(crowd(4, { state: 'D' })), with_.processes(crowd(50, { state: 'D', kernel: true }))],
    at: with_.processes(crowd(5, { state: 'D' })),
    above: with_.processes(crowd(50, { state: 'D' })),
  },
  threads_many: {
    below: [with_.processes(crowd(1, { threads: 27_999 })), inContainer(load(1, { tasks: 90_000 }))],
    at: with_.processes(crowd(2, { threads: 14_000 })),
    above: load(1, { tasks: 90_000 }),
  },
  descriptors_low: { below: [files(79)], at: files(80), above: files(100) },
  entropy_low: {
    below: [entropy(128, '4.19.0-27-amd64'), entropy(5, '5.18.0'), entropy(5, '6.12.48'), entropy(5, 'odd')],
    at: entropy(127, '5.17.9'),
    above: entropy(3, '4.4.0'),
  },
};

const found = (spoil: Spoil, id: string) => {
  const facts = healthy();
  spoil(facts);
  return findingsOf(facts).find((f) => f.id === id);
};

describe('the table of findings', () => {
  it('has at least 25 rows, each with a case here, an own id, and words that fit a line', () => {
    expect(RULES.length).toBeGreaterThanOrEqual(25);
    expect(Object.keys(CASES).toSorted()).toEqual(RULES.map((r) => r.id).toSorted());
    for (const r of RULES) {
      expect(r.id).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(SEVERITIES).toContain(r.severity);
      expect(r.sentence.length, r.id).toBeLessThanOrEqual(120);
      expect(r.sentence, r.id).toMatch(/\.$/);
    }
  });

  it('names next steps that exist: our tools with arguments that pass, or commands', () => {
    for (const r of RULES) {
      const call = r.next.match(/^([a-z]+_[a-z]+) (\{.*\})$/);
      if (!call) {
        expect(r.next, r.id).toMatch(/^[a-z]/);
        continue;
      }
      const tool = catalog.tools.find((t) => t.name === call[1]);
      expect(tool, r.next).toBeDefined();
      expect(tool?.input.safeParse(JSON.parse((call[2] ?? '').replace(/\{[A-Z]+\}/g, 'x'))).success, r.next).toBe(true);
    }
  });

  it('finds nothing on a healthy host', () => {
    expect(findingsOf(healthy())).toEqual([]);
  });

  it('finds nothing, and does not fail, where nothing can be read', () => {
    expect(findingsOf(silent())).toEqual([]);
  });

  for (const [id, { below, at, above }] of Object.entries(CASES))
    it(`${id}: not below its threshold, at it, above it`, () => {
      below.forEach((spoil, n) => void expect(found(spoil, id), `below ${n}`).toBeUndefined());
      for (const spoil of [at, above]) {
        const f = found(spoil, id);
        expect(f).toMatchObject({ id, severity: RULES.find((r) => r.id === id)?.severity });
        expect(f?.evidence.length).toBeGreaterThan(0);
        expect(`${f?.evidence} ${f?.next}`).not.toMatch(/NaN|undefined|null|\{[A-Z]/);
      }
    });

  it('puts the worst first and names three of many', () => {
    const facts = healthy();
    uptime(5)(facts);
    with_.health({ failedUnits: { value: ['a.service', 'b.service', 'c.service', 'd.mount', 'e.socket'] } })(facts);
    used(99, 10 * GiB)(facts);
    const findings = findingsOf(facts);
    expect(findings.map((f) => f.id)).toEqual(['disk_full', 'units_failed', 'just_booted']);
    expect(findings[1]?.evidence).toBe('a.service; b.service; c.service and 2 more');
  });

  it('puts a name into a command only when no shell can read more in it', () => {
    const unit = (name: string) => found(with_.health({ failedUnits: { value: [name] } }), 'units_failed')?.next;
    expect(unit('nginx.service')).toBe('journalctl -b --no-pager -n 50 -u nginx.service');
    for (const evil of ['x; rm -rf /', '$(reboot)', '--rotate', 'a b', '`id`', "x'y", 'a\nb', 'x'.repeat(200)])
      expect(unit(evil)).toBe('journalctl -b --no-pager -n 50 -u UNIT');
  });

  it('is the source of docs/findings.md: one row each, all thresholds in words', () => {
    const doc = findingsDoc();
    for (const r of RULES) expect(doc).toContain(`| \`${r.id}\` | ${r.severity} |`);
    expect(doc.split('\n').filter((l) => l.startsWith('| `'))).toHaveLength(RULES.length + NET_RULES.length);
    expect(doc).toContain('95 % or more used and less than 10 GiB free');
    expect(doc).not.toMatch(/undefined|NaN/);
  });
});
