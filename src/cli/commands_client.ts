/** The words of `deckhand client …`: a part of the table in commands.ts, with its rule that nothing is loaded for it. */
import type { Command } from './commands.ts';

export type ClientCommand = 'client list' | 'client add' | 'client print' | 'client remove' | 'client undo';

export const CLIENT_COMMANDS: readonly Command[] = [
  { name: 'client list', usage: '', summary: 'List the clients that Deckhand can be entered into, and where.' },
  {
    name: 'client add',
    usage: 'CLIENT',
    summary: 'Enter Deckhand into the settings of one client.',
    positionals: [1, 1],
  },
  {
    name: 'client print',
    usage: 'CLIENT',
    summary: 'Print what would be entered, and change nothing.',
    positionals: [1, 1],
  },
  {
    name: 'client remove',
    usage: 'CLIENT',
    summary: 'Take Deckhand out of the settings of one client.',
    positionals: [1, 1],
  },
  {
    name: 'client undo',
    usage: 'CLIENT',
    summary: 'Put back the settings as they were before the last change.',
    positionals: [1, 1],
  },
];
