/** Findings on interfaces as they are set up: cables, members, sizes, addresses. Rates have their own rules (rules_network.ts). */
import { overlap, parsePrefix } from '../core/ip.ts';
import type { Link } from '../core/net.ts';
import { hitOf, type Rule, rule } from './facts.ts';
import { globalAddresses, isWithAddress, linksIn, mainDefault, type NetFacts, routesIn } from './net_facts.ts';
import { roleOf } from './net_names.ts';

const OURS = new Set(['lan', 'tailnet', 'wireguard', 'vpn']);
const isDown = (l: Link): boolean => l.up === false || l.carrier === false;

/** Bytes that a tunnel puts around a packet, over IPv4. */
const OVERHEAD: Record<string, number> = {
  wireguard: 60,
  vxlan: 50,
  geneve: 50,
  gre: 24,
  gretap: 38,
  ipip: 20,
  sit: 20,
  ip6tnl: 40,
};

function mismatches(f: NetFacts) {
  const links = linksIn(f);
  const named = new Map(links.map((l) => [l.name, l]));
  return links.flatMap((l) => {
    if (l.mtu === null || !l.up) return [];
    const said = (what: string, other: Link) => [
      { evidence: `${l.name} has MTU ${l.mtu}, ${what} ${other.name} ${other.mtu}`, subject: l.name },
    ];
    const master = l.master === null ? undefined : named.get(l.master);
    if (master?.up && master.mtu !== null && l.mtu < master.mtu) return said('its bridge', master);
    const parent = l.parent === null ? undefined : named.get(l.parent);
    if (!parent?.up || parent.mtu === null) return [];
    if (l.kind === 'veth' && l.mtu !== parent.mtu && l.name < parent.name) return said('its other end', parent);
    if ((l.kind === 'vlan' || l.kind === 'macvlan' || l.kind === 'ipvlan') && l.mtu > parent.mtu)
      return said('below it', parent);
    return [];
  });
}

function tunnels(f: NetFacts) {
  const links = linksIn(f);
  const named = new Map(links.map((l) => [l.name, l]));
  const out = mainDefault(routesIn(f))?.hops[0]?.device;
  return links.flatMap((l) => {
    const around = OVERHEAD[l.kind ?? ''];
    const below = named.get(l.parent ?? out ?? '');
    if (around === undefined || !l.up || l.mtu === null || !below || below.mtu === null || below === l) return [];
    return l.mtu + around > below.mtu
      ? [
          {
            evidence: `${l.name} (${l.kind}) has MTU ${l.mtu}, ${below.name} ${below.mtu}: ${below.mtu - around} would fit`,
            subject: l.name,
          },
        ]
      : [];
  });
}

function duplicates(f: NetFacts) {
  const at = new Map<string, string[]>();
  const failed: { evidence: string; subject: string }[] = [];
  for (const l of linksIn(f)) {
    // A virtual address on loopback besides is how balancers without NAT are set up.
    const counts = !['loopback', 'virtual'].includes(roleOf(l)) && l.kind !== 'dummy';
    for (const a of globalAddresses(l)) {
      if (a.flags.includes('dadfailed'))
        failed.push({ evidence: `${a.address} on ${l.name}: another host has it`, subject: l.name });
      // Point-to-point links may share one address without a network of its own.
      const alone = a.peer !== null || a.prefix === (a.family === 4 ? 32 : 128);
      if (counts && !alone) at.set(a.address, [...(at.get(a.address) ?? []), l.name]);
    }
    for (const a of l.addresses)
      if (a.scope === 'link' && a.flags.includes('dadfailed'))
        failed.push({ evidence: `${a.address} on ${l.name}: another host has it`, subject: l.name });
  }
  const twice = [...at].filter(([, names]) => names.length > 1);
  return [
    ...failed,
    ...twice.map(([address, names]) => ({
      evidence: `${address} on ${names.join(' and ')}`,
      subject: names[0] as string,
    })),
  ];
}

function overlaps(f: NetFacts) {
  const networks = linksIn(f).flatMap((l) =>
    l.up === false || roleOf(l) === 'loopback'
      ? []
      : globalAddresses(l).flatMap((a) => {
          const prefix = a.prefix === null ? null : parsePrefix(`${a.address}/${a.prefix}`);
          const alone = prefix === null || prefix.length >= (a.family === 4 ? 31 : 127);
          return alone ? [] : [{ name: l.name, text: `${a.address}/${a.prefix}`, prefix, address: a.address }];
        }),
  );
  return networks.flatMap((a, i) => {
    // The same address on both is a finding of its own.
    const other = networks
      .slice(i + 1)
      .find((b) => b.name !== a.name && b.address !== a.address && overlap(a.prefix, b.prefix));
    return other ? [{ evidence: `${a.text} on ${a.name} and ${other.text} on ${other.name}`, subject: a.name }] : [];
  });
}

