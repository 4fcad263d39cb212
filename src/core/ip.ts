/**
 * Internet addresses as numbers, so that two spellings of one are one and a prefix can be asked whether it holds an address. Pure;
 * takes only the usual spellings, as the kernel and its tools write them. What an odd spelling means is for who resolves names.
 */

export interface Ip {
  family: 4 | 6;
  /** 32 or 128 bits. */
  bits: bigint;
}

const WIDTH = { 4: 32n, 6: 128n } as const;

/** Null for anything else; a zone (`fe80::1%eth0`) is dropped. */
export function parseIp(text: string): Ip | null {
  const percent = text.indexOf('%');
  const bare = percent < 0 ? text : text.slice(0, percent);
  if (bare.includes(':')) return six(bare);
  const bits = four(bare);
  return bits === null ? null : { family: 4, bits };
}

function four(text: string): bigint | null {
  const parts = text.split('.', 5);
  if (parts.length !== 4) return null;
  let bits = 0n;
  for (const part of parts) {
    // A leading zero is octal to some readers.
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    bits = (bits << 8n) | BigInt(part);
  }
  return bits;
}

function six(text: string): Ip | null {
  const halves = text.split('::', 3);
  if (halves.length > 2) return null;
  const words = (half: string): bigint[] | null => {
    if (half === '') return [];
    const found: bigint[] = [];
    const parts = half.split(':', 9);
    for (const [i, part] of parts.entries()) {
      if (part.includes('.') && i === parts.length - 1) {
        const bits = four(part);
        if (bits === null) return null;
        found.push(bits >> 16n, bits & 0xffffn);
      } else if (/^[0-9a-f]{1,4}$/i.test(part)) found.push(BigInt(`0x${part}`));
      else return null;
    }
    return found;
  };
  const head = words(halves[0] as string);
  const tail = halves.length === 2 ? words(halves[1] as string) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const all = [...head, ...Array.from({ length: missing }, () => 0n), ...tail];
  return { family: 6, bits: all.reduce((bits, word) => (bits << 16n) | word, 0n) };
}

/** RFC 5952 for IPv6: no leading zeros, the longest run of zero words as `::`. */
export function ipText({ family, bits }: Ip): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((n) => String((bits >> n) & 0xffn)).join('.');
  if (bits >> 32n === 0xffffn) return `::ffff:${ipText({ family: 4, bits: bits & 0xffffffffn })}`;
  const words = Array.from({ length: 8 }, (_, i) => Number((bits >> BigInt(112 - 16 * i)) & 0xffffn));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && words[end] === 0) end++;
    if (end - at > best.length) best = { at, length: end - at };
  }
  const hex = (part: number[]) => part.map((w) => w.toString(16)).join(':');
  if (best.at < 0) return hex(words);
  return `${hex(words.slice(0, best.at))}::${hex(words.slice(best.at + best.length))}`;
}

export interface Prefix {
  family: 4 | 6;
  bits: bigint;
  length: number;
}

/** `10.0.0.0/8`, or an address alone. `default` belongs to both families, and is none. */
export function parsePrefix(text: string): Prefix | null {
  const slash = text.indexOf('/');
  const ip = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (ip === null) return null;
  const width = Number(WIDTH[ip.family]);
  const length = slash < 0 ? width : Number(text.slice(slash + 1) || 'none');
  if (!Number.isInteger(length) || length < 0 || length > width) return null;
  return { family: ip.family, bits: masked(ip, length), length };
}

const masked = (ip: Ip, length: number): bigint => {
  const rest = WIDTH[ip.family] - BigInt(length);
  return (ip.bits >> rest) << rest;
};

/** One customer's worth: IPv4 as it is, also when mapped into IPv6; IPv6 by its /64, because one machine has all of those. Null: no address. */
export function networkOf(address: string): string | null {
  const ip = parseIp(address);
  if (ip === null) return null;
  if (ip.family === 4) return ipText(ip);
  if (ip.bits >> 32n === 0xffffn) return ipText({ family: 4, bits: ip.bits & 0xffffffffn });
  return `${ipText({ family: 6, bits: masked(ip, 64) })}/64`;
}

export const holdsIp = (prefix: Prefix, ip: Ip): boolean =>
  prefix.family === ip.family && masked(ip, prefix.length) === prefix.bits;

export const overlap = (a: Prefix, b: Prefix): boolean =>
  a.family === b.family && masked(a, Math.min(a.length, b.length)) === masked(b, Math.min(a.length, b.length));

/** Who can reach an address, as far as the address tells. */
export type Reach = 'any' | 'loopback' | 'link' | 'private' | 'multicast' | 'public';

const KNOWN: readonly [string, Reach][] = [
  ['0.0.0.0/32', 'any'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link'],
  ['10.0.0.0/8', 'private'],
  ['172.16.0.0/12', 'private'],
  ['192.168.0.0/16', 'private'],
  // Carriers' NAT, and tailnets.
  ['100.64.0.0/10', 'private'],
  ['0.0.0.0/8', 'private'],
  ['192.0.0.0/24', 'private'],
  ['192.0.2.0/24', 'private'],
  ['198.18.0.0/15', 'private'],
  ['198.51.100.0/24', 'private'],
  ['203.0.113.0/24', 'private'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'private'],
  ['::/128', 'any'],
  ['::1/128', 'loopback'],
  ['fe80::/10', 'link'],
  ['ff00::/8', 'multicast'],
  ['2001:db8::/32', 'private'],
  ['2000::/3', 'public'],
];
const PREFIXES = KNOWN.map(([text, reach]) => ({ prefix: parsePrefix(text) as Prefix, reach }));

export function reachOf(address: string): Reach | null {
  const ip = parseIp(address);
  if (ip === null) return null;
  // One socket of family 6 serves both: its IPv4 peers look so.
  if (ip.family === 6 && ip.bits >> 32n === 0xffffn) return reachOf(ipText({ family: 4, bits: ip.bits & 0xffffffffn }));
  const known = PREFIXES.find((p) => holdsIp(p.prefix, ip));
  return known?.reach ?? (ip.family === 4 ? 'public' : 'private');
}
