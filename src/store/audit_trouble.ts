/** Why the audit cannot be written, in words: what is then refused, kept waiting or lost is decided by audit.ts. */
import { OpsError, toOpsError } from '../core/errors.ts';
import { errnoOf } from './state.ts';

export const whyOf = (error: unknown): string => {
  const errno = errnoOf(error);
  return /^E[A-Z]+$/.test(errno) ? errno : error instanceof Error ? error.message : String(error);
};

export function refused(why: string, cause?: unknown): OpsError {
  const { code } = cause === undefined ? { code: 'unavailable' as const } : toOpsError(cause);
  return new OpsError(
    code === 'limit' ? 'limit' : 'unavailable',
    `The audit cannot be written (${why}), so nothing was changed.`,
    {
      hint: 'Make room for the state folder, then repeat the call.',
      cause,
    },
  );
}