export const NET_LINKS: Rule<NetFacts>[] = [
  rule({
    id: 'interface_down',
    severity: 'high',
    title: 'Interface down',
    limits: {},
    when: () =>
      'an interface with an address (bridges without members and container bridges aside) is off or has no carrier',
    sentence: 'An interface that is set up carries nothing: it is off, or nothing is plugged in.',
    next: 'ip -d link show dev {INTERFACE}',
    test: (f: NetFacts) =>
      hitOf(
        linksIn(f)
          .filter((l) => isDown(l) && isWithAddress(l) && OURS.has(roleOf(l)))
          .filter((l) => l.kind !== 'bridge' || l.up === false || linksIn(f).some((m) => m.master === l.name))
          .map((l) => ({ evidence: `${l.name} ${l.up === false ? 'is off' : 'has no carrier'}`, subject: l.name })),
      ),
  }),
  rule({
    id: 'bond_degraded',
    severity: 'high',
    title: 'Bond degraded',
    limits: {},
    when: () => 'a member of a bond whose link its bond calls anything but up',
    sentence: 'A member of a bond is down: the next failure takes the connection.',
    next: 'cat /proc/net/bonding/{BOND}',
    test: (f: NetFacts) =>
      hitOf(
        linksIn(f)
          .filter((l) => l.memberState !== null && l.memberState !== 'up')
          .map((l) => ({
            evidence: `${l.name} of ${l.master ?? '?'} ${l.memberState}`,
            ...(l.master === null ? {} : { subject: l.master }),
          })),
      ),
  }),
  rule({
    id: 'duplicate_address',
    severity: 'high',
    title: 'Duplicate address',
    limits: {},
    when: () =>
      'one address on two interfaces (loopback and point-to-point aside), or one that IPv6 found in use elsewhere',
    sentence: 'An address is used twice; answers go astray.',
    next: 'ip address show dev {INTERFACE}',
    test: (f: NetFacts) => hitOf(duplicates(f)),
  }),
  rule({
    id: 'mtu_mismatch',
    severity: 'medium',
    title: 'MTU mismatch',
    limits: {},
    when: () =>
      'a member smaller than its bridge, two ends of a pair that differ, or a VLAN larger than what it lies on',
    sentence: 'Packets that fit one side are dropped at the other, silently.',
    next: 'ip link show dev {INTERFACE}',
    test: (f: NetFacts) => hitOf(mismatches(f)),
  }),
  rule({
    id: 'tunnel_mtu_large',
    severity: 'medium',
    title: 'Tunnel MTU too large',
    limits: {},
    when: () => 'the MTU of a tunnel and what it adds to each packet exceed the MTU of the interface below',
    sentence: 'Full packets of this tunnel do not fit the link below it: large transfers hang or crawl.',
    next: 'ip -d link show dev {INTERFACE}',
    test: (f: NetFacts) => hitOf(tunnels(f)),
  }),
  rule({
    id: 'subnets_overlap',
    severity: 'medium',
    title: 'Networks overlap',
    limits: {},
    when: () => 'the networks of two interfaces hold the same addresses',
    sentence: 'Two interfaces claim the same network; some hosts of it cannot be reached.',
    next: 'ip route show',
    test: (f: NetFacts) => hitOf(overlaps(f)),
  }),
  rule({
    id: 'half_duplex',
    severity: 'medium',
    title: 'Half duplex',
    limits: {},
    when: () => 'a link with carrier that its driver calls half duplex',
    sentence: 'A link runs in half duplex: the two ends disagree, or the cable is bad.',
    next: 'ethtool {INTERFACE}',
    test: (f: NetFacts) =>
      hitOf(
        linksIn(f)
          .filter((l) => l.duplex === 'half' && l.carrier === true)
          .map((l) => ({
            evidence: `${l.name} ${l.speedMbit === null ? '' : `${l.speedMbit} Mbit/s `}half duplex`,
            subject: l.name,
          })),
      ),
  }),
];
