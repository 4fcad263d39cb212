/**
 * Starts, stops, restarts, pauses, unpauses or kills one container, and waits for what that promises. Decides what each action promises,
 * what is nothing to do, and what can be taken back. `kill` is a change like `stop`, which ends in KILL, too, once its grace is over: the
 * container stays with all its files and can be started again. Whom it may hit is insight/container_guard.ts's.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineChange } from '../core/define.ts';
import type { ContainerDetail, ToEngine } from '../core/docker.ts';
import { OpsError } from '../core/errors.ts';
import { once, WaitS } from '../core/schema.ts';
import { duration } from '../core/text.ts';
import type { ChangeContext, Changed } from '../core/tool.ts';
import { record } from '../insight/container_powers.ts';
import {
  alsoHit,
  digestOf,
  lastLines,
  neighboursOf,
  type Phase,
  type Promised,
  phaseOf,
  settle,
  standing,
  steadily,
  subjectOf,
} from './container_change.ts';
import { containerControlUndo } from './container_control_undo.ts';
import { ContainerInput, containerTarget, EngineInput, toEngine } from './docker_parts.ts';

export const ACTIONS = ['start', 'stop', 'restart', 'pause', 'unpause', 'kill'] as const;
export type Action = (typeof ACTIONS)[number];
const SIGNALS = ['KILL', 'TERM', 'INT', 'HUP', 'QUIT', 'USR1', 'USR2'] as const;

const input = once(() =>
  z.strictObject({
    container: ContainerInput().describe('Its name.'),
    action: z.enum(ACTIONS).describe('kill sends `signal`.'),
    signal: z.enum(SIGNALS).default('KILL').describe('For kill.'),
    grace_s: z.number().int().min(0).max(300).default(10).describe('To end by itself, before it is killed.'),
    within_s: z.number().int().min(1).max(600).default(60).describe('To be running and healthy.'),
    engine: EngineInput(),
    wait_s: WaitS(),
  }),
);
export type ControlInput = z.output<ReturnType<typeof input>>;

/** Where it already is as asked, or cannot go from where it is. */
const FROM: Record<Action, { nothing: Phase[]; never: Phase[] }> = {
  start: { nothing: ['up'], never: ['paused'] },
  stop: { nothing: ['stopped'], never: [] },
  restart: { nothing: [], never: [] },
  pause: { nothing: ['paused'], never: ['stopped'] },
  unpause: { nothing: ['up'], never: ['stopped'] },
  kill: { nothing: [], never: ['stopped'] },
};
const TAKEN_MS = 1_500;

export const containerControl = defineChange({
  name: 'container_control',
  title: 'Control a container',
  description:
    'Use this to start, stop, restart, pause, unpause or kill one container; waits until it runs and is healthy, or has ended, and tells its last log lines where not. Only containers that the owner allows. For a newer image use container_update.',
  toolset: 'docker',
  core: true,
  input,
  scopes: { least: 'docker:write' },
  risk: 'change',
  targets: (i) => [containerTarget(i)],
  annotations: { idempotent: false, openWorld: false },
  limits: { timeoutMs: 1_200_000 },
  long: true,
  undo: containerControlUndo,

  async preview(i, ctx) {
    const to = toEngine(i.engine, ctx);
    const c = await meant(i, ctx, to);
    const said = described(i, c);
    if (isNothing(i, c)) return { summary: said.join(' '), before: standing(c), digest: digestOf(c, to) };
    const hit = i.action === 'start' || i.action === 'unpause' ? [] : alsoHit(c, await neighboursOf(c, ctx, to));
    return { summary: [...said, ...hit].join(' '), before: standing(c), digest: digestOf(c, to) };
  },

  async apply(i, ctx) {
    const to = toEngine(i.engine, ctx);
    const c = await meant(i, ctx, to);
    if (isNothing(i, c))
      return {
        summary: `${c.name} is ${c.state} already; nothing was changed.`,
        before: standing(c),
        after: standing(c),
      };
    const beganMs = ctx.now();
    const back = ['start', 'stop', 'pause', 'unpause'].includes(i.action);
    ctx.commit(back ? { data: { id: c.id, phase: phaseOf(c.state), engine: i.engine ?? null } } : undefined);
    const steady = steadily(to);
    await act(i, c.id, ctx, steady);
    return verdict(i, c, ctx, steady, beganMs);
  },
});

async function meant(i: ControlInput, ctx: ToolContext, to: ToEngine): Promise<ContainerDetail> {
  const c = await subjectOf(i.container, 'control', ctx, to);
  const phase = phaseOf(c.state);
  if (phase === 'leaving') throw new OpsError('conflict', `${c.name} is being removed.`, { hint: 'Wait for its end.' });
  if (FROM[i.action].never.includes(phase))
    throw new OpsError('conflict', `${c.name} is ${c.state}: ${i.action} cannot be done.`, {
      hint: phase === 'paused' ? 'Unpause it first.' : 'Start it first.',
    });
  if (phase !== 'stopped' && (i.action === 'stop' || i.action === 'kill')) {
    const raw = await ctx.host.docker.changes.raw(c.id, to);
    if (record(raw.HostConfig).AutoRemove === true)
      throw new OpsError(
        'conflict',
        `${c.name} was made with --rm: when it ends the engine removes it with its data.`,
        {
          hint: 'If that is wanted, use container_remove with force.',
        },
      );
  }
  return c;
}

