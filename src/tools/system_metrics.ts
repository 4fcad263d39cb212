/** Chosen groups of figures in full. Decides names and shape only: what a rate is, is insight's. */
import * as z from 'zod';
import { defineRead } from '../core/define.ts';
import type { Filesystem, Identity, Reading, Snapshot } from '../core/host.ts';
import { foreign, Unknown } from '../core/schema.ts';
import { rfc3339 } from '../core/text.ts';
import { MODES, type Rates, ratesBetween } from '../insight/rates.ts';
import {
  DiskRow,
  diskRow,
  disksOf,
  FilesystemRow,
  figure,
  filesystemRow,
  gaps,
  NetRow,
  netRow,
  networksOf,
  one,
  Psi,
  psi,
  whole,
  whose,
} from './figures.ts';
import { metricsText } from './metrics_text.ts';
import { attempt, observe } from './sampling.ts';

export const GROUPS = [
  'cpu',
  'memory',
  'disks',
  'networks',
  'filesystems',
  'pressure',
  'vmstat',
  'temperatures',
  'cgroup',
  'kernel',
] as const;

const Modes = z.object(
  Object.fromEntries(MODES.map((m) => [m, z.number()])) as Record<(typeof MODES)[number], z.ZodNumber>,
);
const PsiWindow = Psi.extend({ windowSomePercent: figure, windowFullPercent: figure });

export const MetricsAnswer = z.object({
  at: z.string(),
  windowMs: z.number(),
  cpu: z
    .object({
      whose: whose.nullable(),
      source: z.string().nullable(),
      usedPercent: figure,
      cpus: z.number(),
      limitCpus: figure,
      throttledPercent: figure,
      modes: Modes.nullable(),
      modesWhose: whose.nullable(),
      load: z.array(z.number()).nullable(),
      loadWhose: whose.nullable(),
      running: figure,
      blocked: figure,
      contextSwitchesPerSecond: figure,
      forksPerSecond: figure,
    })
    .optional(),
  cores: z
    .array(
      z.object({ cpu: z.number(), usedPercent: figure, user: figure, system: figure, iowait: figure, steal: figure }),
    )
    .optional(),
  memory: z
    .object({
      whose,
      source: z.string(),
      totalBytes: z.number(),
      availableBytes: figure,
      freeBytes: figure,
      buffersBytes: figure,
      cachedBytes: figure,
      shmemBytes: figure,
      slabReclaimableBytes: figure,
      dirtyBytes: figure,
      limitBytes: figure,
      usedByCgroupBytes: figure,
      hostTotalBytes: figure,
      swapTotalBytes: figure,
      swapFreeBytes: figure,
    })
    .nullable()
    .optional(),
  disks: z.array(DiskRow.extend({ readsPerSecond: figure, writesPerSecond: figure })).optional(),
  networks: z
    .array(
      NetRow.extend({
        rxPacketsPerSecond: figure,
        txPacketsPerSecond: figure,
        errorsPerSecond: figure,
        droppedPerSecond: figure,
        state: z.string().nullable(),
        speedMbit: figure,
      }),
    )
    .optional(),
  filesystems: z
    .array(
      FilesystemRow.extend({
        device: foreign(z.string(), 'mount table'),
        usedBytes: figure,
        inodes: figure,
        inodesUsed: figure,
        options: foreign(z.array(z.string()), 'mount table'),
      }),
    )
    .optional(),
  pressure: z.object({ cpu: PsiWindow.nullable(), memory: PsiWindow.nullable(), io: PsiWindow.nullable() }).optional(),
  vmstat: z.array(z.object({ name: z.string(), perSecond: figure, total: z.number() })).optional(),
  temperatures: z.array(z.object({ sensor: z.string(), celsius: z.number(), criticalCelsius: figure })).optional(),
  cgroup: z
    .object({
      version: z.string().nullable(),
      path: z.string(),
      cpuUsedMs: figure,
      cpuThrottledMs: figure,
      limitCpus: figure,
      memoryUsedBytes: figure,
      memoryLimitBytes: figure,
    })
    .optional(),
  kernel: z
    .object({ openFiles: figure, openFilesMax: figure, entropyBits: figure, runnable: figure, tasks: figure })
    .optional(),
  whose: z.record(z.string(), z.string()).describe('Of groups without an owner of their own.'),
  unknown: z.array(Unknown).describe('Why a figure is null. Limits: null means none is set.'),
});
export type MetricsAnswer = z.output<typeof MetricsAnswer>;

