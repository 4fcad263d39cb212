/**
 * Starts, stops, restarts, reloads, enables or disables one unit, or forgets that it failed, and waits for what that promises. Decides
 * what each action promises, what is nothing to do, and what can be taken back. Which unit may be changed is insight/unit_guard.ts's.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineChange } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import { once, WaitS } from '../core/schema.ts';
import { UNIT_VERBS, type Unit, type UnitJob, type UnitVerb } from '../core/services.ts';
import { duration } from '../core/text.ts';
import type { ChangeContext, Changed } from '../core/tool.ts';
import { skippedIn } from '../insight/unit_said.ts';
import { some } from './container_change.ts';
import {
  digestOf,
  type Hit,
  hitBy,
  JOB_MS,
  type Promised,
  phaseOf,
  settle,
  standing,
  subjectOf,
} from './service_change.ts';
import { serviceControlUndo } from './service_control_undo.ts';
import { alsoNamed, filesFit } from './service_enable.ts';
import { lastWords, UnitInput, unitTarget, wordsOf } from './service_parts.ts';

const input = once(() =>
  z.strictObject({
    unit: UnitInput(),
    action: z.enum(UNIT_VERBS).describe('enable, disable: at boot.'),
    wait_s: WaitS(),
  }),
);
export type ServiceInput = z.output<ReturnType<typeof input>>;

const LINES = 6;
/** Behind a job that has ended: to be seen, and where there was none, to come up. */
const UP_MS = 30_000;

export const serviceControl = defineChange({
  name: 'service_control',
  title: 'Control a service',
  description:
    'Use this to change one unit of systemd that the owner allows; waits until it runs or has ended, else says why, with its log. To look use service_status.',
  toolset: 'services',
  core: true,
  input,
  scopes: { least: 'services:write' },
  risk: 'change',
  targets: (i) => [unitTarget(i.unit)],
  annotations: { idempotent: false, openWorld: false },
  limits: { timeoutMs: 1_300_000 },
  long: true,
  undo: serviceControlUndo,

  async preview(i, ctx) {
    const { u, hit, also } = await meant(i, ctx);
    return { summary: described(i, u, hit, also).join(' '), before: standing(u), digest: digestOf(u, hit) };
  },

  async apply(i, ctx) {
    const { u } = await meant(i, ctx);
    const before = standing(u);
    if (isNothing(i.action, u))
      return { summary: `${u.name} is ${now(i.action, u)} already; nothing was changed.`, before, after: before };
    const beganMs = ctx.now();
    const back = ['start', 'stop', 'enable', 'disable'].includes(i.action);
    ctx.commit(back ? { data: { phase: phaseOf(u), file: u.fileState } } : undefined);
    const job = await ctx.host.services.control(u.name, i.action, { timeoutMs: JOB_MS });
    return { before, ...(await verdict(i, u, job, ctx, beganMs)) };
  },
});

async function meant(i: ServiceInput, ctx: ToolContext): Promise<{ u: Unit; hit: Hit; also: string[] }> {
  const u = await subjectOf(i.unit, i.action, ctx);
  const cannot = (why: string, hint: string) => new OpsError('conflict', `${u.name} ${why}`, { hint });
  if (u.load === 'masked' && i.action !== 'stop' && i.action !== 'reset-failed')
    throw cannot(
      'is masked: nothing can start or enable it.',
      `\`systemctl unmask ${u.name}\` on the host allows it again.`,
    );
  if ((i.action === 'start' || i.action === 'restart') && u.can.start === false)
    throw cannot('may only be started along with another unit.', 'Start the one that needs it.');
  if ((i.action === 'stop' || i.action === 'restart') && u.can.stop === false)
    throw cannot('may not be stopped by hand (RefuseManualStop=).', 'Stop the one that needs it.');
  if (i.action === 'reload' && u.can.reload === false) throw cannot('has no reload (no ExecReload=).', 'Use restart.');
  if (i.action === 'reload' && u.active !== 'active')
    throw cannot(`is ${u.active}: there is nothing to reload.`, 'Start it first.');
  if (i.action === 'start' && u.active === 'deactivating') throw cannot('is just stopping.', 'Wait for its end.');
  filesFit(i.action, u);
  const also = isNothing(i.action, u) ? [] : await alsoNamed(u, i.action, ctx);
  return {
    u,
    hit: isNothing(i.action, u) ? { stops: [], ends: [], starts: [], wake: [] } : await hitBy(u, i.action, ctx),
    also,
  };
}

