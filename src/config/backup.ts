/** Copies of Deckhand's own state. Decides what may be written; making and keeping them is setup/backup's. */
import * as z from 'zod';
import { set } from './setting.ts';

export const BackupSettings = z.strictObject({
  dir: set(
    z
      .string()
      .max(4_096)
      .regex(/^\/[^\p{Cc}]*$/u)
      .nullable()
      .default(null),
    'Folder for backups of Deckhand’s own state. They hold its keys: only its owner may read it.',
    { expects: 'the absolute path of a folder', defaultText: '`backups` in the state folder' },
  ),
  keep: set(
    z.number().int().min(1).max(1_000).default(7),
    'So many backups that are in order are kept; the oldest beyond them go when a new one is in order.',
  ),
});
