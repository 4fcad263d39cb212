/**
 * The network of the fake host: lo and eth0 (192.168.1.10, behind 192.168.1.1), a resolver, a firewall that lets in 22 and 443, and
 * sshd, nginx with three clients, and PostgreSQL on loopback. Nothing is wrong with it. Overrides replace whole functions.
 */
import type {
  Firewall,
  Link,
  LinkAddress,
  NetHost,
  Owner,
  Route,
  Socket,
  StackCounters,
  TcpDetail,
} from '../../src/core/net.ts';
import { socketKey } from '../../src/core/net.ts';

export const fakeLink = (over: Partial<Link> = {}): Link => ({
  name: 'eth0',
  index: 2,
  kind: 'ethernet',
  mac: '52:54:00:12:34:56',
  mtu: 1500,
  up: true,
  carrier: true,
  state: 'up',
  speedMbit: 1_000,
  duplex: 'full',
  master: null,
  parent: null,
  elsewhere: false,
  vlanId: null,
  bond: null,
  memberState: null,
  addresses: [at('192.168.1.10', 24), at('fe80::5054:ff:fe12:3456', 64, { scope: 'link' })],
  ...over,
});

export const at = (address: string, prefix: number | null, over: Partial<LinkAddress> = {}): LinkAddress => ({
  family: address.includes(':') ? 6 : 4,
  address,
  prefix,
  scope: 'global',
  peer: null,
  flags: [],
  ...over,
});

const lo = fakeLink({
  name: 'lo',
  index: 1,
  kind: 'loopback',
  mac: null,
  mtu: 65_536,
  state: 'unknown',
  speedMbit: null,
  duplex: null,
  addresses: [at('127.0.0.1', 8, { scope: 'host' }), at('::1', 128, { scope: 'host' })],
});

export const fakeRoute = (over: Partial<Route> = {}): Route => ({
  family: 4,
  to: 'default',
  type: 'unicast',
  hops: [{ gateway: '192.168.1.1', device: 'eth0' }],
  table: 'main',
  metric: 100,
  protocol: 'dhcp',
  source: null,
  flags: [],
  ...over,
});

export const fakeSocket = (over: Partial<Socket> = {}): Socket => ({
  kind: 'tcp',
  family: 4,
  state: 'LISTEN',
  address: '0.0.0.0',
  port: 22,
  peer: '0.0.0.0',
  peerPort: 0,
  receiveQueue: 0,
  sendQueue: 0,
  retransmits: 0,
  uid: 0,
  inode: 1_001,
  ...over,
});

export const fakeOwner = (over: Partial<Owner> = {}): Owner => ({
  pid: 310,
  name: 'nginx',
  uid: 0,
  user: 'root',
  command: 'nginx: master process /usr/sbin/nginx',
  home: { kind: 'unit', name: 'nginx.service', service: null },
  shared: 0,
  ...over,
});

const client = (n: number, over: Partial<Socket> = {}): Socket =>
  fakeSocket({
    state: 'ESTAB',
    address: '192.168.1.10',
    port: 443,
    peer: `192.168.1.${20 + n}`,
    peerPort: 50_000 + n,
    uid: 33,
    inode: 2_000 + n,
    ...over,
  });

export const fakeSockets: Socket[] = [
  fakeSocket(),
  fakeSocket({ family: 6, address: '::', inode: 1_002 }),
  fakeSocket({ port: 443, inode: 1_003 }),
  fakeSocket({ address: '127.0.0.1', port: 5_432, uid: 110, inode: 1_004 }),
  client(0),
  client(1, { sendQueue: 4_096, retransmits: 2 }),
  client(2),
  fakeSocket({
    state: 'TIME-WAIT',
    address: '192.168.1.10',
    port: 443,
    peer: '192.168.1.30',
    peerPort: 50_100,
    inode: 0,
  }),
  fakeSocket({
    state: 'ESTAB',
    address: '192.168.1.10',
    port: 40_000,
    peer: '9.9.9.9',
    peerPort: 443,
    uid: 1_000,
    inode: 2_010,
  }),
  fakeSocket({ kind: 'udp', state: 'UNCONN', address: '127.0.0.1', port: 323, inode: 1_005 }),
];

const fakeUnix: Socket[] = [
  fakeSocket({
    kind: 'unix',
    family: null,
    address: '/run/postgresql/.s.PGSQL.5432',
    port: 0,
    peer: '',
    inode: 3_001,
    uid: null,
  }),
  fakeSocket({ kind: 'unix', family: null, state: 'ESTAB', address: '', port: 0, peer: '', inode: 3_002, uid: null }),
];

