/**
 * What all changes of containers share: the very container that was named, whether it may be changed, who is hit along with it, waiting
 * for what was promised, and its last words. Decides that a change goes by the name as the engine has it: rules, locks and records do, too.
 */
import type { ToolContext } from '../core/call.ts';
import type { ContainerDetail, ContainerState, ToEngine } from '../core/docker.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import { rfc3339 } from '../core/text.ts';
import { type Guarded, guardOf, type Right } from '../insight/container_guard.ts';
import { isPublished, portsOf, stackOf } from '../insight/containers.ts';

type Ctx = Pick<ToolContext, 'host' | 'signal'>;

/** What may be done with it was asked; throws where it may not, with what would allow it. */
export async function subjectOf(
  name: string,
  right: Right,
  ctx: Ctx,
  to: ToEngine,
  size = false,
): Promise<ContainerDetail> {
  const c = await ctx.host.docker.containers.inspect(name, { ...to, size });
  if (c.name !== name)
    throw new OpsError('validation', `A change names a container by its name: ${name} is ${c.name}.`, {
      hint: 'Rules, locks and records go by the name.',
      candidates: [c.name],
    });
  await guard(c, right, ctx, to);
  return c;
}

export async function guard(c: Guarded & { imageId: string }, right: Right, ctx: Ctx, to: ToEngine): Promise<void> {
  const { rules, self } = ctx.host.control;
  let may = guardOf(c, right, rules, self(), {});
  // Only where a label decides: the list is dear.
  if (may.refused === undefined && may.by.startsWith('label')) {
    const image = (await ctx.host.docker.images.list(to)).find((i) => i.id === c.imageId);
    may = guardOf(c, right, rules, self(), image?.labels ?? null);
  }
  if (may.refused !== undefined) throw new OpsError('permission', may.refused, { hint: may.hint });
}

export type Phase = 'up' | 'paused' | 'stopped' | 'leaving';

/** One that crashes and is started again goes to and fro: for a change it is up all the time. */
export const phaseOf = (state: ContainerState): Phase =>
  state === 'running' || state === 'restarting'
    ? 'up'
    : state === 'paused'
      ? 'paused'
      : state === 'removing'
        ? 'leaving'
        : 'stopped';

/** Of the state before: what names it and what a person decided by, nothing that moves by itself. */
export const digestOf = (c: ContainerDetail, to: ToEngine, ...more: unknown[]): string =>
  JSON.stringify([to.engine ?? null, c.id, c.name, c.imageId, phaseOf(c.state), ...more]);

export interface Neighbours {
  /** Of its stack, and waiting for it at their start. */
  needIt: string[];
  /** They have no network of their own, but its. */
  shareNetwork: string[];
}

export async function neighboursOf(c: ContainerDetail, ctx: Ctx, to: ToEngine): Promise<Neighbours> {
  const all = (await ctx.host.docker.containers.list({ ...to, all: true })).filter((x) => x.id !== c.id);
  const { project, service } = stackOf(c.labels);
  const needIt = all.filter((x) => {
    const theirs = stackOf(x.labels);
    return project !== null && theirs.project === project && needs(x.labels, service);
  });
  // The list does not say whose network one uses; one that has none of its own is looked at.
  const without = all.filter((x) => x.networks.length === 0 && phaseOf(x.state) !== 'leaving').slice(0, MOST_LOOKS);
  const looked = await Promise.all(
    without.map((x) =>
      ctx.host.docker.containers.inspect(x.id, to).catch((thrown: unknown) => {
        if (toOpsError(thrown).code === 'not_found') return null;
        throw thrown;
      }),
    ),
  );
  const sharing = looked.filter(
    (x) => x !== null && [`container:${c.id}`, `container:${c.name}`].includes(x.networkMode),
  );
  const names = (list: readonly ({ name: string } | null)[]) => list.flatMap((x) => (x ? [x.name] : [])).sort();
  return { needIt: names(needIt), shareNetwork: names(sharing) };
}

const MOST_LOOKS = 50;

/** As compose writes it: `db:service_healthy:true,cache:service_started:false`. */
function needs(labels: Record<string, string>, service: string | null): boolean {
  const on = labels['com.docker.compose.depends_on'] ?? '';
  return service !== null && on.split(',').some((part) => part.split(':')[0] === service);
}

/** Who else is hit while it does not run, in sentences. */
export function alsoHit(c: ContainerDetail, n: Neighbours): string[] {
  const ports = portsOf(c.ports).filter(isPublished);
  return [
    ports.length > 0 ? `Its ${ports.length === 1 ? 'port' : 'ports'} ${some(ports)} will not answer meanwhile.` : null,
    n.needIt.length > 0 ? `${some(n.needIt)} ${n.needIt.length === 1 ? 'depends' : 'depend'} on it.` : null,
    n.shareNetwork.length > 0
      ? `${some(n.shareNetwork)} ${n.shareNetwork.length === 1 ? 'uses' : 'use'} its network, and will have none.`
      : null,
  ].filter((s) => s !== null);
}

