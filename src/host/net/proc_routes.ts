/**
 * Addresses, routes and neighbours from the files of the kernel, for hosts without `ip` and for mounted ones. Pure. Less than `ip` tells:
 * only the main table of IPv4, no policy rules, and an IPv4 address is given to the interface whose network it lies in.
 */
import { holdsIp, parseIp, parsePrefix } from '../../core/ip.ts';
import type { LinkAddress, Neighbour, Route } from '../../core/net.ts';
import { hexAddress, hexInOrder } from './hex.ts';

const lines = (text: string, heading: number) =>
  text
    .split('\n', 100_000)
    .slice(heading)
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words.length > 1);

const UP = 0x1;
const REJECT = 0x200;

/** /proc/net/route */
export function routes4(text: string): Route[] {
  return lines(text, 1).flatMap(([device = '', to = '', gateway = '', flags = '', , , metric = '', mask = '']) => {
    const address = hexAddress(to);
    const length = maskLength(mask);
    const by = hexAddress(gateway);
    const bits = Number.parseInt(flags, 16);
    if (address === null || length === null || by === null || !(bits & UP)) return [];
    return [
      plainRoute(4, length === 0 ? 'default' : `${address}/${length}`, {
        // `*`: it leads nowhere, as a blackhole does.
        type: device === '*' || bits & REJECT ? 'unreachable' : 'unicast',
        hop: { gateway: by === '0.0.0.0' ? null : by, device: device === '*' ? null : device },
        metric: Number(metric) || 0,
      }),
    ];
  });
}

/** The flags of ipv6_route: a local or anycast address of ours, and a way of its own to each neighbour. */
const LOCAL = 0x80200000;
const CACHE = 0x01000000;

/** /proc/net/ipv6_route: main and local table in one. */
export function routes6(text: string): Route[] {
  return lines(text, 0).flatMap(
    ([to = '', length = '', , , gateway = '', metric = '', , , flags = '', device = '']) => {
      const address = hexInOrder(to);
      const by = hexInOrder(gateway);
      const bits = Number.parseInt(flags, 16);
      const size = Number.parseInt(length, 16);
      if (address === null || by === null || !(size >= 0 && size <= 128) || !(bits & UP)) return [];
      if ((bits & CACHE) !== 0 || (bits & LOCAL) >>> 0 === LOCAL || address.startsWith('ff')) return [];
      return [
        plainRoute(6, size === 0 ? 'default' : `${address}/${size}`, {
          type: bits & REJECT ? 'unreachable' : 'unicast',
          hop: { gateway: by === '::' ? null : by, device },
          metric: Number.parseInt(metric, 16) || 0,
        }),
      ];
    },
  );
}

const plainRoute = (
  family: 4 | 6,
  to: string,
  r: { type: string; hop: Route['hops'][number]; metric: number },
): Route => ({
  family,
  to,
  type: r.type,
  hops: [r.hop],
  table: 'main',
  metric: r.metric,
  protocol: null,
  source: null,
  flags: [],
});

/** `00FFFFFF` is /24. */
function maskLength(mask: string): number | null {
  const address = hexAddress(mask);
  const bits = address === null ? null : parseIp(address)?.bits;
  if (bits === null || bits === undefined) return null;
  let length = 0;
  while (length < 32 && (bits >> BigInt(31 - length)) & 1n) length++;
  return length;
}

/** Our own IPv4 addresses: the leaves of the local table that say LOCAL. */
export function localAddresses4(fibTrie: string): string[] {
  const found = new Set<string>();
  const local = fibTrie.indexOf('Local:');
  let leaf = '';
  for (const line of fibTrie.slice(Math.max(0, local)).split('\n', 100_000)) {
    const bare = line.trim();
    if (bare.startsWith('|-- ')) leaf = bare.slice(4);
    else if (bare === '/32 host LOCAL' && leaf !== '') found.add(leaf);
  }
  return [...found];
}

/** Each address on the interface whose own network holds it; loopback's and those of no network have none. */
export function placed4(addresses: readonly string[], routes: readonly Route[]): Map<string, LinkAddress[]> {
  const networks = routes.flatMap((r) => {
    const prefix = r.to === 'default' ? null : parsePrefix(r.to);
    const [hop] = r.hops;
    return prefix && hop?.device && hop.gateway === null ? [{ prefix, device: hop.device }] : [];
  });
  const placed = new Map<string, LinkAddress[]>();
  for (const address of addresses) {
    const ip = parseIp(address);
    if (ip === null) continue;
    const loopback = address.startsWith('127.');
    const home = networks.filter((n) => holdsIp(n.prefix, ip)).toSorted((a, b) => b.prefix.length - a.prefix.length)[0];
    const device = loopback ? 'lo' : home?.device;
    if (device === undefined) continue;
    const of = placed.get(device) ?? [];
    placed.set(device, of);
    of.push({
      family: 4,
      address,
      prefix: home?.prefix.length ?? (loopback ? 8 : null),
      scope: loopback ? 'host' : 'global',
      peer: null,
      flags: [],
    });
  }
  return placed;
}

const FLAGS6: readonly [number, string][] = [
  [0x01, 'temporary'],
  [0x08, 'dadfailed'],
  [0x20, 'deprecated'],
  [0x40, 'tentative'],
];

/** /proc/net/if_inet6: "fe80…0001 02 40 20 80 eth0". */
export function addresses6(text: string): Map<string, LinkAddress[]> {
  const placed = new Map<string, LinkAddress[]>();
  for (const [hex = '', , length = '', scope = '', flags = '', device = ''] of lines(text, 0)) {
    const address = hexInOrder(hex);
    const bits = Number.parseInt(flags, 16);
    if (address === null || Number.isNaN(bits)) continue;
    const of = placed.get(device) ?? [];
    placed.set(device, of);
    of.push({
      family: 6,
      address,
      prefix: Number.parseInt(length, 16),
      scope: scope === '00' ? 'global' : scope === '10' ? 'host' : scope === '20' ? 'link' : 'site',
      peer: null,
      flags: FLAGS6.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name),
    });
  }
  return placed;
}

/** /proc/net/arp: IPv4 only, and nothing of one that failed but a zero address. */
export function arp(text: string): Neighbour[] {
  return lines(text, 1).flatMap(([address = '', , flags = '', mac = '', , device = '']) => {
    const bits = Number.parseInt(flags, 16);
    if (parseIp(address) === null || Number.isNaN(bits)) return [];
    const state = bits & 0x4 ? 'PERMANENT' : bits & 0x2 ? 'STALE' : 'FAILED';
    return [{ address, family: 4, device, mac: mac === '00:00:00:00:00:00' ? null : mac, state }];
  });
}
