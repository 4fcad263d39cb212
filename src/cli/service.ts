/** `deckhand service …`: words and exit codes; what is done on the machine is setup/service's. */
import { OpsError } from '../core/errors.ts';
import type { Run } from './commands.ts';

export async function install(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}

export async function status(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}

export async function upgrade(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}

export async function rollback(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}

export async function uninstall(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}
