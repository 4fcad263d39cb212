/**
 * Whether what is turned away comes in a burst: many of one source within a minute, or many in all. Decides when a burst begins, that it
 * is told once and then for an hour only when it has grown tenfold, and that its end says how many there were. What a source is and
 * who is told are security.ts's. Sources beyond what is remembered count in all, and only there.
 */
import type { Clock } from './ports.ts';

export type Kind = 'denied' | 'unauthenticated' | 'unknown' | 'limited' | 'forged';
export type Kinds = Partial<Record<Kind, number>>;

/** `id`: a principal, or `address:` with the address as limits count it. */
export interface Source {
  id: string;
  who?: string | undefined;
  address?: string | undefined;
}

export interface Burst {
  state: 'begun' | 'grown' | 'over';
  /** Null: of many sources. */
  source: Source | null;
  /** Since it began, `from`. */
  count: number;
  kinds: Kinds;
  fromMs: number;
  toMs: number;
  /** The most frequent, where there are several. */
  top: { source: string; count: number }[];
}

export interface Bursts {
  count(source: Source, kind: Kind, n?: number): void;
  /** Says how many there were of what is under way. */
  close(): void;
}

export const WITHIN_MS = 60_000;
export const OF_ONE = 20;
export const IN_ALL = 100;
export const QUIET_MS = 3_600_000;
const TENFOLD = 10;
const MOST_SOURCES = 1_000;
/** So many single sources in an hour are told one by one; the next one makes it a burst of many. */
const SINGLY = 3;
const TOP = 5;

interface Counted {
  count: number;
  kinds: Kinds;
}

interface Run extends Counted {
  /** Of the last few, monotonic, oldest first: any minute counts and not only those that a clock begins. */
  recent: { at: number; id: string }[];
  source: Source | null;
  fromMs: number;
  toMs: number;
  /** How many there were when it was told last; 0: it has not been. */
  told: number;
  cancel: (() => void) | null;
  /** Of a burst of many: who they are. */
  tops: Map<string, Counted>;
}

const begin = (source: Source | null): Run => ({
  recent: [],
  source,
  count: 0,
  kinds: {},
  fromMs: 0,
  toMs: 0,
  told: 0,
  cancel: null,
  tops: new Map(),
});

function plus(c: Counted, kind: Kind, n: number): void {
  c.count += n;
  c.kinds[kind] = (c.kinds[kind] ?? 0) + n;
}

export function createBursts(o: { clock: Clock; report(burst: Burst): void }): Bursts {
  const { clock } = o;
  /** Least recently seen first. */
  const sources = new Map<string, Run>();
  let all = begin(null);
  let told = 0;

  /** True: `most` of them came within a minute. */
  function add(run: Run, id: string, kind: Kind, n: number, most: number): boolean {
    const at = clock.elapsed();
    const { recent } = run;
    // Not told, and nothing for a minute: what comes now is something new.
    if (run.told === 0 && at - (recent.at(-1)?.at ?? at) >= WITHIN_MS) {
      Object.assign(run, { count: 0, kinds: {} });
      run.tops.clear();
    }
    run.toMs = clock.now();
    if (run.count === 0) run.fromMs = run.toMs;
    plus(run, kind, n);
    for (let i = 0; i < Math.min(n, most); i++) recent.push({ at, id });
    if (recent.length > most) recent.splice(0, recent.length - most);
    return recent.length === most && at - (recent[0] as { at: number }).at < WITHIN_MS;
  }

  function runOf(source: Source): Run {
    const run = sources.get(source.id) ?? begin(source);
    sources.delete(source.id);
    // Of those that have been told there are few, so that one that has not stands near the front.
    if (sources.size >= MOST_SOURCES)
      for (const [id, other] of sources)
        if (other.told === 0) {
          sources.delete(id);
          break;
        }
    sources.set(source.id, run);
    return run;
  }

  function report(run: Run, state: Burst['state']): void {
    const { source, count, kinds, fromMs, toMs } = run;
    const top = [...run.tops]
      .map(([id, t]) => ({ source: id, count: t.count }))
      .sort((a, b) => b.count - a.count)
      .slice(0, TOP);
    o.report({ state, source, count, kinds: { ...kinds }, fromMs, toMs, top });
  }

  function tell(run: Run): void {
    const state = run.told === 0 ? 'begun' : 'grown';
    run.told = run.count;
    report(run, state);
    if (state === 'begun') run.cancel = clock.after(QUIET_MS, () => over(run));
  }

  function over(run: Run): void {
    run.cancel?.();
    report(run, 'over');
    if (run.source) {
      sources.delete(run.source.id);
      told--;
      return;
    }
    // What has been counted there is not counted again, should one of them go on alone. Those told alone ended before: nobody is told
    // alone while there is a burst of many.
    sources.clear();
    all = begin(null);
  }

  /** What is told of one source is not told again of all. */
  function withdraw(id: string): void {
    const own = all.tops.get(id);
    // Beyond what is remembered: then it counts there, too.
    if (!own) return;
    all.tops.delete(id);
    for (const [kind, n] of Object.entries(own.kinds) as [Kind, number][]) plus(all, kind, -n);
    all.recent = all.recent.filter((r) => r.id !== id);
  }

  return {
    count(source, kind, n = 1) {
      const run = runOf(source);
      const many = add(run, source.id, kind, n, OF_ONE);
      if (run.told > 0) {
        if (run.count >= run.told * TENFOLD) tell(run);
        return;
      }
      const manyInAll = add(all, source.id, kind, n, IN_ALL);
      const own = all.tops.get(source.id);
      if (own) plus(own, kind, n);
      else if (all.tops.size < MOST_SOURCES) all.tops.set(source.id, { count: n, kinds: { [kind]: n } });
      if (all.told > 0) {
        if (all.count >= all.told * TENFOLD) tell(all);
      } else if (many && told < SINGLY) {
        told++;
        withdraw(source.id);
        tell(run);
      } else if (many || manyInAll) tell(all);
    },
    close() {
      for (const run of [...sources.values(), all]) if (run.told > 0) over(run);
    },
  };
}
