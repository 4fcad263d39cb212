/**
 * What every host keeps to, whoever plays it: the fake of the tool tests, the real readers over fixtures, and the machine
 * that the tests run on. A tool that works on one may rely on this on the others.
 */
import { expect, test } from 'vitest';
import type { Host, Snapshot } from '../../src/core/host.ts';

export const quietLog = { debug() {}, info() {}, warn() {}, error() {} };

/** Every number is finite and not negative (but for temperatures, offsets and nice), every unknown has a reason. */
export function expectSound(record: unknown, path = 'it'): void {
  if (typeof record === 'number') {
    expect(Number.isFinite(record), `${path} is ${record}`).toBe(true);
    if (!/celsius|offset|nice/i.test(path)) expect(record, path).toBeGreaterThanOrEqual(0);
  } else if (Array.isArray(record)) {
    record.forEach((item, i) => {
      expectSound(item, `${path}[${i}]`);
    });
  } else if (record !== null && typeof record === 'object') {
    if ('why' in record && 'value' in record && record.value === null) {
      expect(typeof record.why, path).toBe('string');
      expect((record.why as string).length, `the reason of ${path}`).toBeGreaterThan(5);
    }
    for (const [key, value] of Object.entries(record)) expectSound(value, `${path}.${key}`);
  } else {
    expect(record, path).not.toBeUndefined();
  }
}

export function expectForward(before: Snapshot, after: Snapshot): void {
  expect(after.atMs).toBeGreaterThanOrEqual(before.atMs);
  const forward = (a: number | null | undefined, b: number | null | undefined, what: string) => {
    if (a != null && b != null) expect(b, what).toBeGreaterThanOrEqual(a);
  };
  forward(before.cpu.value?.total.user, after.cpu.value?.total.user, 'user time');
  forward(before.cpu.value?.cgroupUsedMs, after.cpu.value?.cgroupUsedMs, 'time of the cgroup');
  for (const disk of before.disks.value ?? [])
    forward(disk.readBytes, after.disks.value?.find((d) => d.name === disk.name)?.readBytes, disk.name);
  for (const net of before.networks.value ?? [])
    forward(net.rxBytes, after.networks.value?.find((n) => n.name === net.name)?.rxBytes, net.name);
}

export function hostContract(name: string, make: () => Host): void {
  test(`${name}: identity is sound and stays the same`, () => {
    const { system } = make();
    const first = system.identity();
    expectSound({ ...first, cgroup: null });
    expect(first.hostname).not.toBe('');
    expect(first.cpus).toBeGreaterThanOrEqual(1);
    expect(first.virtualisation.foundBy).not.toBe('');
    expect(Math.abs(first.zone.offsetMinutes)).toBeLessThanOrEqual(14 * 60);
    const { uptimeMs: _a, zone: _b, ...fixed } = first;
    const { uptimeMs: _c, zone: _d, ...again } = system.identity();
    expect(again).toEqual(fixed);
  });

  test(`${name}: snapshots are sound and move forward`, () => {
    const { system } = make();
    const before = system.snapshot();
    const after = system.snapshot();
    for (const s of [before, after]) {
      expectSound(s);
      expect(JSON.parse(JSON.stringify(s))).toEqual(s);
      const memory = s.memory.value;
      if (memory) {
        expect(memory.totalBytes).toBeGreaterThan(0);
        for (const part of [memory.availableBytes, memory.freeBytes, memory.cachedBytes])
          expect(part ?? 0).toBeLessThanOrEqual(memory.hostTotalBytes ?? memory.totalBytes);
        if (memory.limitBytes !== null) expect(memory.totalBytes).toBe(memory.limitBytes);
        if (memory.whose === 'container') expect(memory.source).toMatch(/cgroup|lxcfs/);
      }
      const cpu = s.cpu.value;
      if (cpu && cpu.perCore.length > 0) {
        const sum = cpu.perCore.reduce((total, c) => total + c.times.idle, 0);
        // The kernel rounds each line for itself.
        expect(Math.abs(sum - cpu.total.idle)).toBeLessThanOrEqual(10 * cpu.perCore.length + cpu.total.idle * 0.001);
      }
    }
    expectForward(before, after);
  });

  test(`${name}: filesystems are sound`, async () => {
    const list = await make().system.filesystems();
    expectSound(list);
    expect(new Set(list.map((f) => f.mount)).size).toBe(list.length);
    expect(list.some((f) => f.mount === '/')).toBe(true);
    for (const { size } of list) {
      if (size.value === null) continue;
      expect(size.value.usedBytes).toBeLessThanOrEqual(size.value.totalBytes);
      expect(size.value.inodesUsed ?? 0).toBeLessThanOrEqual(size.value.inodes ?? 0);
    }
  });

  test(`${name}: processes are sound, and dear parts come only when asked for`, async () => {
    const { system } = make();
    const plain = await system.processes();
    expectSound(plain);
    expect(plain.processes.length).toBeGreaterThan(0);
    expect(new Set(plain.processes.map((p) => p.pid)).size).toBe(plain.processes.length);
    for (const p of plain.processes) {
      expect([p.command, p.readBytes, p.writtenBytes, p.fds]).toEqual([null, null, null, null]);
      expect(p.state).toMatch(/^[A-Za-z]$/);
    }
    const full = await system.processes({ commands: true, io: true, fds: true });
    expectSound(full);
    expect(full.processes.some((p) => p.command !== null)).toBe(true);
    expect(full.processes.filter((p) => p.kernel).every((p) => p.command === null)).toBe(true);
  });

  test(`${name}: details come for the very process, not for one that took its pid`, async () => {
    const { system } = make();
    const { processes } = await system.processes({ commands: true });
    const one = processes.find((p) => p.command !== null);
    if (!one) throw new Error('no process with a command line');
    const found = await system.processDetails([one], { command: true, fds: true });
    expect(found.get(one.pid)?.command).toBe(one.command);
    expectSound([...found.values()]);
    const reused = await system.processDetails([{ pid: one.pid, startTicks: one.startTicks + 1 }], { command: true });
    expect(reused.size).toBe(0);
    expect((await system.processDetails([{ pid: 4_190_000, startTicks: 1 }], { fds: true })).size).toBe(0);
  });

  test(`${name}: health is sound, and what is blind says how to mend it`, async () => {
    const health = await make().system.health();
    expectSound(health);
    for (const b of health.blind)
      expect(
        [b.what, b.why, b.fix].every((text) => text.length > 3),
        JSON.stringify(b),
      ).toBe(true);
    expect(new Set(health.blind.map((b) => b.what)).size).toBe(health.blind.length);
  });

  test(`${name}: an inventory is sound, and has what was asked for and nothing else`, async () => {
    const found = await make().hardware.inventory([
      'board',
      'cpu',
      'memory',
      'disks',
      'raid',
      'zfs',
      'gpus',
      'networks',
    ]);
    expectSound(found);
    expect(Object.keys(found)).toHaveLength(8);
    const { value: cpu } = found.cpu;
    expect(cpu?.cores ?? 0).toBeLessThanOrEqual(cpu?.threads ?? 0);
    for (const list of [found.disks, found.networks])
      expect(new Set(list.value?.map((d) => d.name)).size).toBe(list.value?.length ?? 0);
  });
}
