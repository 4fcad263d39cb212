/**
 * Puts the container back that an update replaced: whatever of the new one is there goes, the old one gets its name and its restart policy
 * again, and is started. Looks before each step at how far it is, so that it can be repeated. An engine that is away for a moment is
 * waited for: in between nothing runs.
 */

import type { ToolContext } from '../core/call.ts';
import type { ContainerSummary, ToEngine } from '../core/docker.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import { phaseOf, type Settled, settle } from './container_change.ts';

/** All that putting back needs, as a receipt keeps it. */
export interface Way {
  engine: string | null;
  name: string;
  oldId: string;
  oldName: string;
  newName: string;
  image: string;
  policy: { name: string; maximumRetries: number };
  begunAtMs: number;
}

const AWAY_MS = 60_000;
const AGAIN_MS = 2_000;
const SETTLED_MS = 60_000;

type Ctx = Pick<ToolContext, 'host' | 'signal'>;

/** `news`: ids of what may be removed; what bears the new one's own name goes, too. */
export async function putBack(
  way: Way,
  news: readonly string[],
  ctx: Ctx,
  to: ToEngine,
  why: string,
): Promise<Settled> {
  const { containers, changes } = ctx.host.docker;
  let step = 'looking for it';
  try {
    const all = await patiently(() => containers.list({ ...to, all: true }));
    for (const made of all.filter((x) => isNew(x, way, news))) {
      step = 'removing the new container';
      await patiently(() => gone(changes.remove(made.id, { ...to, force: true, volumes: false })));
    }
    step = 'looking at the old container';
    const old = await patiently(() => containers.inspect(way.oldId, to));
    if (old.name !== way.name) {
      step = 'giving the old container its name';
      await patiently(async () => {
        if ((await containers.inspect(way.oldId, to)).name !== way.name) await changes.rename(way.oldId, way.name, to);
      });
    }
    if (old.restartPolicy.name !== way.policy.name) {
      step = 'giving the old container its restart policy';
      await patiently(() => changes.restartPolicy(way.oldId, way.policy, to));
    }
    if (phaseOf(old.state) !== 'up') {
      step = 'starting the old container';
      await patiently(() => changes.start(way.oldId, to));
    }
    return await settle(way.oldId, 'running', { to, ctx, withinMs: SETTLED_MS });
  } catch (thrown) {
    const error = toOpsError(thrown);
    throw new OpsError(error.code, `${why}; and ${step} failed: ${error.message}`, {
      hint: `${way.name} does not run. Once the engine answers: the old container is ${way.oldId.slice(0, 12)} (${way.oldName}); rename it to ${way.name} and start it.`,
      cause: thrown,
    });
  }
}

export const isNew = (x: Pick<ContainerSummary, 'id' | 'name'>, way: Way, news: readonly string[]): boolean =>
  x.id !== way.oldId && (news.includes(x.id) || x.name === way.newName);

async function gone(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (thrown) {
    if (toOpsError(thrown).code !== 'not_found') throw thrown;
  }
}

async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let waitedMs = 0; ; waitedMs += AGAIN_MS) {
    try {
      return await work();
    } catch (thrown) {
      const { code } = toOpsError(thrown);
      if ((code !== 'unavailable' && code !== 'timeout') || waitedMs >= AWAY_MS) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}
