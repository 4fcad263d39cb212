/**
 * Records of what may come in any number: the first few of a source are written at once, so that nobody waits to see them; equal ones
 * until the window ends are counted and written as one. Memory is bounded: sources beyond that are counted together.
 */
import type { Clock } from './ports.ts';

export interface Tally {
  /** `write` gets the fields of the first, and for the counted ones `count`, `from` and `to`. */
  note(source: string, fields: Record<string, unknown>): void;
  /** Writes what is counted; what comes after it is written one by one. */
  close(): void;
}

const MOST_SOURCES = 1_000;
/** No source is called so. */
const OTHERS = 'others';

interface Counted {
  fields: Record<string, unknown>;
  written: number;
  count: number;
  fromMs: number;
  toMs: number;
  /** Monotonic. */
  ends: number;
}

export function createTally(o: {
  clock: Clock;
  windowMs: number;
  /** How many of a source are written before the rest is counted. */
  singly: number;
  write(fields: Record<string, unknown>): void;
  /** What the counted ones of many sources have in common. */
  common: Record<string, unknown>;
}): Tally {
  const { clock } = o;
  /** In the order of their windows' ends, because all windows are equally long. */
  const open = new Map<string, Counted>();
  let cancel: (() => void) | null = null;
  let closed = false;

  function end(source: string, c: Counted): void {
    open.delete(source);
    if (c.count === 0) return;
    const fields = source === OTHERS ? o.common : c.fields;
    const time = { from: new Date(c.fromMs).toISOString(), to: new Date(c.toMs).toISOString() };
    o.write({ ...fields, count: c.count, ...time });
  }

  function tick(): void {
    cancel = null;
    for (const [source, c] of open) {
      if (c.ends > clock.elapsed()) break;
      end(source, c);
    }
    arm();
  }

  function arm(): void {
    const next = open.values().next().value;
    if (next && !cancel) cancel = clock.after(next.ends - clock.elapsed(), tick);
  }

  return {
    note(source, fields) {
      if (closed) return o.write(fields);
      const key = open.has(source) || open.size < MOST_SOURCES ? source : OTHERS;
      let c = open.get(key);
      if (!c) {
        c = { fields, written: 0, count: 0, fromMs: 0, toMs: 0, ends: clock.elapsed() + o.windowMs };
        open.set(key, c);
        arm();
      }
      if (c.written < o.singly) {
        c.written++;
        o.write(fields);
        return;
      }
      c.toMs = clock.now();
      if (c.count++ === 0) c.fromMs = c.toMs;
    },
    close() {
      closed = true;
      cancel?.();
      cancel = null;
      for (const [source, c] of open) end(source, c);
    },
  };
}
