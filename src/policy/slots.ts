/** How many calls may be under way at once, for one principal and in all: memory and descriptors are bounded by it. */
import type { Slots } from './ports.ts';

export function createSlots(o: { inAll: number; perPrincipal: number }): Slots {
  const held = new Map<string, { calls: number }>();
  let all = 0;
  return {
    enter(principal) {
      const mine = held.get(principal) ?? { calls: 0 };
      if (all >= o.inAll || mine.calls >= o.perPrincipal) return null;
      all++;
      mine.calls++;
      held.set(principal, mine);
      let open = true;
      return {
        [Symbol.dispose]() {
          if (!open) return;
          open = false;
          all--;
          mine.calls--;
          if (mine.calls === 0) held.delete(principal);
        },
      };
    },
  };
}
