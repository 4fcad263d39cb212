/**
 * The command line: which command the words mean, its flags, the signals, the exit code. Decides no content. Settings and
 * the product itself are loaded only by commands that need them, so that `version` and `help` stay light.
 */
import { environment, surroundings } from '../config/env.ts';
import type { Flags } from '../config/flags.ts';
import { OpsError } from '../core/errors.ts';
import { type Command, commandOf, type Run } from './commands.ts';
import { tell } from './failure.ts';
import { help, unknown, version } from './help.ts';
import { onSignals, type Signals } from './signals.ts';
import { type Terminal, terminal } from './terminal.ts';
import { VERSION } from './version.ts';

export async function main(argv: readonly string[]): Promise<void> {
  const columns = Number(environment().COLUMNS);
  const io = terminal(process.stdout, process.stderr, {
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
    return await run(argv, io);
  } catch (thrown) {
    return tell(io, thrown, { json: false });
  }
}

async function run(argv: readonly string[], io: Terminal): Promise<number> {
  const { parseFlags } = await import('../config/flags.ts');
  const common = { own: { help: 'boolean' as const }, short: { h: 'help' } };
  // Settings may stand before the command too: `deckhand --config FILE serve`.
  const before = parseFlags(argv, { ...common, positionals: 1 });
  const words = [...before.positionals, ...before.rest];
  const command = commandOf(words);
  if (!command) {
    if (before.own.help) return help({ positionals: [], io });
    throw unknown(words[0] ?? '', words);
  }
  const parts = command.name.split(' ').length - 1;
  const [least, most] = command.positionals ?? [0, 0];
  const own = Object.fromEntries((command.options ?? []).map((o) => [o.name, o.kind]));
  const after = parseFlags(before.rest.slice(parts), {
    own: { ...common.own, ...own },
    short: common.short,
    ...(command.rest ? { positionals: most } : {}),
  });
  if (before.own.help || after.own.help) return help({ positionals: command.name.split(' '), io });
  if (!command.rest && after.rest.length) after.positionals.push(...after.rest);
  if (after.positionals.length < least || after.positionals.length > most) throw wrongCount(command, after.positionals);
  const settings = merge(before.settings, after.settings);

  let signals: Signals | undefined;
  let loading: ReturnType<Run['load']> | undefined;
  const load = () => {
    loading ??= import('../config/load.ts').then(({ loadConfig }) => loadConfig({ flags: settings }));
    return loading;
  };
  const input: Run = {
    own: after.own,
    positionals: after.positionals,
    rest: command.rest ? after.rest : [],
    io,
    // Only for who asks: any other command ends at once, as a shell's user expects.
    get signal() {
      signals ??= onSignals({ hangup: io.outTty || io.errTty });
      return signals.signal;
    },
    load,
    async open(role) {
      const [loaded, { createApp }, { createLog }] = await Promise.all([
        load(),
        import('../app.ts'),
        import('../log.ts'),
      ]);
      // A person who asked for an answer is not told how the house is run, unless the log was set so.
      const level =
        role === 'cli' && loaded.origins.get('log.level')?.from === 'default' ? 'warn' : loaded.config.log.level;
      const log = createLog({ ...loaded.config.log, level });
      return createApp({ loaded, log, role, version: VERSION });
    },
  };
  try {
    const { run } = await command.load();
    return await run(input);
  } catch (thrown) {
    return tell(io, thrown, { json: after.own.json === true });
  } finally {
    signals?.release();
  }
}

function merge(a: Flags, b: Flags): Flags {
  const both = Object.keys(b).find((name) => name in a);
  if (both)
    throw new OpsError('validation', `--${both} is given twice: before the command and behind it.`, {
      hint: 'Give it once.',
    });
  return { ...a, ...b };
}

function wrongCount(command: Command, got: readonly string[]): OpsError {
  const [least, most] = command.positionals ?? [0, 0];
  const what =
    got.length < least
      ? `${command.name} needs ${command.usage.split(' ')[0]}`
      : `${command.name} takes ${most === 0 ? 'no names' : most === 1 ? 'one name' : `${most} names`}, not ${got.length}`;
  return new OpsError('validation', `deckhand ${what}.`, { hint: `Run: deckhand help ${command.name}` });
}
