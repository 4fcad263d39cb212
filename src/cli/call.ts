/**
 * `deckhand call`: one call through the door, its answer for a person. The words become arguments in arguments.ts; rights,
 * validation and records are the door's. Decides what goes to which stream, and that SIGINT cancels.
 */
import type { Outcome } from '../core/call.ts';
import { newCallId } from '../edge/ids.ts';
import { toolWords } from './arguments.ts';
import type { Run } from './commands.ts';
import { EXIT_PENDING, tell } from './failure.ts';
import { exitOf } from './signals.ts';
import type { Terminal } from './terminal.ts';
import { viewOf } from './terminal.ts';
import { toolHelp } from './tools.ts';

export async function run({ own, positionals, rest, io, signal, open }: Run): Promise<number> {
  const name = positionals[0] as string;
  const app = await open('cli');
  try {
    const principal = app.principals.cli();
    const tool = app.door.catalog.tools.find((t) => t.name === name);
    const given = typeof own.args === 'string' ? own.args : undefined;
    // An unknown tool goes to the door all the same: it knows the near names, and who asked is on record.
    const words = tool ? toolWords(tool, rest, given) : { args: {}, json: rest.includes('--json'), help: false };
    if (words.help && tool) {
      io.out(toolHelp(tool, io));
      return 0;
    }
    const json = own.json === true || words.json;
    const call = { id: newCallId(), face: 'cli' as const, principal, signal, view: viewOf(io, Date.now()) };
    const outcome = await app.door.run({ ...call, tool: name, args: words.args, ...progressOn(io) });
    return report(io, outcome, { call: call.id, json, signal });
  } finally {
    await app.close();
  }
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
