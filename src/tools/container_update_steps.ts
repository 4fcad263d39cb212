/**
 * The steps of an update, in the order that is in nobody's way for as long as can be: pull, make the new container beside the running old
 * one, stop the old, change names, start, judge; and the way back from any of them. Decides when the new one has failed. Names say at each
 * moment how far it came: `…-deckhand-new-…` is not in use yet, `…-deckhand-old-…` is what can be put back.
 */
import type { ContainerDetail, EngineStatus, ToEngine } from '../core/docker.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import { bytes, duration } from '../core/text.ts';
import type { ChangeContext, Changed } from '../core/tool.ts';
import { atLeast, levelOf } from '../insight/log_level.ts';
import { lastLines, type Settled, settle, standing, steadily } from './container_change.ts';
import type { UpdateInput, UpdatePlan } from './container_update.ts';
import { putBack, type Way } from './container_update_back.ts';
import { shortId, toEngine } from './docker_parts.ts';

const GRACE_S = 30;
/** Policies by which an engine leaves alone what was stopped. */
const NEVER = new Set(['', 'no', 'unless-stopped']);

export async function updateSteps(i: UpdateInput, plan: UpdatePlan, ctx: ChangeContext): Promise<Changed> {
  const { c, image, oldName, newName } = plan;
  const { images, changes } = ctx.host.docker;
  const to = steadily(toEngine(i.engine, ctx));
  const way: Way = {
    engine: i.engine ?? null,
    name: c.name,
    oldId: c.id,
    oldName,
    newName,
    image,
    policy: c.restartPolicy,
    begunAtMs: ctx.now(),
  };
  const before = { ...standing(c), imageId: shortId(c.imageId) };
  const host = await hostOf(ctx, to);
  const answered = await answering(c, host, ctx);
  const errorsBefore = await errorsOf(c.id, null, ctx, to);

  // From here on it runs to its verdict. All that is needed to put the old one back is on the disk.
  ctx.commit({ data: { ...way } });

  // Nothing of the container is touched yet: whatever goes wrong until the old one is stopped is an error, and no more.
  const pulled = await images.pull(image, {
    ...to,
    signal: ctx.signal,
    onProgress: (p) =>
      ctx.progress(p.doneBytes, p.totalBytes, `pulling ${image}: ${bytes(p.doneBytes)} of ${bytes(p.totalBytes)}`),
  });
  if (plan.newer.remote !== null && pulled.digest !== null && pulled.digest !== plan.newer.remote)
    throw new OpsError(
      'conflict',
      `${image} is another image now than when this was previewed: ${shortId(pulled.digest)}.`,
      {
        hint: `${c.name} was not touched. Repeat the call to see what it is now.`,
      },
    );
  if (pulled.id === c.imageId && image === c.image)
    return {
      summary: `${c.name} runs what ${image} is now; nothing was changed.`,
      before,
      after: { ...before, state: c.state },
    };
  ctx.signal.throwIfAborted();
  const raw = await changes.raw(c.id, to);
  const id = await changes.recreate(raw, { ...to, image, name: newName });

  let why: string | null = null;
  let at: Settled | null = null;
  let silent: number[] = [];
  try {
    ctx.progress(1, 3, `stopping ${c.name}`);
    await changes.stop(c.id, { ...to, graceS: GRACE_S });
    await changes.rename(c.id, oldName, to);
    await changes.rename(id, c.name, to);
    await changes.start(id, to);
    at = await settle(id, 'running', {
      to,
      ctx,
      withinMs: i.within_s * 1_000,
      tick: (ms) =>
        ctx.progress(2, 3, `waiting for ${c.name} to be well: ${Math.round(ms / 1_000)} of ${i.within_s} s`),
    });
    if (!at.reached) why = at.why;
    else {
      silent = await stillSilent(answered, host, i.within_s * 1_000 - at.waitedMs, id, ctx, to);
      if (silent.length > 0) why = `port ${silent.join(', ')} does not answer any more`;
    }
  } catch (thrown) {
    why = `the engine said: ${toOpsError(thrown).message}`.replace(/\.$/, '');
  }
  const log = why === null ? [] : await wordsOf(id, at?.is ?? null, ctx, to);
  const errorsAfter = await errorsOf(id, at?.is?.startedAtMs ?? null, ctx, to);
  const errors = { errorsBefore, errorsAfter };
  const made = { image, imageId: shortId(pulled.id), ...(pulled.digest ? { digest: pulled.digest } : {}) };

  if (why !== null) {
    const is = await putBack(way, [id], ctx, to, why);
    return {
      state: 'rolled_back',
      summary: `The update of ${c.name} to ${shortId(pulled.digest ?? pulled.id)} failed: ${why}. The old container is back${
        is.reached ? ' and running' : `, but ${is.why}`
      }.${log.length > 0 ? ' What the new one said is below.' : ''} The pulled image stays.`,
      before,
      after: { ...(is.is ? standing(is.is) : {}), tried: made, why, ...errors, log },
    };
  }

  // One that the engine would start by itself at its own next start, beside the new one, must not.
  const restarts = NEVER.has(c.restartPolicy.name)
    ? null
    : await changes.restartPolicy(c.id, { name: 'no', maximumRetries: 0 }, to).then(
        () => null,
        (thrown: unknown) => toOpsError(thrown).message,
      );
  const is = at?.is as ContainerDetail;
  return {
    summary: [
      `${c.name} runs ${image} now: ${shortId(c.imageId)} → ${shortId(pulled.id)}, ${is.health === 'healthy' ? 'healthy' : 'running'} after ${duration(at?.waitedMs ?? 0)}.`,
      answered.length > 0 ? `Port ${answered.join(', ')} answers.` : null,
      errorsAfter !== null && errorsAfter > 0
        ? `Its log has ${errorsAfter} lines of errors since (before: ${errorsBefore ?? '?'}).`
        : null,
      `The old container stays, stopped, as ${oldName}: undo puts it back; container_remove removes it once it is not wanted.`,
      restarts === null
        ? null
        : `Its restart policy could not be switched off (${restarts}): the engine may start it again at its own next start.`,
    ]
      .filter((s) => s !== null)
      .join(' '),
    before,
    after: { ...standing(is), ...made, kept: oldName, ...errors },
    revert: { data: { ...way, newId: id } },
  };
}

