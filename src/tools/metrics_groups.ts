/** One function a group: the records of a snapshot as the rows of the detailed answer, with a reason for every gap. */
import type * as z from 'zod';
import type { Filesystem, Identity, Reading, Snapshot } from '../core/host.ts';
import { MODES, type Rates } from '../insight/rates.ts';
import { diskRow, disksOf, filesystemRow, type gaps, netRow, networksOf, one, psi, whole } from './figures.ts';
import { rateGaps, sizeGaps } from './overview_parts.ts';
import type { MetricsAnswer, Modes } from './system_metrics.ts';

type Gap = ReturnType<typeof gaps>;
type Wanted = (name: string) => boolean;

/** Devices are listed though their rates are unknown: that a disk is there is known either way. */
function noted<T>(gap: Gap, what: string, r: Reading<T>): Reading<T> {
  gap.of(what, r);
  return r;
}

export function disksGroup(gap: Gap, s: Snapshot, rates: Rates, wanted: Wanted): MetricsAnswer['disks'] {
  if (gap.of('disks', s.disks) === null) return [];
  const rows = disksOf(s, noted(gap, 'disk rates', rates.disks))
    .filter((d) => wanted(d.name))
    .map((d) => ({ ...diskRow(d), readsPerSecond: one(d.readsPerSecond), writesPerSecond: one(d.writesPerSecond) }));
  if (rates.disks.value) rateGaps(gap, rows, rates.windowMs);
  return rows;
}

export function networksGroup(gap: Gap, s: Snapshot, rates: Rates, wanted: Wanted): MetricsAnswer['networks'] {
  if (gap.of('networks', s.networks) === null) return [];
  const rows = networksOf(s, noted(gap, 'network rates', rates.networks))
    .filter((n) => wanted(n.name))
    .map((n) => ({
      ...netRow(n),
      rxPacketsPerSecond: one(n.rxPacketsPerSecond),
      txPacketsPerSecond: one(n.txPacketsPerSecond),
      errorsPerSecond: one(n.errorsPerSecond),
      droppedPerSecond: one(n.droppedPerSecond),
      state: n.state,
      speedMbit: n.speedMbit,
    }));
  if (rates.networks.value) rateGaps(gap, rows, rates.windowMs);
  return rows;
}

export function filesystemsGroup(gap: Gap, mounts: Reading<Filesystem[]>, wanted: Wanted) {
  const listed = (gap.of('filesystems', mounts) ?? []).filter((f) => wanted(f.mount));
  sizeGaps(gap, listed);
  return listed.map(filesystemDetail);
}

export function temperaturesGroup(gap: Gap, s: Snapshot, wanted: Wanted) {
  return (gap.of('temperatures', s.temperatures) ?? []).filter((t) => wanted(t.sensor));
}

export function cpuGroup(gap: Gap, s: Snapshot, rates: Rates, identity: Identity, wanted: Wanted) {
  const cpu = gap.of('cpu', rates.cpu);
  const load = gap.of('load', s.load);
  const modes = cpu?.modes ?? null;
  return {
    cpu: {
      whose: cpu?.whose ?? s.cpu.value?.whose ?? null,
      source: cpu?.source ?? s.cpu.value?.source ?? null,
      usedPercent: one(cpu?.usedPercent),
      cpus: cpu?.cpus ?? identity.cpus,
      limitCpus: s.cpu.value?.limitCpus ?? null,
      throttledPercent: one(cpu?.throttledPercent),
      modes:
        modes && (Object.fromEntries(MODES.map((m) => [m, one(modes[m]) ?? 0])) as z.output<ReturnType<typeof Modes>>),
      modesWhose: cpu?.modesWhose ?? null,
      load: load && [load.one, load.five, load.fifteen],
      loadWhose: load?.whose ?? null,
      running: s.cpu.value?.running ?? null,
      blocked: s.cpu.value?.blocked ?? null,
      contextSwitchesPerSecond: whole(cpu?.contextSwitchesPerSecond),
      forksPerSecond: one(cpu?.forksPerSecond),
    },
    cores: (cpu?.perCore ?? [])
      .filter((c) => wanted(`cpu${c.cpu}`))
      .map((c) => ({
        cpu: c.cpu,
        usedPercent: one(c.usedPercent),
        user: one(c.modes && c.modes.user + c.modes.nice),
        system: one(c.modes && c.modes.system + c.modes.irq + c.modes.softirq),
        iowait: one(c.modes?.iowait),
        steal: one(c.modes?.steal),
      })),
  };
}

