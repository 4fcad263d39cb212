/**
 * Open connections: so many from one address, so many in all, and of those the last quarter only for addresses that hold few. One cap
 * for all would let a few addresses keep everybody out; one for each address alone would let many use up the descriptors. Decides who
 * may connect; what is answered to the others is node_server.ts's to say.
 */

/** What an address may hold while the house is nearly full. */
const FEW = 4;

export type Entered = { leave(): void } | { refused: 'address' | 'all' };

export function createConnections(o: { perAddress: number; inAll: number }): {
  /** `key` null: one way in for many (a proxy that is trusted, the socket of the tailnet), bounded only by what all may have. */
  enter(key: string | null): Entered;
} {
  const open = new Map<string, number>();
  const common = Math.max(1, Math.floor((o.inAll * 3) / 4));
  let all = 0;
  return {
    enter(key) {
      const mine = key === null ? 0 : (open.get(key) ?? 0);
      if (mine >= o.perAddress) return { refused: 'address' };
      if (all >= o.inAll || (all >= common && mine >= FEW)) return { refused: 'all' };
      all++;
      if (key !== null) open.set(key, mine + 1);
      let inside = true;
      return {
        leave() {
          if (!inside) return;
          inside = false;
          all--;
          if (key === null) return;
          const left = (open.get(key) ?? 1) - 1;
          if (left <= 0) open.delete(key);
          else open.set(key, left);
        },
      };
    },
  };
}
