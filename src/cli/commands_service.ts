/** The words of `deckhand service …`: a part of the table in commands.ts, with its rule that nothing is loaded for it. */
import type { Command } from './commands.ts';

export type ServiceCommand =
  | 'service install'
  | 'service status'
  | 'service upgrade'
  | 'service rollback'
  | 'service uninstall';

export const SERVICE_COMMANDS: readonly Command[] = [
  { name: 'service install', usage: '', summary: 'Make Deckhand a systemd service on this host.' },
  {
    name: 'service status',
    usage: '',
    summary: 'Say what is installed, whether it runs, and what differs from how it was installed.',
  },
  {
    name: 'service upgrade',
    usage: '',
    summary: 'Move the service to another version, and back where it does not come up.',
  },
  { name: 'service rollback', usage: '', summary: 'Move the service back to the version before.' },
  {
    name: 'service uninstall',
    usage: '',
    summary: 'Remove the service and all its versions; the state stays unless --purge.',
  },
];
