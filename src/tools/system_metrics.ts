/** Chosen groups of figures in full. Decides names and shape only: what a rate is, is insight's. */
import * as z from 'zod';
import { defineRead } from '../core/define.ts';
import { foreign, once, Unknown } from '../core/schema.ts';
import { rfc3339 } from '../core/text.ts';
import { MODES, ratesBetween } from '../insight/rates.ts';
import { DiskRow, FilesystemRow, figure, gaps, NetRow, Psi, whose } from './figures.ts';
import {
  cgroupGroup,
  cpuGroup,
  disksGroup,
  filesystemsGroup,
  kernelGroup,
  memoryGroup,
  networksGroup,
  pressureGroup,
  temperaturesGroup,
  vmstatGroup,
} from './metrics_groups.ts';
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

export const Modes = once(() =>
  z.object(Object.fromEntries(MODES.map((m) => [m, z.number()])) as Record<(typeof MODES)[number], z.ZodNumber>),
);
const PsiWindow = once(() => Psi().extend({ windowSomePercent: figure(), windowFullPercent: figure() }));

export const MetricsAnswer = once(() =>
  z.object({
    at: z.string(),
    windowMs: z.number(),
    cpu: z
      .object({
        whose: whose().nullable(),
        source: z.string().nullable(),
        usedPercent: figure(),
        cpus: z.number(),
        limitCpus: figure(),
        throttledPercent: figure(),
        modes: Modes().nullable(),
        modesWhose: whose().nullable(),
        load: z.array(z.number()).nullable(),
        loadWhose: whose().nullable(),
        running: figure(),
        blocked: figure(),
        contextSwitchesPerSecond: figure(),
        forksPerSecond: figure(),
      })
      .optional(),
    cores: z
      .array(
        z.object({
          cpu: z.number(),
          usedPercent: figure(),
          user: figure(),
          system: figure(),
          iowait: figure(),
          steal: figure(),
        }),
      )
      .optional(),
    memory: z
      .object({
        whose: whose(),
        source: z.string(),
        totalBytes: z.number(),
        availableBytes: figure(),
        freeBytes: figure(),
        buffersBytes: figure(),
        cachedBytes: figure(),
        shmemBytes: figure(),
        slabReclaimableBytes: figure(),
        dirtyBytes: figure(),
        zfsCacheBytes: z.number().optional(),
        limitBytes: figure(),
        usedByCgroupBytes: figure(),
        hostTotalBytes: figure(),
        swapTotalBytes: figure(),
        swapFreeBytes: figure(),
      })
      .nullable()
      .optional(),
    disks: z.array(DiskRow().extend({ readsPerSecond: figure(), writesPerSecond: figure() })).optional(),
    networks: z
      .array(
        NetRow().extend({
          rxPacketsPerSecond: figure(),
          txPacketsPerSecond: figure(),
          errorsPerSecond: figure(),
          droppedPerSecond: figure(),
          state: z.string().nullable(),
          speedMbit: figure(),
        }),
      )
      .optional(),
    filesystems: z
      .array(
        FilesystemRow().extend({
          device: foreign(z.string(), 'mount table'),
          usedBytes: figure(),
          inodes: figure(),
          inodesUsed: figure(),
          options: foreign(z.array(z.string()), 'mount table'),
        }),
      )
      .optional(),
    pressure: z
      .object({ cpu: PsiWindow().nullable(), memory: PsiWindow().nullable(), io: PsiWindow().nullable() })
      .optional(),
    vmstat: z.array(z.object({ name: z.string(), perSecond: figure(), total: z.number() })).optional(),
    temperatures: z.array(z.object({ sensor: z.string(), celsius: z.number(), criticalCelsius: figure() })).optional(),
    cgroup: z
      .object({
        version: z.string().nullable(),
        path: z.string(),
        cpuUsedMs: figure(),
        cpuThrottledMs: figure(),
        limitCpus: figure(),
        memoryUsedBytes: figure(),
        memoryLimitBytes: figure(),
      })
      .optional(),
    kernel: z
      .object({
        openFiles: figure(),
        openFilesMax: figure(),
        entropyBits: figure(),
        runnable: figure(),
        tasks: figure(),
      })
      .optional(),
    whose: z.record(z.string(), z.string()).describe('Of groups without an owner of their own.'),
    unknown: z.array(Unknown()).describe('Why a figure is null. Limits: null means none is set.'),
  }),
);
export type MetricsAnswer = z.output<ReturnType<typeof MetricsAnswer>>;

export const systemMetrics = defineRead({
  name: 'system_metrics',
  title: 'System metrics',
  description:
    'Use this for figures in detail once you know where to look: per core, disk, interface or filesystem, pressure, paging counters, limits. Rates are of the last seconds; sample_ms measures anew. For the host at a glance use system_overview.',
  toolset: 'system',
  core: true,
  input: () =>
    z.strictObject({
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
  // The longest first: a large server has hundreds of cores and sensors, and losing some of them tells least.
  cut: { lists: ['cores', 'temperatures', 'filesystems', 'networks', 'disks', 'vmstat'] },
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
    const whoseOf: Record<string, string> = {};
    for (const g of ['disks', 'networks', 'vmstat', 'temperatures'] as const)
      if (has(g) && after.whose) whoseOf[g] = after.whose[g];

    return {
      at: rfc3339(after.wallMs),
      windowMs: rates.windowMs,
      ...(has('cpu') ? cpuGroup(gap, after, rates, identity, wanted) : {}),
      ...(has('memory') ? { memory: memoryGroup(gap, after) } : {}),
      ...(has('disks') ? { disks: disksGroup(gap, after, rates, wanted) } : {}),
      ...(has('networks') ? { networks: networksGroup(gap, after, rates, wanted) } : {}),
      ...(mounts ? { filesystems: filesystemsGroup(gap, mounts, wanted) } : {}),
      ...(has('pressure') ? { pressure: pressureGroup(gap, after, rates) } : {}),
      ...(has('vmstat') ? { vmstat: vmstatGroup(gap, after, rates, wanted) } : {}),
      ...(has('temperatures') ? { temperatures: temperaturesGroup(gap, after, wanted) } : {}),
      ...(has('cgroup') ? { cgroup: cgroupGroup(gap, after, identity) } : {}),
      ...(has('kernel') ? { kernel: kernelGroup(gap, after) } : {}),
      whose: whoseOf,
      unknown: gap.list,
    };
  },
});