function isNothing(action: UnitVerb, u: Unit): boolean {
  switch (action) {
    case 'start':
      // One that is being started anew again and again is not what somebody wants who starts it.
      return u.active === 'active';
    case 'stop':
      return u.active === 'inactive' || u.active === 'failed';
    case 'enable':
      return u.fileState === 'enabled';
    case 'disable':
      return u.fileState === 'disabled';
    case 'reset-failed':
      return u.active !== 'failed' && !u.restarts;
    default:
      return false;
  }
}

const now = (action: UnitVerb, u: Unit): string =>
  action === 'enable' || action === 'disable'
    ? (u.fileState ?? 'without a file')
    : action === 'reset-failed'
      ? 'not failed'
      : u.active;

const PROMISED: Partial<Record<UnitVerb, Promised>> = {
  start: 'running',
  restart: 'running',
  stop: 'stopped',
  reload: 'reloaded',
};
const DONE: Record<UnitVerb, string> = {
  start: 'started',
  stop: 'stopped',
  restart: 'restarted',
  reload: 'reloaded',
  enable: 'enabled',
  disable: 'disabled',
  'reset-failed': 'reset',
};
const ONCE: readonly UnitVerb[] = ['restart', 'reload', 'reset-failed'];

async function verdict(i: ServiceInput, u: Unit, job: UnitJob, ctx: ChangeContext, beganMs: number): Promise<Changed> {
  const promised = PROMISED[i.action];
  const once = ONCE.includes(i.action) ? ` A ${i.action} cannot be taken back.` : '';
  if (promised === undefined) return atRest(i, u, once, ctx);
  const end = await settle(u.name, promised, {
    ctx,
    // The job has had its time already: what is left is to see what came of it.
    withinMs: job.end === 'late' ? 1_000 : promised === 'running' ? UP_MS : 5_000,
    tick: (ms) => ctx.progress(Math.round(ms / 1_000), UP_MS / 1_000, `waiting for ${u.name}`),
  });
  const after = end.is ? standing(end.is) : { unit: u.name, state: null };
  const how = `${u.name} was ${DONE[i.action]}`;
  const steadily = { ...ctx, signal: NEVER };
  const skipped =
    promised === 'running' && end.is?.active === 'inactive' ? await skip(u.name, beganMs, steadily) : null;
  if (end.reached && !skipped?.certain && !(promised === 'reloaded' && job.end === 'failed'))
    return { summary: `${how}.${skipped?.text ?? standsNow(end.is, promised, end.waitedMs)}${once}`, after };
  // From its start on: what it said on the way to its end, not what somebody else's change made it say later.
  const log = await lastWords(u.name, { lines: LINES, sinceMs: beganMs - 1_000 }, steadily);
  const lines = log.value?.map((w) => w.text) ?? [];
  const why =
    promised === 'reloaded' && end.reached
      ? 'its reload failed; it runs on as it was'
      : skipped?.certain
        ? 'a Condition…= line of its file is not met, so systemd skipped it'
        : end.why;
  return {
    state: 'failed',
    summary: [
      `${i.action === 'start' ? `${u.name} could not be started` : `${how}, but not as asked`}: ${why}.`,
      job.end === 'late' ? `systemd goes on trying: its job had not ended after ${duration(JOB_MS)}.` : null,
      end.next,
      log.value === null
        ? `Its log was not read: ${log.why}`
        : lines.length > 0
          ? 'Its last lines are below.'
          : 'It said nothing in its log.',
      once.trim() || null,
    ]
      .filter((s) => s !== null)
      .join(' '),
    after: { ...after, ...(lines.length > 0 ? { log: lines } : {}) },
  };
}

/** After its first effect a change asks on, whoever has left. */
const NEVER = new AbortController().signal;

/** A unit that nothing needs is forgotten as it ends: whether it ran at all stands in the journal only. */
async function skip(
  unit: string,
  beganMs: number,
  ctx: ToolContext,
): Promise<{ certain: boolean; text: string } | null> {
  const words = await wordsOf(unit, { lines: LINES, sinceMs: beganMs - 1_000 }, ctx);
  if (words.value === null)
    return {
      certain: false,
      text: ' It has run to its end, or was skipped for a condition of its file: systemd forgets which.',
    };
  const said = words.value.some((w) => w.manager && skippedIn(w.text));
  return said ? { certain: true, text: '' } : null;
}