export const systemMetrics = defineRead({
  name: 'system_metrics',
  title: 'System metrics',
  description:
    'Use this for figures in detail once you know where to look: per core, disk, interface or filesystem, pressure, paging counters, limits. Rates are of the last seconds; sample_ms measures anew. For the host at a glance use system_overview.',
  toolset: 'system',
  core: true,
  input: z.strictObject({
    groups: z.array(z.enum(GROUPS)).min(1).max(GROUPS.length).default(['cpu', 'memory', 'disks', 'networks']),
    sample_ms: z.number().int().min(100).max(5_000).optional().describe('Length of a fresh window.'),
    filter: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .describe('Part of a device, interface, mount, sensor or counter name.'),
  }),
  output: MetricsAnswer,
  scopes: { least: 'system:read' },
  risk: 'read',
  annotations: { idempotent: true, openWorld: false },
  cut: { lists: ['vmstat', 'temperatures', 'cores', 'filesystems', 'networks', 'disks'] },
  text: metricsText,

  async handler({ groups, sample_ms, filter }, ctx) {
    const { system } = ctx.host;
    const has = (g: (typeof GROUPS)[number]) => groups.includes(g);
    const [{ before, after }, mounts] = await Promise.all([
      observe(ctx, { sampleMs: sample_ms }),
      has('filesystems') ? attempt(system.filesystems({ signal: ctx.signal }), ctx) : null,
    ]);
    const identity = system.identity();
    const rates = ratesBetween(before === after ? null : before, after, identity);
    const gap = gaps();
    const part = filter?.toLowerCase();
    const wanted = (name: string) => part === undefined || name.toLowerCase().includes(part);
    const owners = after.whose;
    const whoseOf: Record<string, string> = {};
    for (const g of ['disks', 'networks', 'vmstat', 'temperatures'] as const)
      if (has(g) && owners) whoseOf[g] = owners[g];

    return {
      at: rfc3339(after.wallMs),
      windowMs: rates.windowMs,
      ...(has('cpu') ? cpuGroup(gap, after, rates, identity, wanted) : {}),
      ...(has('memory') ? { memory: memoryGroup(gap, after) } : {}),
      ...(has('disks')
        ? {
            disks:
              gap.of('disks', after.disks) === null
                ? []
                : disksOf(after, noted(gap, 'disk rates', rates.disks))
                    .filter((d) => wanted(d.name))
                    .map((d) => ({
                      ...diskRow(d),
                      readsPerSecond: one(d.readsPerSecond),
                      writesPerSecond: one(d.writesPerSecond),
                    })),
          }
        : {}),
      ...(has('networks')
        ? {
            networks:
              gap.of('networks', after.networks) === null
                ? []
                : networksOf(after, noted(gap, 'network rates', rates.networks))
                    .filter((n) => wanted(n.name))
                    .map((n) => ({
                      ...netRow(n),
                      rxPacketsPerSecond: one(n.rxPacketsPerSecond),
                      txPacketsPerSecond: one(n.txPacketsPerSecond),
                      errorsPerSecond: one(n.errorsPerSecond),
                      droppedPerSecond: one(n.droppedPerSecond),
                      state: n.state,
                      speedMbit: n.speedMbit,
                    })),
          }
        : {}),
      ...(mounts
        ? {
            filesystems: (gap.of('filesystems', mounts) ?? [])
              .filter((f) => wanted(f.mount))
              .map((f) => filesystemDetail(gap, f)),
          }
        : {}),
      ...(has('pressure') ? { pressure: pressureGroup(gap, after, rates) } : {}),
      ...(has('vmstat') ? { vmstat: vmstatGroup(gap, after, rates).filter((v) => wanted(v.name)) } : {}),
      ...(has('temperatures')
        ? { temperatures: (gap.of('temperatures', after.temperatures) ?? []).filter((t) => wanted(t.sensor)) }
        : {}),
      ...(has('cgroup') ? { cgroup: cgroupGroup(gap, after, identity) } : {}),
      ...(has('kernel') ? { kernel: kernelGroup(gap, after) } : {}),
      whose: whoseOf,
      unknown: gap.list,
    };
  },
});

