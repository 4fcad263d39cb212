/**
 * Limits that come before anybody is known: requests and connections by address, and what node:http itself enforces. Counting
 * is by fixed minute windows in a bounded map, so that a flood costs neither memory nor a timer for each address; what a known
 * principal may do is the door's to limit.
 */
import type { ServerOptions } from 'node:http';
import { isIPv4 } from 'node:net';

const WINDOW_MS = 60_000;
const MOST_ADDRESSES = 10_000;

/**
 * node:http stands 60 s for headers, 300 s for a request, and looks only every 30 s: 120 idle connections kept by slowhttptest
 * stay open for good. These bound the time to *receive*; an answer may take as long as it takes.
 */
export const NODE_LIMITS = {
  connectionsCheckingInterval: 1_000,
  headersTimeout: 5_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 5_000,
  maxHeaderSize: 8 * 1024,
} satisfies ServerOptions;
export const MOST_REQUESTS_PER_SOCKET = 10_000;

/** IPv4 as it is, also when mapped into IPv6; IPv6 by its /64, because one machine has all of those. */
export function addressKey(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  const bare = (address.split('%')[0] as string).toLowerCase();
  const v4 = bare.slice(bare.lastIndexOf(':') + 1);
  if (isIPv4(v4)) return v4;
  const [head = '', tail] = bare.split('::');
  const left = head.split(':').filter(Boolean);
  const right = (tail ?? '').split(':').filter(Boolean);
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right].slice(0, 4);
  return `${groups.map((g) => Number.parseInt(g, 16).toString(16)).join(':')}::/64`;
}

export type Taken =
  | { ok: true }
  | { ok: false; retryAfterMs: number /** The first refusal of this window. */; first: boolean };

export function createWindow(o: { perMinute: number; now(): number; most?: number }): { take(key: string): Taken } {
  const most = o.most ?? MOST_ADDRESSES;
  let counts = new Map<string, number>();
  let window = 0;
  return {
    take(key) {
      const now = o.now();
      const current = Math.floor(now / WINDOW_MS);
      if (current !== window) {
        window = current;
        counts = new Map();
      }
      const count = (counts.get(key) ?? 0) + 1;
      // More addresses than we remember: the oldest starts anew, which is milder than forgetting all or refusing strangers.
      if (count === 1 && counts.size >= most) counts.delete(counts.keys().next().value as string);
      counts.set(key, count);
      if (count <= o.perMinute) return { ok: true };
      return { ok: false, retryAfterMs: (current + 1) * WINDOW_MS - now, first: count === o.perMinute + 1 };
    },
  };
}

/** Open connections by address. One cap for all alone would let a single address keep everybody out. */
export function createConnections(perAddress: number): { enter(key: string): (() => void) | null } {
  const open = new Map<string, number>();
  return {
    enter(key) {
      const n = open.get(key) ?? 0;
      if (n >= perAddress) return null;
      open.set(key, n + 1);
      return () => {
        const left = (open.get(key) ?? 1) - 1;
        if (left <= 0) open.delete(key);
        else open.set(key, left);
      };
    },
  };
}
