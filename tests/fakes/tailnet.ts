/** A tailnet in memory: a tagged host with an offer of its own, somebody's laptop, a phone that is away, a machine for CI, and a router. */
import type { ServeConfig, TailnetNetwork, TailnetPeer, TailnetStatusHost } from '../../src/core/tailnet.ts';

const NOW = Date.UTC(2026, 10, 20, 12);
export const fakePeer = (name: string, over: Partial<TailnetPeer> = {}): TailnetPeer => ({
  name,
  owner: 'alice@example.com',
  tags: [],
  os: 'linux',
  addresses: ['100.64.0.20'],
  online: true,
  lastSeenMs: null,
  path: 'idle',
  relay: 'fra',
  exitNode: null,
  rxBytes: 0,
  txBytes: 0,
  expired: false,
  shared: false,
  rented: false,
  ...over,
});

export const fakeNetwork = (over: Partial<TailnetNetwork> = {}): TailnetNetwork => ({
  state: 'Running',
  node: 'nSERVER1CNTRL',
  tun: true,
  name: 'ops.tail-fake.ts.net',
  addresses: ['100.64.0.10', 'fd7a:115c:a1e0::a'],
  tags: ['tag:deckhand'],
  keyExpiresAtMs: null,
  certDomains: ['ops.tail-fake.ts.net'],
  health: [],
  magicDns: true,
  suffix: 'tail-fake.ts.net',
  services: [],
  version: '1.102.4-tFAKE',
  os: 'linux',
  owner: null,
  tailnet: 'example.com',
  update: null,
  peers: [
    fakePeer('alice-laptop', { os: 'macOS', path: 'direct', rxBytes: 81_234_567, txBytes: 4_321_000 }),
    fakePeer('ci', { owner: null, tags: ['tag:ci'], online: false, lastSeenMs: NOW - 4 * 3_600_000 }),
    fakePeer('alice-phone', { os: 'iOS', online: false, lastSeenMs: NOW - 3 * 86_400_000 }),
    fakePeer('home-router', { exitNode: 'offered', path: 'relay', rxBytes: 12_000, txBytes: 9_000 }),
  ],
  whyNoPeers: null,
  notRead: 0,
  ...over,
});

export const fakeServed: ServeConfig = {
  served: [
    {
      at: 'ops.tail-fake.ts.net:443',
      kind: 'proxy',
      path: '/',
      target: 'unix:/run/deckhand/mcp.sock',
      service: null,
      funnel: false,
      tls: true,
      capabilities: [],
    },
  ],
  answered: [],
  funnels: [],
};

export function fakeTailnet(
  o: {
    network?: Partial<TailnetNetwork> | Error;
    serve?: Partial<ServeConfig> | Error;
    own?: Partial<TailnetStatusHost['own']>;
  } = {},
): TailnetStatusHost {
  const own = { socket: '/run/deckhand/mcp.sock', service: null, funnel: 'deny' as const, ...o.own };
  return {
    async network() {
      if (o.network instanceof Error) throw o.network;
      return fakeNetwork(o.network);
    },
    async serveConfig() {
      if (o.serve instanceof Error) throw o.serve;
      return { ...fakeServed, ...o.serve };
    },
    leads: async () => (target) =>
      own.socket !== null && target.endsWith(own.socket) ? 'socket' : target.endsWith(':7070') ? 'port' : null,
    own,
  };
}
