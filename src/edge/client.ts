/**
 * Whose request this is, by address: the other end of the socket, or, where that is one of `http.trustedProxies`, whom the proxies say
 * they serve. Decides only that; limits and records ask it. `X-Forwarded-For` is read from the right, because every proxy adds whom it
 * heard from at that end and whatever a client made up stands further left. `Forwarded`, `X-Real-IP`, `X-Forwarded-Host` and
 * `X-Forwarded-Proto` are not read: one header that is checked is worth more than five, and our URL is a setting (`http.url`).
 */
import type { IncomingMessage } from 'node:http';
import { holdsIp, type Ip, ipText, type Prefix, parseIp, parsePrefix } from '../core/ip.ts';

/** Undefined: the socket is gone, or it is none of TCP. */
export type AddressOf = (incoming: IncomingMessage | undefined) => string | undefined;

/** Proxies in a row. Nobody has that many; who sends more is not believed. */
const MOST_HOPS = 16;

export function createAddressOf(trustedProxies: readonly string[]): AddressOf {
  const trusted = trustedProxies.map(parsePrefix).filter((p): p is Prefix => p !== null);
  const trusts = (ip: Ip) => trusted.some((p) => holdsIp(p, ip));
  return (incoming) => {
    const peer = undressed(incoming?.socket.remoteAddress);
    if (peer === undefined || trusted.length === 0) return peer;
    const said = incoming?.headers['x-forwarded-for'];
    const from = plainIp(peer);
    if (from === null || said === undefined || !trusts(from)) return peer;
    // node:http joins repeated headers in the order in which they came.
    return forwarded(String(said), trusts) ?? peer;
  };
}

/** Whether this other end of a socket is a proxy that is believed: then many stand behind it. */
export function createTrusts(trustedProxies: readonly string[]): (peer: string | undefined) => boolean {
  const trusted = trustedProxies.map(parsePrefix).filter((p): p is Prefix => p !== null);
  return (peer) => {
    const ip = peer === undefined || trusted.length === 0 ? null : plainIp(peer);
    return ip !== null && trusted.some((p) => holdsIp(p, ip));
  };
}

/** The right-most hop that is no proxy of ours; where all are, the first one. Null: what stands there cannot be relied on. */
function forwarded(said: string, trusts: (ip: Ip) => boolean): string | null {
  const hops = said.split(',');
  let first: Ip | null = null;
  for (const hop of hops.slice(-MOST_HOPS).toReversed()) {
    const ip = hopIp(hop.trim());
    if (ip === null) return null;
    if (!trusts(ip)) return ipText(ip);
    first = ip;
  }
  return first === null || hops.length > MOST_HOPS ? null : ipText(first);
}

const WITH_PORT = /^(?:\[([0-9a-f:.]{2,45})\]|(\d{1,3}(?:\.\d{1,3}){3}))(?::\d{1,5})?$/i;

/** Some proxies add the port. */
function hopIp(hop: string): Ip | null {
  if (hop.length > 64) return null;
  const [, six, four] = WITH_PORT.exec(hop) ?? [];
  return plainIp(six ?? four ?? hop);
}

/** IPv4 in the dress of IPv6 is IPv4: a socket of both families sees all its IPv4 peers so. */
const undressed = (peer: string | undefined) =>
  peer?.startsWith('::ffff:') && peer.includes('.') ? peer.slice(7) : peer;

function plainIp(text: string): Ip | null {
  const ip = parseIp(text);
  return ip !== null && ip.family === 6 && ip.bits >> 32n === 0xffffn ? { family: 4, bits: ip.bits & 0xffffffffn } : ip;
}
