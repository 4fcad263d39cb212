/**
 * The first question: how is this host? One answer out of identity, two snapshots, two process lists, filesystems and
 * health. Decides what is left out (and says how much); thresholds are insight's, words and tables overview_text's.
 */
import * as z from 'zod';
import { defineRead } from '../core/define.ts';
import type { Blind } from '../core/host.ts';
import { foreign, once, Unknown } from '../core/schema.ts';
import { rfc3339 } from '../core/text.ts';
import { SEVERITIES } from '../insight/facts.ts';
import { findingsOf } from '../insight/findings.ts';
import { processUses } from '../insight/processes.ts';
import { ratesBetween } from '../insight/rates.ts';
import {
  DiskRow,
  diskRow,
  disksOf,
  FilesystemRow,
  figure,
  filesystemRow,
  gaps,
  isNoise,
  ModeShares,
  modeShares,
  NetRow,
  netRow,
  networksOf,
  offset,
  one,
  seenFrom,
  whole,
  whose,
} from './figures.ts';
import { knownContainers } from './overview_containers.ts';
import {
  healthGaps,
  hottestOf,
  isWorthShowing,
  MOST,
  memoryOf,
  named,
  pickFilesystems,
  pressureGaps,
  rateGaps,
  sizeGaps,
  top,
  traffic,
} from './overview_parts.ts';
import { overviewText } from './overview_text.ts';
import { observe, within } from './sampling.ts';

/** The host answers these from a cache, or has a deadline of its own; a cold start does not wait for all of it. */
const SLOW_MS = 2_500;
/** Slow facts go on being asked, and are there at the next call. */
const PATIENCE_MS = 250;

const ProcessName = once(() => foreign(z.string(), 'process table'));

export const OverviewAnswer = once(() =>
  z.object({
    at: z.string(),
    windowMs: z.number().describe('Over which usage and rates were measured.'),
    worst: z.enum(SEVERITIES).nullable().describe('Severity of the worst finding; null: none.'),
    host: z.object({
      hostname: z.string(),
      os: z.string().nullable(),
      kernel: z.string().nullable(),
      arch: z.string(),
      virtualisation: z.string(),
      container: z.boolean(),
      foundBy: z.string(),
      model: z.string().nullable(),
      bootedAt: z.string().nullable(),
      uptimeSeconds: figure(),
      uptimeWhose: whose().optional(),
      zone: z.string(),
      utcOffset: z.string(),
    }),
    cpu: z.object({
      model: z.string().nullable(),
      cpus: z.number(),
      limitCpus: figure().describe('Limit of the cgroup; null: none.'),
      whose: whose().nullable(),
      source: z.string().nullable(),
      usedPercent: figure().describe('Of all cpus, or of the limit where that is less.'),
      modes: ModeShares().nullable(),
      modesWhose: whose().nullable(),
      load: z.array(z.number()).nullable().describe('1, 5, 15 minutes.'),
      loadWhose: whose().nullable(),
    }),
    memory: z
      .object({
        whose: whose(),
        source: z.string(),
        totalBytes: z.number(),
        availableBytes: figure(),
        usedPercent: figure(),
        limitBytes: figure().describe('Of the cgroup; null: none.'),
        zfsCacheBytes: z.number().optional().describe('Counted as used, but mostly given back when needed.'),
        hostTotalBytes: figure(),
        swapTotalBytes: figure(),
        swapUsedBytes: figure(),
      })
      .nullable(),
    pressure: z
      .object({ whose: whose().nullable(), cpu: figure(), memory: figure(), io: figure() })
      .describe('Percent of the last 10 s in which some task stood waiting (PSI some).'),
    filesystems: z.array(FilesystemRow()),
    disks: z.array(DiskRow()),
    networks: z.array(NetRow()),
    temperatures: z
      .array(z.object({ sensor: z.string(), celsius: z.number(), criticalCelsius: figure() }))
      .describe('Empty where there are no sensors.'),
    processes: z.object({ whose: whose(), total: figure(), threads: figure() }),
    topCpu: z
      .array(z.object({ pid: z.number(), name: ProcessName(), user: z.string().nullable(), cpuPercent: figure() }))
      .describe('cpuPercent: of one core.'),
    topMemory: z.array(
      z.object({ pid: z.number(), name: ProcessName(), user: z.string().nullable(), rssBytes: z.number() }),
    ),
    findings: z.array(
      z.object({
        id: z.string(),
        severity: z.enum(SEVERITIES),
        evidence: foreign(z.string(), 'names on this host'),
        sentence: z.string(),
        next: z.string(),
      }),
    ),
    blind: z
      .array(z.object({ what: z.string(), why: z.string(), fix: z.string() }))
      .describe('Not seen from here, and the mend.'),
    unknown: z.array(Unknown()).describe('Why a figure above is null.'),
    leftOut: z
      .object({ filesystems: z.number(), disks: z.number(), networks: z.number(), temperatures: z.number() })
      .describe('Small, virtual or idle ones; system_metrics has them all.'),
  }),
);
export type OverviewAnswer = z.output<ReturnType<typeof OverviewAnswer>>;

