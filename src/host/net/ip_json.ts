/** What `ip -j` prints, as records. Pure, and calm about fields that another version of ip does not have. */
import type { Family, Link, LinkAddress, Neighbour, PolicyRule, Route } from '../../core/net.ts';

type Json = Record<string, unknown>;

const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
const number = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);
const record = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
const list = (value: unknown): Json[] => (Array.isArray(value) ? value.map(record) : []);
const words = (value: unknown): string[] => (Array.isArray(value) ? value.filter((w) => typeof w === 'string') : []);

/** Null where it is no JSON list: BusyBox has an `ip` without it. */
export function jsonList(stdout: string): Json[] | null {
  const trimmed = stdout.trim();
  // With nothing to tell some versions print nothing at all.
  if (trimmed === '') return [];
  try {
    const parsed: unknown = JSON.parse(trimmed);
    return Array.isArray(parsed) ? parsed.map(record).filter((r) => Object.keys(r).length > 0) : null;
  } catch {
    return null;
  }
}

/** `ip -j -d address show` */
export function linksOf(rows: readonly Json[]): Link[] {
  return rows.flatMap((row) => {
    const name = text(row.ifname);
    if (name === null) return [];
    const flags = words(row.flags);
    const info = record(row.linkinfo);
    const kind = text(info.info_kind);
    const data = record(info.info_data);
    const member = record(info.info_slave_data);
    const up = flags.includes('UP');
    const link: Link = {
      name,
      index: number(row.ifindex),
      kind: kind === 'tun' ? (text(data.type) ?? 'tun') : (kind ?? plainKind(row, flags)),
      mac: text(row.address),
      mtu: number(row.mtu),
      up,
      carrier: up ? !flags.includes('NO-CARRIER') && flags.includes('LOWER_UP') : null,
      state: text(row.operstate)?.toLowerCase() ?? null,
      speedMbit: null,
      duplex: null,
      master: text(row.master),
      parent: text(row.link) ?? text(data.link),
      elsewhere: number(row.link_netnsid) !== null && text(row.link) === null,
      vlanId: kind === 'vlan' ? number(data.id) : null,
      bond: kind === 'bond' ? { mode: text(data.mode), active: text(data.active_slave) } : null,
      memberState: text(info.info_slave_kind) === 'bond' ? (text(member.mii_status)?.toLowerCase() ?? null) : null,
      addresses: list(row.addr_info).flatMap(addressOf),
    };
    return [link];
  });
}

function plainKind(row: Json, flags: string[]): string | null {
  if (flags.includes('LOOPBACK')) return 'loopback';
  const type = text(row.link_type);
  if (type === 'ether') return 'ethernet';
  return type === 'none' ? null : type;
}

const SCOPES = ['global', 'link', 'host', 'site'] as const;
const FLAGS = [
  'dadfailed',
  'tentative',
  'deprecated',
  'temporary',
  'secondary',
  'dynamic',
  'mngtmpaddr',
  'noprefixroute',
];

function addressOf(row: Json): LinkAddress[] {
  const address = text(row.local);
  if (address === null) return [];
  const scope = SCOPES.find((s) => s === row.scope) ?? null;
  return [
    {
      family: row.family === 'inet6' ? 6 : 4,
      address,
      prefix: number(row.prefixlen),
      scope,
      peer: text(row.address),
      flags: FLAGS.filter((flag) => row[flag] === true),
    },
  ];
}

/** What is the kernel's own bookkeeping of our addresses, not a way to anywhere. */
const OWN = new Set(['local', 'broadcast', 'multicast', 'anycast']);

/** `ip -j -4|-6 route show table all` */
export function routesOf(rows: readonly Json[], family: Family): Route[] {
  return rows.flatMap((row) => {
    const to = text(row.dst);
    const type = text(row.type) ?? 'unicast';
    const table = text(row.table) ?? String(row.table ?? 'main');
    if (to === null || OWN.has(type) || table === 'local') return [];
    const hops = list(row.nexthops).map(hopOf);
    const flags = [...words(row.flags), ...list(row.nexthops).flatMap((h) => words(h.flags))];
    return [
      {
        family,
        to,
        type,
        hops: hops.length > 0 ? hops : [hopOf(row)],
        table,
        metric: number(row.metric),
        protocol: text(row.protocol),
        source: text(row.prefsrc),
        flags: [...new Set(flags)],
      },
    ];
  });
}

/** A gateway of the other family stands in `via`: IPv4 over an IPv6 neighbour. */
const hopOf = (row: Json) => ({ gateway: text(row.gateway) ?? text(record(row.via).host), device: text(row.dev) });

/** `ip -j rule` */
export function rulesOf(rows: readonly Json[], family: Family): PolicyRule[] {
  return rows.flatMap((row) => {
    const priority = number(row.priority);
    if (priority === null) return [];
    const said: string[] = [];
    if (row.not !== undefined) said.push('not');
    const whole = (key: string, len: string) => {
      const address = text(row[key]);
      const length = number(row[len]);
      return address === null || address === 'all' ? null : length === null ? address : `${address}/${length}`;
    };
    for (const [word, value] of [
      ['from', whole('src', 'srclen')],
      ['to', whole('dst', 'dstlen')],
      ['iif', text(row.iif)],
      ['oif', text(row.oif)],
      ['fwmark', text(row.fwmark)],
      ['ipproto', text(row.ipproto)],
      ['uidrange', number(row.uid_start) === null ? null : `${row.uid_start}-${row.uid_end}`],
    ] as const)
      if (value !== null) said.push(`${word} ${value}`);
    const suppressed = number(row.suppress_prefixlen);
    if (suppressed !== null) said.push(`suppress_prefixlength ${suppressed}`);
    return [
      { family, priority, selector: said.join(' ') || 'all', action: text(row.table) ?? text(row.action) ?? 'unknown' },
    ];
  });
}

/** The three that every host has. */
export const isUsualRule = (r: PolicyRule): boolean =>
  r.selector === 'all' &&
  ((r.priority === 0 && r.action === 'local') ||
    (r.priority === 32_766 && r.action === 'main') ||
    (r.priority === 32_767 && r.action === 'default'));

/** `ip -j neigh`: the state is a list of flags. */
export function neighboursOf(rows: readonly Json[]): Neighbour[] {
  return rows.flatMap((row) => {
    const address = text(row.dst);
    const device = text(row.dev);
    if (address === null || device === null) return [];
    return [
      {
        address,
        family: address.includes(':') ? 6 : 4,
        device,
        mac: text(row.lladdr),
        state: words(row.state)[0] ?? text(row.state) ?? 'NONE',
      },
    ];
  });
}
