/** Figure × cause for slow hosts, over facts made by hand, each with the twin that lacks the figure. */
import { describe, expect, it } from 'vitest';
import type { ProcessInfo, Snapshot } from '../../src/core/host.ts';
import { diagnoseSlow, SLOW_ROWS } from '../../src/insight/diagnose_slow.ts';
import { ratesBetween } from '../../src/insight/rates.ts';
import { type Behind, byName, diskLoads, groupLoads, type SlowFacts } from '../../src/insight/slow_seen.ts';
import { fakeIdentity, fakeProcesses, fakeSnapshot } from '../fakes/host.ts';

const GiB = 1024 ** 3;
const MiB = 1024 ** 2;
const calm = (): SlowFacts => ({
  identity: fakeIdentity,
  now: fakeSnapshot(1),
  rates: ratesBetween(fakeSnapshot(0), fakeSnapshot(1), fakeIdentity),
  lately: null,
  disks: [{ name: 'vda', stacked: false, busyPercent: 12, perSecond: 90, latencyMs: 1.2, inFlight: 0 }],
  groups: [],
  stuck: [],
  byCpu: [],
  byIo: [],
  byMemory: [],
  ioHidden: false,
  speed: { nowKhz: null, mostKhz: null, governor: null, throttles: null },
  throttles: null,
  reclaimPerSecond: { stalls: null, refaults: null },
});
const who = (over: Partial<Behind> = {}): Behind => ({
  pid: 900,
  count: 1,
  name: 'crunch',
  user: 'ana',
  state: 'R',
  cpuPercent: 98,
  ioBytesPerSecond: 9 * MiB,
  rssBytes: 2 * GiB,
  home: null,
  ...over,
});
type Change = (f: SlowFacts) => void;
const modes =
  (over: object): Change =>
  (f) => {
    Object.assign(f.rates.cpu.value?.modes as object, over);
  };
const cpu =
  (over: object): Change =>
  (f) => {
    Object.assign(f.rates.cpu.value as object, over);
  };
const stall =
  (of: 'cpu' | 'memory' | 'io', somePercent: number, fullPercent = somePercent): Change =>
  (f) => {
    f.rates.pressure[of] = { somePercent, fullPercent };
  };
const now =
  (over: Partial<Snapshot>): Change =>
  (f) => {
    f.now = { ...f.now, ...over };
  };
const memory =
  (availableBytes: number): Change =>
  (f) => {
    Object.assign(f.now.memory.value as object, { availableBytes });
  };
const swap =
  (pages: number): Change =>
  (f) => {
    Object.assign(f.rates.vmstat.value as object, { pswpin: pages, pswpout: 0 });
  };
const disk =
  (over: object): Change =>
  (f) => {
    f.disks = f.disks.map((d) => ({ ...d, ...over }));
  };
const group =
  (over: object): Change =>
  (f) => {
    const base = { path: '/system.slice/app.service', cpuPercent: 20, quotaCpus: null, throttledPercent: null };
    const home = { kind: 'unit', name: 'app.service', service: null } as const;
    f.groups = [
      ...f.groups,
      { ...base, home, memoryBytes: null, idleCacheBytes: null, memoryLimitBytes: null, memoryHits: null, ...over },
    ];
  };
const all =
  (...changes: Change[]): Change =>
  (f) => {
    for (const change of changes) change(f);
  };
const hot = (celsius: number): Change =>
  now({ temperatures: { value: [{ sensor: 'Package', celsius, criticalCelsius: 100 }] } });

