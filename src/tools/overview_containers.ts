/**
 * The containers that the overview judges: a list that is at most half a minute old. Decides when an engine is asked, and that no
 * overview waits for one: what is not there in time is there for the next.
 */
import type { ToolContext } from '../core/call.ts';
import type { ContainerSummary } from '../core/docker.ts';
import type { Reading } from '../core/host.ts';
import { attempt, within } from './sampling.ts';

const FRESH_MS = 30_000;
/** Of the asking itself, which goes on when a caller has left. */
const ASK_MS = 5_000;

interface Known {
  list: Reading<ContainerSummary[]> | null;
  atMs: number;
  asking: Promise<Reading<ContainerSummary[]>> | null;
}
const known = new WeakMap<object, Known>();

/** Undefined where the tools of containers are not offered: the owner switched them off, or there is no engine. */
export async function knownContainers(
  ctx: ToolContext,
  waitMs: number,
): Promise<Reading<ContainerSummary[]> | undefined> {
  if (!ctx.offers?.('docker')) return undefined;
  const { docker } = ctx.host;
  const k = known.get(docker) ?? { list: null, atMs: 0, asking: null };
  known.set(docker, k);
  const age = ctx.now() - k.atMs;
  if (k.list && age >= 0 && age <= FRESH_MS) return k.list;
  k.asking ??= ask(k, ctx);
  const read = await within(waitMs, k.asking, ctx);
  return read.value ?? { value: null, why: read.why ?? 'not known' };
}

async function ask(k: Known, ctx: ToolContext): Promise<Reading<ContainerSummary[]>> {
  const signal = AbortSignal.timeout(ASK_MS);
  const list = await attempt(ctx.host.docker.containers.list({ all: true, signal }), { signal: NEVER });
  Object.assign(k, { list, atMs: ctx.now(), asking: null });
  return list;
}

/** `attempt` throws when its caller left; this asking has none. */
const NEVER = new AbortController().signal;
