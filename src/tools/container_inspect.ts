/**
 * All that matters of one container, shaped for a reader: how it is and why, what it uses, what it may, what it is made of. Decides
 * what of an inspection is worth its tokens; values of the environment and of labels that look secret never leave (docker_parts.ts).
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineRead } from '../core/define.ts';
import type { ContainerDetail } from '../core/docker.ts';
import { CONTAINER_REF } from '../core/docker_refs.ts';
import { foreign, once, Unknown } from '../core/schema.ts';
import { rfc3339 } from '../core/text.ts';
import { type Event, lastEndOf } from '../insight/container_exit.ts';
import { reachOf } from '../insight/container_reach.ts';
import { ATTENTION, attentionOf, portsOf, stackOf } from '../insight/containers.ts';
import { containerInspectText } from './container_inspect_text.ts';
import { shortImage } from './container_list.ts';
import {
  ContainerInput,
  containerTarget,
  EngineInput,
  HEALTHS,
  STATES,
  shortId,
  shownLabel,
  shownVariable,
  toEngine,
  usesOf,
} from './docker_parts.ts';
import { figure, gaps, one, whole } from './figures.ts';
import { attempt } from './sampling.ts';

const EVENTS = 8;
/** Healthchecks alone make three events each: to find others among them, more are read than are shown. */
const EVENTS_READ = 500;
const EVENTS_MS = 7 * 86_400_000;
const HEALTH_LOG = 3;
/** Told elsewhere in the answer, or the same for all images. */
const DULL_LABEL =
  /^(?:com\.docker\.compose|io\.podman\.compose|org\.opencontainers\.image|org\.label-schema|maintainer$|desktop\.docker)/;

const said = <S extends z.ZodType>(schema: S) => foreign(schema, 'container engine');
/** Tamed where they are made (docker_parts.ts), so that the marks in them are ours. */
const withMarks = () => said(z.array(z.string())).meta({ foreign: 'container engine', kept: true });

export const ContainerInspectAnswer = once(() =>
  z.object({
    name: said(z.string()),
    id: z.string(),
    image: said(z.string()),
    imageId: z.string(),
    state: z.enum(STATES),
    health: z.enum(HEALTHS).nullable(),
    attention: z.enum(ATTENTION).nullable(),
    createdAt: z.string(),
    startedAt: z.string().nullable(),
    finishedAt: z.string().nullable(),
    sinceSeconds: figure().describe('In this state.'),
    restarts: z.number(),
    restartPolicy: z.string(),
    exit: z
      .object({ code: figure(), signal: z.string().nullable(), at: z.string().nullable(), reason: z.string() })
      .nullable()
      .describe('Its last end, as far as the engine still knows it.'),
    error: said(z.string().nullable()).describe('Why the engine could not start it, in its words.'),
    healthcheck: z
      .object({ command: said(z.string()), intervalSeconds: figure(), retries: z.number(), failingStreak: figure() })
      .nullable(),
    healthLog: z
      .array(z.object({ at: z.string(), exitCode: z.number(), output: said(z.string()) }))
      .describe('Newest first.'),
    stats: z
      .object({
        windowMs: z.number(),
        cpuPercent: figure().describe('Of one core.'),
        cpuOfLimitPercent: figure().describe('Null: no CPU limit.'),
        throttledPercent: figure(),
        memoryBytes: figure().describe('Without page cache.'),
        memoryPercent: figure().describe('Of its limit, or of the machine.'),
        pids: figure(),
        rxBytesPerSecond: figure(),
        txBytesPerSecond: figure(),
        readBytesPerSecond: figure(),
        writtenBytesPerSecond: figure(),
      })
      .nullable()
      .describe('Null: it does not run, or was not asked for.'),
    limits: z
      .object({ memoryBytes: figure(), cpus: figure(), cpuset: z.string().nullable(), pids: figure() })
      .describe('Null: none.'),
    command: said(z.string()),
    user: said(z.string()).describe('Empty: root, unless the image says otherwise.'),
    workingDir: said(z.string()),
    project: said(z.string().nullable()),
    service: said(z.string().nullable()),
    files: said(z.array(z.string())).describe('Of its compose project.'),
    reach: z.array(z.string()).describe('What it may do to the host beyond an ordinary container.'),
    ports: z.array(z.string()).describe('host→container'),
    networks: z.array(said(z.object({ name: z.string(), ip: z.string().nullable(), aliases: z.array(z.string()) }))),
    mounts: z.array(
      said(z.object({ type: z.string(), source: z.string(), destination: z.string(), writable: z.boolean() })),
    ),
    env: withMarks(),
    labels: withMarks(),
    logDriver: z.string(),
    writtenBytes: figure().describe('By it, in its own layer.'),
    events: z
      .array(said(z.object({ at: z.string(), what: z.string() })))
      .describe('Newest first; healthcheck runs left out.'),
    unknown: z.array(Unknown()),
    next: z.string().nullable(),
  }),
);
export type ContainerInspectAnswer = z.output<ReturnType<typeof ContainerInspectAnswer>>;

