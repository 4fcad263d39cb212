/**
 * The table of commands: usage, help, nearest names and the flags of each are made from it. What a command does is in run.ts,
 * which this must not import: `version` and `help` read this table and load nothing else.
 */
import type { App } from '../app.ts';
import type { FlagKind, Flags } from '../config/flags.ts';
import type { Loaded } from '../config/load.ts';
import type { Role } from '../core/scopes.ts';
import { APPROVAL_COMMANDS } from './commands_approvals.ts';
import { AUDIT_COMMANDS } from './commands_audit.ts';
import { BACKUP_COMMANDS, type BackupCommand } from './commands_backup.ts';
import { CLIENT_COMMANDS, type ClientCommand } from './commands_client.ts';
import { SERVICE_COMMANDS, type ServiceCommand } from './commands_service.ts';
import { TAILNET_COMMANDS, type TailnetCommand } from './commands_tailnet.ts';
import { TLS_COMMANDS } from './commands_tls.ts';
import type { Terminal } from './terminal.ts';

export interface Option {
  name: string;
  kind: FlagKind;
  /** One letter. */
  short?: string;
  /** What stands for the value in help. */
  value?: string;
  text: string;
}

/** What a command is given. */
export interface Run {
  own: Flags;
  positionals: string[];
  /** Behind the tool's name, untouched. */
  rest: string[];
  io: Terminal;
  /** Reads the configuration; throws OpsError that names file, line and mend. */
  load(): Promise<Loaded>;
  /** Reads it and puts the product together. The caller closes what it opened. */
  open(role: 'serve' | 'stdio' | 'cli'): Promise<App>;
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. */
  signal: AbortSignal;
}

/** One word, or two for a group. */
export type CommandName =
  | ServiceCommand
  | TailnetCommand
  | ClientCommand
  | BackupCommand
  | 'serve'
  | 'stdio'
  | 'tools'
  | 'call'
  | 'approvals'
  | 'approve'
  | 'deny'
  | 'notify test'
  | 'undo list'
  | 'undo show'
  | 'undo run'
  | 'token add'
  | 'token list'
  | 'token revoke'
  | 'policy explain'
  | 'policy show'
  | 'audit tail'
  | 'audit search'
  | 'audit verify'
  | 'audit export'
  | 'tls self-signed'
  | 'tls tailscale'
  | 'tls show'
  | 'config'
  | 'doctor'
  | 'version'
  | 'help';

export interface Command {
  name: CommandName;
  /** Behind the name. */
  usage: string;
  summary: string;
  details?: string;
  options?: Option[];
  examples?: string[];
  /** Positionals: at least and at most. `Infinity` never: what follows the last one is the tool's. */
  positionals?: [number, number];
  /** Takes what stands behind the last positional (a tool's arguments). */
  rest?: true;
}

const json = (text: string): Option => ({ name: 'json', kind: 'boolean', text });

const POLICY: Option[] = [
  { name: 'as', kind: 'value', value: 'WHO', text: 'The principal. Must be given.' },
  { name: 'role', kind: 'list', value: 'ROLE', text: 'That its credential brings: a claim, a capability.' },
  { name: 'scope', kind: 'list', value: 'SCOPE', text: 'That its credential holds; of a token it is known.' },
  json('Each step, as JSON.'),
];

