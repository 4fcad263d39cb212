/**
 * Which two moments a tool compares: the sampler's, when it is fresh, or two of its own. Decides how old an earlier
 * reading may be and how long a cold start waits; what a difference means is insight's.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { ToolContext } from '../core/call.ts';
import { toOpsError } from '../core/errors.ts';
import type { ProcessList, Reading, Snapshot } from '../core/host.ts';
import { STEADY_MS } from '../insight/facts.ts';

/** Older than this, a difference is history, not now. */
const FRESH_MS = 15_000;
/** The kernel counts CPU in ticks of 10 ms: a shorter window would be off by more than a tenth. Longer, a caller waits. */
const COLD_MS = 100;

export interface Moments {
  before: Snapshot;
  after: Snapshot;
  /** Null when processes were not wanted. */
  lists: { before: ProcessList | null; after: Reading<ProcessList> } | null;
}

export interface Want {
  /** A fresh window of this length, whatever the sampler has. */
  sampleMs?: number | undefined;
  processes?: { io?: boolean; commands?: boolean; fds?: boolean };
}

export async function observe(ctx: ToolContext, want: Want): Promise<Moments> {
  const { system } = ctx.host;
  const now = system.snapshot();
  const fresh = want.sampleMs !== undefined;
  const before = (fresh ? null : earlier(ctx.recent(), now)) ?? now;
  const sampled = fresh ? null : ctx.recentProcesses();
  const read = want.processes && { ...want.processes, signal: ctx.signal };
  let listBefore: ProcessList | null = null;
  if (read) {
    // The sampler reads no I/O counters: they are dear, and only one order needs them.
    const usable = sampled && !read.io && age(sampled, now) > 0 && age(sampled, now) <= FRESH_MS;
    listBefore = usable
      ? sampled
      : (await attempt(system.processes({ io: read.io ?? false, signal: ctx.signal }), ctx)).value;
  }
  const youngest = Math.min(age(before, now), listBefore ? age(listBefore, now) : Number.POSITIVE_INFINITY);
  const wait = (want.sampleMs ?? COLD_MS) - Math.max(0, youngest);
  if (wait > 0) await rest(wait, ctx.signal);
  const after = before === now || wait > 0 ? system.snapshot() : now;
  const lists = read ? { before: listBefore, after: await attempt(system.processes(read), ctx) } : null;
  return { before, after, lists };
}

const age = (then: { atMs: number }, now: { atMs: number }) => now.atMs - then.atMs;

/** The newest that is old enough for steady rates; else the newest that is old enough at all. */
function earlier(recent: readonly Snapshot[], now: Snapshot): Snapshot | null {
  const usable = recent.filter((s) => age(s, now) >= COLD_MS && age(s, now) <= FRESH_MS);
  return usable.findLast((s) => age(s, now) >= STEADY_MS) ?? usable.at(-1) ?? null;
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}

/** One part that cannot be had must not take the whole answer with it; a caller who left must. */
export async function attempt<T>(work: Promise<T>, ctx: Pick<ToolContext, 'signal'>): Promise<Reading<T>> {
  try {
    return { value: await work };
  } catch (thrown) {
    ctx.signal.throwIfAborted();
    return { value: null, why: toOpsError(thrown).message };
  }
}

/** Slow facts go on being gathered for the next call (the host keeps them); this one does not wait for ever. */
export async function within<T>(ms: number, work: Promise<T>, ctx: Pick<ToolContext, 'signal'>): Promise<Reading<T>> {
  const over = new AbortController();
  const late = pause(ms, { value: null, why: `not known after ${ms} ms; ask again in some seconds` } as const, {
    signal: AbortSignal.any([ctx.signal, over.signal]),
  }).catch(() => {
    ctx.signal.throwIfAborted();
    return { value: null, why: 'over' } as const;
  });
  const first = await Promise.race([attempt(work, ctx), late]);
  over.abort();
  return first;
}
