/**
 * Whether a change may run now. This version knows the owner's mode and no approver: what needs a human's yes is
 * refused with the reason, never queued for nobody. Handles, deciding and expiry come with the approver.
 */
import type { Mode } from '../core/scopes.ts';
import type { Approvals } from './ports.ts';

export function approvalsByMode(mode: Mode): Approvals {
  return {
    decide({ risk, tool }) {
      if (mode === 'full' && risk === 'change') return { verdict: 'granted', by: 'mode: full' };
      return {
        verdict: 'refused',
        by: `mode: ${mode}`,
        why: `${tool} would ${risk === 'destroy' ? 'destroy something' : 'change this host'}, which needs an approval, and this version has no way to give one.`,
        hint:
          risk === 'destroy'
            ? 'Do it by hand on the host; `dry_run: true` shows what it would do.'
            : 'Use `dry_run: true` to see what it would do; the owner can set `mode: full` to let changes run unasked.',
      };
    },
  };
}
