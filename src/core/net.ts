/**
 * The network of this host behind one interface, and the records it gives back: interfaces, routes, neighbours, names, sockets and
 * their owners, the firewall's rules. Raw, as the kernel and its tools tell them, with unknown told apart from none. What a state
 * means (which port an outsider reaches, what is a fault) is insight's; how fast an interface carries is in the snapshots of `system`.
 */
import type { Bounded, Reading } from './host.ts';
import type { Home } from './signal.ts';

export interface NetHost {
  links(o?: Bounded): Promise<Reading<LinkTable>>;
  routes(o?: Bounded): Promise<Reading<RouteTable>>;
  neighbours(o?: Bounded): Promise<Reading<Neighbour[]>>;
  dns(o?: Bounded): Promise<Dns>;
  /** Of this host's network namespace, or of that in which a process lives: a container's. */
  sockets(want: readonly SocketKind[], o?: Bounded & { pid?: number }): Promise<SocketTable>;
  /** Who holds these sockets, by inode. All processes are looked through, as far as this user may. */
  owners(inodes: ReadonlySet<number>, o?: Bounded): Promise<Owners>;
  /** What only the kernel's socket monitor tells of TCP connections: round trips and all retransmits. By `socketKey`. */
  tcpDetails(o?: Bounded): Promise<Reading<Map<string, TcpDetail>>>;
  firewall(o?: Bounded): Promise<Reading<Firewall>>;
  counters(): Promise<StackCounters>;
  /** What the interfaces of the network namespace of a process have carried, but loopback: a container's. */
  carried(pid: number): Promise<Reading<Carried>>;
}

export interface Carried {
  atMs: number;
  rxBytes: number;
  txBytes: number;
}

export type Family = 4 | 6;

export interface LinkTable {
  links: Link[];
  /** `ip`, or the files of the kernel where there is none: then prefix lengths are guessed from routes. */
  source: string;
  /** More than the bound: how many were left out. */
  notRead: number;
}

export interface Link {
  name: string;
  index: number | null;
  /** loopback, ethernet, wifi, bridge, bond, vlan, veth, wireguard, tun, tap, dummy, vxlan … as the kernel calls it; null: not known. */
  kind: string | null;
  mac: string | null;
  mtu: number | null;
  /** Switched on by its owner. */
  up: boolean | null;
  /** A cable, a peer or a member is there. Null where it is switched off: the kernel does not say then. */
  carrier: boolean | null;
  /** operstate. */
  state: string | null;
  speedMbit: number | null;
  duplex: 'full' | 'half' | null;
  /** The bridge or bond that it belongs to. */
  master: string | null;
  /** What it lies on (VLAN, macvlan, vxlan), or the other end of a veth that is in this namespace too. */
  parent: string | null;
  /** The other end is in another network namespace: a container's. */
  elsewhere: boolean;
  vlanId: number | null;
  bond: { mode: string | null; active: string | null } | null;
  /** As a member of a bond: what the bond thinks of it. */
  memberState: string | null;
  addresses: LinkAddress[];
}

export interface LinkAddress {
  family: Family;
  address: string;
  prefix: number | null;
  scope: 'global' | 'link' | 'host' | 'site' | null;
  /** The other end of a point-to-point link. */
  peer: string | null;
  /** dadfailed, tentative, deprecated, temporary, secondary, dynamic … */
  flags: string[];
}

export interface RouteTable {
  routes: Route[];
  rules: PolicyRule[];
  source: string;
  /** Why policy rules or other tables are not in it. */
  partial: string | null;
  notRead: number;
}

export interface Route {
  family: Family;
  /** `default` or `10.0.0.0/8`. */
  to: string;
  /** unicast, blackhole, unreachable, prohibit, throw. */
  type: string;
  /** More than one: the load is shared. */
  hops: { gateway: string | null; device: string | null }[];
  table: string;
  metric: number | null;
  protocol: string | null;
  source: string | null;
  /** linkdown, dead, onlink … */
  flags: string[];
}

export interface PolicyRule {
  family: Family;
  priority: number;
  /** In ip's words, but for priority and table: `from 10.0.0.0/8 fwmark 0x1`. */
  selector: string;
  /** A table's name or number, or what is done instead (blackhole …). */
  action: string;
}

export interface Neighbour {
  address: string;
  family: Family;
  device: string;
  mac: string | null;
  /** REACHABLE, STALE, DELAY, PROBE, FAILED, INCOMPLETE, PERMANENT, NOARP. */
  state: string;
}

