/**
 * Requests that were refused before they were calls: a flood of them must be on record without becoming a flood of records.
 * The first of one address (or principal) and code is written at once, so that nobody waits to see it; equal ones of the
 * next ten seconds are counted and written as one. What is worth refusing is decided before.
 */
import { strip } from '../core/foreign.ts';
import type { Policy, Refused } from './ports.ts';

const WINDOW_MS = 10_000;
/** Who changes addresses with each request must not grow our memory: the rest is counted together, by code. */
const MOST_KEYS = 250;
/** No principal and no address is called so. */
const OTHERS = 'others';

export interface Refusals {
  note(request: Refused): void;
  /** Writes what is counted. Refusals after that are written one by one. */
  close(): void;
}

interface Counted {
  first: Record<string, unknown>;
  count: number;
  /** Of the counted ones, wall clock in ms. */
  from: number;
  to: number;
  /** Monotonic. */
  ends: number;
}

export function createRefusals(p: Pick<Policy, 'audit' | 'clock' | 'redactor' | 'security'>): Refusals {
  /** In the order of their windows' ends, because all windows are equally long. */
  const open = new Map<string, Counted>();
  let cancel: (() => void) | null = null;
  let closed = false;

  function end(key: string, c: Counted): void {
    open.delete(key);
    if (c.count === 0) return;
    const { call: _, ...fields } = c.first;
    const time = { from: new Date(c.from).toISOString(), to: new Date(c.to).toISOString() };
    const whose = key.startsWith(OTHERS)
      ? { who: OTHERS, credential: undefined, address: undefined, what: undefined, why: undefined }
      : {};
    p.audit.append('refused', { ...fields, ...whose, count: c.count, ...time });
  }

  function tick(): void {
    cancel = null;
    for (const [key, c] of open) {
      if (c.ends > p.clock.elapsed()) break;
      end(key, c);
    }
    arm();
  }

  function arm(): void {
    const next = open.values().next().value;
    if (next && !cancel) cancel = p.clock.after(next.ends - p.clock.elapsed(), tick);
  }

  return {
    note(r) {
      p.security?.turnedAway({ code: r.reason.code, who: r.principal?.id, address: r.address });
      // Many local clients have one address: who is known is counted alone.
      const own = `${r.principal?.id ?? r.source ?? r.address ?? 'anonymous'} ${r.reason.code}`;
      const key = open.has(own) || open.size < MOST_KEYS ? own : `${OTHERS} ${r.reason.code}`;
      const c = open.get(key);
      if (c) {
        const now = p.clock.now();
        if (c.count++ === 0) c.from = now;
        c.to = now;
        return;
      }
      // Made only here: a flood is counted, and not described again and again.
      const first = recordOf(r, p);
      p.audit.append('refused', first);
      if (closed) return;
      open.set(key, { first, count: 0, from: 0, to: 0, ends: p.clock.elapsed() + WINDOW_MS });
      arm();
    },
    close() {
      closed = true;
      cancel?.();
      cancel = null;
      for (const [key, c] of open) end(key, c);
    },
  };
}

function recordOf(r: Refused, p: Pick<Policy, 'redactor'>): Record<string, unknown> {
  return {
    call: r.id,
    face: r.face,
    who: r.principal?.id ?? 'anonymous',
    credential: r.principal?.credential,
    listener: r.listener,
    address: r.address,
    what: strip(r.what).slice(0, 200),
    outcome: r.reason.code,
    why: p.redactor.text(strip(r.reason.message)).slice(0, 300),
  };
}
