/** Addresses as /proc/net writes them, hexadecimal in the machine's own byte order, into the text that everybody else writes. Pure. */
import { endianness } from 'node:os';
import { ipText } from '../../core/ip.ts';

const LITTLE = endianness() === 'LE';

/** `0100007F` is 127.0.0.1 on a little-endian machine. Null: no 8 or 32 digits. */
export function hexAddress(hex: string, little = LITTLE): string | null {
  if (hex.length === 8) {
    const word = word32(hex, little);
    return word === null ? null : `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
  }
  if (hex.length !== 32) return null;
  // Four words, each in the machine's order.
  let bits = 0n;
  for (let at = 0; at < 32; at += 8) {
    const word = word32(hex.slice(at, at + 8), little);
    if (word === null) return null;
    bits = (bits << 32n) | BigInt(word);
  }
  return ipText({ family: 6, bits });
}

/** In the order of the network, as if_inet6 and ipv6_route have it. */
export const hexInOrder = (hex: string): string | null => hexAddress(hex, false);

function word32(hex: string, little: boolean): number | null {
  if (!/^[0-9A-Fa-f]{8}$/.test(hex)) return null;
  const n = Number.parseInt(hex, 16);
  return little ? (((n & 255) << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24)) >>> 0 : n;
}