const isNothing = (i: ControlInput, c: ContainerDetail): boolean => FROM[i.action].nothing.includes(phaseOf(c.state));

async function act(i: ControlInput, id: string, ctx: ChangeContext, to: ToEngine): Promise<void> {
  const { changes } = ctx.host.docker;
  const grace = { ...to, graceS: i.grace_s };
  switch (i.action) {
    case 'start':
      return changes.start(id, to);
    case 'stop':
      return changes.stop(id, grace);
    case 'restart':
      return changes.restart(id, grace);
    case 'pause':
      return changes.pause(id, to);
    case 'unpause':
      return changes.unpause(id, to);
    case 'kill':
      return changes.kill(id, { ...to, signalName: `SIG${i.signal}` });
  }
}

/** Of another signal than KILL nothing is promised: a program may do with it what it likes. */
const promisedBy = (i: ControlInput): Promised | null =>
  i.action === 'kill'
    ? i.signal === 'KILL'
      ? 'stopped'
      : null
    : i.action === 'stop'
      ? 'stopped'
      : i.action === 'pause'
        ? 'paused'
        : 'running';

async function verdict(
  i: ControlInput,
  c: ContainerDetail,
  ctx: ChangeContext,
  to: ToEngine,
  beganMs: number,
): Promise<Changed> {
  const promised = promisedBy(i);
  const withinMs = promised === 'running' ? i.within_s * 1_000 : promised === null ? TAKEN_MS : 5_000;
  const end = await settle(c.id, promised ?? 'stopped', {
    to,
    ctx,
    withinMs,
    tick: (ms) => ctx.progress(Math.round(ms / 1_000), i.within_s, `waiting for ${c.name}`),
  });
  const { is } = end;
  const after = is ? standing(is) : { container: c.name, state: null };
  const how = `${c.name} was ${DONE[i.action](i)}`;
  const once = i.action === 'restart' || i.action === 'kill' ? ` A ${i.action} cannot be taken back.` : '';
  if (end.reached || promised === null) {
    const now = !is ? '' : promised === null ? ` It is ${is.state} now.` : ended(i, is, end.waitedMs);
    return { summary: `${how}.${now}${once}`, after };
  }
  // A restart policy starts it again, whatever it was killed for.
  const sinceMs = promised === 'running' ? (is?.startedAtMs ?? beganMs) : beganMs;
  const log = await lastLines(c.id, sinceMs, ctx, to);
  return {
    state: 'failed',
    summary: `${how}, but ${end.why}.${is?.error ? ' The engine could not start it.' : ''}${once} ${
      log.length > 0 ? 'Its last lines are below; ' : ''
    }container_inspect and log_query tell more.`,
    after: { ...after, ...(is?.error ? { error: is.error } : {}), log },
  };
}

const DONE: Record<Action, (i: ControlInput) => string> = {
  start: () => 'started',
  stop: () => 'stopped',
  restart: () => 'restarted',
  pause: () => 'paused',
  unpause: () => 'unpaused',
  kill: (i) => `sent ${i.signal}`,
};

function ended(i: ControlInput, is: ContainerDetail, waitedMs: number): string {
  if (is.health === 'healthy') return ` It is running, and healthy after ${duration(waitedMs)}.`;
  if (phaseOf(is.state) === 'up') return ' It is running; it has no healthcheck.';
  if (phaseOf(is.state) === 'paused') return ' All its processes stand still.';
  const forced = i.action === 'stop' && is.exitCode === 137;
  return ` It ended with exit code ${is.exitCode ?? '?'}${forced ? `: it was killed when the grace of ${i.grace_s} s was over` : ''}.`;
}

function described(i: ControlInput, c: ContainerDetail): string[] {
  if (isNothing(i, c)) return [`${c.name} is ${c.state} already: nothing would be changed.`];
  const policy = c.restartPolicy.name;
  const again = policy !== '' && policy !== 'no';
  switch (i.action) {
    case 'start':
      return [
        `Start ${c.name}, and wait up to ${i.within_s} s until it is running${c.healthcheck ? ' and healthy' : ''}.`,
      ];
    case 'stop':
      return [
        `Stop ${c.name}: it is asked to end, and killed after ${i.grace_s} s. Its files and volumes stay.`,
        policy === 'always' ? 'Its restart policy is always: the engine starts it at its own next start.' : '',
      ].filter(Boolean);
    case 'restart':
      return [
        `Restart ${c.name}: it is asked to end, killed after ${i.grace_s} s, and started; up to ${i.within_s} s are waited for it to be running${c.healthcheck ? ' and healthy' : ''}. A restart cannot be taken back.`,
      ];
    case 'pause':
      return [`Pause ${c.name}: its processes stand still until it is unpaused. What they hold in memory stays.`];
    case 'unpause':
      return [`Let ${c.name} go on.`];
    case 'kill':
      return [
        i.signal === 'KILL'
          ? `Kill ${c.name} at once: it cannot save or clean up anything. Its files and volumes stay.`
          : `Send ${i.signal} to the first process of ${c.name}: what it does with it is its own.`,
        again && i.signal !== 'KILL' ? `If it ends, its restart policy (${policy}) may start it again.` : '',
        'This cannot be taken back.',
      ].filter(Boolean);
  }
}