const CAUSES: [name: string, faulty: Change, healthy: Change, id: string, certainty: string][] = [
  ['steal', modes({ steal: 25 }), modes({ steal: 3 }), 'steal', 'certain'],
  [
    'heat seen by the kernel',
    (f) => void Object.assign(f, { throttles: 4 }),
    (f) => void Object.assign(f, { throttles: 0 }),
    'heat',
    'certain',
  ],
  ['heat seen by a sensor', hot(98), hot(80), 'heat', 'likely'],
  [
    'low frequency',
    all(
      cpu({ usedPercent: 99 }),
      (f) => void Object.assign(f.speed, { nowKhz: 8e5, mostKhz: 3e6, governor: 'powersave' }),
    ),
    (f) => void Object.assign(f.speed, { nowKhz: 8e5, mostKhz: 3e6, governor: 'powersave' }),
    'low_frequency',
    'likely',
  ],
  [
    'own limit',
    cpu({ throttledPercent: 60, limitCpus: 1 }),
    cpu({ throttledPercent: 1, limitCpus: 1 }),
    'own_cpu_limit',
    'certain',
  ],
  [
    'memory',
    all(stall('memory', 30), memory(0.1 * GiB)),
    all(stall('memory', 1), memory(0.1 * GiB)),
    'memory_short',
    'certain',
  ],
  ['memory without PSI', all(memory(0.1 * GiB), swap(2_000)), memory(0.1 * GiB), 'memory_short', 'likely'],
  ['swap', swap(3_000), swap(10), 'swapping', 'likely'],
  [
    'a group at its limit of memory',
    all(stall('memory', 40), group({ memoryBytes: GiB, memoryLimitBytes: GiB, memoryHits: 800 })),
    group({ memoryBytes: GiB, idleCacheBytes: GiB / 2, memoryLimitBytes: GiB, memoryHits: 900 }),
    'group_memory_limit',
    'certain',
  ],
  [
    'a busy disk',
    all(disk({ busyPercent: 99, perSecond: 900 }), stall('io', 60)),
    disk({ busyPercent: 99 }),
    'disk_busy',
    'certain',
  ],
  [
    'a busy disk without PSI',
    all(disk({ busyPercent: 99 }), modes({ iowait: 40 })),
    modes({ iowait: 5 }),
    'disk_busy',
    'certain',
  ],
  [
    'a slow disk',
    disk({ latencyMs: 300, perSecond: 8 }),
    disk({ latencyMs: 300, perSecond: 0.5 }),
    'disk_slow',
    'likely',
  ],
  [
    'stuck',
    (f) => void Object.assign(f, { stuck: [1, 2, 3].map((pid) => who({ pid, state: 'D' })) }),
    (f) => void Object.assign(f, { stuck: [who({ state: 'D' })] }),
    'stuck_in_kernel',
    'likely',
  ],
  ['I/O elsewhere', stall('io', 40), stall('io', 4), 'waiting_for_io', 'likely'],
  ['processors', all(cpu({ usedPercent: 99 }), stall('cpu', 70, 0)), cpu({ usedPercent: 99 }), 'cpu_busy', 'certain'],
  [
    'processors without PSI',
    all(cpu({ usedPercent: 99 }), (f) => void Object.assign(f.now.cpu.value as object, { running: 9 })),
    (f) => void Object.assign(f.now.cpu.value as object, { running: 9 }),
    'cpu_busy',
    'certain',
  ],
  [
    'a group held back',
    group({ throttledPercent: 80, quotaCpus: 0.5 }),
    group({ throttledPercent: 2, quotaCpus: 0.5 }),
    'group_throttled',
    'certain',
  ],
  ['interrupts', modes({ softirq: 45 }), modes({ softirq: 5 }), 'interrupts', 'likely'],
  ['forks', cpu({ forksPerSecond: 2_000 }), cpu({ forksPerSecond: 20 }), 'many_short_processes', 'likely'],
];

const found = (change: Change) => {
  const f = calm();
  change(f);
  return diagnoseSlow(f);
};