export function memoryGroup(gap: Gap, s: Snapshot): MetricsAnswer['memory'] {
  const m = gap.of('memory', s.memory);
  if (!m) return null;
  const { swap, zfsCache, ...rest } = m;
  return {
    ...rest,
    ...(zfsCache ? { zfsCacheBytes: zfsCache.bytes } : {}),
    swapTotalBytes: swap?.totalBytes ?? null,
    swapFreeBytes: swap?.freeBytes ?? null,
  };
}

function filesystemDetail(f: Filesystem) {
  const size = f.size.value;
  return {
    ...filesystemRow(f),
    device: f.device,
    usedBytes: size?.usedBytes ?? null,
    inodes: size?.inodes ?? null,
    inodesUsed: size?.inodesUsed ?? null,
    options: f.options,
  };
}

export function pressureGroup(gap: Gap, s: Snapshot, rates: Rates): MetricsAnswer['pressure'] {
  const line = (kind: 'cpu' | 'memory' | 'io') => {
    const p = psi(gap.of(`pressure.${kind}`, s.pressure[kind]));
    const w = rates.pressure[kind];
    return p && { ...p, windowSomePercent: one(w.somePercent), windowFullPercent: one(w.fullPercent) };
  };
  return { cpu: line('cpu'), memory: line('memory'), io: line('io') };
}

export function vmstatGroup(gap: Gap, s: Snapshot, rates: Rates, wanted: Wanted) {
  const totals = gap.of('vmstat', s.vmstat) ?? {};
  noted(gap, 'paging rates', rates.vmstat);
  return Object.entries(totals)
    .filter(([name]) => wanted(name))
    .map(([name, total]) => ({ name, perSecond: one(rates.vmstat.value?.[name]), total }));
}

export function cgroupGroup(gap: Gap, s: Snapshot, identity: Identity): MetricsAnswer['cgroup'] {
  const cpu = gap.of('cgroup cpu', s.cpu);
  const memory = gap.of('cgroup memory', s.memory);
  const { version, path } = identity.cgroup;
  if (version === null) gap.list.push({ what: 'cgroup', why: 'no cgroup filesystem is mounted here' });
  else if (!identity.virtualisation.container)
    gap.list.push({ what: 'cgroup figures', why: 'read in a container only; here the host itself is the answer' });
  return {
    version: version === null ? null : typeof version === 'number' ? `v${version}` : version,
    path,
    cpuUsedMs: whole(cpu?.cgroupUsedMs),
    cpuThrottledMs: whole(cpu?.throttledMs),
    limitCpus: cpu?.limitCpus ?? null,
    memoryUsedBytes: memory?.usedByCgroupBytes ?? null,
    memoryLimitBytes: memory?.limitBytes ?? null,
  };
}

export function kernelGroup(gap: Gap, s: Snapshot): MetricsAnswer['kernel'] {
  const files = gap.of('open files', s.fileHandles);
  const load = gap.of('tasks', s.load);
  return {
    openFiles: files?.used ?? null,
    // systemd sets it to the largest number there is, which limits nothing.
    openFilesMax: files && files.max <= Number.MAX_SAFE_INTEGER ? files.max : null,
    entropyBits: gap.of('entropy', s.entropyBits),
    runnable: load?.runnable ?? null,
    tasks: load?.tasks ?? null,
  };
}
