/**
 * The tailnet as this host sees it: who it is there, which machines there are, what it offers them, and what is wrong. Decides which
 * machines are worth a line; who may come in by the tailnet is policy's, and nothing here.
 */
import * as z from 'zod';
import { defineRead } from '../core/define.ts';
import { toOpsError } from '../core/errors.ts';
import { foreign, limit, once, Unknown } from '../core/schema.ts';
import {
  type Answered,
  type LeadsTo,
  PEER_PATHS,
  type Served,
  type TailnetNetwork,
  type TailnetPeer,
} from '../core/tailnet.ts';
import { rfc3339 } from '../core/text.ts';
import { SEVERITIES } from '../insight/facts.ts';
import { daysLeft, tailnetFindings } from '../insight/tailnet.ts';
import { figure, gaps } from './figures.ts';
import { tailnetStatusText } from './tailnet_status_text.ts';

const SORTS = ['seen', 'name', 'traffic'] as const;
/** Rows in an answer, shown and kept together. */
const MOST = { peers: 2_000, served: 40, health: 20 };

const said = <S extends z.ZodType>(schema: S) => foreign(schema, 'tailnet');

export const PeerRow = once(() =>
  z.object({
    name: said(z.string()),
    who: said(z.string()).nullable().describe('Its tags, or else its owner.'),
    os: said(z.string()).nullable(),
    address: z.string().nullable(),
    online: z.boolean().nullable(),
    lastSeen: z.string().nullable().describe('Null while online.'),
    path: z.enum(PEER_PATHS).nullable(),
    relay: said(z.string()).nullable().describe('Region it would take.'),
    exitNode: z.enum(['in use', 'offered']).nullable(),
    rxBytes: figure().describe('Since tailscaled started.'),
    txBytes: figure(),
    expired: z.literal(true).optional(),
    shared: z.literal(true).optional().describe('Of another tailnet.'),
  }),
);
export type PeerRow = z.output<ReturnType<typeof PeerRow>>;

export const ServedRow = once(() =>
  z.object({
    at: said(z.string()),
    kind: z.enum(['proxy', 'tcp', 'files', 'text', 'redirect', 'tun']),
    target: said(z.string()).nullable(),
    here: z.enum(['socket', 'port']).nullable().describe('Of this server; null: it leads elsewhere.'),
    funnel: z.boolean().describe('Open to the Internet.'),
    service: said(z.string()).nullable(),
    approved: z.boolean().nullable().optional().describe('Of a service.'),
  }),
);
export type ServedRow = z.output<ReturnType<typeof ServedRow>>;

export const TailnetStatusAnswer = once(() =>
  z.object({
    at: z.string(),
    state: said(z.string()),
    self: z.object({
      name: said(z.string()).nullable(),
      addresses: z.array(z.string()),
      owner: said(z.string()).nullable().describe('Null: it has tags, or unknown.'),
      tags: said(z.array(z.string())),
      version: z.string().nullable(),
      update: z.string().nullable(),
      networking: z.enum(['tun', 'userspace']).nullable(),
      keyExpiresAt: z.string().nullable().describe('Null: never, unless unknown says otherwise.'),
      keyDaysLeft: figure(),
    }),
    tailnet: z.object({
      name: said(z.string()).nullable(),
      magicDns: z.boolean().nullable(),
      https: z.boolean().nullable(),
    }),
    served: z.array(ServedRow()).nullable(),
    health: said(z.array(z.string())),
    findings: z.array(
      z.object({
        id: z.string(),
        severity: z.enum(SEVERITIES),
        evidence: said(z.string()),
        sentence: z.string(),
        next: z.string(),
      }),
    ),
    total: figure().describe('Machines besides this one.'),
    online: figure(),
    matched: figure(),
    leftOut: z.number().describe('Exit nodes for rent; filter finds them.'),
    peers: z.array(PeerRow()),
    unknown: z.array(Unknown()),
  }),
);
export type TailnetStatusAnswer = z.output<ReturnType<typeof TailnetStatusAnswer>>;