const sshd = fakeOwner({
  pid: 200,
  name: 'sshd',
  command: 'sshd: /usr/sbin/sshd -D',
  home: { kind: 'unit', name: 'ssh.service', service: null },
});
const worker = fakeOwner({ pid: 311, uid: 33, user: 'www-data', command: 'nginx: worker process' });
const postgres = fakeOwner({
  pid: 420,
  name: 'postgres',
  uid: 110,
  user: 'postgres',
  home: { kind: 'unit', name: 'postgresql@17-main.service', service: null },
});
export const fakeOwners: Map<number, Owner> = new Map([
  [1_001, sshd],
  [1_002, sshd],
  [1_003, { ...fakeOwner(), shared: 1 }],
  [1_004, postgres],
  [1_005, fakeOwner({ pid: 150, name: 'chronyd', uid: 105, user: '_chrony', home: null })],
  [2_000, worker],
  [2_001, worker],
  [2_002, worker],
  [2_010, fakeOwner({ pid: 900, name: 'crunch (v2) x', uid: 1_000, user: 'ana', home: null })],
  [3_001, postgres],
]);

/** Established, loopback, 22 and 443; nothing else. */
export const fakeFirewall: Firewall = {
  sources: ['nftables'],
  unread: [],
  chains: [
    {
      family: 'inet',
      table: 'filter',
      name: 'input',
      hook: 'input',
      type: 'filter',
      priority: 0,
      policy: 'drop',
      rules: [
        { states: { not: false, of: ['established', 'related'] }, other: false, verdict: { kind: 'accept' } },
        { devices: { not: false, of: ['lo'] }, other: false, verdict: { kind: 'accept' } },
        {
          protocols: { not: false, of: ['tcp'] },
          ports: {
            not: false,
            of: [
              [22, 22],
              [443, 443],
            ],
          },
          other: false,
          verdict: { kind: 'accept' },
        },
      ],
    },
  ],
};

export const fakeCounters: StackCounters = {
  atMs: 864_000_000,
  tcp: { value: { segmentsOut: 1_000_000, retransmitted: 1_200, listenOverflows: 0, resetsSent: 90 } },
  udp: { value: { receiveBufferErrors: 0, noPort: 12 } },
  conntrack: { value: { used: 120, max: 65_536 } },
  ephemeralPorts: { value: { from: 32_768, to: 60_999 } },
  timeWait: { value: 1 },
};

/** Each time it is asked, a connection has carried as much again. */
const details = (times: number): Map<string, TcpDetail> =>
  new Map(
    fakeSockets
      .filter((s) => s.state === 'ESTAB')
      .map((s, i) => [
        socketKey(s),
        { rttMs: 0.5 + i, retransmits: i, bytesSent: 100 * times, bytesReceived: 200 * times },
      ]),
  );

export const fakeNet = (over: Partial<NetHost> = {}, asked = { times: 0 }): NetHost => ({
  links: async () => ({ value: { links: [lo, fakeLink()], source: 'ip', notRead: 0 } }),
  routes: async () => ({
    value: {
      routes: [
        fakeRoute(),
        fakeRoute({ to: '192.168.1.0/24', hops: [{ gateway: null, device: 'eth0' }], protocol: 'kernel' }),
      ],
      rules: [
        { family: 4, priority: 0, selector: 'all', action: 'local' },
        { family: 4, priority: 32_766, selector: 'all', action: 'main' },
        { family: 4, priority: 32_767, selector: 'all', action: 'default' },
      ],
      source: 'ip',
      partial: null,
      notRead: 0,
    },
  }),
  neighbours: async () => ({
    value: [{ address: '192.168.1.1', family: 4, device: 'eth0', mac: '52:54:00:00:00:01', state: 'REACHABLE' }],
  }),
  dns: async () => ({
    file: { value: { target: null, servers: ['192.168.1.1'], search: ['lan'], options: [], writtenBy: null } },
    hosts: { value: ['files', 'dns'] },
    resolved: { value: null, why: 'systemd-resolved does not run here.' },
  }),
  sockets: async (want) => ({
    sockets: structuredClone([...fakeSockets, ...fakeUnix].filter((s) => want.includes(s.kind))),
    notRead: 0,
    unread: [],
  }),
  owners: async (inodes) => ({
    byInode: new Map([...fakeOwners].filter(([inode]) => inodes.has(inode))),
    hidden: 0,
    why: null,
  }),
  tcpDetails: async () => ({ value: details(++asked.times) }),
  firewall: async () => ({ value: structuredClone(fakeFirewall) }),
  counters: async () => structuredClone(fakeCounters),
  carried: async () => ({ value: { atMs: fakeCounters.atMs, rxBytes: 0, txBytes: 0 } }),
  ...over,
});
