/**
 * One signal to one process. Decides what the caller must name (pid, start and name, so that it is this very process), what
 * the approver reads, how long its end is waited for and how the verdict is said. Who is never signalled, and that the
 * process is still the same at the last moment, the host decides; whether the call may run, the door.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineChange } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import { strip } from '../core/foreign.ts';
import { once, WaitS } from '../core/schema.ts';
import { SIGNALS, type Standing, type Subject } from '../core/signal.ts';
import { duration, rfc3339 } from '../core/text.ts';
import type { Preview } from '../core/tool.ts';
import { belonging, deaf, effect, ended, ends, handling, verdictOf, whyStill } from '../insight/signals.ts';

/** A signal that ends nothing is taken at once; STOP and CONT take effect when the process next runs. */
const TAKEN_MS = 300;
const PROGRESS_MS = 1_000;

const input = once(() =>
  z.strictObject({
    pid: z.number().int().min(1).max(4_194_304),
    start: z
      .number()
      .int()
      .min(0)
      .max(1_000_000_000_000)
      .describe('As process_list shows it: tells this process from others with its pid.'),
    name: z.string().min(1).max(64).describe('As process_list shows it.'),
    signal: z.enum(SIGNALS).default('TERM').describe('KILL needs an approval in every mode.'),
    grace_s: z.number().int().min(0).max(60).default(5).describe('Longest wait for its end.'),
    wait_s: WaitS(),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const processSignal = defineChange({
  name: 'process_signal',
  title: 'Signal a process',
  description:
    'Use this to end (TERM, then see whether it did), stop, continue or reload one process. Take pid, start and name from process_list: another process is never hit. What holds up the host (init, sshd, Deckhand, container engines) is refused. To only look use process_list.',
  toolset: 'system',
  core: false,
  input,
  scopes: { least: 'system:write' },
  risk: { least: 'change', worst: 'destroy', of: (i) => (i.signal === 'KILL' ? 'destroy' : 'change') },
  targets: (i) => [{ kind: 'process', name: `${word(i.name)}:${i.pid}` }],
  annotations: { idempotent: false, openWorld: false },
  limits: { timeoutMs: 90_000 },
  long: true,
  undo: { kind: 'none', why: 'a signal cannot be taken back; CONT lets a stopped process go on.' },

  async preview(i, ctx) {
    return described(i, await subjectOf(i, ctx), ctx.now());
  },

  async apply(i, ctx) {
    const { signals } = ctx.host;
    const is = await subjectOf(i, ctx);
    const how = handling(i.signal, is.masks);
    const toEnd = ends(i.signal, how);
    const who = called(is);
    const reached = (s: Standing | null) =>
      ended(s) ||
      (i.signal === 'STOP' && verdictOf(s) === 'stopped') ||
      (i.signal === 'CONT' && verdictOf(s) !== 'stopped');
    let toldMs = 0;

    ctx.commit();
    signals.send(is, i.signal);
    const { standing, waitedMs } = await signals.settle(is, {
      withinMs: patience(i, toEnd, deaf(how, is.first)),
      done: reached,
      signal: ctx.signal,
      tick(ms) {
        if (ms - toldMs < PROGRESS_MS) return;
        toldMs = ms;
        ctx.progress(Math.round(ms / 1_000), i.grace_s, `waiting for ${who} to end`);
      },
    });
    const state = verdictOf(standing);
    return {
      summary: said(i, is, standing, waitedMs, toEnd),
      before: before(i, is),
      after: { state, waitedMs: Math.round(waitedMs), ...(standing ? { kernelState: standing.state } : {}) },
    };
  },
});

/** The process that was meant, or why it cannot be had. */
async function subjectOf(i: Input, ctx: ToolContext): Promise<Subject> {
  const is = await ctx.host.signals.subject(i.pid, { signal: ctx.signal });
  const hint = 'Call process_list: it shows pid, start and name as they are now.';
  if (!is) throw new OpsError('not_found', `There is no process ${i.pid}: ${i.name} has ended.`, { hint });
  const now = `${called(is)}, ${age(is, ctx.now())} old`;
  if (is.startTicks !== i.start)
    throw new OpsError('conflict', `The pid ${i.pid} is another process now: ${now}, start ${is.startTicks}.`, {
      hint,
    });
  if (cleaned(is.name) !== i.name)
    throw new OpsError(
      'conflict',
      `Process ${i.pid} is not named ${JSON.stringify(i.name)}: it is ${now}. It may have started another program.`,
      { hint },
    );
  if (is.protected !== null)
    throw new OpsError('permission', `${called(is)} is protected: ${is.protected}.`, {
      hint: 'Deckhand sends it no signal of any kind; a person can, on the host.',
    });
  if (ended(is))
    throw new OpsError(
      'conflict',
      `${called(is)} has ended already, and is only kept in the table (zombie) until its parent collects it.`,
      {
        hint: `No signal does anything to it. Its parent is ${parentOf(is)}: look there.`,
      },
    );
  return is;
}

function patience(i: Input, toEnd: boolean, inVain: boolean): number {
  if (!toEnd) return TAKEN_MS;
  return inVain ? Math.min(TAKEN_MS, i.grace_s * 1_000) : i.grace_s * 1_000;
}

function described(i: Input, is: Subject, now: number): Preview {
  const how = handling(i.signal, is.masks);
  const toEnd = ends(i.signal, how);
  const sentences = [
    `Send ${i.signal} to ${called(is)} of ${owner(is)}, ${age(is, now)} old.`,
    effect(i.signal, how, is, is.first),
    belonging(is.home, is.pid, i.signal, toEnd, is.first, how),
    toEnd && is.children
      ? `${is.children === 1 ? 'Its child goes' : `Its ${is.children} children go`} on, unless ended along with it.`
      : null,
    toEnd && i.grace_s > 0 && !deaf(how, is.first) ? `Its end is waited for up to ${i.grace_s} s.` : null,
  ];
  return {
    summary: sentences.filter((s) => s !== null).join(' '),
    before: before(i, is),
    // What names the process, and nothing that moves while it works: an approval must not fail because it used CPU.
    digest: JSON.stringify([is.boot, is.pid, is.startTicks, is.name, is.uid]),
  };
}

function before(i: Input, is: Subject): Record<string, unknown> {
  return {
    process: called(is),
    start: is.startTicks,
    user: owner(is),
    startedAt: rfc3339(is.startedAtMs),
    state: is.state,
    command: is.command,
    parent: parentOf(is),
    children: is.children,
    belongsTo: is.home && `${is.home.kind} ${is.home.name}`,
    [i.signal]: handling(i.signal, is.masks),
  };
}

function said(i: Input, is: Subject, s: Standing | null, waitedMs: number, toEnd: boolean): string {
  const who = called(is);
  const state = verdictOf(s);
  if (state === 'ended') return `${who} ended ${duration(waitedMs)} after ${i.signal}.`;
  if (state === 'zombie')
    return `${who} ended ${duration(waitedMs)} after ${i.signal}; its entry stays in the table (zombie) until its parent, ${parentOf(is)}, collects it.`;
  if (i.signal === 'STOP')
    return state === 'stopped'
      ? `${who} is stopped; CONT lets it go on.`
      : `STOP was sent to ${who}, but it is not stopped yet (state ${s?.state}).`;
  if (i.signal === 'CONT')
    return state === 'stopped'
      ? `CONT was sent to ${who}, but it is still stopped${s?.state === 't' ? ': a debugger holds it' : ''}.`
      : `${who} goes on.`;
  const how = handling(i.signal, s?.masks ?? null);
  if (!toEnd)
    return `${i.signal} was sent to ${who}, which ${how === 'ignores' ? 'ignores it and' : ''} still runs.`.replace(
      '  ',
      ' ',
    );
  const standing = s as Standing;
  const why = whyStill(i.signal, standing, how, is.first);
  const next =
    i.signal === 'KILL'
      ? 'process_list shows whether it is gone later.'
      : state === 'stopped' && standing.state === 'T'
        ? 'Send CONT, and it ends.'
        : 'Wait and look with process_list; signal KILL would end it without any cleaning up, and needs an approval.';
  return `${who} still runs ${duration(waitedMs)} after ${i.signal}: ${why}. ${next}`;
}

/** As the door shows foreign names: what a caller copies from an answer is this. */
const cleaned = (name: string): string => strip(name).replaceAll('⟦', '[').replaceAll('⟧', ']');
/** Within our own sentences a name is one word: it cannot begin a line of its own. */
const word = (name: string): string => cleaned(name).replace(/\s+/g, '_');
const called = (is: { name: string; pid: number }): string => `${cleaned(is.name).replace(/\s+/g, ' ')} (${is.pid})`;
const owner = (is: Subject): string => is.user ?? (is.uid === null ? 'an unknown user' : `uid ${is.uid}`);
const parentOf = (is: Subject): string =>
  is.parent === null ? `pid ${is.ppid}` : called({ name: is.parent, pid: is.ppid });
const age = (is: Subject, now: number): string => duration(Math.max(0, now - is.startedAtMs));