const input = once(() =>
  z.strictObject({
    filter: z.string().min(1).max(100).optional().describe('Part of name, owner, tag, OS or address.'),
    online: z.boolean().default(false).describe('Only machines that are online.'),
    sort: z.enum(SORTS).default('seen').describe('seen: those in use first, then online, then last seen.'),
    limit: limit(12, 200),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const tailnetStatus = defineRead({
  name: 'tailnet_status',
  title: 'Tailnet',
  description:
    'Use this for Tailscale: this machine in its tailnet (key expiry, health), the other machines and how they are reached, what serve and funnel offer, and findings with the next step. For interfaces, routes and DNS use net_overview; to test the way to a machine use net_probe.',
  toolset: 'tailnet',
  core: false,
  input,
  output: TailnetStatusAnswer,
  scopes: { least: 'tailnet:read' },
  risk: 'read',
  annotations: { idempotent: true, openWorld: false },
  cut: { lists: ['peers'], show: (i) => i.limit },
  text: tailnetStatusText,

  async handler(i, ctx) {
    const { tailnet } = ctx.host;
    const to = { signal: ctx.signal };
    const [network, leadsTo, serve] = await Promise.all([
      tailnet.network(to),
      tailnet.leads(),
      tailnet.serveConfig(to).catch((thrown: unknown) => {
        ctx.signal.throwIfAborted();
        return toOpsError(thrown);
      }),
    ]);
    const now = ctx.now();
    const gap = gaps();
    const config = serve instanceof Error ? null : serve;
    if (serve instanceof Error) gap.list.push({ what: 'served', why: serve.message });
    const isIn = network.state === 'Running';
    if (!isIn) gap.list.push({ what: 'self.keyExpiresAt, tailnet', why: `tailscaled is ${plainState(network.state)}` });
    if (network.tun === null) gap.list.push({ what: 'self.networking', why: 'tailscaled does not say' });
    if (isIn && network.magicDns === null) gap.list.push({ what: 'tailnet.magicDns', why: 'tailscaled does not say' });
    if (network.peers === null) gap.list.push({ what: 'peers', why: network.whyNoPeers ?? 'tailscaled does not say' });
    if (network.notRead > 0)
      gap.list.push({ what: `${network.notRead} machines`, why: 'more than are read, or not understood' });
    const peers = network.peers ?? [];
    const shown = peers.filter((p) => !p.rented || i.filter !== undefined);
    const matching = shown.filter((p) => (!i.online || p.online === true) && matches(p, i.filter));
    const ways = config === null ? null : [...config.served, ...config.answered];
    if (ways !== null && ways.length > MOST.served)
      gap.list.push({ what: `${ways.length - MOST.served} served ways`, why: 'more than are shown' });
    return {
      at: rfc3339(now),
      state: network.state,
      self: selfOf(network, now),
      tailnet: {
        name: network.tailnet,
        magicDns: network.magicDns,
        https: isIn ? network.certDomains.length > 0 : null,
      },
      served: ways?.slice(0, MOST.served).map((w) => wayOf(w, network, leadsTo)) ?? null,
      health: network.health.slice(0, MOST.health).map((text) => text.slice(0, 500)),
      findings: tailnetFindings({ network, serve: config, leadsTo, own: tailnet.own, nowMs: now }),
      total: network.peers && peers.length + network.notRead,
      online: network.peers && peers.filter((p) => p.online === true).length,
      matched: network.peers && matching.length,
      leftOut: peers.length - shown.length,
      peers: ordered(matching, i.sort).slice(0, MOST.peers).map(rowOf),
      unknown: gap.list,
    };
  },
});

/** It is a word of tailscaled's own; in a sentence of ours nothing else may stand. */
const plainState = (state: string): string => (/^[A-Za-z]{1,40}$/.test(state) ? state : 'in a state that is not known');

const selfOf = (n: TailnetNetwork, now: number): TailnetStatusAnswer['self'] => ({
  name: n.name,
  addresses: [...n.addresses],
  owner: n.owner,
  tags: [...n.tags],
  version: versionOf(n.version),
  update: versionOf(n.update),
  networking: n.tun === null ? null : n.tun ? 'tun' : 'userspace',
  keyExpiresAt: n.keyExpiresAtMs === null ? null : rfc3339(n.keyExpiresAtMs),
  keyDaysLeft: daysLeft(n.keyExpiresAtMs, now),
});

/** Without the hashes of how it was built. */
const versionOf = (text: string | null): string | null => /^\d{1,5}(?:\.\d{1,6}){1,3}/.exec(text ?? '')?.[0] ?? null;

function wayOf(w: Served | Answered, n: TailnetNetwork, leadsTo: LeadsTo): ServedRow {
  const target = 'target' in w ? w.target : null;
  const scheme = w.kind === 'tcp' || w.kind === 'tun' ? '' : w.tls ? 'https://' : 'http://';
  return {
    at: `${scheme}${w.at}${w.path}`,
    kind: w.kind,
    target,
    here: target === null ? null : leadsTo(target),
    funnel: w.funnel,
    service: w.service,
    ...(w.service === null ? {} : { approved: n.services === null ? null : n.services.includes(w.service) }),
  };
}

function matches(p: TailnetPeer, filter: string | undefined): boolean {
  if (filter === undefined) return true;
  const part = filter.toLowerCase();
  return [p.name, p.owner, p.os, ...p.tags, ...p.addresses].some((text) => text?.toLowerCase().includes(part));
}

const isUsed = (p: TailnetPeer): boolean => p.exitNode === 'in use' || (p.path !== null && p.path !== 'idle');
const seen = (p: TailnetPeer): number =>
  isUsed(p) ? Number.MAX_SAFE_INTEGER : p.online ? Number.MAX_SAFE_INTEGER - 1 : (p.lastSeenMs ?? 0);
const traffic = (p: TailnetPeer): number => (p.rxBytes ?? 0) + (p.txBytes ?? 0);

function ordered(peers: readonly TailnetPeer[], sort: Input['sort']): TailnetPeer[] {
  const by = sort === 'seen' ? seen : sort === 'traffic' ? traffic : () => 0;
  return peers.toSorted((a, b) => by(b) - by(a) || a.name.localeCompare(b.name));
}

const rowOf = (p: TailnetPeer): PeerRow => ({
  name: p.name,
  who: p.tags.length > 0 ? p.tags.join(' ') : p.owner,
  os: p.os,
  address: p.addresses[0] ?? null,
  online: p.online,
  lastSeen: p.lastSeenMs === null ? null : rfc3339(p.lastSeenMs),
  path: p.path,
  relay: p.relay,
  exitNode: p.exitNode,
  rxBytes: p.rxBytes,
  txBytes: p.txBytes,
  ...(p.expired ? { expired: true as const } : {}),
  ...(p.shared ? { shared: true as const } : {}),
});
