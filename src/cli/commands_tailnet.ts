/** The words of `deckhand tailnet …`: a part of the table in commands.ts, with its rule that nothing is loaded for it. */
import type { Command } from './commands.ts';

export type TailnetCommand = 'tailnet setup' | 'tailnet status';

export const TAILNET_COMMANDS: readonly Command[] = [
  {
    name: 'tailnet setup',
    usage: '',
    summary: 'Offer this server on the tailnet, and say what to set in the admin console.',
    details:
      'Looks whether tailscaled is ready, adds what is missing to the config file (a copy of the old one stays beside it), runs\n' +
      '`tailscale serve` for the socket, asks tailscaled whether it holds, and prints what only the tailnet’s admin can set.\n' +
      'Run again it changes nothing. What stands there otherwise is named and left alone: then nothing is done at all, and the\n' +
      'exit code is 1.',
    options: [
      {
        name: 'service',
        kind: 'value',
        value: 'svc:NAME',
        text: 'Offer it as this Tailscale service, in place of the host’s name.',
      },
      { name: 'https', kind: 'value', value: 'PORT', text: 'Port on the tailnet; 443 by default.' },
      {
        name: 'capability',
        kind: 'value',
        value: 'DOMAIN/NAME',
        text: 'App capability whose grants give roles, e.g. example.com/cap/deckhand.',
      },
      {
        name: 'allow',
        kind: 'list',
        value: 'WHO=ROLE',
        text: 'alice@example.com=operator, tag:ci=viewer: an entry in `principals`; repeatable.',
      },
      { name: 'dry-run', kind: 'boolean', text: 'Say what would be done, and change nothing.' },
      { name: 'json', kind: 'boolean', text: 'As JSON: checks, config, serve, url, next, console.' },
    ],
    examples: [
      'sudo deckhand tailnet setup --allow alice@example.com=operator',
      'sudo deckhand tailnet setup --service svc:deckhand --capability example.com/cap/deckhand --dry-run',
    ],
  },
  {
    name: 'tailnet status',
    usage: '',
    summary: 'Say how this server is reached from the tailnet, and what is in the way.',
    details: 'Each fault stands with its command. Exit code 1 when something is missing.',
    options: [{ name: 'json', kind: 'boolean', text: 'As JSON: ok, url, checks.' }],
  },
];
