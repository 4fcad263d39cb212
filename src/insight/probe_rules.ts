/**
 * Where a probe may go: an address is judged as what it really leads to, in whatever spelling or wrapping it comes. Decides what is never
 * probed, what is the owner's to open, and why. Pure; names become addresses elsewhere (host/net/resolve.ts), and all of them are asked about here.
 */
import { holdsIp, type Ip, ipText, type Prefix, parseIp, parsePrefix } from '../core/ip.ts';
import { carries, wrapped } from '../core/ip_wrapped.ts';

export interface ProbeRules {
  /** The owner's: networks beyond the host's own that may be probed, and those that may not. */
  allow: readonly Prefix[];
  deny: readonly Prefix[];
  /** The networks that the host's own interfaces are in. */
  own: readonly Prefix[];
}

export type Judged = { ok: true; address: string } | { ok: false; address: string; why: string; hint: string };

const of = (...texts: string[]): Prefix[] => texts.map((t) => parsePrefix(t) as Prefix);

/** What answers there hands out keys to the machine, or the address means nobody or everybody. No setting opens these. */
const NEVER: readonly { why: string; in: readonly Prefix[] }[] = [
  {
    why: 'metadata services of clouds hand out credentials',
    in: of(
      ...['169.254.169.254', '169.254.169.253', '169.254.170.2', '169.254.170.23', '168.63.129.16', '100.100.100.200'],
      ...['192.0.0.192', 'fd00:ec2::254', 'fd00:ec2::253', 'fd00:ec2::23', 'fd20:ce::254'],
    ),
  },
  {
    why: 'that is the name server of a tailnet, which serves its nodes alone',
    in: of('100.100.100.100', 'fd7a:115c:a1e0::53'),
  },
  { why: 'link-local addresses are of neighbours and of clouds', in: of('169.254.0.0/16', 'fe80::/10', 'fec0::/10') },
  {
    why: 'that is no address of one host',
    in: of('0.0.0.0/8', '::/128', '224.0.0.0/4', '240.0.0.0/4', 'ff00::/8', '192.0.0.0/24', '100::/64'),
  },
];
const LOOPBACK = of('127.0.0.0/8', '::1/128');
const PRIVATE = of(
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '198.18.0.0/15',
  'fc00::/7',
  '64:ff9b:1::/48',
);
const EVERYWHERE = of('0.0.0.0/0', '2000::/3');

/** Names of metadata services, which also answer where their address is another one. */
const METADATA =
  /^(?:metadata|instance-data|(?:.+\.)?metadata\.google\.internal|instance-data\.ec2\.internal|metadata\.(?:azure\.com|azure\.internal|platformequinix\.com|packet\.net|tencentyun\.com|goog)|(?:api\.)?metadata\.cloud\.ibm\.com|kubernetes\.default(?:\.svc(?:\.cluster\.local)?)?)\.?$/i;

export function judgeName(name: string): Judged | null {
  if (!METADATA.test(name)) return null;
  return {
    ok: false,
    address: name,
    why: 'metadata services of clouds hand out credentials',
    hint: 'It is never probed.',
  };
}

const inAny = (prefixes: readonly Prefix[], ip: Ip): boolean => prefixes.some((p) => holdsIp(p, ip));

/** An address of a resolver, as it would be connected to. */
export function judge(address: string, rules: ProbeRules): Judged {
  const ip = parseIp(address);
  if (!ip) return { ok: false, address, why: 'that is no address', hint: 'Name a host or an address.' };
  // Each wrapping leads to what is in it; all that a packet could reach on the way is asked about.
  const seen = [ip, ...wrapped(ip)];
  const text = ipText(seen.at(-1) as Ip);
  const no = (why: string, hint: string): Judged => ({ ok: false, address: text, why, hint });
  for (const one of seen) {
    const never = NEVER.find((n) => inAny(n.in, one));
    if (never) return no(never.why, 'It is never probed.');
    if (inAny(rules.deny, one)) return no('the owner of this host has closed it', 'The setting `net.deny` names it.');
  }
  for (const one of seen) {
    if (inAny(rules.allow, one)) continue;
    if (inAny(LOOPBACK, one))
      return no(
        'loopback is this host itself, where services trust who comes from there',
        'The owner may open it with `net.allow: [127.0.0.0/8]`.',
      );
    if (inAny(PRIVATE, one) && !inAny(rules.own, one))
      return no('it lies in a private network that this host is not in', 'The owner may open it with `net.allow`.');
    if (one.family === 6 && one !== ip) continue;
    if (!inAny(PRIVATE, one) && !inAny(EVERYWHERE, one) && !carries(one) && !inAny(rules.own, one))
      return no('that range is not in use', 'The owner may open it with `net.allow`.');
  }
  return { ok: true, address: text };
}

/** All of them, because which one a connection takes is not ours to say. */
export function judgeAll(addresses: readonly string[], rules: ProbeRules): Judged | null {
  for (const address of addresses) {
    const judged = judge(address, rules);
    if (!judged.ok) return judged;
  }
  return null;
}
