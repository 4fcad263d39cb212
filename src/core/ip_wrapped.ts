/**
 * IPv4 addresses inside IPv6 ones: where a packet to the one may end at the other. Pure. Who judges an address by its network asks about
 * these, too, or `64:ff9b::a00:5` is a way around what holds for `10.0.0.5`.
 */
import { holdsIp, type Ip, type Prefix, parsePrefix } from './ip.ts';

const four = (bits: bigint): Ip => ({ family: 4, bits: bits & 0xffff_ffffn });
const WRAPS: readonly { in: Prefix; four(bits: bigint): bigint }[] = [
  // IPv4-mapped and -compatible (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052, 8215), 6to4 (RFC 3056), Teredo (RFC 4380).
  { in: parsePrefix('::ffff:0:0/96') as Prefix, four: (b) => b },
  { in: parsePrefix('::/96') as Prefix, four: (b) => b },
  { in: parsePrefix('::ffff:0:0:0/96') as Prefix, four: (b) => b },
  { in: parsePrefix('64:ff9b::/96') as Prefix, four: (b) => b },
  { in: parsePrefix('2002::/16') as Prefix, four: (b) => b >> 80n },
  { in: parsePrefix('2001::/32') as Prefix, four: (b) => ~b & 0xffff_ffffn },
];
const ISATAP = 0x5efen;
const LOCAL_NAT64 = parsePrefix('64:ff9b:1::/48') as Prefix;

export function carries(ip: Ip): boolean {
  return ip.family === 6 && WRAPS.some((w) => holdsIp(w.in, ip));
}

/** The IPv4 address in an IPv6 one, where there is one. */
export function wrapped(ip: Ip): Ip[] {
  if (ip.family === 4) return [];
  // `::` and `::1` are addresses of their own.
  if (ip.bits <= 1n) return [];
  const found = WRAPS.filter((w) => holdsIp(w.in, ip)).map((w) => four(w.four(ip.bits)));
  const host = (ip.bits >> 32n) & 0xffff_ffffn;
  if (host === ISATAP || host === (ISATAP | 0x0200_0000n)) found.push(four(ip.bits));
  // A NAT64 of one's own: where the address stands depends on the length of its prefix, so each place is asked about.
  if (holdsIp(LOCAL_NAT64, ip))
    for (const bits of placesIn(ip.bits)) if ((bits & 0xff00_0000n) !== 0n) found.push(four(bits));
  return found;
}

/** Behind a prefix of 96, 64, 56 and 48 bits; the eight from the 65th on belong to nobody (RFC 6052, section 2.2). */
const placesIn = (bits: bigint): bigint[] => [
  bits & 0xffff_ffffn,
  (bits >> 24n) & 0xffff_ffffn,
  (((bits >> 64n) & 0xffn) << 24n) | ((bits >> 32n) & 0xff_ffffn),
  (((bits >> 64n) & 0xffffn) << 16n) | ((bits >> 40n) & 0xffffn),
];
