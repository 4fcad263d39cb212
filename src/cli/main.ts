/**
 * The command line's beginning and end: standard streams, the exit code, and what needs nothing else (`help`, `version`, a
 * command that does not exist). All other commands, and with them settings and the product itself, are behind run.ts.
 */
import { environment, surroundings } from '../config/env.ts';
import { commandOf } from './commands.ts';
import { tell } from './failure.ts';
import { help, unknown, version } from './help.ts';
import { type Terminal, terminal } from './terminal.ts';

export async function main(argv: readonly string[]): Promise<void> {
  const columns = Number(environment().COLUMNS);
  const io = terminal(process.stdout, process.stderr, {
    stdin: process.stdin,
    noColor: surroundings().noColor,
    columns: Number.isInteger(columns) && columns > 0 ? columns : null,
  });
  const code = await dispatch(argv, io);
  await io.flushed();
  // Not by itself: a worker that waits for a hung mount would keep the process for ever.
  process.exit(code);
}

export async function dispatch(argv: readonly string[], io: Terminal): Promise<number> {
  try {
    const [first = 'help', second] = argv;
    if (argv.length === 0 || /^(help|--help|-h)$/.test(first))
      return await help({ positionals: argv.slice(1).filter((w) => !w.startsWith('-')), io });
    if (argv.length === 1 && /^(version|--version|-[vV])$/.test(first)) return await version({ io });
    if (!first.startsWith('-') && !commandOf([first, second ?? ''])) throw unknown(first, argv);
    const { run } = await import('./run.ts');
    return await run(argv, io);
  } catch (thrown) {
    return tell(io, thrown, { json: false });
  }
}
