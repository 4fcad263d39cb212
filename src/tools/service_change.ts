/**
 * What changes of units share: the very unit that was named and may be changed, who else is hit, waiting for what was promised. Decides
 * that a change goes by a unit's own name, as rules, locks and records do, and that nobody is stopped along with it who is protected.
 */
import type { ToolContext } from '../core/call.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import { like } from '../core/like.ts';
import type { ServiceRules, Unit, UnitVerb } from '../core/services.ts';
import { rfc3339 } from '../core/text.ts';
import { serviceExit } from '../insight/service_exit.ts';
import { ENDS, guardOf, protectedFrom } from '../insight/unit_guard.ts';
import { spelled, unitNamed } from './service_parts.ts';

type Ctx = Pick<ToolContext, 'host' | 'signal'>;

/** systemd bounds a start and a stop itself (TimeoutStartSec=, 90 s mostly); this is for who has set that to infinity. */
export const JOB_MS = 600_000;

/** Throws where it may not be done, with what would allow it. */
export async function subjectOf(unit: string, verb: UnitVerb, ctx: Ctx): Promise<Unit> {
  const { services } = ctx.host;
  const u = await unitNamed(unit, ctx);
  if (u.name !== spelled(unit))
    throw new OpsError('validation', `A change names a unit by its own name: ${spelled(unit)} is ${u.name}.`, {
      hint: 'Rules, locks and records go by the name.',
      candidates: [u.name],
    });
  const may = guardOf(u, verb, services.rules, services.self());
  if (may.refused !== undefined) throw new OpsError('permission', may.refused, { hint: may.hint });
  return u;
}

export type Phase = 'up' | 'down' | 'failed';

/** One that crashes and is started again goes to and fro: for a change it is up all the time. */
export const phaseOf = (u: Unit): Phase =>
  u.active === 'failed' ? 'failed' : u.active === 'inactive' || u.active === 'deactivating' ? 'down' : 'up';

export interface Hit {
  /** They stop with it, and with those. */
  stops: string[];
  /** They are stopped by its start. */
  ends: string[];
  /** Not running, and started along with it. */
  starts: string[];
  /** They run, and would start it again. */
  wake: string[];
}

/** More are never looked at: a unit that so much hangs on is none to be changed from afar. */
const MOST = 300;

export async function hitBy(u: Unit, verb: UnitVerb, ctx: Ctx): Promise<Hit> {
  const { services } = ctx.host;
  const look = (names: readonly string[]) => services.show(names, { signal: ctx.signal });
  const hit: Hit = { stops: [], ends: [], starts: [], wake: [] };
  if (verb === 'stop' || verb === 'restart') {
    const seen = new Map([[u.name, u]]);
    for (let wave = u.stopsToo; wave.length > 0; ) {
      const next = [...new Set(wave)].filter((n) => !seen.has(n));
      if (seen.size + next.length > MOST)
        throw new OpsError('limit', `More than ${MOST} units hang on ${u.name}.`, {
          hint: 'A person can change it, on the host.',
        });
      const found = next.length > 0 ? await look(next) : [];
      for (const is of found) seen.set(is.name, is);
      wave = found.filter((is) => phaseOf(is) === 'up').flatMap((is) => is.stopsToo);
    }
    hit.stops = [...seen.values()].filter((is) => is !== u && phaseOf(is) === 'up').map((is) => is.name);
    spared(
      u,
      verb,
      [...seen.values()].filter((is) => is !== u && phaseOf(is) === 'up'),
      services,
    );
  }
  if (verb === 'stop' && u.triggeredBy.length > 0)
    hit.wake = (await look(u.triggeredBy.slice(0, MOST))).filter((is) => is.active === 'active').map((is) => is.name);
  if (verb === 'start' || verb === 'restart') {
    const others = (await look([...new Set([...u.conflicts, ...u.pulls])].slice(0, MOST))).filter(
      (is) => is.name !== u.name,
    );
    const of = (names: readonly string[]) =>
      others.filter((is) => [is.name, ...is.aliases].some((n) => names.includes(n)));
    const ended = of(u.conflicts).filter((is) => phaseOf(is) === 'up');
    spared(u, verb, ended, services);
    hit.ends = ended.map((is) => is.name);
    const started = of(u.pulls).filter((is) => phaseOf(is) !== 'up' && is.load === 'loaded');
    const grave = started.find((is) => ENDS.names.some((glob) => like(glob, is.name)));
    if (grave)
      throw new OpsError('permission', `${u.name} would start ${grave.name}: ${ENDS.why}.`, {
        hint: 'A person can start it, on the host.',
      });
    hit.starts = started.map((is) => is.name);
  }
  return hit;
}

function spared(
  u: Unit,
  verb: UnitVerb,
  hit: readonly Unit[],
  o: { rules: ServiceRules; self(): readonly string[] },
): void {
  for (const is of hit) {
    const why = protectedFrom(is, 'stop', o.rules, o.self());
    if (why !== null)
      throw new OpsError('permission', `To ${verb} ${u.name} would stop ${is.name}, too, which is protected: ${why}.`, {
        hint: 'A person can do that, on the host.',
      });
  }
}

