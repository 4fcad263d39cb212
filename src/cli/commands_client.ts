/** The words of `deckhand client …`: a part of the table in commands.ts, with its rule that nothing is loaded for it. */
import type { Command, Option } from './commands.ts';

export type ClientCommand = 'client list' | 'client add' | 'client print' | 'client remove' | 'client undo';

const PLACE: Option[] = [
  {
    name: 'scope',
    kind: 'value',
    value: 'SCOPE',
    text: 'user (default), or project: the file of the folder you are in.',
  },
  { name: 'config', kind: 'value', value: 'FILE', text: 'The client’s settings, where they are elsewhere.' },
];
const DRY: Option = { name: 'dry-run', kind: 'boolean', text: 'Show the lines that would change, and change nothing.' };
const JSON_TOO: Option = { name: 'json', kind: 'boolean', text: 'As JSON.' };
const NAME: Option = {
  name: 'name',
  kind: 'value',
  value: 'NAME',
  text: 'Of the entry: deckhand, or deckhand-HOST with --ssh and --url.',
};
const WAY: Option[] = [
  { name: 'stdio', kind: 'boolean', text: 'The client launches Deckhand on this host; the default here.' },
  { name: 'ssh', kind: 'value', value: '[USER@]HOST', text: 'It launches Deckhand on another host, through ssh.' },
  { name: 'url', kind: 'value', value: 'URL', text: 'It reaches a server: https://HOST/mcp.' },
  { name: 'token-file', kind: 'value', value: 'FILE', text: 'With --url: the token is in this file.' },
  { name: 'token-env', kind: 'value', value: 'NAME', text: 'With --url: the token is in this variable.' },
  { name: 'token', kind: 'value', value: '-', text: 'With --url: the token comes from standard input.' },
  { name: 'toolsets', kind: 'list', value: 'NAME', text: 'Only these toolsets; the host’s settings stay the bound.' },
  { name: 'read-only', kind: 'boolean', text: 'Only tools that change nothing.' },
  { name: 'ssh-option', kind: 'list', value: 'KEY=VALUE', text: 'With --ssh: passed on as -o; may be repeated.' },
  { name: 'deckhand', kind: 'value', value: 'PATH', text: 'With --ssh: the command there, if not `deckhand`.' },
  NAME,
];

export const CLIENT_COMMANDS: readonly Command[] = [
  {
    name: 'client list',
    usage: '',
    summary: 'List the clients that Deckhand can be entered into, and where.',
    options: [JSON_TOO],
  },
  {
    name: 'client add',
    usage: 'CLIENT',
    summary: 'Enter Deckhand into the settings of one client.',
    details:
      'Adds lines and changes none: comments, order and line ends stay. What was there before is kept for `client undo`.\n' +
      'With --ssh and --url it runs on macOS and Windows too. A token is never an argument: where the client can, it is\n' +
      'named by its variable or asked for, and is not in the file. Without one, OAuth or the tailnet says who you are.',
    options: [
      ...WAY,
      ...PLACE,
      { name: 'replace', kind: 'boolean', text: 'In place of another entry of that name.' },
      { name: 'create', kind: 'boolean', text: 'Make the folder of a client that is not there.' },
      DRY,
      JSON_TOO,
    ],
    examples: [
      'deckhand client add claude-code',
      'deckhand client add cursor --ssh root@nas --dry-run',
      'deckhand client add vscode --url https://nas.tail1234.ts.net/mcp --read-only',
      'deckhand client add codex --url https://nas.lan:7070/mcp --token-env NAS_TOKEN',
    ],
    positionals: [1, 1],
  },
  {
    name: 'client print',
    usage: 'CLIENT',
    summary: 'Print what would be entered, and change nothing.',
    details:
      'As the whole of an empty file; a token that would be written is left out. `generic` is what most others read.',
    options: [...WAY, ...PLACE, JSON_TOO],
    examples: ['deckhand client print zed', 'deckhand client print generic --url https://nas.lan:7070/mcp'],
    positionals: [1, 1],
  },
  {
    name: 'client remove',
    usage: 'CLIENT',
    summary: 'Take Deckhand out of the settings of one client.',
    options: [NAME, ...PLACE, DRY, JSON_TOO],
    positionals: [1, 1],
  },
  {
    name: 'client undo',
    usage: 'CLIENT',
    summary: 'Put back the settings as they were before the last change.',
    details: 'Only while the file is still as Deckhand left it; else `client remove` takes out the entry alone.',
    options: [...PLACE, DRY, JSON_TOO],
    positionals: [1, 1],
  },
];
