/**
 * Interfaces with their addresses: from `ip -j` where it can be asked, else from /sys and /proc; speed, duplex and carrier from /sys in
 * both cases. Decides what is believed of /sys (virtual devices invent a speed) and how many interfaces are taken.
 */
import { readdirSync, statSync } from 'node:fs';
import type { Bounded, Reading } from '../../core/host.ts';
import type { Link, LinkAddress, LinkTable } from '../../core/net.ts';
import { known, namesIn, type Root, textOrNull, unknown } from '../system/files.ts';
import type { AskIp } from './ip.ts';
import { linksOf } from './ip_json.ts';
import { addresses6, localAddresses4, placed4, routes4 } from './proc_routes.ts';

/** A node with a thousand containers has two thousand. */
const MAX_LINKS = 4096;

const IFF_UP = 0x1;
/** ARPHRD_… of if_arp.h. */
const TYPES: Record<string, string> = {
  '772': 'loopback',
  '776': 'sit',
  '768': 'ipip',
  '778': 'gre',
  '512': 'ppp',
  '32': 'infiniband',
};

export function linkReader(root: Root, netFile: (name: string) => string, ask: AskIp) {
  return async (o: Bounded = {}): Promise<Reading<LinkTable>> => {
    const rows = await ask(['-d', 'address', 'show'], o.signal);
    if (rows.value !== null) {
      const links = linksOf(rows.value.slice(0, MAX_LINKS));
      for (const link of links) Object.assign(link, cableOf(root, link.name, link), kindOf(root, link));
      return known({ links, source: 'ip', notRead: Math.max(0, rows.value.length - MAX_LINKS) });
    }
    const names = namesIn(root.of('/sys/class/net')).filter((n) => n !== 'bonding_masters');
    if (names.length === 0) return unknown(`No interfaces are to be seen: ${rows.why}; and /sys/class/net has none.`);
    const text = (file: string) => textOrNull(root.of(netFile(file))) ?? '';
    const four = placed4(localAddresses4(text('fib_trie')), routes4(text('route')));
    const six = addresses6(text('if_inet6'));
    return known({
      links: names
        .slice(0, MAX_LINKS)
        .map((name) => fromSys(root, name, [...(four.get(name) ?? []), ...(six.get(name) ?? [])]))
        .toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0)),
      source: '/sys and /proc/net',
      notRead: Math.max(0, names.length - MAX_LINKS),
    });
  };
}

const isThere = (path: string) => statSync(path, { throwIfNoEntry: false }) !== undefined;

/** A device, not an invention: tun and veth answer 10 Mbit/s whatever they carry. */
function cableOf(root: Root, name: string, link: Pick<Link, 'up' | 'kind'>): Pick<Link, 'speedMbit' | 'duplex'> {
  const folder = root.of(`/sys/class/net/${name}`);
  if (!link.up || !(link.kind === 'bond' || isThere(`${folder}/device`))) return { speedMbit: null, duplex: null };
  const speed = Number(textOrNull(`${folder}/speed`) ?? Number.NaN);
  const duplex = textOrNull(`${folder}/duplex`);
  return {
    speedMbit: speed > 0 ? speed : null,
    duplex: duplex === 'full' || duplex === 'half' ? duplex : null,
  };
}

/** `ip` calls a wireless card ethernet, and a tunnel without a kind nothing. */
function kindOf(root: Root, link: Link): Partial<Link> {
  if (link.kind !== 'ethernet' && link.kind !== null) return {};
  const folder = root.of(`/sys/class/net/${link.name}`);
  if (isThere(`${folder}/wireless`) || isThere(`${folder}/phy80211`)) return { kind: 'wifi' };
  return link.kind === null && isThere(`${folder}/tun_flags`) ? { kind: 'tun' } : {};
}

function fromSys(root: Root, name: string, addresses: LinkAddress[]): Link {
  const folder = root.of(`/sys/class/net/${name}`);
  const text = (file: string) => textOrNull(`${folder}/${file}`);
  const number = (file: string) => {
    const n = Number(text(file) ?? Number.NaN);
    return Number.isFinite(n) ? n : null;
  };
  const flags = number('flags');
  const up = flags === null ? null : (flags & IFF_UP) !== 0;
  const index = number('ifindex');
  const iflink = number('iflink');
  const lower = namesIn(folder).find((f) => f.startsWith('lower_'));
  const kind = kindFrom(folder, text, { index, iflink });
  const carrier = number('carrier');
  const state = text('operstate');
  return {
    name,
    index,
    kind,
    mac: text('address'),
    mtu: number('mtu'),
    up,
    // Some fixtures and containers have no carrier file: operstate tells as much.
    carrier: !up ? null : carrier !== null ? carrier === 1 : state === 'up' ? true : state === 'down' ? false : null,
    state,
    ...cableOf(root, name, { up: up ?? state === 'up', kind }),
    master: masterOf(folder),
    parent: kind === 'bridge' || kind === 'bond' || lower === undefined ? null : lower.slice(6),
    elsewhere: kind === 'veth',
    vlanId: kind === 'vlan' ? Number(/\.(\d+)$/.exec(name)?.[1] ?? Number.NaN) || null : null,
    bond:
      kind === 'bond'
        ? { mode: text('bonding/mode')?.split(' ')[0] ?? null, active: text('bonding/active_slave') }
        : null,
    memberState: text('bonding_slave/mii_status'),
    addresses,
  };
}

function kindFrom(
  folder: string,
  text: (file: string) => string | null,
  at: { index: number | null; iflink: number | null },
): string | null {
  const devtype = /^DEVTYPE=(.+)$/m.exec(text('uevent') ?? '')?.[1];
  if (devtype === 'wlan') return 'wifi';
  if (devtype) return devtype;
  for (const kind of ['bridge', 'bonding', 'wireless', 'tun_flags'])
    if (isThere(`${folder}/${kind}`)) return { bonding: 'bond', wireless: 'wifi', tun_flags: 'tun' }[kind] ?? kind;
  const type = text('type');
  if (type !== null && TYPES[type]) return TYPES[type] as string;
  if (type !== '1') return null;
  if (isThere(`${folder}/device`)) return 'ethernet';
  const paired = at.index !== null && at.iflink !== null && at.iflink !== at.index;
  return paired && !readdirSync(folder).some((f) => f.startsWith('lower_')) ? 'veth' : 'ethernet';
}

/** `master` is a link whose target is read as a folder: its own ifindex file is not needed, its uevent names it. */
function masterOf(folder: string): string | null {
  return /^INTERFACE=(.+)$/m.exec(textOrNull(`${folder}/master/uevent`) ?? '')?.[1] ?? null;
}
