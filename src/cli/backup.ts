/** `deckhand backup …`: words and exit codes; what is copied, and how, is setup/backup's and the store's. */
import { OpsError } from '../core/errors.ts';
import type { Run } from './commands.ts';

export async function create(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}

export async function list(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}

export async function verify(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}

export async function restore(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}
