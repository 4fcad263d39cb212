/**
 * Changes that were announced and whose end is not on record: kept while a process lives, and found again in what a dead one
 * left. Decides which record ends which intent; when they are looked for, and where `unfinished` is written, is audit.ts's.
 */

export type Intent = Record<string, unknown> & { call: string };

export interface Intents {
  /** True when this record is the end of an intent that was open. */
  see(record: Record<string, unknown>, segment: string): boolean;
  /** Oldest first. */
  left(): Intent[];
  forget(call: string): void;
}

/** More changes than may run at once. */
const MOST = 2_000;
/** As much of an intent as is needed to look what became of it. */
const KEPT = ['call', 'who', 'tool', 'risk', 'targets', 'summary', 'approval', 'receipt', 'undoOf'] as const;

export function trackIntents(): Intents {
  const open = new Map<string, Intent>();
  return {
    see(r, segment) {
      if (typeof r.call !== 'string') return false;
      if (r.event === 'intent' || r.event === 'under_way') {
        if (open.size >= MOST) return false;
        const kept = Object.fromEntries(KEPT.filter((k) => r[k] !== undefined).map((k) => [k, r[k]]));
        open.set(r.call, { ...kept, call: r.call, at: r.at ?? r.ts, segment: r.segment ?? segment });
        return false;
      }
      return ends(r) && open.delete(r.call);
    },
    left: () => [...open.values()],
    forget: (call) => void open.delete(call),
  };
}

/** A call that answered `running`, or that timed out after its first effect, is no end: `work` or `late` comes later. */
function ends(r: Record<string, unknown>): boolean {
  if (r.event === 'late' || r.event === 'unfinished') return true;
  return (r.event === 'call' || r.event === 'work') && r.outcome !== 'running' && r.goesOn !== true;
}
