/**
 * `deckhand call`: one call through the door, its answer for a person. The words become arguments in arguments.ts; rights,
 * validation and records are the door's. Decides what goes to which stream, that SIGINT cancels, and that the person at the
 * terminal is asked about a change that needs a yes: nobody else can answer for a call of their own.
 */
import type { App } from '../app.ts';
import type { Call, Outcome } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { newCallId } from '../edge/ids.ts';
import { detailsOf } from './approval_text.ts';
import { isYes } from './approvals.ts';
import { toolWords } from './arguments.ts';
import type { Run } from './commands.ts';
import { EXIT_PENDING, tell } from './failure.ts';
import { exitOf } from './signals.ts';
import type { Terminal } from './terminal.ts';
import { viewOf } from './terminal.ts';
import { toolHelp } from './tools.ts';

/** A state that moves faster than a person reads is not to be decided on. */
const MOST_QUESTIONS = 3;
const STOPPING =
  'Stopping. A change that has begun runs to its end; a second Ctrl-C stops at once, in the middle of it.';

export async function run({ own, positionals, rest, io, signal, open }: Run): Promise<number> {
  const name = positionals[0] as string;
  const app = await open('cli');
  try {
    const tool = app.door.catalog.tools.find((t) => t.name === name);
    const given = typeof own.args === 'string' ? own.args : undefined;
    // An unknown tool goes to the door all the same: it knows the near names, and who asked is on record.
    const words = tool ? toolWords(tool, rest, given) : { args: {}, json: rest.includes('--json'), help: false };
    if (words.help && tool) {
      io.out(toolHelp(tool, io));
      return 0;
    }
    const json = own.json === true || words.json;
    return await callAndTell(app, io, { tool: name, args: words.args, signal }, json);
  } finally {
    await app.close();
  }
}

/** One call by the person at this terminal, and its answer; gives the exit code. */
export async function callAndTell(
  app: App,
  io: Terminal,
  words: Pick<Call, 'tool' | 'args' | 'signal'>,
  json: boolean,
): Promise<number> {
  const { signal } = words;
  const changes = app.door.catalog.tools.some((t) => t.name === words.tool && t.change);
  if (changes) signal.addEventListener('abort', () => io.err(STOPPING), { once: true });
  const { outcome, id } = await decidedHere(app, io, {
    ...words,
    signal: cancelledBy(signal),
    principal: app.principals.cli(),
  });
  return report(io, outcome, { call: id, json, signal });
}

/** The name of a signal is no reason that the door could tell anybody. */
function cancelledBy(signal: AbortSignal): AbortSignal {
  const cancel = new AbortController();
  const left = () => cancel.abort(new DOMException('The caller cancelled.', 'AbortError'));
  if (signal.aborted) left();
  else signal.addEventListener('abort', left, { once: true });
  return cancel.signal;
}

type Words = Pick<Call, 'tool' | 'args' | 'signal'> & { principal: NonNullable<Call['principal']> };

/** Calls; asks where a yes is needed and a person sits there; calls again. */
async function decidedHere(app: App, io: Terminal, words: Words): Promise<{ outcome: Outcome; id: string }> {
  const once = async () => {
    const id = newCallId();
    const call: Call = { ...words, id, face: 'cli', view: viewOf(io, Date.now()), ...progressOn(io) };
    return { outcome: await app.door.run(call), id };
  };
  let last = await once();
  for (let asked = 0; asked < MOST_QUESTIONS && io.inTty && io.errTty; asked++) {
    const handle = last.outcome.status === 'pending' ? String(last.outcome.data.handle) : null;
    const question = handle === null ? null : app.deciding.get(handle);
    if (!question) break;
    io.err(detailsOf(question, { ...viewOf(io, Date.now()), paint: (kind, text) => io.paint(kind, text, 'err') }));
    const granted = isYes(await io.ask('Do it now? [y/N] ', words.signal));
    // On record by whom: the terminal is not the principal that asks.
    app.deciding.decide(question.id, { approver: words.principal.id.replace('cli:', 'tty:'), granted });
    if (!granted) {
      const error = new OpsError('permission', 'Not done: you said no. Nothing has changed.');
      return { outcome: { status: 'failed', error }, id: last.id };
    }
    last = await once();
    // It moved between the yes and the change: what is there now is another question.
    if (last.outcome.status === 'failed' && last.outcome.error.code === 'conflict') last = await once();
  }
  return last;
}

function report(io: Terminal, outcome: Outcome, o: { call: string; json: boolean; signal: AbortSignal }): number {
  if (outcome.status === 'failed') {
    const code = tell(io, outcome.error, o);
    return o.signal.aborted ? exitOf(o.signal) : code;
  }
  io.out(o.json ? JSON.stringify(outcome.data, null, io.outTty ? 2 : 0) : outcome.text);
  return outcome.status === 'pending' ? EXIT_PENDING : 0;
}

/** Progress is for eyes only: a line on standard error where that is a terminal. */
function progressOn(io: Terminal) {
  if (!io.errTty) return {};
  return {
    progress: (p: { done: number; total?: number; text?: string }) =>
      io.err(
        io.paint(
          'dim',
          `… ${p.done}${p.total === undefined ? '' : ` of ${p.total}`}${p.text ? ` ${p.text}` : ''}`,
          'err',
        ),
      ),
  };
}
