/**
 * Where the next page of logs begins: in each source behind what was shown of it. Decides when there is a next one; what a place is, and
 * what lies beyond it, is insight/log_page.ts.
 */
import type { OpsError } from '../core/errors.ts';
import type { Source } from '../core/source.ts';
import { type Cursor, cursorText, type Position } from '../insight/log_page.ts';
import type { Picked } from '../insight/log_select.ts';
import type { Looked } from './log_read.ts';

/** What became of one source. */
export interface Result {
  source: Source;
  looked: Looked | null;
  failed: OpsError | null;
}

/** `shown`: in the order of the answer. Null: there is nothing more. What is newer may always come. */
export function nextOf(
  shown: readonly { item: Picked; log: number }[],
  results: readonly Result[],
  { newer, from }: { newer: boolean; from: Cursor | null },
): string | null {
  const hits = shown.filter(({ item }) => !item.context);
  const edge = hits.at(-1)?.item.entry;
  const edgeMs = edge?.atMs ?? null;
  const left = (n: number) => {
    const { looked = null } = results[n] ?? {};
    const answered = hits.reduce((sum, h) => sum + (h.log === n ? h.item.entry.repeats : 0), 0);
    return { looked, all: looked !== null && answered >= looked.selection.matched };
  };
  const more = results.some((r, n) => r.failed !== null || r.looked?.missing || !left(n).all);
  if (!newer && !more) return null;

  const at = results.map((_, n): Position | null => {
    const own = hits.filter((h) => h.log === n).map((h) => h.item.entry);
    const before = from?.at[n];
    const { looked, all } = left(n);
    // Where a bound stopped the reading and nothing was found there, the next look begins where this one ended.
    const stopped = all && looked?.stopped ? (newer ? looked.toMs : looked.fromMs) : null;
    const last = own.at(-1);
    // None was shown, though there are some: repeats may reach beyond where the others end.
    const picked = looked?.selection.picked.filter((p) => !p.context) ?? [];
    const waiting = newer ? picked[0]?.entry.atMs : picked.at(-1)?.entry.lastAtMs;
    const ends = [stopped, last ? (newer ? last.lastAtMs : last.atMs) : (waiting ?? edgeMs), before?.atMs ?? null];
    const known = ends.filter((ms) => ms !== null);
    if (known.length === 0) return null;
    const atMs = newer ? Math.max(...known) : Math.min(...known);
    const seen = own.reduce((sum, e) => {
      if (newer) return sum + (e.lastAtMs === atMs ? e.lastN : 0);
      return sum + (e.atMs === atMs ? e.firstN : 0);
    }, 0);
    return { atMs, seen: seen + (before?.atMs === atMs ? before.seen : 0) };
  });
  return at.every((p) => p !== null) ? cursorText({ newer, at }) : null;
}
