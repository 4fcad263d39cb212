/** `deckhand tailnet …`: words and exit codes; what is asked and set is setup/tailnet's. */
import { OpsError } from '../core/errors.ts';
import type { Run } from './commands.ts';

export async function setup(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}

export async function status(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}
