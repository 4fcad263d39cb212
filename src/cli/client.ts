/** `deckhand client …`: words and exit codes; whose settings lie where, and how they are edited, is setup/clients'. */
import { OpsError } from '../core/errors.ts';
import type { Run } from './commands.ts';

export async function list(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}

export async function add(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}

export async function print(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}

export async function remove(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}

export async function undo(_: Run): Promise<number> {
  throw new OpsError('unavailable', 'This command is not made yet.');
}