export const some = (names: readonly string[], most = 6): string =>
  names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`;

/** What stands there now, for who decides and for the receipt. */
export const standing = (c: ContainerDetail): Record<string, unknown> => ({
  container: c.name,
  id: c.id.slice(0, 12),
  image: c.image,
  state: c.state,
  ...(c.health === null ? {} : { health: c.health }),
  startedAt: c.startedAtMs === null ? null : rfc3339(c.startedAtMs),
  finishedAt: c.finishedAtMs === null ? null : rfc3339(c.finishedAtMs),
  restarts: c.restarts,
  ...(phaseOf(c.state) === 'stopped' ? { exitCode: c.exitCode } : {}),
});

export type Promised = 'running' | 'stopped' | 'paused';

export interface Settled {
  reached: boolean;
  /** Why not, as the end of a sentence: `it is unhealthy`. */
  why: string | null;
  /** Null: it could not be looked at, or is gone. */
  is: ContainerDetail | null;
  waitedMs: number;
}

const LOOK_MS = 500;
/** One that ends right after its start has ended by then. */
const STEADY_MS = 3_000;

/**
 * Waits until it is as promised, and for `running` stays so; where it has a healthcheck, until that says healthy. Ends early where it is
 * clear that this will not come. Time is counted in pauses: a clock that is set does not shorten it.
 */
export async function settle(
  id: string,
  promised: Promised,
  o: { to: ToEngine; ctx: Ctx; withinMs: number; tick?(waitedMs: number): void },
): Promise<Settled> {
  const { containers } = o.ctx.host.docker;
  let waitedMs = 0;
  let is: ContainerDetail | null = null;
  let since: number | null = null;
  let startedAtMs: number | null = null;
  let restarts: number | null = null;
  let trouble: string | null = null;
  const end = (reached: boolean, why: string | null): Settled => ({ reached, why, is, waitedMs });
  for (;;) {
    try {
      is = await containers.inspect(id, o.to);
      trouble = null;
    } catch (thrown) {
      const error = toOpsError(thrown);
      is = null;
      if (error.code === 'not_found') return end(false, 'it is gone');
      if (error.code !== 'unavailable' && error.code !== 'timeout') throw thrown;
      // An engine that starts anew is back in seconds.
      trouble = 'the engine did not answer';
    }
    if (is && promised !== 'running') {
      if (phaseOf(is.state) === promised) return end(true, null);
    } else if (is) {
      restarts ??= is.restarts;
      if (is.state === 'running') {
        startedAtMs ??= is.startedAtMs;
        since ??= waitedMs;
        if (is.restarts > restarts || is.startedAtMs !== startedAtMs)
          return end(false, 'it ended and was started again');
        if (is.health === 'unhealthy') return end(false, 'its healthcheck fails');
        if (is.health === 'healthy') return end(true, null);
        if (is.health === null && waitedMs - since >= STEADY_MS) return end(true, null);
      } else if (is.state === 'paused') return end(false, 'it is paused');
      else if (is.state !== 'created' || is.error !== '')
        return end(
          false,
          is.state === 'created' ? 'it could not be started' : `it ended with exit code ${is.exitCode ?? '?'}`,
        );
    }
    if (waitedMs >= o.withinMs && !(is?.state === 'running' && is.health === null && promised === 'running'))
      return end(false, trouble ?? stillNot(is, promised, o.withinMs));
    o.tick?.(waitedMs);
    await pause(LOOK_MS);
    waitedMs += LOOK_MS;
  }
}

function stillNot(is: ContainerDetail | null, promised: Promised, withinMs: number): string {
  const within = `after ${Math.round(withinMs / 1_000)} s`;
  if (is?.health === 'starting' && promised === 'running') return `its healthcheck has not said healthy ${within}`;
  return `it is still ${is?.state ?? 'unknown'} ${within}`;
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const LINES = 5;
const LINE_BYTES = 240;

/** Its last lines since then, by the engine's clock where that is known. Never a reason to fail. */
export async function lastLines(id: string, sinceMs: number | null, ctx: Ctx, to: ToEngine): Promise<string[]> {
  const lines: string[] = [];
  try {
    const window = { ...to, tail: LINES, maxBytes: 64 * 1024, maxLineBytes: LINE_BYTES };
    const log = ctx.host.docker.containers.logs(id, sinceMs === null ? window : { ...window, sinceMs });
    for await (const line of log) lines.push(line.text.trim());
  } catch {
    // Some log drivers cannot be read: there is nothing to show.
  }
  return lines.filter((l) => l !== '').slice(-LINES);
}

/** After the first effect a change runs to its verdict: no caller's signal, each request with its own bounds. */
export const steadily = (to: ToEngine): ToEngine => (to.engine === undefined ? {} : { engine: to.engine });