export interface Dns {
  file: Reading<ResolvConf>;
  /** The words of `hosts:` in nsswitch.conf; null where there is none (musl has none, and asks resolv.conf). */
  hosts: Reading<string[]>;
  /** systemd-resolved, where it runs. */
  resolved: Reading<Resolved>;
}

export interface ResolvConf {
  /** Where /etc/resolv.conf leads, when it is a link. */
  target: string | null;
  servers: string[];
  search: string[];
  options: string[];
  /** Who says in the file that it wrote it: systemd-resolved, NetworkManager, tailscale, resolvconf, docker, wsl … */
  writtenBy: string | null;
}

export interface Resolved {
  /** Servers it asks upstream, of all links together. */
  servers: string[];
  /** Null: nothing was told of single links. */
  links: { name: string; servers: string[]; domains: string[]; defaultRoute: boolean | null }[] | null;
  source: string;
}

export const SOCKET_KINDS = ['tcp', 'udp', 'unix'] as const;
export type SocketKind = (typeof SOCKET_KINDS)[number];

export interface SocketTable {
  sockets: Socket[];
  /** Beyond the bound. */
  notRead: number;
  /** Tables that could not be read. */
  unread: { what: string; why: string }[];
}

export interface Socket {
  kind: SocketKind;
  /** Null for unix. */
  family: Family | null;
  /** As `ss` writes them: LISTEN, ESTAB, TIME-WAIT …; UNCONN for a UDP socket without a peer. */
  state: string;
  /** Of a unix socket the path (`@` for the abstract ones), or empty. */
  address: string;
  port: number;
  peer: string;
  peerPort: number;
  /** Bytes not read by the program; of a listening TCP socket the connections that it has not accepted. */
  receiveQueue: number;
  sendQueue: number;
  /** Of what is under way now and has not been answered, not in all. */
  retransmits: number;
  uid: number | null;
  /** 0: belongs to nobody any more (TIME-WAIT). */
  inode: number;
}

export const socketKey = (s: Pick<Socket, 'address' | 'port' | 'peer' | 'peerPort'>): string =>
  `${s.address}|${s.port}|${s.peer}|${s.peerPort}`;

export interface TcpDetail {
  rttMs: number | null;
  /** Since the connection began. */
  retransmits: number;
  bytesSent: number | null;
  bytesReceived: number | null;
}

export interface Owner {
  pid: number;
  name: string;
  uid: number | null;
  user: string | null;
  command: string | null;
  home: Home | null;
  /** Other processes that hold it too. */
  shared: number;
}

export interface Owners {
  byInode: Map<number, Owner>;
  /** Processes whose descriptors this user may not see. */
  hidden: number;
  why: string | null;
}

/** Counters since boot of this network namespace. */
export interface StackCounters {
  atMs: number;
  tcp: Reading<{
    segmentsOut: number;
    retransmitted: number;
    /** Connections that a full accept queue turned away. */
    listenOverflows: number | null;
    resetsSent: number | null;
  }>;
  udp: Reading<{ receiveBufferErrors: number; noPort: number }>;
  /** Null with the reason where no connections are tracked. */
  conntrack: Reading<{ used: number; max: number }>;
  ephemeralPorts: Reading<{ from: number; to: number }>;
  /** Sockets in TIME-WAIT as the kernel counts them. */
  timeWait: Reading<number>;
}

export interface Firewall {
  /** nftables, iptables, or both: what was asked. */
  sources: string[];
  chains: FirewallChain[];
  /** What could not be read (rules of another program's tables …). */
  unread: string[];
}

export interface FirewallChain {
  family: 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev';
  table: string;
  name: string;
  /** A base chain's place: input, forward, prerouting …; null: only jumped to. */
  hook: string | null;
  type: 'filter' | 'nat' | 'route' | null;
  priority: number;
  policy: 'accept' | 'drop' | null;
  rules: FirewallRule[];
}

/** Undefined parts match anything; `other` says that there is a condition which is not understood here. */
export interface FirewallRule {
  protocols?: Match<string>;
  ports?: Match<[number, number]>;
  devices?: Match<string>;
  states?: Match<string>;
  sources?: Match<string>;
  destinations?: Match<string>;
  families?: Match<Family>;
  other: boolean;
  verdict: FirewallVerdict;
}
export interface Match<T> {
  not: boolean;
  of: T[];
}
export type FirewallVerdict =
  | { kind: 'accept' | 'drop' | 'return' | 'continue' }
  | { kind: 'jump' | 'goto'; chain: string }
  | { kind: 'translate'; address: string | null; port: number | null };
