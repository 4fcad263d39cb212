/**
 * One process of all that share the state samples the host every few seconds, so that rates need no waiting. It holds
 * the lease; the others look now and then whether it is free. No call, no principal: this is not behind the door.
 */
import type { Log } from './core/call.ts';
import type { ProcessList, Snapshot, SystemHost } from './core/host.ts';
import type { Clock } from './policy/ports.ts';

export interface Sampler extends AsyncDisposable {
  /** The first turn after `delayMs`: a client that launches us waits for its first answer, not for a sample. */
  start(delayMs: number): void;
  recent(): readonly Snapshot[];
  recentProcesses(): ProcessList | null;
  /** This process holds the lease. */
  leads(): boolean;
  /** Monotonic ms of the last turn, leading or not: what liveness means. */
  lastTurn(): number;
}

export function createSampler(o: {
  system: SystemHost;
  /** Not `sure`: no lock could be had (a full disk), so others may sample too; asked again at each turn. */
  lease: () => (Disposable & { sure: boolean }) | null;
  everyMs: number;
  keep: number;
  clock: Clock;
  log: Log;
}): Sampler {
  const { system, clock, log } = o;
  let kept: Snapshot[] = [];
  let processes: ProcessList | null = null;
  let held: (Disposable & { sure: boolean }) | null = null;
  let cancel = () => {};
  let turnedAt = clock.elapsed();
  let turning: Promise<void> = Promise.resolve();
  let stopped = false;
  let failing = false;

  async function turn(): Promise<void> {
    if (held && !held.sure) {
      held[Symbol.dispose]();
      held = null;
    }
    held ??= o.lease();
    if (!held) return;
    try {
      const snapshot = system.snapshot();
      kept = [...kept.slice(Math.max(0, kept.length + 1 - o.keep)), snapshot];
      processes = await system.processes();
      failing = false;
    } catch (err) {
      // Said once, not every five seconds.
      if (!failing) log.warn({ err }, 'sampling failed; rates will be taken when they are asked for');
      failing = true;
    }
  }

  function next(afterMs: number): void {
    cancel = clock.after(afterMs, () => {
      turning = turn().finally(() => {
        turnedAt = clock.elapsed();
        if (!stopped) next(o.everyMs);
      });
    });
  }

  return {
    start: next,
    recent: () => kept,
    recentProcesses: () => processes,
    leads: () => held !== null,
    lastTurn: () => turnedAt,
    async [Symbol.asyncDispose]() {
      stopped = true;
      cancel();
      await turning;
      held?.[Symbol.dispose]();
      held = null;
    },
  };
}
