/**
 * The engines themselves: which answer and why not, what they are, what takes room, networks and volumes with who uses them, and what
 * reaching them means. Decides how long disk use is waited for (the engine counts every file for it), and which parts are shown.
 */
import * as z from 'zod';
import { defineRead } from '../core/define.ts';
import { foreign, once, Unknown } from '../core/schema.ts';
import { risksOf } from '../insight/container_reach.ts';
import { EngineInput, toEngine } from './docker_parts.ts';
import { dockerSystemText } from './docker_system_text.ts';
import { figure, gaps } from './figures.ts';
import { attempt, within } from './sampling.ts';

const USAGE_MS = 12_000;

const said = <S extends z.ZodType>(schema: S) => foreign(schema, 'container engine');
const Room = once(() => z.object({ bytes: z.number(), reclaimableBytes: z.number() }));

export const DockerSystemAnswer = once(() =>
  z.object({
    engines: z.array(
      z.object({
        name: z.string(),
        endpoint: z.string(),
        foundBy: z.enum(['config', 'DOCKER_HOST', 'rootless', 'podman', 'default']),
        kind: z.enum(['docker', 'podman']).nullable(),
        answers: z.boolean(),
        version: said(z.string().nullable()),
        apiVersion: z.string().nullable(),
        why: said(z.string().nullable()).describe('Why it does not answer.'),
        hint: z.string().nullable(),
      }),
    ),
    none: z.string().nullable().describe('Why there is no engine at all.'),
    /** Of the engine that was asked for, or the first. */
    engine: z
      .object({
        name: z.string(),
        os: said(z.string()),
        kernel: said(z.string()),
        storageDriver: said(z.string()),
        dataRoot: said(z.string()),
        cgroup: z.string().nullable(),
        cpus: z.number(),
        memoryBytes: z.number(),
        rootless: z.boolean(),
        compose: said(z.string().nullable()),
        containers: z.object({ all: z.number(), running: z.number(), paused: z.number(), stopped: z.number() }),
        images: z.number(),
      })
      .nullable(),
    disk: z
      .object({ images: Room(), containers: Room(), volumes: Room(), buildCache: Room() })
      .nullable()
      .describe('reclaimableBytes: what pruning would free.'),
    networks: z.array(
      z.object({
        name: said(z.string()),
        driver: said(z.string()),
        internal: z.boolean(),
        subnets: said(z.array(z.string())),
        usedBy: said(z.array(z.string())),
      }),
    ),
    volumes: z.array(
      z.object({
        name: said(z.string()),
        driver: said(z.string()),
        sizeBytes: figure(),
        usedBy: said(z.array(z.string())),
        anonymous: z.boolean(),
      }),
    ),
    warnings: said(z.array(z.string())).describe('The engine’s own.'),
    risks: z.array(z.object({ what: z.string(), hint: z.string() })).describe('Of reaching this engine.'),
    unknown: z.array(Unknown()),
  }),
);
export type DockerSystemAnswer = z.output<ReturnType<typeof DockerSystemAnswer>>;

export const dockerSystem = defineRead({
  name: 'docker_system',
  title: 'Container engines',
  description:
    'Use this when an engine (Docker, Podman) does not answer, or to see its version, disk use, networks and volumes with who uses them, warnings and risks. For containers use container_list, for images image_list.',
  toolset: 'docker',
  core: false,
  input: () =>
    z.strictObject({
      usage: z
        .boolean()
        .default(true)
        .describe('False: without disk use, networks and volumes, which take an engine seconds.'),
      engine: EngineInput(),
    }),
  output: DockerSystemAnswer,
  scopes: { least: 'docker:read' },
  risk: 'read',
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 30_000 },
  cut: { lists: ['volumes', 'networks', 'warnings'] },
  text: dockerSystemText,

  async handler(i, ctx) {
    const { engines } = ctx.host.docker;
    const to = toEngine(i.engine, ctx);
    const { engines: found, why } = await engines.status({ signal: ctx.signal });
    const one = i.engine === undefined ? found[0] : found.find((e) => e.name === i.engine);
    // An unknown name: the host's own error names those there are.
    if (i.engine !== undefined && !one) await engines.info(to);
    const gap = gaps();
    const asked = one?.answers === true;
    const [infoRead, usageRead] = asked
      ? await Promise.all([attempt(engines.info(to), ctx), i.usage ? within(USAGE_MS, engines.usage(to), ctx) : null])
      : [null, null];
    const info = infoRead && gap.of('engine', infoRead);
    const usage = usageRead && gap.of('disk use, networks and volumes', usageRead);
    if (info?.compose.why !== undefined) gap.list.push({ what: 'compose', why: info.compose.why });
    if (info && info.cgroupVersion === null) gap.list.push({ what: 'cgroup version', why: 'the engine does not say' });
    const unsized = usage?.volumes.filter((v) => v.sizeBytes === null).length ?? 0;
    if (unsized > 0)
      gap.list.push({
        what: `size of ${unsized} ${unsized === 1 ? 'volume' : 'volumes'}`,
        why: 'the engine did not count it',
      });
    const room = (bytes: number, reclaimableBytes: number) => ({ bytes, reclaimableBytes });

    return {
      engines: found.map(({ trouble, ...e }) => ({ ...e, why: trouble?.why ?? null, hint: trouble?.hint ?? null })),
      none: found.length === 0 ? (why ?? 'None was found.') : null,
      engine: info && {
        name: one?.name ?? info.name,
        os: info.os,
        kernel: info.kernel,
        storageDriver: info.storageDriver,
        dataRoot: info.dataRoot,
        cgroup:
          info.cgroupVersion === null
            ? null
            : `v${info.cgroupVersion}${info.cgroupDriver ? ` (${info.cgroupDriver})` : ''}`,
        cpus: info.cpus,
        memoryBytes: info.memoryBytes,
        rootless: info.rootless,
        compose: info.compose.value,
        containers: info.containers,
        images: info.images,
      },
      disk: usage && {
        images: room(usage.imagesBytes, usage.reclaimable.imagesBytes),
        containers: room(usage.containersBytes, usage.reclaimable.containersBytes),
        volumes: room(usage.volumesBytes, usage.reclaimable.volumesBytes),
        buildCache: room(usage.buildCacheBytes, usage.reclaimable.buildCacheBytes),
      },
      networks: (usage?.networks ?? []).map(({ id: _, containers, ...n }) => ({ ...n, usedBy: containers })),
      volumes: (usage?.volumes ?? [])
        .map(({ createdAtMs: _, ...v }) => v)
        .toSorted((a, b) => (b.sizeBytes ?? -1) - (a.sizeBytes ?? -1)),
      warnings: info?.warnings ?? [],
      risks: one ? risksOf(one, info) : [],
      unknown: gap.list,
    };
  },
});
