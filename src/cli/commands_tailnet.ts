/** The words of `deckhand tailnet …`: a part of the table in commands.ts, with its rule that nothing is loaded for it. */
import type { Command } from './commands.ts';

export type TailnetCommand = 'tailnet setup' | 'tailnet status';

export const TAILNET_COMMANDS: readonly Command[] = [
  {
    name: 'tailnet setup',
    usage: '',
    summary: 'Offer this server on the tailnet, and say what to set in the admin console.',
  },
  {
    name: 'tailnet status',
    usage: '',
    summary: 'Say how this server is reached from the tailnet, and what is in the way.',
  },
];
