/**
 * How many calls may be under way at once, for one principal and in all: memory and descriptors are bounded by it. Two lanes: heavy
 * calls never take the last quarter of the places, neither of a principal's own nor of all, so that a cheap read finds one whatever
 * else is under way. What a principal may have is the door's to say.
 */
import type { Tool } from '../core/tool.ts';
import type { Lane, Slots } from './ports.ts';

/** Dear, long, or changing: what may hold its place for long, or asks much of the host. */
export const laneOf = (tool: Pick<Tool, 'limits' | 'long' | 'change'>): Lane =>
  (tool.limits?.cost ?? 1) > 1 || tool.long === true || tool.change !== undefined ? 'heavy' : 'light';

/** Of so many places heavy calls may hold three quarters; where there is but one, they may have it. */
export const heavyShare = (places: number): number => Math.max(1, Math.floor((places * 3) / 4));

export function createSlots(o: { inAll: number; perPrincipal: number }): Slots {
  const held = new Map<string, { calls: number; heavy: number }>();
  const all = { calls: 0, heavy: 0 };
  return {
    enter(principal, { lane = 'light', most = o.perPrincipal } = {}) {
      const mine = held.get(principal) ?? { calls: 0, heavy: 0 };
      if (all.calls >= o.inAll || mine.calls >= most) return null;
      const heavy = lane === 'heavy' ? 1 : 0;
      if (heavy && (all.heavy >= heavyShare(o.inAll) || mine.heavy >= heavyShare(most))) return null;
      for (const count of [all, mine]) {
        count.calls++;
        count.heavy += heavy;
      }
      held.set(principal, mine);
      let open = true;
      return {
        [Symbol.dispose]() {
          if (!open) return;
          open = false;
          for (const count of [all, mine]) {
            count.calls--;
            count.heavy -= heavy;
          }
          if (mine.calls === 0) held.delete(principal);
        },
      };
    },
  };
}