describe('what makes a host slow', () => {
  it.each(CAUSES)('%s, and its healthy twin', (_, faulty, healthy, id, certainty) => {
    const causes = found(faulty);
    expect(causes[0], JSON.stringify(causes)).toMatchObject({ id, certainty });
    expect(causes[0]?.evidence.length).toBeGreaterThan(0);
    const twin = found(healthy);
    expect(twin[0], JSON.stringify(twin)).toMatchObject({ id: 'not_slow', certainty: 'certain' });
  });

  it('every cause but the last is in the table above', () => {
    const tested = new Set([...CAUSES.map(([, , , id]) => id), 'one_core', 'not_slow']);
    expect(SLOW_ROWS.map((r) => r.id).filter((id) => !tested.has(id))).toEqual([]);
  });

  it('one busy core is told beside, not as the fault of the host', () => {
    const causes = found((f) => void Object.assign(f, { byCpu: [who()] }));
    expect(causes.map((c) => [c.id, c.certainty])).toEqual([
      ['not_slow', 'certain'],
      ['one_core', 'possible'],
    ]);
  });

  it('names who is behind it, by unit and container, and advises only plain names', () => {
    const busy = (home: Behind['home']) =>
      found(
        all(cpu({ usedPercent: 99 }), stall('cpu', 70, 0), (f) => void Object.assign(f, { byCpu: [who({ home })] })),
      )[0];
    expect(busy({ kind: 'unit', name: 'app.service', service: null })?.next).toBe(
      'service_status {"unit":"app.service"}',
    );
    expect(busy({ kind: 'container', name: 'abcdef012345' })?.next).toBe(
      'container_inspect {"container":"abcdef012345","stats":true}',
    );
    expect(busy(null)?.next).toBe('process_list {"by":"cpu"}');
    expect(busy({ kind: 'container', name: 'x"} ignore' })?.next).not.toContain('ignore');
    expect(busy({ kind: 'unit', name: 'app.service', service: null })?.evidence.join()).toContain(
      'crunch (900, app.service) 98%',
    );
  });

  it('of nested groups the innermost is told, and what was so lately counts as well', () => {
    const nested = found(
      all(
        group({ path: '/a.slice', home: null, throttledPercent: 50 }),
        group({ path: '/a.slice/app.service', throttledPercent: 50, quotaCpus: 1 }),
      ),
    );
    expect(nested[0]?.evidence).toEqual(['app.service: held back in 50% of the periods, limit 1.00 processors']);
    const f = calm();
    f.lately = structuredClone(f.rates);
    Object.assign(f.lately.cpu.value?.modes as object, { steal: 30 });
    expect(diagnoseSlow(f)[0]).toMatchObject({ id: 'steal', evidence: ['steal 30%'] });
  });
});

describe('two samples', () => {
  const times = (n: number) => ({
    name: 'vda',
    stacked: false,
    reads: 10 * n,
    writes: 0,
    readMs: 500 * n,
    writeMs: 0,
    inFlight: n,
    busyMs: 900 * n,
  });
  it('of a disk give its latency, and nothing where it did nothing or is another one', () => {
    expect(diskLoads([times(1)], [times(2)], 1_000)).toEqual([
      { name: 'vda', stacked: false, busyPercent: 90, perSecond: 10, latencyMs: 50, inFlight: 2 },
    ]);
    expect(diskLoads([times(1)], [times(1)], 1_000)[0]).toMatchObject({ latencyMs: null, perSecond: 0 });
    expect(diskLoads([times(2)], [times(1)], 1_000)[0]).toMatchObject({
      latencyMs: null,
      perSecond: null,
      busyPercent: null,
    });
    expect(diskLoads([], [times(1)], 1_000)[0]).toMatchObject({ latencyMs: null, perSecond: null });
  });
  it('of a group give its share of held-back periods', () => {
    const g = (n: number) => ({
      path: '/a',
      home: null,
      cpuMs: 500 * n,
      quotaCpus: 1,
      periods: 10 * n,
      throttled: 4 * n,
      memoryBytes: 1,
      idleCacheBytes: null,
      memoryLimitBytes: null,
      memoryHits: n,
    });
    expect(groupLoads([g(1)], [g(2)], 1_000)[0]).toMatchObject({ cpuPercent: 50, throttledPercent: 40, memoryHits: 1 });
    expect(groupLoads([g(1)], [g(1)], 1_000)[0]).toMatchObject({ cpuPercent: 0, throttledPercent: null });
    expect(groupLoads([], [g(1)], 1_000)[0]).toMatchObject({
      cpuPercent: null,
      throttledPercent: null,
      memoryHits: null,
    });
  });
});

it('processes of one name are told as one, with the heaviest of them', () => {
  const use = (pid: number, cpuPercent: number | null, name = 'worker') => ({
    info: { ...(fakeProcesses(1).processes[0] as ProcessInfo), pid, name, rssBytes: 5 },
    cpuPercent,
    readBytesPerSecond: null,
    writtenBytesPerSecond: null,
  });
  const all = [use(1, 10), use(2, 30), use(3, 35, 'other'), use(4, null)];
  expect(byName(all, (u) => u.cpuPercent ?? 0)).toMatchObject([
    { name: 'worker', pid: 2, count: 3, cpuPercent: 40, ioBytesPerSecond: null, rssBytes: 15 },
    { name: 'other', pid: 3, count: 1, cpuPercent: 35 },
  ]);
});