export const systemOverview = defineRead({
  name: 'system_overview',
  title: 'System overview',
  description:
    'Start here: how this host is now. Identity, CPU, memory, filesystems, disk and network rates, top processes, findings with the next step each, and what cannot be seen from here. For figures per core or device use system_metrics, for more processes process_list.',
  toolset: 'system',
  core: true,
  input: () => z.strictObject({}),
  output: OverviewAnswer,
  scopes: { least: 'system:read' },
  risk: 'read',
  annotations: { idempotent: true, openWorld: false },
  cut: { lists: ['temperatures', 'networks', 'disks', 'blind', 'unknown', 'filesystems', 'findings'] },
  text: overviewText,

  async handler(_input, ctx) {
    const { system } = ctx.host;
    // First the window, then what may start commands: gathered at once, they would be the busiest thing measured.
    const moments = await observe(ctx, { processes: {} });
    const patienceMs = ctx.patienceMs ?? PATIENCE_MS;
    const [filesystems, health, containers] = await Promise.all([
      within(SLOW_MS, system.filesystems({ signal: ctx.signal }), ctx),
      within(SLOW_MS, system.health({ signal: ctx.signal, waitMs: patienceMs }), ctx),
      knownContainers(ctx, patienceMs),
    ]);
    const identity = system.identity();
    const { before, after } = moments;
    const rates = ratesBetween(before === after ? null : before, after, identity);
    const processes = moments.lists?.after ?? { value: null, why: 'not read' };
    const use = processUses(
      moments.lists?.before ?? null,
      processes.value ?? { atMs: 0, processes: [], hidden: null, notRead: 0 },
    );
    const nowMs = ctx.now();
    const findings = findingsOf({
      nowMs,
      identity,
      snapshot: after,
      rates,
      filesystems,
      processes,
      use,
      health,
      ...(containers ? { containers } : {}),
    });

    const gap = gaps();
    const { cpus, virtualisation: v } = identity;
    const bootedAtMs = gap.of('host.bootedAt', identity.bootedAtMs);
    const cpu = gap.of('cpu usage', rates.cpu);
    const load = gap.of('load', after.load);
    const disks = gap.of('disks', after.disks);
    const networks = gap.of('networks', after.networks);
    const list = gap.of('processes', processes);
    const psi = after.pressure;
    const stalls = { cpu: psi.cpu.value, memory: psi.memory.value, io: psi.io.value };
    pressureGaps(gap, psi);
    const shown = pickFilesystems(gap.of('filesystems', filesystems) ?? []);
    sizeGaps(gap, shown);
    healthGaps(gap, health);
    if (containers) gap.of('containers', containers);
    if (list && !moments.lists?.before) gap.of('topCpu', { value: null, why: 'one process list only: CPU needs two' });
    if (cpu && cpu.usedPercent === null)
      gap.of('cpu.usedPercent', { value: null, why: 'the counter ran backwards in the window; ask again' });
    if (cpu && !cpu.modes)
      gap.of('cpu.modes', { value: null, why: 'the counters ran backwards in the window; ask again' });
    // What stands on other disks (LVM, RAID, dm-crypt) shows the same bytes once more.
    const stacked = new Set(disks?.filter((d) => d.stacked).map((d) => d.name));
    const realDisks =
      disks === null ? [] : disksOf(after, rates.disks).filter((d) => !isNoise.disk(d.name) && !stacked.has(d.name));
    const nets = networks === null ? [] : networksOf(after, rates.networks);
    const realNets = nets.filter((n) => isWorthShowing(n, nets));
    const busiest = realDisks.toSorted(
      (a, b) =>
        traffic(b.readBytesPerSecond, b.writtenBytesPerSecond) - traffic(a.readBytesPerSecond, a.writtenBytesPerSecond),
    );
    const loudest = realNets.toSorted(
      (a, b) =>
        traffic(b.rxBytesPerSecond, b.txBytesPerSecond) - traffic(a.rxBytesPerSecond, a.txBytesPerSecond) ||
        Number(b.state === 'up') - Number(a.state === 'up'),
    );
    const hottest = hottestOf(after.temperatures.value ?? []);

    const rows = {
      disks: busiest.slice(0, MOST.disks).map(diskRow),
      networks: loudest.slice(0, MOST.networks).map(netRow),
    };
    rateGaps(gap, [...rows.disks, ...rows.networks], rates.windowMs);

    return {
      at: rfc3339(after.wallMs),
      windowMs: rates.windowMs,
      worst: findings[0]?.severity ?? null,
      host: {
        hostname: identity.hostname,
        os: gap.of('host.os', identity.os),
        kernel: gap.of('host.kernel', identity.kernel),
        arch: identity.arch,
        virtualisation: v.kind,
        container: v.container,
        foundBy: v.foundBy,
        model: gap.of('host.model', identity.machineModel),
        bootedAt: bootedAtMs === null ? null : rfc3339(bootedAtMs),
        uptimeSeconds: whole((gap.of('host.uptime', identity.uptimeMs) ?? Number.NaN) / 1000),
        ...(identity.uptimeWhose ? { uptimeWhose: identity.uptimeWhose } : {}),
        zone: identity.zone.name,
        utcOffset: offset(identity.zone.offsetMinutes),
      },
      cpu: {
        model: gap.of('cpu.model', identity.cpuModel),
        cpus,
        limitCpus: cpu?.limitCpus ?? null,
        whose: cpu?.whose ?? null,
        source: cpu?.source ?? null,
        usedPercent: one(cpu?.usedPercent),
        modes: cpu?.modes ? modeShares(cpu.modes) : null,
        modesWhose: cpu?.modesWhose ?? null,
        load: load && [load.one, load.five, load.fifteen],
        loadWhose: load?.whose ?? null,
      },
      memory: memoryOf(gap, after),
      pressure: {
        whose: (stalls.cpu ?? stalls.memory ?? stalls.io)?.whose ?? null,
        cpu: one(stalls.cpu?.some?.avg10),
        memory: one(stalls.memory?.some?.avg10),
        io: one(stalls.io?.some?.avg10),
      },
      filesystems: shown.map(filesystemRow),
      ...rows,
      temperatures: hottest.slice(0, MOST.temperatures).map((t) => ({
        sensor: t.sensor,
        celsius: Math.round(t.celsius),
        criticalCelsius: whole(t.criticalCelsius),
      })),
      processes: {
        whose: seenFrom(identity),
        total: list && list.processes.length + list.notRead,
        threads: list ? list.processes.reduce((sum, p) => sum + p.threads, 0) : null,
      },
      topCpu: top(use.uses, 'cpu').map((u) => ({ ...named(u), cpuPercent: one(u.cpuPercent) })),
      topMemory: top(use.uses, 'memory').map((u) => ({ ...named(u), rssBytes: u.info.rssBytes })),
      findings,
      blind: lacking(health.value?.blind ?? [], ctx.absent()),
      unknown: gap.list,
      leftOut: {
        filesystems: (filesystems.value?.length ?? 0) - shown.length,
        disks: (disks?.length ?? 0) - Math.min(realDisks.length, MOST.disks),
        networks: (networks?.length ?? 0) - Math.min(realNets.length, MOST.networks),
        temperatures: (after.temperatures.value?.length ?? 0) - Math.min(hottest.length, MOST.temperatures),
      },
    };
  },
});

/** A host without systemd lacks units, and for that the toolset: said once. */
function lacking(seen: readonly Blind[], absent: readonly Blind[]): Blind[] {
  const units = seen.some((b) => b.what.startsWith('units ('));
  return [...seen, ...absent.filter((b) => !units || b.what !== 'services (toolset services)')];
}