export const COMMANDS: readonly Command[] = [
  {
    name: 'serve',
    usage: '',
    summary: 'Serve MCP over HTTP, on 127.0.0.1:7070 unless set otherwise.',
    details:
      'Prints the URL and what to paste into a client. Where no token exists yet it makes one, named "first" with the role\n' +
      'operator, and prints it this once; never when it runs as a service, where it would stay in a log for good.\n' +
      'SIGTERM and SIGINT let calls under way end and stop; a second one stops at once. SIGHUP does the same as SIGTERM\n' +
      'on a terminal; elsewhere it only has the certificate of http.tls read again. Settings are read at the start only.',
    examples: ['deckhand serve --http-port 8080', 'deckhand serve --mode read-only'],
  },
  {
    name: 'stdio',
    usage: '',
    summary: 'Speak MCP over standard input and output: how a client launches Deckhand.',
    details: 'Ends when its input ends. Log lines go to standard error. From another machine: ssh HOST deckhand stdio',
    examples: ['claude mcp add deckhand -- deckhand stdio'],
  },
  {
    name: 'tools',
    usage: '[TOOL]',
    summary: 'List the tools that can be called here, or the arguments of one.',
    options: [json('As JSON: name, toolset, risk, description, input schema.')],
    positionals: [0, 1],
  },
  {
    name: 'call',
    usage: 'TOOL [--KEY VALUE …]',
    summary: 'Call one tool and print its answer.',
    details:
      'Flags of Deckhand (--mode, --config …) come before the tool’s name; behind it stand the tool’s arguments. A list is\n' +
      'given by repeating its flag, a switch by its name alone or as --no-KEY. `deckhand tools TOOL` lists them.\n' +
      'A change that needs a yes asks for it on a terminal; elsewhere it ends with exit code 9.',
    options: [
      { name: 'args', kind: 'value', value: 'JSON', text: 'Arguments as one JSON object; with --KEY for the others.' },
      json('Print the structured result alone; an error as JSON on standard error.'),
    ],
    examples: ['deckhand call system_overview', 'deckhand call process_list --by memory --limit 5 --json'],
    positionals: [1, 1],
    rest: true,
  },
  ...APPROVAL_COMMANDS,
  {
    name: 'undo list',
    usage: '',
    summary: 'List what changes left to undo them, newest first.',
    options: [{ name: 'limit', kind: 'value', value: 'N', text: 'So many at most; 20 by default.' }, json('As JSON.')],
  },
  {
    name: 'undo show',
    usage: 'RECEIPT',
    summary: 'Print one receipt: what was changed, by whom, the state before and after. Secrets stay hidden.',
    options: [json('As JSON.')],
    positionals: [1, 1],
  },
  {
    name: 'undo run',
    usage: 'RECEIPT',
    summary: 'Take one change back, if its target has not moved on since.',
    details:
      'The same as `deckhand call undo --receipt RECEIPT`: it needs the rights and the approval that the change needed,\n' +
      'and asks for a yes on a terminal where one is needed. A receipt serves once.',
    options: [
      { name: 'dry-run', kind: 'boolean', text: 'Only say what it would do.' },
      json('Print the structured result alone; an error as JSON on standard error.'),
    ],
    examples: ['deckhand undo list', 'deckhand undo run t_… --dry-run'],
    positionals: [1, 1],
  },
  {
    name: 'token add',
    usage: 'NAME --role ROLE',
    summary: 'Make a bearer token for HTTP clients and print it, once.',
    details:
      'The token stands alone on the last line of standard output, all else on standard error. Only its hash is stored:\n' +
      'a lost one cannot be shown again. It holds at once, also in servers that run already.',
    options: [
      {
        name: 'role',
        kind: 'value',
        value: 'ROLE',
        text: 'viewer (all read), operator (also change), admin, or one of `roles`. Must be given.',
      },
      {
        name: 'scope',
        kind: 'list',
        value: 'SCOPE',
        text: 'A right beyond the role’s, e.g. audit:read; may be repeated.',
      },
      {
        name: 'expires',
        kind: 'value',
        value: 'TIME',
        text: 'After 12h, 30d or 1y, or on 2027-01-31; without it never.',
      },
    ],
    examples: ['deckhand token add laptop --role operator', 'deckhand token add probe --role viewer --expires 30d'],
    positionals: [1, 1],
  },
  {
    name: 'token list',
    usage: '',
    summary: 'List tokens: names, rights, ages, last use. Never secrets.',
    options: [json('As JSON.')],
  },
  {
    name: 'token revoke',
    usage: 'NAME',
    summary: 'Take a token back. It stops at once, also in servers that run.',
    positionals: [1, 1],
  },
  {
    name: 'policy explain',
    usage: '--as WHO call TOOL [--KEY VALUE …]',
    summary: 'Say whether this principal may make this call, and by which line of the config. Makes no call.',
    details:
      'WHO is token:NAME, tailnet:LOGIN, tailnet:tag:NAME, jwt:ISSUER:SUBJECT, stdio:UID or cli:UID. What stands behind a name\n' +
      '(an id, a link, an address) is judged when a call is made. Exit code 0: yes; 3: no. docs/policy.md has the rules.',
    options: POLICY,
    examples: ['deckhand policy explain --as token:laptop call container_control --container db --action restart'],
    positionals: [2, 2],
    rest: true,
  },
  {
    name: 'policy show',
    usage: '--as WHO',
    summary: 'Print what this principal has: roles, scopes, tools and limits.',
    options: POLICY,
    examples: ['deckhand policy show --as tailnet:tag:ci'],
  },
  ...AUDIT_COMMANDS,
  ...CLIENT_COMMANDS,
  ...SERVICE_COMMANDS,
  ...TAILNET_COMMANDS,
  ...BACKUP_COMMANDS,
  ...TLS_COMMANDS,
  {
    name: 'config',
    usage: '',
    summary: 'Print every setting, its value and where it comes from. Secrets stay hidden.',
    options: [json('As JSON.')],
  },
  {
    name: 'doctor',
    usage: '',
    summary: 'Tell what this host lacks or hides, with the exact command for each.',
    details: 'Changes nothing. Exit code 1 when something is broken, 0 otherwise.',
    options: [
      json('As JSON: code, severity, title, text, fix.'),
      {
        name: 'polkit',
        kind: 'boolean',
        text: 'Print, instead, the polkit rule that lets a user other than root change the units of services.allow.',
      },
      { name: 'user', kind: 'value', value: 'NAME', text: 'Of the rule; deckhand by default.' },
    ],
    examples: ['deckhand doctor', 'deckhand doctor --polkit | sudo tee /etc/polkit-1/rules.d/50-deckhand.rules'],
  },
  {
    name: 'version',
    usage: '',
    summary: 'Print the version.',
  },
  {
    name: 'help',
    usage: '[COMMAND]',
    summary: 'Print this, the help of one command, or all settings (help settings).',
    positionals: [0, 2],
  },
];

/** The command that these words begin with; two words win over one. */
export function commandOf(words: readonly string[]): Command | undefined {
  const two = words.slice(0, 2).join(' ');
  return COMMANDS.find((c) => c.name === two) ?? COMMANDS.find((c) => c.name === words[0]);
}

/** Names of a group, when the word is one: `token` → add, list, revoke. */
export const groupOf = (word: string): Command[] => COMMANDS.filter((c) => c.name.startsWith(`${word} `));

/** The role of the token that `serve` makes when there is none: what a client launched over stdio gets by default. */
export const FIRST_TOKEN: { name: string; role: Role } = { name: 'first', role: 'operator' };
