/** What an interface or a firewall chain is for, by its kind, name and addresses: whose traffic it carries, who made it. Pure. */

import { holdsIp, type Prefix, parseIp, parsePrefix } from '../core/ip.ts';
import type { FirewallChain, Link } from '../core/net.ts';

export const ROLES = ['loopback', 'lan', 'tailnet', 'wireguard', 'vpn', 'containers', 'machines', 'virtual'] as const;
export type Role = (typeof ROLES)[number];

/** Tailscale's own ranges: of IPv4 that of carriers' NAT, of IPv6 one of theirs. */
const TAILNET = ['100.64.0.0/10', 'fd7a:115c:a1e0::/48'].map((p) => parsePrefix(p) as Prefix);

const NAMED: readonly [RegExp, Role][] = [
  [/^tailscale\d*$|^ts\d+$/, 'tailnet'],
  [/^(?:wg|nordlynx|wt|mullvad|proton)/, 'wireguard'],
  [/^(?:tun\d|ovpn|vpn|zt[a-z0-9]{8}|utun|ipsec|ppp|l2tp|nebula|gpd|cscotun)/, 'vpn'],
  [
    /^(?:docker|br-[0-9a-f]{12}$|podman|cni|flannel|cali|lxcbr|lxdbr|incusbr|nerdctl|kube|weave|cilium|lxc)/,
    'containers',
  ],
  [/^veth|^vb-|^ve-|^host-/, 'containers'],
  [/^(?:virbr|vnet|tap|fwbr|fwpr|fwln|vmnet|vboxnet|macvtap)/, 'machines'],
];

export function roleOf(link: Link): Role {
  if (link.kind === 'loopback' || link.name === 'lo') return 'loopback';
  const named = NAMED.find(([pattern]) => pattern.test(link.name))?.[1];
  // By its address too: in userspace containers and on Synology it has another name.
  const tunnel = link.kind === 'tun' || link.kind === null || link.kind === 'none';
  if (tunnel && link.addresses.some((a) => inTailnet(a.address))) return 'tailnet';
  if (named) return named;
  if (link.kind === 'wireguard') return 'wireguard';
  if (link.kind === 'tun' || link.kind === 'ppp' || link.kind === 'xfrm' || link.kind === 'vti') return 'vpn';
  // With an address of its own it is where traffic goes, as in a container; else the end of somebody else's.
  if (link.kind === 'veth')
    return link.master === null && link.addresses.some((a) => a.scope === 'global') ? 'lan' : 'containers';
  if (link.kind === 'tap') return 'machines';
  return link.kind === 'dummy' ||
    link.kind === 'ifb' ||
    link.kind === 'sit' ||
    link.kind === 'ip6tnl' ||
    link.kind === 'ipip' ||
    link.kind === 'gre'
    ? 'virtual'
    : 'lan';
}

export function inTailnet(address: string): boolean {
  const ip = parseIp(address);
  return ip !== null && TAILNET.some((p) => holdsIp(p, ip));
}

const OWNERS: readonly [RegExp, string][] = [
  [/^DOCKER/, 'docker'],
  [/^(?:ufw6?-)/, 'ufw'],
  [/^(?:ts-)/, 'tailscale'],
  [/^(?:f2b-|addr-set-)/, 'fail2ban'],
  [/^(?:LIBVIRT_)/, 'libvirt'],
  [/^(?:KUBE-|cali-|CILIUM|FLANNEL)/, 'kubernetes'],
  [/^(?:NETAVARK|CNI-|nv_)/i, 'podman'],
  [/^(?:PVEFW|GROUP-)/, 'Proxmox'],
  [/^(?:CROWDSEC|crowdsec)/, 'crowdsec'],
];
const TABLES: readonly [RegExp, string][] = [
  [/^firewalld/, 'firewalld'],
  [/^docker/, 'docker'],
  [/^libvirt/, 'libvirt'],
  [/^netavark/, 'podman'],
  [/^(?:f2b|fail2ban)/, 'fail2ban'],
  [/^crowdsec/, 'crowdsec'],
  [/^(?:proxmox)/, 'Proxmox'],
  [/^lxc/, 'lxc'],
  [/^incus|^lxd/, 'incus'],
];

/** Null: the owner's own, or the kernel's built-in ones. */
export const madeBy = (chain: Pick<FirewallChain, 'table' | 'name'>): string | null =>
  OWNERS.find(([pattern]) => pattern.test(chain.name))?.[1] ??
  TABLES.find(([pattern]) => pattern.test(chain.table))?.[1] ??
  null;
