/**
 * Limits that come before anybody is known: what node:http itself enforces, and what counts as one address. How requests are counted
 * stands in limits_admission.ts, connections in limits_connections.ts; what a known principal may do is the door's to limit.
 */
import type { ServerOptions } from 'node:http';
import { isIPv4 } from 'node:net';

/**
 * node:http stands 60 s for headers, 300 s for a request, and looks only every 30 s: 120 idle connections kept by slowhttptest
 * stay open for good. These bound the time to *receive*; an answer may take as long as it takes.
 */
export const NODE_LIMITS = {
  connectionsCheckingInterval: 1_000,
  headersTimeout: 5_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 5_000,
  /** A token of an issuer may have 12 KiB (gate.ts). */
  maxHeaderSize: 16 * 1024,
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