async function atRest(i: ServiceInput, u: Unit, once: string, ctx: ChangeContext): Promise<Changed> {
  const [is] = await ctx.host.services.show([u.name]);
  const after = is ? standing(is) : { unit: u.name, state: null };
  const wanted =
    i.action === 'enable'
      ? ['enabled', 'enabled-runtime', 'alias']
      : i.action === 'disable'
        ? ['disabled', 'linked']
        : null;
  if (is && wanted !== null && !wanted.includes(is.fileState ?? ''))
    return {
      state: 'failed',
      summary: `systemd was asked to ${i.action} ${u.name}, but it is ${is.fileState ?? 'without a file'}.`,
      after,
    };
  if (is && i.action === 'reset-failed' && is.active === 'failed')
    return { state: 'failed', summary: `${u.name} was reset, and has failed again.`, after };
  const note =
    i.action === 'enable' && is && phaseOf(is) !== 'up'
      ? ' It does not run now: start does that.'
      : i.action === 'disable' && is && phaseOf(is) === 'up'
        ? ' It still runs: stop ends it.'
        : '';
  return { summary: `${u.name} was ${DONE[i.action]}.${note}${once}`, after };
}

function standsNow(u: Unit | null, promised: Promised, waitedMs: number): string {
  if (!u) return '';
  if (u.active === 'inactive' && promised === 'running')
    return ` It has run to its end${u.exit ? `, with code ${u.exit.status}` : ''}.`;
  if (phaseOf(u) === 'up')
    return ` It is ${u.active} (${u.sub})${u.type === 'service' && waitedMs > 0 ? `, and was still so after ${duration(waitedMs)}` : ''}.`;
  if (u.result !== null && u.result !== 'success')
    return ` It is down, though not by itself as it should: ${u.result}${u.exit ? ` (${u.exit.how} ${u.exit.status})` : ''}.`;
  return u.exit
    ? ` It ended ${u.exit.how === 'exited' ? `with code ${u.exit.status}` : `by signal ${u.exit.status}`}.`
    : ' It is down.';
}

function described(i: ServiceInput, u: Unit, hit: Hit, also: readonly string[]): string[] {
  if (isNothing(i.action, u)) return [`${u.name} is ${now(i.action, u)} already: nothing would be changed.`];
  const file = u.needsReload
    ? 'Its file changed on the disk since systemd read it: until `systemctl daemon-reload` the old one counts.'
    : '';
  const stops =
    hit.stops.length > 0
      ? `${some(hit.stops)} ${hit.stops.length === 1 ? 'stops' : 'stop'} along with it${i.action === 'restart' ? ', and may not come back' : ''}.`
      : '';
  const ends = hit.ends.length > 0 ? `Its start stops ${some(hit.ends)}.` : '';
  const starts =
    hit.starts.length > 0 ? `${some(hit.starts)} ${hit.starts.length === 1 ? 'is' : 'are'} started along with it.` : '';
  const others = also.length > 0 ? `Its file does the same to ${some(also)} (Also=).` : '';
  const all: Record<UnitVerb, string[]> = {
    start: [`Start ${u.name}, and wait until it runs steadily, or has done its work.`, starts, ends, file],
    stop: [
      `Stop ${u.name}.`,
      stops,
      hit.wake.length > 0
        ? `${some(hit.wake)} still ${hit.wake.length === 1 ? 'waits' : 'wait'}, and may start it again.`
        : '',
      u.fileState === 'enabled' ? 'It is enabled: the next boot starts it.' : '',
    ],
    restart: [
      `Restart ${u.name}, and wait until it runs steadily.`,
      stops,
      starts,
      ends,
      file,
      'A restart cannot be taken back.',
    ],
    reload: [`Ask ${u.name} to read its settings anew.`, 'A reload cannot be taken back.'],
    enable: [
      `Enable ${u.name}: from the next boot on it is started. It is not started now.`,
      others,
      'systemd reads all unit files anew.',
    ],
    disable: [
      `Disable ${u.name}: the next boot does not start it. It is not stopped now.`,
      others,
      'systemd reads all unit files anew.',
    ],
    'reset-failed': [
      `Forget that ${u.name} failed, and how often it was started: what it says of its last end is lost.`,
    ],
  };
  return all[i.action].filter(Boolean);
}
