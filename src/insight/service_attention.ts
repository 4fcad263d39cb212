/** Which units need a hand, and which first. Pure; how one ended is service_exit.ts's. */
import type { Timer, Unit, UnitRow } from '../core/services.ts';

/** Worst first. */
export const ATTENTION = ['failed', 'loop', 'dead', 'changing', 'reload'] as const;
export type Attention = (typeof ATTENTION)[number];

export const rankOf = (a: Attention | null): number => (a === null ? ATTENTION.length : ATTENTION.indexOf(a));

/** So often restarted by systemd itself, and it is no accident. */
const OFTEN = 3;

export function attentionOf(u: UnitRow | Unit): Attention | null {
  if (u.active === 'failed') return 'failed';
  if (u.sub === 'auto-restart' || u.sub === 'auto-restart-queued') return 'loop';
  if ('restarts' in u) {
    if (u.active === 'activating' && (u.restarts ?? 0) >= OFTEN) return 'loop';
    if (u.needsReload && u.active === 'active') return 'reload';
  }
  return u.active === 'activating' || u.active === 'deactivating' ? 'changing' : null;
}

/** One whose job went wrong, and one that does not wait although it is to: enabled, and stopped by nobody's condition. */
export function timerAttention(t: Timer, is: Pick<Unit, 'fileState' | 'skipped'> | undefined): Attention | null {
  if (t.active === 'failed') return 'failed';
  if (t.result !== null && t.result !== 'success') return 'failed';
  return is && isDead(t, is) ? 'dead' : null;
}

export const isDead = (t: Pick<Timer, 'active'>, is: Pick<Unit, 'fileState' | 'skipped'>): boolean =>
  t.active === 'inactive' && is.fileState === 'enabled' && is.skipped === null;
