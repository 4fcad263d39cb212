/** A clock that only moves when told to. Timers fire in order, and what they start is given its turns. */
import type { Clock } from '../../src/policy/ports.ts';

export interface FakeClock extends Clock {
  /** Moves on by ms and fires what is due, letting promises settle between timers. */
  advance(ms: number): Promise<void>;
  waiting(): number;
}

const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
  await new Promise((r) => setImmediate(r));
};

export function fakeClock(startMs = 1_800_000_000_000): FakeClock {
  let t = 0;
  let id = 0;
  const timers = new Map<number, { at: number; fire: () => void }>();
  return {
    now: () => startMs + t,
    elapsed: () => t,
    after(ms, fire) {
      const mine = id++;
      timers.set(mine, { at: t + ms, fire });
      return () => void timers.delete(mine);
    },
    waiting: () => timers.size,
    async advance(ms) {
      const end = t + ms;
      await settle();
      for (;;) {
        const due = [...timers].filter(([, x]) => x.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
        if (!due) break;
        timers.delete(due[0]);
        t = Math.max(t, due[1].at);
        due[1].fire();
        await settle();
      }
      t = end;
    },
  };
}
