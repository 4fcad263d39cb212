/** Usage, made from the table of commands, and the version. Loads nothing heavy; `help settings` alone reads the settings. */
import { CODES, OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { COMMANDS, type Command, commandOf, groupOf, type Option, type Run } from './commands.ts';
import { EXIT_PENDING } from './failure.ts';
import { pairs, wrap } from './table.ts';
import type { Terminal } from './terminal.ts';
import { VERSION } from './version.ts';

const COMMON: Option[] = [
  { name: 'config', kind: 'value', value: 'FILE', text: 'Settings file instead of /etc/deckhand/config.yaml.' },
  {
    name: 'SETTING',
    kind: 'value',
    value: 'VALUE',
    text: 'Any setting, e.g. --http-port 8080; `deckhand help settings`.',
  },
  { name: 'help', kind: 'boolean', text: 'The help of a command.' },
];

export function usage(width: number): string {
  return [
    'Deckhand lets an AI assistant see and safely operate this host over MCP.',
    '',
    'Usage: deckhand COMMAND [FLAGS]',
    '',
    pairs(
      COMMANDS.map((c) => [`${c.name} ${c.usage}`.trim(), c.summary]),
      width,
    ),
    '',
    'Flags, before a tool’s name:',
    options(COMMON, width),
    '',
    ...wrap(`Exit codes: ${exits()}.`, width),
  ].join('\n');
}

function exits(): string {
  const codes = Object.entries(CODES).map(([code, { exit }]) => [exit, code.replace('_', ' ')] as const);
  const all = [[0, 'done'] as const, ...codes, [EXIT_PENDING, 'waits for approval'] as const];
  return all
    .sort(([a], [b]) => a - b)
    .map(([exit, meaning]) => `${exit} ${meaning}`)
    .join(', ');
}

export function usageOf(command: Command, width: number): string {
  const lines = [
    `Usage: deckhand ${[command.name, command.options && '[FLAGS]', command.usage].filter(Boolean).join(' ')}`,
  ];
  lines.push('', command.summary);
  if (command.details) lines.push(command.details);
  if (command.options) lines.push('', 'Flags:', options(command.options, width));
  if (command.examples) lines.push('', 'Examples:', ...command.examples.map((e) => `  ${e}`));
  return lines.join('\n');
}

const options = (list: readonly Option[], width: number) =>
  pairs(
    list.map((o) => [`${o.short ? `-${o.short}, ` : ''}--${o.name}${o.value ? ` ${o.value}` : ''}`, o.text]),
    width,
  );

export async function help({ positionals, io }: Pick<Run, 'positionals' | 'io'>): Promise<number> {
  const width = Math.min(io.width, 100);
  if (positionals.length === 0) io.out(usage(width));
  else if (positionals[0] === 'settings') io.out(await settingsText(io));
  else {
    const command = commandOf(positionals);
    if (command) io.out(usageOf(command, width));
    else {
      const group = groupOf(positionals[0] ?? '');
      if (!group.length) throw unknown(positionals[0] ?? '');
      io.out(group.map((c) => usageOf(c, width)).join('\n\n'));
    }
  }
  return 0;
}

export async function version({ io }: Pick<Run, 'io'>): Promise<number> {
  io.out(VERSION);
  return 0;
}

async function settingsText(io: Terminal): Promise<string> {
  const { settingsHelp } = await import('../config/show.ts');
  return settingsHelp(undefined, Math.min(io.width, 120));
}

/** A command that is not in the table. */
export function unknown(word: string, words: readonly string[] = [word]): OpsError {
  const group = groupOf(word);
  const names = group.length ? group.map((c) => c.name) : COMMANDS.map((c) => c.name);
  const near = group.length
    ? names
    : [...new Set([...nearest(words.slice(0, 2).join(' '), names), ...nearest(word, names)])];
  const what =
    group.length && words.length < 2
      ? `\`deckhand ${word}\` needs one more word.`
      : `No command "${words.slice(0, group.length ? 2 : 1).join(' ')}".`;
  return new OpsError('validation', what, {
    hint: 'Run: deckhand help',
    ...(near.length ? { candidates: near } : {}),
  });
}