const input = once(() =>
  z.strictObject({
    container: ContainerInput(),
    stats: z.boolean().default(true).describe('Measures for a second.'),
    engine: EngineInput(),
  }),
);

export const containerInspect = defineRead({
  name: 'container_inspect',
  title: 'Inspect a container',
  description:
    'Use this to learn all about one container: why it ended or is unhealthy, what it uses, limits, mounts, networks, ports, environment (values removed), recent events. To find one use container_list.',
  toolset: 'docker',
  core: true,
  input,
  output: ContainerInspectAnswer,
  scopes: { least: 'docker:read' },
  risk: 'sensitive',
  targets: (i) => [containerTarget(i)],
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 20_000 },
  cut: { lists: ['labels', 'env', 'events', 'mounts', 'networks', 'healthLog'] },
  text: containerInspectText,

  async handler(i, ctx) {
    const { docker } = ctx.host;
    const to = toEngine(i.engine, ctx);
    const now = ctx.now();
    const c = await docker.containers.inspect(i.container, to);
    const gap = gaps();
    const since = now - EVENTS_MS;
    const told = await attempt(docker.containers.events(c.id, { ...to, sinceMs: since, most: EVENTS_READ }), ctx);
    const all = gap.of('events', told);
    const events = all?.filter((e) => !/^(?:exec_|top$|resize$)/.test(e.what)) ?? null;
    const running = c.state === 'running' || c.state === 'paused';
    const stats = i.stats && running ? await statsOf(c, ctx, to, gap) : null;
    const exit = exitNow(c, events);
    const at = c.state === 'created' ? c.createdAtMs : running ? c.startedAtMs : c.finishedAtMs;
    const attention = attentionOf(c, c, now);
    const time = (ms: number | null) => (ms === null ? null : rfc3339(ms));

    return {
      name: c.name,
      id: shortId(c.id),
      image: shortImage(c.image),
      imageId: shortId(c.imageId),
      state: c.state,
      health: c.health,
      attention,
      createdAt: rfc3339(c.createdAtMs),
      startedAt: time(c.startedAtMs),
      finishedAt: time(c.finishedAtMs),
      sinceSeconds: at === null ? null : whole(Math.max(0, now - at) / 1_000),
      restarts: c.restarts,
      restartPolicy: policy(c.restartPolicy),
      exit,
      error: c.error === '' ? null : c.error,
      healthcheck: c.healthcheck && {
        command: commandOf(c.healthcheck.test),
        intervalSeconds: c.healthcheck.intervalMs > 0 ? c.healthcheck.intervalMs / 1_000 : null,
        retries: c.healthcheck.retries,
        failingStreak: c.failingStreak,
      },
      healthLog: c.healthLog
        .toSorted((a, b) => b.atMs - a.atMs)
        .slice(0, HEALTH_LOG)
        .map((h) => ({ at: rfc3339(h.atMs), exitCode: h.exitCode, output: h.output.trim() })),
      stats,
      limits: {
        memoryBytes: c.limits.memoryBytes,
        cpus: c.limits.cpus,
        cpuset: c.limits.cpusetCpus,
        pids: c.limits.pids,
      },
      command: [...c.entrypoint, ...c.command].join(' '),
      user: c.user,
      workingDir: c.workingDir,
      ...stackOf(c.labels),
      files: (c.labels['com.docker.compose.project.config_files'] ?? '').split(',').filter((f) => f !== ''),
      reach: reachOf(c),
      ports: portsOf(c.ports),
      networks: c.networkSettings.map((n) => ({
        name: n.name,
        ip: n.ip ?? n.ip6,
        aliases: n.aliases.filter((a) => a !== c.name && !c.id.startsWith(a)),
      })),
      mounts: c.mounts.map((m) => ({
        type: m.type,
        source: m.name ?? m.source,
        destination: m.destination,
        writable: m.writable,
      })),
      env: c.env.map(shownVariable),
      labels: Object.entries(c.labels)
        .filter(([key]) => !DULL_LABEL.test(key))
        .map(([key, value]) => shownLabel(key, value)),
      logDriver: c.logDriver,
      writtenBytes: c.sizeRwBytes,
      events: (events ?? [])
        .slice(-EVENTS)
        .toReversed()
        .map((e) => ({ at: rfc3339(e.atMs), what: eventText(e) })),
      unknown: gap.list,
      next: nextOf(c.name, attention),
    };
  },
});

