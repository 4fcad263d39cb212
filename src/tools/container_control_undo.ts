/**
 * The way back of start, stop, pause and unpause: the opposite, to the same container, as long as nobody has moved it since. Decides
 * what counts as moved; who may undo is policy's.
 */
import type { ToolContext } from '../core/call.ts';
import type { ContainerDetail } from '../core/docker.ts';
import { OpsError } from '../core/errors.ts';
import { rfc3339 } from '../core/text.ts';
import type { Undo, Undoable } from '../core/tool.ts';
import {
  alsoHit,
  digestOf,
  neighboursOf,
  type Phase,
  phaseOf,
  settle,
  standing,
  steadily,
  subjectOf,
} from './container_change.ts';
import type { ControlInput } from './container_control.ts';
import { toEngine } from './docker_parts.ts';

/** What each made of it, and how that is taken back. */
const BACK = {
  start: { made: 'up', by: 'stop', promised: 'stopped' },
  stop: { made: 'stopped', by: 'start', promised: 'running' },
  pause: { made: 'paused', by: 'unpause', promised: 'running' },
  unpause: { made: 'up', by: 'pause', promised: 'paused' },
} as const satisfies Record<string, { made: Phase; by: string; promised: string }>;
type Undoing = keyof typeof BACK;

export const containerControlUndo: Extract<Undo<ControlInput>, { kind: 'revert' }> = {
  kind: 'revert',

  async preview(receipt, ctx) {
    const { c, nothing, action } = await now(receipt, ctx);
    const to = toEngine(receipt.input.engine, ctx);
    const digest = digestOf(c, to);
    if (nothing)
      return {
        summary: `${c.name} is ${c.state}, as before: there is nothing to take back.`,
        before: standing(c),
        digest,
      };
    const { by } = BACK[action];
    const hit = by === 'start' || by === 'unpause' ? [] : alsoHit(c, await neighboursOf(c, ctx, to));
    return { summary: [`${word(by)} ${c.name} again.`, ...hit].join(' '), before: standing(c), digest };
  },

  async revert(receipt, ctx) {
    const { c, nothing, action } = await now(receipt, ctx);
    if (nothing) return { summary: `${c.name} was ${c.state}, as before: nothing was changed.`, after: standing(c) };
    const to = steadily(toEngine(receipt.input.engine, ctx));
    const { by, promised } = BACK[action];
    const { changes } = ctx.host.docker;
    ctx.commit();
    if (by === 'stop') await changes.stop(c.id, { ...to, graceS: receipt.input.grace_s });
    else await changes[by](c.id, to);
    const withinMs = promised === 'running' ? receipt.input.within_s * 1_000 : 5_000;
    const end = await settle(c.id, promised, { to, ctx, withinMs });
    const after = end.is ? standing(end.is) : { container: c.name, state: null };
    return {
      summary: end.reached ? `${c.name} is ${end.is?.state} again.` : `${c.name}: ${by} was done, but ${end.why}.`,
      after,
    };
  },
};

async function now(receipt: Undoable<ControlInput>, ctx: ToolContext) {
  const { input: i, data, after, state } = receipt;
  const action = i.action as Undoing;
  const c = await subjectOf(i.container, 'control', ctx, toEngine(i.engine, ctx));
  const look = { hint: 'Look at it with container_inspect, and change it by a call of its own if that is wanted.' };
  if (c.id !== data.id)
    throw new OpsError('conflict', `${c.name} is another container now, made ${rfc3339(c.createdAtMs)}.`, look);
  const phase = phaseOf(c.state);
  const asMade = phase === BACK[action].made;
  if (state === 'prepared' && phase === data.phase) return { c, action, nothing: true };
  if (!asMade || (state === 'done' && movedOn(action, c, after ?? {})))
    throw new OpsError('conflict', `${c.name} has moved on since: it is ${c.state} ${since(c)}.`, look);
  return { c, action, nothing: false };
}

/** Stopped, and yet not by that stop: taking it back would take back somebody else's. */
function movedOn(action: Undoing, c: ContainerDetail, after: Record<string, unknown>): boolean {
  const is = standing(c);
  if (action === 'stop') return is.finishedAt !== after.finishedAt;
  // Its own restart policy starts it anew, too, and counts that.
  return is.startedAt !== after.startedAt && is.restarts === after.restarts;
}

function since(c: ContainerDetail): string {
  const at = phaseOf(c.state) === 'stopped' ? c.finishedAtMs : c.startedAtMs;
  return at === null ? 'now' : `since ${rfc3339(at)}`;
}

const word = (by: string) => `${by[0]?.toUpperCase()}${by.slice(1)}`;
