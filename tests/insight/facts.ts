/** Facts of the fake host, and the few ways to spoil them that the tests of findings share. */
import type { Filesystem, Health, Memory, ProcessInfo, Snapshot } from '../../src/core/host.ts';
import type { Facts } from '../../src/insight/facts.ts';
import { processUses } from '../../src/insight/processes.ts';
import { ratesBetween } from '../../src/insight/rates.ts';
import { FAKE_WALL_MS, fakeFilesystems, fakeHealth, fakeIdentity, fakeProcesses, fakeSnapshot } from '../fakes/host.ts';

export const MiB = 2 ** 20;
export const GiB = 2 ** 30;

export function healthy(): Facts {
  const snapshot = fakeSnapshot(1);
  return {
    nowMs: FAKE_WALL_MS + 1000,
    identity: structuredClone(fakeIdentity),
    snapshot,
    rates: ratesBetween(fakeSnapshot(0), snapshot, fakeIdentity),
    filesystems: { value: structuredClone(fakeFilesystems) },
    processes: { value: fakeProcesses(1) },
    use: processUses(fakeProcesses(0), fakeProcesses(1)),
    health: { value: structuredClone(fakeHealth) },
  };
}

/** Every reading null: a host that lets itself be asked and tells nothing. */
export function silent(): Facts {
  const no = { value: null, why: 'EACCES' } as const;
  const f = healthy();
  const snapshot: Snapshot = {
    atMs: 1,
    wallMs: FAKE_WALL_MS,
    cpu: no,
    load: no,
    memory: no,
    pressure: { cpu: no, memory: no, io: no },
    disks: no,
    networks: no,
    temperatures: no,
    vmstat: no,
    fileHandles: no,
    entropyBits: no,
  };
  return {
    ...f,
    identity: { ...f.identity, os: no, kernel: no, machineModel: no, bootedAtMs: no, uptimeMs: no, cpuModel: no },
    snapshot,
    rates: ratesBetween(null, snapshot, f.identity),
    filesystems: no,
    processes: no,
    use: processUses(null, { atMs: 0, processes: [], hidden: null, notRead: 0 }),
    health: no,
    containers: no,
  };
}

export const with_ = {
  health: (over: Partial<Health>) => (f: Facts) => {
    f.health = { value: { ...fakeHealth, ...over } };
  },
  memory: (over: Partial<Memory>) => (f: Facts) => {
    f.snapshot.memory = { value: { ...(f.snapshot.memory.value as Memory), ...over } };
  },
  pressure: (kind: 'cpu' | 'memory' | 'io', line: 'some' | 'full', avg60: number) => (f: Facts) => {
    const p = f.snapshot.pressure[kind].value;
    if (p) p[line] = { avg10: 0, avg60, avg300: 0, totalUs: 0 };
  },
  filesystem: (over: Partial<Filesystem>) => (f: Facts) => {
    f.filesystems = { value: [{ ...(fakeFilesystems[0] as Filesystem), ...over }] };
  },
  size: (over: Partial<NonNullable<Filesystem['size']['value']>>) => (f: Facts) => {
    const root = fakeFilesystems[0] as Filesystem;
    const size = { ...(root.size.value as NonNullable<Filesystem['size']['value']>), ...over };
    f.filesystems = { value: [{ ...root, size: { value: size } }] };
  },
  processes: (processes: ProcessInfo[]) => (f: Facts) => {
    f.processes = { value: { atMs: 0, processes, hidden: null, notRead: 0 } };
  },
  windowMs: (windowMs: number) => (f: Facts) => {
    f.rates.windowMs = windowMs;
  },
};

export const crowd = (n: number, over: Partial<ProcessInfo>): ProcessInfo[] =>
  Array.from({ length: n }, (_, i) => ({ ...(fakeProcesses(0).processes[2] as ProcessInfo), pid: 2000 + i, ...over }));
