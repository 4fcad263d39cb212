/**
 * Which entries of a stream are answered: filtered by level and text, with their neighbours, equal ones folded, the newest or the
 * oldest kept within bounds. Counts everything it has seen. Pure; nothing is redacted here: what `match` may look at is its maker's care.
 */
import { type Buckets, createBuckets } from './log_count.ts';
import type { Entry } from './log_group.ts';
import { atLeast, LEVELS, type Level } from './log_level.ts';
import { gate, type Position } from './log_page.ts';

export interface Picked {
  entry: Entry;
  /** Only there because its neighbour was asked for. */
  context: boolean;
  /** Entries before it were left out. */
  gap: boolean;
}

export interface Selection {
  picked: Picked[];
  entries: number;
  matched: number;
  levels: Record<Level | 'none', number>;
  buckets: Buckets;
  /** Matches that are not in `picked`, for want of room. */
  dropped: number;
}

export interface Wanted {
  least?: Level;
  match?: (entry: Entry) => boolean;
  context: number;
  /** Entries that are kept. */
  keep: number;
  /** Characters that are kept. */
  chars: number;
  /** The first ones rather than the last; then `full` says when no more are needed. */
  oldest: boolean;
  /** Only what lies beyond it. */
  beyond?: Position;
}

export interface Selector<S = Selection> {
  push(entry: Entry): void;
  full(): boolean;
  /** Matches so far. */
  matched(): number;
  end(): S;
}

/** What an entry weighs beside its text. */
const OVERHEAD = 200;

export function createSelector(want: Wanted): Selector {
  const filtered = want.least !== undefined || want.match !== undefined;
  const levels = Object.fromEntries([...LEVELS, 'none'].map((l) => [l, 0])) as Selection['levels'];
  const buckets = createBuckets();
  let kept: Picked[] = [];
  let first = 0;
  let weight = 0;
  let entries = 0;
  let matched = 0;
  let dropped = 0;
  let gap = false;
  let after = 0;
  let before: Entry[] = [];
  let previous: Entry | null = null;
  let previousHit = false;
  let closed = false;

  const hits = (entry: Entry) =>
    (want.least === undefined || atLeast(entry.level, want.least)) && (want.match === undefined || want.match(entry));
  const weigh = (p: Picked) => p.entry.text.length + OVERHEAD;

  function keep(entry: Entry, context: boolean): void {
    const one: Picked = { entry, context, gap };
    gap = false;
    kept.push(one);
    weight += weigh(one);
    if (want.oldest) return;
    while (kept.length - first > 1 && (kept.length - first > want.keep || weight > want.chars)) {
      const gone = kept[first] as Picked;
      weight -= weigh(gone);
      if (!gone.context) dropped++;
      first++;
    }
    // Shifting one by one would move them all each time.
    if (first > 1_024) {
      kept = kept.slice(first);
      first = 0;
    }
  }

  const noRoom = () => kept.length >= want.keep || weight > want.chars;

  const lets = want.beyond === undefined ? null : gate(want.beyond, want.oldest, hits);

  return {
    push(next) {
      const entry = lets === null ? next : lets(next);
      if (entry === null) return;
      entries++;
      levels[entry.level ?? 'none']++;
      buckets.add(entry.atMs, entry.level === 'error' || entry.level === 'fatal');
      if (previous && !closed && isSame(previous, entry)) {
        previous.repeats++;
        previous.lastMs = entry.lastMs;
        if (entry.atMs === previous.atMs) previous.firstN++;
        previous.lastN = entry.atMs === previous.lastAtMs ? previous.lastN + 1 : 1;
        previous.lastAtMs = entry.atMs;
        if (previousHit) matched++;
        return;
      }
      const hit = hits(entry);
      previous = entry;
      previousHit = hit;
      if (hit) matched++;
      if (closed) {
        if (hit) dropped++;
        return;
      }
      if (hit && !(want.oldest && noRoom())) {
        for (const b of before) keep(b, true);
        before = [];
        keep(entry, false);
        after = want.context;
      } else if (after > 0) {
        after--;
        keep(entry, !hit);
      } else if (filtered) {
        before.push(entry);
        if (before.length > want.context) {
          before.shift();
          gap = kept.length > first && want.context > 0;
        }
      }
      if (want.oldest && noRoom() && after === 0) closed = true;
    },
    full: () => closed,
    matched: () => matched,
    end: () => ({ picked: kept.slice(first), entries, matched, levels, buckets, dropped }),
  };
}

/** But for the time that it writes in front. */
function isSame(a: Entry, b: Entry): boolean {
  if (a.stream !== b.stream || a.by !== b.by || a.text.length - a.stamp !== b.text.length - b.stamp) return false;
  return a.stamp + b.stamp === 0 ? a.text === b.text : a.text.slice(a.stamp) === b.text.slice(b.stamp);
}