/** Of the state before: what names it and what a person decided by, nothing that moves by itself. */
export const digestOf = (u: Unit, hit: Hit): string =>
  JSON.stringify([
    u.name,
    u.load,
    u.fragmentPath,
    u.dropIns,
    phaseOf(u),
    u.fileState,
    hit.stops.toSorted(),
    hit.ends.toSorted(),
  ]);

/** What stands there now, for who decides and for the receipt. */
export const standing = (u: Unit): Record<string, unknown> => ({
  unit: u.name,
  state: `${u.active} (${u.sub})`,
  since: u.sinceMs.value === null ? null : rfc3339(u.sinceMs.value),
  file: u.fileState,
  ...(u.mainPid === null ? {} : { pid: u.mainPid }),
  ...(u.restarts ? { restarts: u.restarts } : {}),
  ...(u.result !== null && u.result !== 'success' ? { result: u.result } : {}),
});

export type Promised = 'running' | 'stopped' | 'reloaded';

export interface Settled {
  reached: boolean;
  /** Why not, as the end of a sentence. */
  why: string | null;
  next: string | null;
  is: Unit | null;
  waitedMs: number;
}

const LOOK_MS = 500;
/** One that ends right after its start has ended by then. */
const STEADY_MS = 3_000;

/**
 * Waits until it is as promised, and for `running` stays so. Ends early where it is clear that this will not come. Time is counted in
 * pauses: a clock that is set does not shorten it.
 */
export async function settle(
  unit: string,
  promised: Promised,
  o: { ctx: Pick<ToolContext, 'host'>; withinMs: number; tick?(waitedMs: number): void },
): Promise<Settled> {
  let waitedMs = 0;
  let is: Unit | null = null;
  let since: number | null = null;
  let run: string | null = null;
  const end = (reached: boolean, why: string | null = null, next: string | null = null): Settled => ({
    reached,
    why,
    next,
    is,
    waitedMs,
  });
  for (;;) {
    let trouble: string | null = null;
    try {
      is = (await o.ctx.host.services.show([unit]))[0] ?? null;
    } catch (thrown) {
      const error = toOpsError(thrown);
      if (error.code !== 'unavailable' && error.code !== 'timeout') throw thrown;
      // A manager that reloads all units answers late.
      trouble = 'systemd did not answer';
    }
    if (is && trouble === null) {
      if (promised === 'stopped' && (is.active === 'inactive' || is.active === 'failed')) return end(true);
      if (promised === 'reloaded' && is.active === 'active') return end(true);
      if (promised !== 'stopped') {
        const ended = whyNot(is);
        if (ended) return end(false, ended.why, ended.next);
        if (is.active === 'inactive') return jobDone(is) ? end(true) : end(false, ...endedWell(is));
        if (is.active === 'active') {
          if (lasts(is)) return end(true);
          since ??= waitedMs;
          run ??= is.invocation;
          if (run !== is.invocation) return end(false, 'it ended and was started again');
          if (waitedMs - since >= STEADY_MS) return end(true);
        }
      }
    }
    const nearly = since !== null && is?.active === 'active';
    if (waitedMs >= o.withinMs && !nearly)
      return end(
        false,
        trouble ??
          `it is still ${is?.active ?? 'unknown'} (${is?.sub ?? '?'}) after ${Math.round(o.withinMs / 1_000)} s`,
      );
    o.tick?.(waitedMs);
    await pause(LOOK_MS);
    waitedMs += LOOK_MS;
  }
}

/** Nothing of these can end by itself a moment later: what has no process, and a job whose work is done. */
const lasts = (u: Unit): boolean => u.type !== 'service' || u.sub === 'exited';

/** A oneshot that ended well has done what its start promises. */
const jobDone = (u: Unit): boolean =>
  u.serviceType === 'oneshot' && u.result === 'success' && u.skipped === null && u.failedDependencies.length === 0;

function whyNot(u: Unit): { why: string; next: string } | null {
  if (u.active === 'inactive' && !u.skipped && u.failedDependencies.length === 0) return null;
  const bad = serviceExit(u);
  return bad ? { why: lower(bad.reason), next: bad.next } : null;
}

function endedWell(u: Unit): [string, string | null] {
  if (u.exit?.how === 'exited' && u.result === 'success')
    return [
      `its program ended by itself with code ${u.exit.status}`,
      u.serviceType === 'oneshot'
        ? null
        : 'It may be one that goes into the background (Type=forking), or one that has nothing to do.',
    ];
  return [
    'it is inactive again: its program ended by itself, without a failure',
    'It may be one that goes into the background (Type=forking), or one that has nothing to do.',
  ];
}

/** A sentence as the end of another. */
const lower = (sentence: string): string =>
  sentence.replace(/^[A-Z](?=[a-z])/, (c) => c.toLowerCase()).replace(/\.$/, '');

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
