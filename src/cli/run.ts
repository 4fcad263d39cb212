/**
 * A command from its words to its exit code: flags, settings, signals, and which function does it. What it prints is its own
 * file's business. Each is loaded only when asked for, and the product with it: `stdio` must never load what only HTTP needs, and
 * answers its client before the rest is loaded at all.
 */
import { type Flags, parseFlags } from '../config/flags.ts';
import { loadConfig } from '../config/load.ts';
import { OpsError } from '../core/errors.ts';
import type { AdministrationCommand } from './administration.ts';
import type { AT_TERMINAL } from './at_terminal.ts';
import { type Command, type CommandName, commandOf, type Run } from './commands.ts';
import { tell } from './failure.ts';
import { help, unknown, version } from './help.ts';
import { onSignals, type Signals } from './signals.ts';
import type { Terminal } from './terminal.ts';

type Does = (r: Run) => Promise<number>;

const atTerminal = async (name: keyof typeof AT_TERMINAL) => (await import('./at_terminal.ts')).AT_TERMINAL[name];

const administration = async (name: AdministrationCommand) =>
  (await import('./administration.ts')).ADMINISTRATION[name];

const DOES: Record<CommandName, () => Does | Promise<Does>> = {
  serve: async () => (await import('./serve.ts')).run,
  stdio: async () => (await import('./stdio.ts')).run,
  tools: () => atTerminal('tools'),
  call: () => atTerminal('call'),
  approvals: () => atTerminal('approvals'),
  approve: () => atTerminal('approve'),
  deny: () => atTerminal('deny'),
  'notify test': async () => (await import('./notify.ts')).test,
  'undo list': () => atTerminal('undo list'),
  'undo show': () => atTerminal('undo show'),
  'undo run': () => atTerminal('undo run'),
  'token add': () => atTerminal('token add'),
  'token list': () => atTerminal('token list'),
  'token revoke': () => atTerminal('token revoke'),
  'policy explain': () => atTerminal('policy explain'),
  'policy show': () => atTerminal('policy show'),
  'audit tail': () => atTerminal('audit tail'),
  'audit search': () => atTerminal('audit search'),
  'audit verify': () => atTerminal('audit verify'),
  'audit export': () => atTerminal('audit export'),
  'tls self-signed': async () => (await import('./tls.ts')).make,
  'tls tailscale': async () => (await import('./tls.ts')).tailscale,
  'tls show': async () => (await import('./tls.ts')).show,
  'service install': () => administration('service install'),
  'service status': () => administration('service status'),
  'service upgrade': () => administration('service upgrade'),
  'service rollback': () => administration('service rollback'),
  'service uninstall': () => administration('service uninstall'),
  'tailnet setup': () => administration('tailnet setup'),
  'tailnet status': () => administration('tailnet status'),
  'client list': () => administration('client list'),
  'client add': () => administration('client add'),
  'client print': () => administration('client print'),
  'client remove': () => administration('client remove'),
  'client undo': () => administration('client undo'),
  'backup create': () => administration('backup create'),
  'backup list': () => administration('backup list'),
  'backup verify': () => administration('backup verify'),
  'backup restore': () => administration('backup restore'),
  config: () => atTerminal('config'),
  doctor: async () => (await import('./doctor.ts')).run,
  version: () => version,
  help: () => help,
};

export async function run(argv: readonly string[], io: Terminal): Promise<number> {
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
  const shorts = Object.fromEntries((command.options ?? []).flatMap((o) => (o.short ? [[o.short, o.name]] : [])));
  const after = parseFlags(before.rest.slice(parts), {
    own: { ...common.own, ...own },
    short: { ...common.short, ...shorts },
    ...(command.rest ? { positionals: most } : {}),
  });
  if (before.own.help || after.own.help) return help({ positionals: command.name.split(' '), io });
  if (!SERVES && !/^(?:client |help$|version$)/.test(command.name)) throw elsewhere(command);
  if (!command.rest && after.rest.length) after.positionals.push(...after.rest);
  if (after.positionals.length < least || after.positionals.length > most) throw wrongCount(command, after.positionals);
  const settings = merge(before.settings, after.settings);

  let signals: Signals | undefined;
  let loading: ReturnType<Run['load']> | undefined;
  const load = () => {
    loading ??= loadConfig({ flags: settings });
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
      const loaded = await load();
      const { openProduct } = await import('./product.ts');
      return openProduct(loaded, role);
    },
  };
  try {
    const does = await DOES[command.name]();
    return await does(input);
  } catch (thrown) {
    return tell(io, thrown, { json: after.own.json === true });
  } finally {
    signals?.release();
  }
}

/** Of what a laptop needs, help and entries in clients are all: everything else looks at a Linux host. */
const SERVES = process.platform === 'linux';

function elsewhere({ name }: Command): OpsError {
  return new OpsError('unavailable', `deckhand ${name} is for a Linux host, and this is none.`, {
    hint: 'Run it there (ssh HOST deckhand …). From here a client reaches it: deckhand client add CLIENT --ssh HOST, or --url https://HOST/mcp',
  });
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
