/** The words of `deckhand backup …`: a part of the table in commands.ts, with its rule that nothing is loaded for it. */
import type { Command, Option } from './commands.ts';

export type BackupCommand = 'backup create' | 'backup list' | 'backup verify' | 'backup restore';

const JSON_TOO: Option = { name: 'json', kind: 'boolean', text: 'As JSON.' };
const FROM: Option = {
  name: 'from',
  kind: 'value',
  value: 'FOLDER',
  text: 'Where backups lie, instead of backup.dir.',
};

export const BACKUP_COMMANDS: readonly Command[] = [
  {
    name: 'backup create',
    usage: '',
    summary: 'Copy Deckhand’s own state, consistently, while it runs.',
    details:
      'Tokens, audit with its key, receipts and what undoing needs, TLS pair. Not in it: kept results, locks, open approvals,\n' +
      'the file index. What was copied is verified at once; then the oldest good backups beyond backup.keep go.',
    options: [
      { name: 'to', kind: 'value', value: 'FOLDER', text: 'Another place than backup.dir. For its owner alone.' },
      { name: 'keep', kind: 'value', value: 'N', text: 'Keep so many good ones; backup.keep (7) by default.' },
      { name: 'with-config', kind: 'boolean', text: 'With a copy of the config file.' },
      { name: 'with-secrets', kind: 'boolean', text: 'With the config file and the files of secrets that it names.' },
      JSON_TOO,
    ],
    examples: ['sudo deckhand backup create', 'deckhand backup create --to /mnt/nas/deckhand --keep 30'],
  },
  {
    name: 'backup list',
    usage: '',
    summary: 'List the backups, newest first, and states that a restore put aside.',
    options: [FROM, JSON_TOO],
  },
  {
    name: 'backup verify',
    usage: '[BACKUP]',
    summary: 'Check that a backup is whole and can be restored; the newest, or one by name or path.',
    details:
      'Hashes of all files, SQLite’s own check, the chain of the audit, the tokens. Changes no byte. Exit code 1: it is bad.',
    options: [FROM, { name: 'all', kind: 'boolean', text: 'Each of them.' }, JSON_TOO],
    positionals: [0, 1],
  },
  {
    name: 'backup restore',
    usage: 'BACKUP',
    summary: 'Put a backup in the place of the state. Deckhand must be stopped.',
    details:
      'The backup is verified first. The present state is put aside in the state folder; restoring that by its name goes back.\n' +
      'Killed in between, it is one or the other, and whole. The config is not touched.',
    options: [
      FROM,
      { name: 'yes', kind: 'boolean', text: 'Do not ask.' },
      { name: 'dry-run', kind: 'boolean', text: 'Only verify, and say what would be done.' },
      JSON_TOO,
    ],
    examples: ['sudo deckhand backup restore 20261121T040000Z-3f2a --dry-run'],
    positionals: [1, 1],
  },
];
