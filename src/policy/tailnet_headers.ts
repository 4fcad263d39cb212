/**
 * The headers that `tailscale serve` adds, read strictly. Pure. They prove nothing by themselves: tailnet.ts compares them with what
 * tailscaled says. On any other listener they are somebody's invention (security.ts).
 */
import { ipText, parseIp } from '../core/ip.ts';

export const FUNNEL = 'tailscale-funnel-request';
export const LOGIN = 'tailscale-user-login';
export const CAPABILITIES = 'tailscale-app-capabilities';

/** serve says exactly one; a list, a port or a zone is another proxy's work, or a forger's. */
export function oneAddress(forwardedFor: string | undefined): string | null {
  if (forwardedFor === undefined || !/^[0-9a-f.:]{2,45}$/i.test(forwardedFor)) return null;
  const ip = parseIp(forwardedFor);
  if (ip === null) return null;
  // IPv4 in the dress of IPv6 is IPv4.
  return ipText(ip.family === 6 && ip.bits >> 32n === 0xffffn ? { family: 4, bits: ip.bits & 0xffffffffn } : ip);
}

const WORDS = /^=\?utf-8\?q\?[!->@-~]*\?=(?: +=\?utf-8\?q\?[!->@-~]*\?=)*$/i;
const WORD = /=\?utf-8\?q\?([!->@-~]*)\?=/gi;

/** Text as it stands, or RFC 2047 (Q) as Go writes what is not ASCII: long ones in several words. Null: it is neither. */
export function decoded(header: string): string | null {
  if (!WORDS.test(header)) return /^[\x20-\x7e]*$/.test(header) ? header : null;
  const bytes: number[] = [];
  for (const [, word = ''] of header.matchAll(WORD))
    for (const [, hex, char = ''] of word.matchAll(/=([0-9a-f]{2})|(.)/gi))
      bytes.push(hex === undefined ? (char === '_' ? 0x20 : char.charCodeAt(0)) : Number.parseInt(hex, 16));
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    return null;
  }
}
