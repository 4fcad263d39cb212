/**
 * Gathers what a diagnosis of a container rests on: the inspection, events, image, neighbours, ports and log of one container. Decides
 * what is asked and how much of it is read; what cannot be had is told, and never a fault. What follows is insight/diagnose_container.ts's.
 */
import type { ToolContext } from '../core/call.ts';
import type { ContainerDetail, Port, ToEngine } from '../core/docker.ts';
import { OpsError } from '../core/errors.ts';
import type { Reading } from '../core/host.ts';
import type { Source } from '../core/source.ts';
import type { ContainerFacts, Said } from '../insight/causes_seen.ts';
import { record } from '../insight/container_powers.ts';
import { causesOf } from '../insight/diagnose.ts';
import { type Diagnosis, diagnoseContainer, ENGINE_AWAY } from '../insight/diagnose_container.ts';
import type { Entry } from '../insight/log_group.ts';
import { atLeast } from '../insight/log_level.ts';
import type { Clean } from '../insight/log_match.ts';
import { createSelector } from '../insight/log_select.ts';
import { type Found, verdictOf, type Way } from './diagnose_parts.ts';
import { gaps } from './figures.ts';
import { inspected, readerOf, toEngineOf } from './log_container.ts';
import { cleaner } from './log_query.ts';
import { lookAt } from './log_read.ts';
import { attempt } from './sampling.ts';

const EVENTS_MS = 7 * 86_400_000;
/** Healthchecks alone make three events each. */
const EVENTS_READ = 500;
const DOORS = 4;
const LOG = { lines: 200, entries: 60, chars: 64 * 1024, bytes: 512 * 1024, ms: 4_000 };
/** Entries this long before the end may still tell of it. */
const BEFORE_MS = 15 * 60_000;

interface Gathered extends Diagnosis {
  state: ContainerDetail['state'] | null;
  checked: string[];
  unknown: { what: string; why: string }[];
}

interface Asked {
  source: Source;
  sinceMs: number | undefined;
  logs: boolean;
}

export const containerDown: Way = {
  problem: 'down',
  kinds: ['container'],
  form: 'container:NAME',
  scopes: ({ logs }) => ['docker:read', ...(logs ? (['logs:read'] as const) : [])],
  targets: (s) => (s ? [{ kind: 'container', name: s.engine ? `${s.engine}/${s.name}` : s.name }] : []),
  timeoutMs: 20_000,
  async find({ source, ...o }, ctx): Promise<Found> {
    const s = source as Source;
    const found = await diagnoseTheContainer({ source: s, ...o }, ctx);
    const up = found.causes[0]?.id === 'not_down' ? 'is up' : 'runs';
    const is = found.down === null ? 'cannot be asked' : found.down ? 'is down' : up;
    return { target: s.text, verdict: verdictOf(`${s.text} ${is}`, found.causes), ...found };
  },
};

async function diagnoseTheContainer(o: Asked, ctx: ToolContext): Promise<Gathered> {
  const { source } = o;
  const { docker } = ctx.host;
  const to: ToEngine = toEngineOf(source, ctx.signal);
  const clean = cleaner(ctx);
  let c: ContainerDetail;
  try {
    c = await inspected(docker, source, ctx.signal);
  } catch (thrown) {
    return away(thrown, ctx);
  }
  const gap = gaps();
  const checked = ['state'];
  const seen = <T>(what: string, read: Reading<T>): T | null => {
    if (read.value !== null) checked.push(what);
    return gap.of(what, read);
  };
  const sinceMs = Math.min(o.sinceMs ?? Number.POSITIVE_INFINITY, ctx.now() - EVENTS_MS);
  const runs = c.state === 'running';
  const [events, image, raw, others, doors, log] = await Promise.all([
    attempt(docker.containers.events(c.id, { ...to, sinceMs, most: EVENTS_READ }), ctx),
    imageThere(c, ctx, to),
    attempt(docker.changes.raw(c.id, to), ctx),
    attempt(docker.containers.list({ ...to, all: true }), ctx),
    runs ? knocked(c, ctx) : null,
    logOf(c, o, ctx, clean),
  ]);
  const facts: ContainerFacts = {
    nowMs: ctx.now(),
    c: cleaned(c, clean),
    events: seen('events', events),
    imageThere: seen('image', image),
    wanted: raw.value === null ? seen('wanted ports', raw) : wantedPorts(raw.value),
    others:
      seen('other containers', others)
        ?.filter((one) => one.id !== c.id)
        .map((one) => ({ ...one, name: clean(one.name) })) ?? null,
    doors: doors && seen('published ports', doors),
    log: seen('log', log),
  };
  if (c.state === 'created' && c.mounts.some((m) => m.type === 'bind'))
    gap.of('sources of its mounts', { value: null, why: 'the engine keeps no word of them until it starts' });
  // Engines keep the last few hundred events only, and some none at all.
  const forgotten = c.finishedAtMs !== null && !runs && facts.events?.every((e) => e.what !== 'die');
  if (forgotten) gap.of('who ended it', { value: null, why: 'the engine has no events of that moment any more' });
  return { ...diagnoseContainer(facts, source.engine), state: c.state, checked, unknown: gap.list };
}

