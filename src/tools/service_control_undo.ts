/**
 * The way back of start, stop, enable and disable: the opposite, as long as nobody has moved the unit since. Decides what counts as
 * moved; who may undo is policy's, and whether the opposite may be done at all, the guard's.
 */
import type { ToolContext } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import type { Unit } from '../core/services.ts';
import { rfc3339 } from '../core/text.ts';
import type { Undo, Undoable } from '../core/tool.ts';
import { some } from './container_change.ts';
import { digestOf, type Hit, hitBy, JOB_MS, phaseOf, settle, standing, subjectOf } from './service_change.ts';
import type { ServiceInput } from './service_control.ts';
import { alsoNamed } from './service_enable.ts';

const BACK = { start: 'stop', stop: 'start', enable: 'disable', disable: 'enable' } as const;
type Undoing = keyof typeof BACK;

const NONE: Hit = { stops: [], ends: [], starts: [], wake: [] };

export const serviceControlUndo: Extract<Undo<ServiceInput>, { kind: 'revert' }> = {
  kind: 'revert',

  async preview(receipt, ctx) {
    const { u, nothing, by } = await now(receipt, ctx);
    if (nothing)
      return {
        summary: `${u.name} is as it was before: there is nothing to take back.`,
        before: standing(u),
        digest: digestOf(u, NONE),
      };
    const hit = await hitBy(u, by, ctx);
    const stops =
      hit.stops.length > 0 ? ` ${some(hit.stops)} ${hit.stops.length === 1 ? 'stops' : 'stop'} along with it.` : '';
    return {
      summary: `${by[0]?.toUpperCase()}${by.slice(1)} ${u.name} again.${stops}`,
      before: standing(u),
      digest: digestOf(u, hit),
    };
  },

  async revert(receipt, ctx) {
    const { u, nothing, by } = await now(receipt, ctx);
    if (nothing) return { summary: `${u.name} was as before: nothing was changed.`, after: standing(u) };
    ctx.commit();
    await ctx.host.services.control(u.name, by, { timeoutMs: JOB_MS });
    if (by === 'enable' || by === 'disable') {
      const [is] = await ctx.host.services.show([u.name]);
      return {
        summary: `${u.name} is ${is?.fileState ?? 'unknown'} again.`,
        after: is ? standing(is) : { unit: u.name },
      };
    }
    const end = await settle(u.name, by === 'start' ? 'running' : 'stopped', { ctx, withinMs: 30_000 });
    const after = end.is ? standing(end.is) : { unit: u.name, state: null };
    if (end.reached) return { summary: `${u.name} is ${end.is?.active} again.`, after };
    return { state: 'failed', summary: `${u.name}: ${by} was done, but ${end.why}.`, after };
  },
};

async function now(receipt: Undoable<ServiceInput>, ctx: ToolContext) {
  const { input: i, data, state } = receipt;
  const action = i.action as Undoing;
  const by = BACK[action];
  const u = await subjectOf(i.unit, by, ctx);
  const conflict = (is: string) =>
    new OpsError('conflict', `${u.name} has moved on since: it is ${is}.`, {
      hint: 'Look at it with service_status, and change it by a call of its own if that is wanted.',
    });
  if (action === 'enable' || action === 'disable') {
    if (u.fileState === data.file) {
      if (state === 'prepared') return { u, by, nothing: true };
      throw conflict(`${u.fileState} already`);
    }
    if (u.fileState !== `${action}d`) throw conflict(u.fileState ?? 'without a file');
    await alsoNamed(u, by, ctx);
    return { u, by, nothing: false };
  }
  const phase = phaseOf(u);
  const wasDown = data.phase !== 'up';
  if (state === 'prepared' && (phase === 'up') === !wasDown) return { u, by, nothing: true };
  // A start that failed left nothing that runs: there is nothing to stop.
  if (action === 'start' && phase !== 'up' && !receipt.after?.pid) return { u, by, nothing: true };
  const asMade = (action === 'start') === (phase === 'up');
  if (!asMade || (state === 'done' && movedOn(action, u, receipt.after ?? {})))
    throw conflict(`${u.active} ${since(u)}`);
  return { u, by, nothing: false };
}

/** Down, and yet not by that stop: taking it back would take back somebody else's. */
function movedOn(action: Undoing, u: Unit, after: Record<string, unknown>): boolean {
  const is = standing(u);
  // systemd's own restarts are its doing, and not a person's.
  if (action === 'start') return is.pid !== after.pid && !u.restarts;
  // A unit that nothing needs is forgotten once it is down, and its times with it.
  return is.since !== null && is.since !== after.since;
}

const since = (u: Unit): string => (u.sinceMs.value === null ? 'now' : `since ${rfc3339(u.sinceMs.value)}`);
