/** The words of commands around approvals: a part of the table in commands.ts, with its rule that nothing is loaded for it. */
import type { Command } from './commands.ts';

export const APPROVAL_COMMANDS: readonly Command[] = [
  {
    name: 'approvals',
    usage: '[ID]',
    summary: 'List the changes that wait for your decision, or all there is to know of one.',
    options: [
      { name: 'all', kind: 'boolean', text: 'Also those of the last day that are decided, used or expired.' },
      { name: 'json', kind: 'boolean', text: 'As JSON.' },
    ],
    positionals: [0, 1],
  },
  {
    name: 'approve',
    usage: 'ID',
    summary: 'Let one change happen, once: exactly the call that was asked, while nothing else has changed.',
    details:
      'Shows it and asks, on a terminal; the caller then repeats its call. Nobody approves what they asked for themselves:\n' +
      'for a call of your own, run `deckhand call` on a terminal. docs/security.md says what an approval is worth.',
    options: [{ name: 'yes', kind: 'boolean', text: 'Do not ask.' }],
    examples: ['deckhand approve a_5mw3x6kqjd2hvz7rnt4ybcfgae'],
    positionals: [1, 1],
  },
  {
    name: 'deny',
    usage: 'ID',
    summary: 'Refuse one change. The same call is refused until its question has expired.',
    options: [{ name: 'because', kind: 'value', value: 'TEXT', text: 'What the caller is told.' }],
    examples: ['deckhand deny a_5mw3x6kqjd2hvz7rnt4ybcfgae --because "after the backup"'],
    positionals: [1, 1],
  },
  {
    name: 'notify test',
    usage: '[CHANNEL]',
    summary: 'Send a test notice over one channel of notify.channels, or all, and say what came of it.',
    details:
      'Tries each once and waits 10 s at most. Exit code 7 when one could not be sent. docs/notify.md says how to set one up.',
    options: [{ name: 'json', kind: 'boolean', text: 'As JSON.' }],
    examples: ['deckhand notify test', 'deckhand notify test phone'],
    positionals: [0, 1],
  },
];
