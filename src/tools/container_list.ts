/**
 * Containers of an engine, those that need a hand first. Decides who is listed, in which order, and what is asked of the engine for
 * it: one list, an inspection of each match (restarts and exit codes are told nowhere else), samples only when wanted.
 */
import * as z from 'zod';
import { defineRead } from '../core/define.ts';
import type { ContainerRun, ContainerSummary } from '../core/docker.ts';
import { CONTAINER_REF } from '../core/docker_refs.ts';
import { foreign, limit, once, Unknown } from '../core/schema.ts';
import { exitOf } from '../insight/container_exit.ts';
import { ATTENTION, attentionOf, portsOf, rankOf, stackOf, type Use } from '../insight/containers.ts';
import { containerListText } from './container_list_text.ts';
import { EngineInput, HEALTHS, STATES, shortId, shownLabel, toEngine, usesOf } from './docker_parts.ts';
import { figure, one, whole } from './figures.ts';
import { attempt } from './sampling.ts';

/** Inspections and samples for one answer; what is beyond is listed without them. */
const MOST = 500;
export const SORTS = ['attention', 'name', 'age', 'cpu', 'memory', 'restarts'] as const;

export const ContainerRow = once(() =>
  z.object({
    name: foreign(z.string(), 'container engine'),
    id: z.string(),
    image: foreign(z.string(), 'container engine'),
    state: z.enum(STATES),
    health: z.enum(HEALTHS).nullable().describe('Null: no healthcheck.'),
    attention: z.enum(ATTENTION).nullable(),
    sinceSeconds: figure().describe('In this state.'),
    ageSeconds: figure().describe('Since it was created.'),
    restarts: figure(),
    exit: z.string().nullable().describe('How it last ended; null: it runs, or never did.'),
    ports: z.array(z.string()).describe('host→container'),
    project: foreign(z.string().nullable(), 'container engine'),
    service: foreign(z.string().nullable(), 'container engine'),
    cpuPercent: figure().optional().describe('Of one core.'),
    memoryBytes: figure().optional().describe('Without page cache.'),
    memoryLimitBytes: figure().optional(),
    memoryPercent: figure().optional().describe('Of its limit, or of the machine.'),
    throttledPercent: figure().optional().describe('Of the periods of its CPU limit; null: no limit.'),
    pids: figure().optional(),
    rxBytesPerSecond: figure().optional(),
    txBytesPerSecond: figure().optional(),
    readBytesPerSecond: figure().optional(),
    writtenBytesPerSecond: figure().optional(),
  }),
);
export type ContainerRow = z.output<ReturnType<typeof ContainerRow>>;

export const ContainerListAnswer = once(() =>
  z.object({
    engine: foreign(z.string().nullable(), 'container engine').describe('Null: the first one.'),
    total: z.number(),
    matched: z.number(),
    byState: z.record(z.string(), z.number()).describe('Of all containers.'),
    attention: z.number().describe('How many of those matched need a look.'),
    stats: z.boolean(),
    sort: z.enum(SORTS),
    containers: z.array(ContainerRow()),
    unknown: z.array(Unknown()),
    next: z.string().nullable(),
  }),
);
export type ContainerListAnswer = z.output<ReturnType<typeof ContainerListAnswer>>;