/** An engine that is away is an answer, too; one that was named wrongly, or refuses us, is not. */
function away(thrown: unknown, ctx: ToolContext): Gathered {
  ctx.signal.throwIfAborted();
  if (!(thrown instanceof OpsError) || (thrown.code !== 'unavailable' && thrown.code !== 'timeout')) throw thrown;
  const { hint } = thrown.details;
  const why = `${thrown.message}${hint ? ` ${hint}` : ''}`;
  const causes = causesOf([ENGINE_AWAY], { why }, {});
  const unknown = [{ what: 'the container', why: 'its engine does not answer' }];
  return { down: null, causes, state: null, checked: ['engine'], unknown };
}

async function imageThere(c: ContainerDetail, ctx: ToolContext, to: ToEngine): Promise<Reading<boolean>> {
  try {
    await ctx.host.docker.images.inspect(c.imageId || c.image, to);
    return { value: true };
  } catch (thrown) {
    ctx.signal.throwIfAborted();
    if (thrown instanceof OpsError && thrown.code === 'not_found') return { value: false };
    return { value: null, why: thrown instanceof OpsError ? thrown.message : 'the engine did not tell' };
  }
}

/** What it is to be reached by, which an inspection tells only while it runs. */
function wantedPorts(raw: Record<string, unknown>): Port[] {
  const bindings = Object.entries(record(record(raw.HostConfig).PortBindings));
  return bindings.flatMap(([spec, hosts]) => {
    const [port, protocol] = spec.split('/');
    if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') return [];
    return (Array.isArray(hosts) ? hosts : []).map((h: unknown) => ({
      containerPort: Number(port),
      protocol,
      hostIp: null,
      hostPort: Number(record(h).HostPort) || null,
    }));
  });
}

/** Only of this host: what an engine elsewhere publishes, others are there to reach. */
async function knocked(
  c: ContainerDetail,
  ctx: ToolContext,
): Promise<Reading<ContainerFacts['doors'] & object> | null> {
  const ports = new Map<number, string>();
  for (const p of c.ports) {
    if (p.protocol !== 'tcp' || p.hostPort === null || ports.size >= DOORS) continue;
    const anywhere = p.hostIp === null || p.hostIp === '' || p.hostIp === '0.0.0.0' || p.hostIp === '::';
    ports.set(p.hostPort, anywhere ? '127.0.0.1' : (p.hostIp as string));
  }
  if (ports.size === 0) return null;
  const { control } = ctx.host;
  if (control.self().inContainer)
    return { value: null, why: 'this process runs in a container, and the ports are the host’s' };
  const { signal } = ctx;
  return attempt(
    Promise.all(
      [...ports].map(async ([port, host]) => ({ port, knock: await control.knock({ host, port }, { signal }) })),
    ),
    ctx,
  );
}

async function logOf(c: ContainerDetail, o: Asked, ctx: ToolContext, clean: Clean): Promise<Reading<Said[]>> {
  if (!o.logs) return { value: null, why: 'logs: false' };
  if (c.startedAtMs === null) return { value: null, why: 'it never ran' };
  const aroundMs = c.finishedAtMs === null || c.state === 'running' ? ctx.now() : c.finishedAtMs;
  const fromMs = o.sinceMs ?? Math.max(aroundMs - BEFORE_MS, 0);
  const read = async (): Promise<Said[]> => {
    const looked = await lookAt(
      readerOf(ctx.host.docker, o.source, c, ctx.signal),
      {
        sinceMs: undefined,
        untilMs: undefined,
        beyond: undefined,
        tail: LOG.lines,
        forward: false,
        enough: LOG.entries,
        group: true,
        maxBytes: LOG.bytes,
        deadlineMs: ctx.now() + LOG.ms,
      },
      () => createSelector({ context: 0, keep: LOG.entries, chars: LOG.chars, oldest: false }),
      ctx,
    );
    const entries = looked.selection.picked.map((p) => p.entry);
    return entries.filter((e) => e.lastMs >= fromMs).map((e) => said(e, clean));
  };
  return attempt(read(), ctx);
}

/** Of a trace its first line and its last: what was done, and what went wrong. */
function said(e: Entry, clean: Clean): Said {
  const lines = clean(e.text.slice(e.stamp)).split('\n');
  const last = lines.at(-1) ?? '';
  const text = lines.length > 1 ? `${lines[0]} … ${last.trim()}` : (lines[0] ?? '');
  return { atMs: e.atMs, text, bad: atLeast(e.level, 'error') };
}

/** Before it is shortened: half a secret is none that the door could still know. Marks in it are ours from here on. */
function cleaned(c: ContainerDetail, clean: Clean): ContainerDetail {
  return {
    ...c,
    error: clean(c.error),
    image: clean(c.image),
    // Whole: `--password` and what stands behind it are two words.
    command: [clean([...c.entrypoint, ...c.command].join(' '))],
    entrypoint: [],
    networks: c.networks.map(clean),
    restartPolicy: { ...c.restartPolicy, name: clean(c.restartPolicy.name) },
    mounts: c.mounts.map((m) => ({ ...m, source: clean(m.source) })),
    healthLog: c.healthLog.map((h) => ({ ...h, output: clean(h.output).replaceAll('\n', ' ') })),
    healthcheck: c.healthcheck && { ...c.healthcheck, test: ['', clean(c.healthcheck.test.slice(1).join(' '))] },
  };
}
