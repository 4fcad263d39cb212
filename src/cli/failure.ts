/** How a failure reads at a terminal, and its exit code. Decides wording and order only; codes and hints come with the error. */
import { CODES, type OpsError, toOpsError, toWire } from '../core/errors.ts';
import type { Terminal } from './terminal.ts';

/** A change that waits for a decision has not been made: a script must be able to tell. No error code has this number. */
export const EXIT_PENDING = 9;

export interface Told {
  /** The correlation id, where there was a call. */
  call?: string;
  json?: boolean;
}

/** Says it on standard error and gives the exit code. */
export function tell(io: Terminal, thrown: unknown, { call, json }: Told = {}): number {
  const error = toOpsError(thrown);
  if (json) io.err(JSON.stringify({ error: toWire(error, call) }));
  else io.err(text(io, error, call));
  return CODES[error.code].exit;
}

function text(io: Terminal, error: OpsError, call?: string): string {
  const dim = (t: string) => io.paint('dim', t, 'err');
  const { hint, candidates, retryAfterMs } = error.details;
  const lines = [`${io.paint('bad', `deckhand: ${error.code.replace('_', ' ')}:`, 'err')} ${error.message}`];
  // Outside a call nothing has been logged: the cause is then all there is.
  if (error.code === 'internal' && !call && error.cause)
    lines.push(`  cause: ${String((error.cause as Error).message ?? error.cause)}`);
  if (candidates?.length) lines.push(`  ${dim('did you mean:')} ${candidates.join(', ')}`);
  if (hint && !(error.code === 'internal' && !call)) lines.push(`  ${dim('next:')} ${hint}`);
  if (retryAfterMs !== undefined) lines.push(`  ${dim('again in:')} ${Math.ceil(retryAfterMs / 1000)} s`);
  if (call) lines.push(`  ${dim('call:')} ${call}`);
  return lines.join('\n');
}