/** What it said, and what its healthcheck did. */
async function wordsOf(id: string, is: ContainerDetail | null, ctx: ChangeContext, to: ToEngine): Promise<string[]> {
  const said = await lastLines(id, null, ctx, to);
  const last =
    is?.health === 'unhealthy' || is?.health === 'starting'
      ? is.healthLog.toSorted((a, b) => a.atMs - b.atMs).at(-1)
      : undefined;
  const check =
    last && last.exitCode !== 0 ? [`healthcheck (exit ${last.exitCode}): ${last.output.trim().slice(0, 240)}`] : [];
  return [...(is?.error ? [is.error] : []), ...said, ...check];
}

const LOOKED_AT = 300;

/** Of its last lines; null where they cannot be read. */
async function errorsOf(id: string, sinceMs: number | null, ctx: ChangeContext, to: ToEngine): Promise<number | null> {
  try {
    const window = { ...to, tail: LOOKED_AT, maxBytes: 256 * 1024, maxLineBytes: 1_000 };
    let errors = 0;
    for await (const line of ctx.host.docker.containers.logs(id, sinceMs === null ? window : { ...window, sinceMs }))
      if (atLeast(levelOf(line.text), 'error')) errors++;
    return errors;
  } catch {
    return null;
  }
}

/** The machine on which the engine publishes ports, as seen from here. */
async function hostOf(ctx: ChangeContext, to: ToEngine): Promise<string> {
  const { engines } = await ctx.host.docker.engines.status({});
  const found: EngineStatus | undefined =
    to.engine === undefined ? engines[0] : engines.find((e) => e.name === to.engine);
  const { protocol, hostname } =
    found && URL.canParse(found.endpoint) ? new URL(found.endpoint) : { protocol: 'unix:', hostname: '' };
  return protocol === 'unix:' || hostname === '' ? '' : hostname.replace(/^\[|\]$/g, '');
}

const MOST_PORTS = 20;

/**
 * Published ports behind which somebody answers now. Only these must answer afterwards: what did not before, or cannot be reached from
 * here (Deckhand in a container of its own), proves nothing.
 */
async function answering(c: ContainerDetail, host: string, ctx: ChangeContext): Promise<number[]> {
  const ports = doors(c, host);
  const heard = await Promise.all([...ports].map(async ([port, at]) => ((await knock(at, port, ctx)) ? port : null)));
  return heard.filter((p) => p !== null).sort((a, b) => a - b);
}

function doors(c: ContainerDetail, host: string): Map<number, string> {
  const found = new Map<number, string>();
  for (const p of c.ports) {
    if (p.protocol !== 'tcp' || p.hostPort === null || found.size >= MOST_PORTS) continue;
    const anywhere = p.hostIp === null || p.hostIp === '' || p.hostIp === '0.0.0.0' || p.hostIp === '::';
    found.set(p.hostPort, host !== '' ? host : anywhere ? '127.0.0.1' : (p.hostIp as string));
  }
  return found;
}

const knock = async (host: string, port: number, ctx: ChangeContext): Promise<boolean> =>
  (await ctx.host.control.knock({ host, port })) === 'open';

const KNOCK_AGAIN_MS = 1_000;

async function stillSilent(
  answered: readonly number[],
  host: string,
  leftMs: number,
  id: string,
  ctx: ChangeContext,
  to: ToEngine,
): Promise<number[]> {
  if (answered.length === 0) return [];
  let silent = [...answered];
  for (let waitedMs = 0; ; waitedMs += KNOCK_AGAIN_MS) {
    const ports = doors(await ctx.host.docker.containers.inspect(id, to), host);
    const heard = await Promise.all(
      silent.map(async (port) => ((await knock(ports.get(port) ?? '127.0.0.1', port, ctx)) ? port : null)),
    );
    silent = silent.filter((port) => !heard.includes(port));
    if (silent.length === 0 || waitedMs >= Math.max(leftMs, KNOCK_AGAIN_MS)) return silent;
    await new Promise((resolve) => setTimeout(resolve, KNOCK_AGAIN_MS));
  }
}
