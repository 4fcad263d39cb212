/** How many calls may be under way at once, for one principal and in all: memory and descriptors are bounded by it. */
import type { Slots } from './ports.ts';

export function createSlots(o: { inAll: number; perPrincipal: number }): Slots {
  const held = new Map<string, number>();
  let all = 0;
  return {
    enter(principal) {
      const mine = held.get(principal) ?? 0;
      if (all >= o.inAll || mine >= o.perPrincipal) return null;
      all++;
      held.set(principal, mine + 1);
      let open = true;
      return {
        [Symbol.dispose]() {
          if (!open) return;
          open = false;
          all--;
          const now = (held.get(principal) ?? 1) - 1;
          if (now > 0) held.set(principal, now);
          else held.delete(principal);
        },
      };
    },
  };
}