type Gap = ReturnType<typeof gaps>;
const noted = <T>(gap: Gap, what: string, r: Reading<T>): Reading<T> => {
  gap.of(what, r);
  return r;
};

function cpuGroup(gap: Gap, s: Snapshot, rates: Rates, identity: Identity, wanted: (name: string) => boolean) {
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
      modes: modes && (Object.fromEntries(MODES.map((m) => [m, one(modes[m]) ?? 0])) as z.output<typeof Modes>),
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

function memoryGroup(gap: Gap, s: Snapshot): MetricsAnswer['memory'] {
  const m = gap.of('memory', s.memory);
  if (!m) return null;
  const { swap, ...rest } = m;
  return { ...rest, swapTotalBytes: swap?.totalBytes ?? null, swapFreeBytes: swap?.freeBytes ?? null };
}

function filesystemDetail(gap: Gap, f: Filesystem) {
  const size = gap.of(`filesystem ${f.mount}`, f.size);
  return {
    ...filesystemRow(f),
    device: f.device,
    usedBytes: size?.usedBytes ?? null,
    inodes: size?.inodes ?? null,
    inodesUsed: size?.inodesUsed ?? null,
    options: f.options,
  };
}

function pressureGroup(gap: Gap, s: Snapshot, rates: Rates): MetricsAnswer['pressure'] {
  const line = (kind: 'cpu' | 'memory' | 'io') => {
    const p = psi(gap.of(`pressure.${kind}`, s.pressure[kind]));
    const w = rates.pressure[kind];
    return p && { ...p, windowSomePercent: one(w.somePercent), windowFullPercent: one(w.fullPercent) };
  };
  return { cpu: line('cpu'), memory: line('memory'), io: line('io') };
}

function vmstatGroup(gap: Gap, s: Snapshot, rates: Rates) {
  const totals = gap.of('vmstat', s.vmstat) ?? {};
  return Object.entries(totals).map(([name, total]) => ({ name, perSecond: one(rates.vmstat.value?.[name]), total }));
}

function cgroupGroup(gap: Gap, s: Snapshot, identity: Identity): MetricsAnswer['cgroup'] {
  const cpu = gap.of('cgroup cpu', s.cpu);
  const memory = gap.of('cgroup memory', s.memory);
  const { version, path } = identity.cgroup;
  if (version === null) gap.list.push({ what: 'cgroup', why: 'no cgroup filesystem is mounted here' });
  return {
    version: version === null ? null : String(version),
    path,
    cpuUsedMs: whole(cpu?.cgroupUsedMs),
    cpuThrottledMs: whole(cpu?.throttledMs),
    limitCpus: cpu?.limitCpus ?? null,
    memoryUsedBytes: memory?.usedByCgroupBytes ?? null,
    memoryLimitBytes: memory?.limitBytes ?? null,
  };
}

function kernelGroup(gap: Gap, s: Snapshot): MetricsAnswer['kernel'] {
  const files = gap.of('open files', s.fileHandles);
  const load = gap.of('tasks', s.load);
  return {
    openFiles: files?.used ?? null,
    openFilesMax: files?.max ?? null,
    entropyBits: gap.of('entropy', s.entropyBits),
    runnable: load?.runnable ?? null,
    tasks: load?.tasks ?? null,
  };
}