const input = once(() =>
  z.strictObject({
    state: z.enum(STATES).optional(),
    health: z
      .enum([...HEALTHS, 'none'])
      .optional()
      .describe('none: has no check.'),
    name: z.string().min(1).max(128).optional(),
    project: z.string().min(1).max(128).optional().describe('Compose project.'),
    image: z.string().min(1).max(256).optional().describe('Part of it.'),
    label: z.string().min(1).max(256).optional().describe('key or key=value'),
    stats: z.boolean().default(false).describe('Adds CPU, memory, network, disk: a second more.'),
    sort: z.enum(SORTS).default('attention').describe('cpu and memory add stats.'),
    limit: limit(30, 200),
    engine: EngineInput(),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const containerList = defineRead({
  name: 'container_list',
  title: 'Containers',
  description:
    'Use this to see the containers of Docker or Podman: state, health, restarts, exit reason, ports, stack; those that need attention first. For all about one use container_inspect.',
  toolset: 'docker',
  core: true,
  input,
  output: ContainerListAnswer,
  scopes: { least: 'docker:read' },
  risk: 'read',
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 30_000 },
  cut: { lists: ['containers'], show: (i) => i.limit },
  text: containerListText,

  async handler(i, ctx) {
    const { docker } = ctx.host;
    const to = toEngine(i.engine, ctx);
    const withStats = i.stats || i.sort === 'cpu' || i.sort === 'memory';
    const all = await docker.containers.list({ ...to, all: true });
    const matching = all.filter((c) => matches(c, i));
    // Those whose state already says that something is wrong are never the ones left without an inspection.
    const asked = matching
      .toSorted((a, b) => rankOf(attentionOf(a, null, 0)) - rankOf(attentionOf(b, null, 0)))
      .slice(0, MOST);
    const ids = asked.map((c) => c.id);
    const running = asked.filter((c) => c.state === 'running' || c.state === 'paused').map((c) => c.id);
    const [runs, info] = await Promise.all([
      docker.containers.runs(ids, to),
      withStats ? attempt(docker.engines.info(to), ctx) : null,
    ]);
    // After the inspections, not beside them: they are work of the engine, and would be measured.
    const uses = withStats ? await usesOf(running, info?.value?.memoryBytes ?? null, ctx, to) : null;

    const now = ctx.now();
    const rows = ordered(
      matching.map((c) => row(c, runs.get(c.id) ?? null, uses && (uses.get(c.id) ?? null), now)),
      i.sort,
    );
    const unknown = [];
    const gone = matching.length - runs.size;
    if (gone > 0)
      unknown.push({
        what: `restarts and exit of ${gone} of ${matching.length} containers`,
        why: matching.length > MOST ? `only ${MOST} are inspected for one answer` : 'they went away meanwhile',
      });
    const blind = uses ? running.filter((id) => !uses.has(id)).length : 0;
    if (blind > 0)
      unknown.push({ what: `stats of ${blind} containers`, why: 'they stopped meanwhile, or the engine keeps none' });
    if (info?.why !== undefined) unknown.push({ what: 'memory of the machine', why: info.why });

    return {
      engine: i.engine ?? null,
      total: all.length,
      matched: matching.length,
      byState: Object.fromEntries(
        STATES.map((s) => [s, all.filter((c) => c.state === s).length]).filter(([, n]) => n !== 0),
      ),
      attention: rows.filter((r) => r.attention !== null).length,
      stats: withStats,
      sort: i.sort,
      containers: rows,
      unknown,
      next: nextOf(rows, i),
    };
  },
});

/** Labels are compared as they are shown: a caller must not be able to guess at a secret in one. */
function matches(c: ContainerSummary, i: Input): boolean {
  const has = (whole: string, part: string | undefined) =>
    part === undefined || whole.toLowerCase().includes(part.toLowerCase());
  const labels = Object.entries(c.labels);
  return (
    (i.state === undefined || c.state === i.state) &&
    (i.health === undefined || (c.health ?? 'none') === i.health) &&
    (has(c.name, i.name) || (i.name !== undefined && i.name.length >= 4 && c.id.startsWith(i.name))) &&
    has(c.image, i.image) &&
    (i.project === undefined || stackOf(c.labels).project === i.project) &&
    (i.label === undefined || labels.some(([key, value]) => key === i.label || shownLabel(key, value) === i.label))
  );
}

function row(c: ContainerSummary, run: ContainerRun | null, use: Use | null, now: number): ContainerRow {
  const since =
    run === null
      ? null
      : c.state === 'running' || c.state === 'paused'
        ? run.startedAtMs
        : c.state === 'created'
          ? c.createdAtMs
          : run.finishedAtMs;
  const seconds = (ms: number | null) => (ms === null ? null : whole(Math.max(0, now - ms) / 1_000));
  return {
    name: c.name,
    id: shortId(c.id),
    image: shortImage(c.image),
    state: c.state,
    health: c.health,
    attention: attentionOf(c, run, now),
    sinceSeconds: seconds(since),
    ageSeconds: seconds(c.createdAtMs),
    restarts: run?.restarts ?? null,
    exit: run ? (exitOf({ ...run, state: c.state })?.short ?? null) : null,
    ports: portsOf(c.ports),
    ...stackOf(c.labels),
    ...(use === null
      ? {}
      : {
          cpuPercent: one(use.cpuPercent),
          memoryBytes: use.memoryBytes,
          memoryLimitBytes: use.memoryLimitBytes,
          memoryPercent: one(use.memoryPercent),
          throttledPercent: one(use.throttledPercent),
          pids: use.pids,
          rxBytesPerSecond: whole(use.rxBytesPerSecond),
          txBytesPerSecond: whole(use.txBytesPerSecond),
          readBytesPerSecond: whole(use.readBytesPerSecond),
          writtenBytesPerSecond: whole(use.writtenBytesPerSecond),
        }),
  };
}

/** A digest of 64 digits costs forty tokens, and says no more than its beginning. */
export const shortImage = (image: string): string => image.replace(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/, '$1');

function ordered(rows: ContainerRow[], sort: Input['sort']): ContainerRow[] {
  const most = (of: (r: ContainerRow) => number | null | undefined) => (a: ContainerRow, b: ContainerRow) =>
    (of(b) ?? -1) - (of(a) ?? -1);
  const by: Record<Input['sort'], (a: ContainerRow, b: ContainerRow) => number> = {
    attention: (a, b) =>
      rankOf(a.attention) - rankOf(b.attention) ||
      Number(b.state === 'running') - Number(a.state === 'running') ||
      (a.project ?? '\uffff').localeCompare(b.project ?? '\uffff'),
    name: () => 0,
    age: most((r) => (r.ageSeconds === null ? null : -r.ageSeconds)),
    cpu: most((r) => r.cpuPercent),
    memory: most((r) => r.memoryBytes),
    restarts: most((r) => r.restarts),
  };
  return rows.toSorted((a, b) => by[sort](a, b) || a.name.localeCompare(b.name));
}

/** In our own words, so the name only where it is of the engine's grammar. */
function nextOf(rows: readonly ContainerRow[], i: Input): string | null {
  const worst = rows.reduce<ContainerRow | null>(
    (w, r) => (w === null || rankOf(r.attention) < rankOf(w.attention) ? r : w),
    null,
  );
  if (worst === null) {
    const filtered = [i.state, i.health, i.name, i.project, i.image, i.label].some((f) => f !== undefined);
    return filtered ? 'Nothing matches: ask with fewer filters.' : null;
  }
  if (worst.attention === null || !CONTAINER_REF.test(worst.name)) return null;
  return `container_inspect {"container":"${worst.name}"} says why it is ${WHY[worst.attention]}.`;
}

const WHY: Record<(typeof ATTENTION)[number], string> = {
  dead: 'dead',
  restart_loop: 'in a restart loop',
  unhealthy: 'unhealthy',
  oom: 'out of memory',
  failed: 'down',
  paused: 'paused',
  removing: 'being removed',
  starting: 'not healthy yet',
};