async function statsOf(
  c: ContainerDetail,
  ctx: ToolContext,
  to: { engine?: string; signal?: AbortSignal },
  gap: ReturnType<typeof gaps>,
) {
  const machine = gap.of('memory of the machine', await attempt(ctx.host.docker.engines.info(to), ctx));
  const read = gap.of('stats', await attempt(usesOf([c.id], machine?.memoryBytes ?? null, ctx, to), ctx));
  const use = read?.get(c.id);
  if (read && !use) gap.of('stats', { value: null, why: 'it stopped meanwhile, or the engine keeps none' });
  if (!use) return null;
  if (use.cpuPercent === null)
    gap.of('rates', { value: null, why: 'its counters began anew in the window; ask again' });
  const { cpus } = c.limits;
  return {
    windowMs: Math.round(use.windowMs),
    cpuPercent: one(use.cpuPercent),
    cpuOfLimitPercent: one(use.cpuPercent !== null && cpus !== null && cpus > 0 ? use.cpuPercent / cpus : null),
    throttledPercent: one(use.throttledPercent),
    memoryBytes: use.memoryBytes,
    memoryPercent: one(use.memoryPercent),
    pids: use.pids,
    rxBytesPerSecond: whole(use.rxBytesPerSecond),
    txBytesPerSecond: whole(use.txBytesPerSecond),
    readBytesPerSecond: whole(use.readBytesPerSecond),
    writtenBytesPerSecond: whole(use.writtenBytesPerSecond),
  };
}

function exitNow(c: ContainerDetail, events: readonly Event[] | null): ContainerInspectAnswer['exit'] {
  const end = lastEndOf(c, events);
  if (!end) return null;
  const { code, signal, reason } = end.exit;
  return { code, signal, at: end.atMs === null ? null : rfc3339(end.atMs), reason };
}

/** Its name in our own words, so only where it is of the engine's grammar. */
const nextOf = (name: string, attention: (typeof ATTENTION)[number] | null): string | null =>
  attention === null || attention === 'paused' || attention === 'removing' || !CONTAINER_REF.test(name)
    ? null
    : `log_query {"source":["container:${name}"],"tail":200} has its last words.`;

const policy = (p: ContainerDetail['restartPolicy']): string =>
  p.name === 'on-failure' && p.maximumRetries > 0 ? `on-failure:${p.maximumRetries}` : p.name || 'no';

/** CMD-SHELL is a line for a shell, CMD a vector; NONE switches an image's own check off. */
function commandOf(test: readonly string[]): string {
  const [kind, ...rest] = test;
  return kind === 'CMD' || kind === 'CMD-SHELL' ? rest.join(' ') : test.join(' ');
}

function eventText(e: Event): string {
  const { exitCode, signal } = e.detail;
  if (exitCode !== undefined) return `${e.what}, exit ${exitCode}`;
  return signal === undefined ? e.what : `${e.what}, signal ${signal}`;
}
