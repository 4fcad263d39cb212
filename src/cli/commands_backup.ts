/** The words of `deckhand backup …`: a part of the table in commands.ts, with its rule that nothing is loaded for it. */
import type { Command } from './commands.ts';

export type BackupCommand = 'backup create' | 'backup list' | 'backup verify' | 'backup restore';

export const BACKUP_COMMANDS: readonly Command[] = [
  { name: 'backup create', usage: '', summary: 'Copy Deckhand’s own state, consistently, while it runs.' },
  { name: 'backup list', usage: '', summary: 'List the backups.' },
  {
    name: 'backup verify',
    usage: '[BACKUP]',
    summary: 'Check that a backup is whole and can be restored.',
    positionals: [0, 1],
  },
  { name: 'backup restore', usage: 'BACKUP', summary: 'Put a backup in the place of the state.', positionals: [1, 1] },
];
