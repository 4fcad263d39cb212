/**
 * The first question about the network: how is it set up, what listens, what is wrong with it? One answer out of interfaces, routes,
 * names, sockets with their holders, and the firewall. Decides what is gathered and how long it may take; what is worth showing is
 * net_overview_parts.ts's, what is a fault insight's.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineRead } from '../core/define.ts';
import type { Reading } from '../core/host.ts';
import { foreign, once, Unknown } from '../core/schema.ts';
import { rfc3339 } from '../core/text.ts';
import { SEVERITIES } from '../insight/facts.ts';
import { netFindingsOf } from '../insight/findings.ts';
import { mainDefault, type NetFacts } from '../insight/net_facts.ts';
import { listenersOf, SCOPES } from '../insight/net_listeners.ts';
import { ROLES } from '../insight/net_names.ts';
import { REACHES } from '../insight/net_reach.ts';
import { ratesBetween } from '../insight/rates.ts';
import { figure, gaps } from './figures.ts';
import { dnsOf, firewallOf, interfacesOf, listenersShown, routesOf, socketsOf } from './net_overview_parts.ts';
import { netOverviewText } from './net_overview_text.ts';
import { knownContainers } from './overview_containers.ts';
import { attempt, observe, within } from './sampling.ts';

const SLOW_MS = 4_000;
const PATIENCE_MS = 250;

const Name = once(() => foreign(z.string(), 'names on this host'));

export const InterfaceRow = once(() =>
  z.object({
    name: z.string(),
    kind: z.string().nullable(),
    role: z.enum(ROLES).describe('containers and machines: their ends here.'),
    state: z.enum(['up', 'down', 'no carrier', 'unknown']).describe('down: off.'),
    addresses: z.array(z.string()),
    mtu: figure(),
    speedMbit: figure().describe('Null: virtual, or down.'),
    halfDuplex: z.boolean().optional(),
    master: z.string().nullable().describe('Its bridge or bond.'),
    parent: z.string().nullable(),
    rxBytesPerSecond: figure(),
    txBytesPerSecond: figure(),
    errorsPerSecond: figure(),
    droppedPerSecond: figure(),
  }),
);
export type InterfaceRow = z.output<ReturnType<typeof InterfaceRow>>;

export const RouteRow = once(() =>
  z.object({
    to: z.string(),
    via: z.string().nullable(),
    device: z.string().nullable(),
    metric: figure(),
    table: z.string(),
    type: z.string(),
  }),
);

export const ListenerRow = once(() =>
  z.object({
    port: z.number(),
    protocol: z.enum(['tcp', 'udp']),
    scope: z.enum(SCOPES).describe('all: every interface; private, public, link: of the addresses it listens on.'),
    addresses: z.array(z.string()),
    process: Name().nullable(),
    pid: figure(),
    user: z.string().nullable(),
    unit: Name().nullable(),
    container: Name().nullable(),
    outside: z
      .enum(REACHES)
      .nullable()
      .describe('A packet from outside, by the rules of this host. forwarded: to a container, before its input rules.'),
    waiting: z.number().optional(),
  }),
);
export type ListenerRow = z.output<ReturnType<typeof ListenerRow>>;

export const NetOverviewAnswer = once(() =>
  z.object({
    at: z.string(),
    windowMs: z.number().describe('Of the rates.'),
    worst: z.enum(SEVERITIES).nullable(),
    interfaces: z.array(InterfaceRow()),
    routes: z.object({
      defaults: z.array(RouteRow()),
      total: figure(),
      tables: z.array(z.string()),
      rules: z.array(z.string()).describe('Policy rules besides the usual three.'),
      others: z.array(RouteRow()).optional(),
    }),
    dns: z.object({
      servers: z.array(z.string()).describe('Of resolv.conf.'),
      upstream: z.array(z.string()).nullable().describe('Of systemd-resolved; null: it is not asked.'),
      links: z.array(
        z.object({ name: z.string(), servers: z.array(z.string()), domains: foreign(z.array(z.string()), 'resolver') }),
      ),
      search: foreign(z.array(z.string()), 'resolv.conf'),
      hosts: foreign(z.array(z.string()), 'nsswitch.conf').nullable().describe('In which order names are looked up.'),
      file: foreign(z.string().nullable(), 'resolv.conf').describe('Where /etc/resolv.conf leads; null: it is a file.'),
      writtenBy: z.string().nullable(),
    }),
    services: z.number(),
    listeners: z.array(ListenerRow()),
    sockets: z.object({ established: z.number(), timeWait: z.number(), tcp: z.number(), udp: z.number() }),
    firewall: z
      .object({
        sources: z.array(z.string()),
        filters: z.boolean().describe('False: lets in whatever comes.'),
        inputPolicy: z.enum(['accept', 'drop']).nullable(),
        chains: z.number(),
        rules: z.number(),
        madeBy: z.array(z.string()),
        tables: z
          .array(
            z.object({
              name: foreign(z.string(), 'firewall'),
              chains: z.number(),
              rules: z.number(),
              madeBy: z.string().nullable(),
            }),
          )
          .optional(),
      })
      .nullable(),
    findings: z.array(
      z.object({
        id: z.string(),
        severity: z.enum(SEVERITIES),
        evidence: foreign(z.string(), 'names on this host'),
        sentence: z.string(),
        next: z.string(),
      }),
    ),
    unknown: z.array(Unknown()),
    leftOut: z.object({ interfaces: z.number(), listeners: z.number() }),
  }),
);
export type NetOverviewAnswer = z.output<ReturnType<typeof NetOverviewAnswer>>;

export const netOverview = defineRead({
  name: 'net_overview',
  title: 'Network overview',
  description:
    'Start here for the network: interfaces, routes, DNS, listening services with process and container, firewall, VPNs, and findings with the next step. For who is connected use net_connections.',
  toolset: 'net',
  core: true,
  input: () =>
    z.strictObject({
      all: z.boolean().default(false).describe('Also idle and container interfaces, all routes, tables of rules.'),
    }),
  output: NetOverviewAnswer,
  scopes: { least: 'net:read' },
  risk: 'read',
  annotations: { idempotent: true, openWorld: false },
  cut: { lists: ['listeners', 'interfaces', 'unknown', 'findings'] },
  text: netOverviewText,

  async handler(i, ctx) {
    const { facts, windowMs } = await gather(ctx);
    const findings = netFindingsOf(facts);
    const gap = gaps();
    gap.of('interfaces', facts.links);
    gap.of('routes', facts.routes);
    if (facts.routes.value?.partial) gap.list.push({ what: 'other tables of routes', why: facts.routes.value.partial });
    gap.of('firewall', facts.firewall);
    for (const what of facts.firewall.value?.unread ?? []) gap.list.push({ what: 'a part of the firewall', why: what });
    for (const u of facts.sockets.unread) gap.list.push(u);
    if (facts.sockets.notRead > 0)
      gap.list.push({ what: `${facts.sockets.notRead} sockets`, why: 'more than are read' });
    if (facts.dns.file.value === null) gap.list.push({ what: 'dns.servers', why: facts.dns.file.why });
    const unseen = facts.listeners.filter((l) => l.owner === null && !l.byRulesOnly).length;
    if (unseen > 0)
      gap.list.push({
        what: `process of ${unseen} ${unseen === 1 ? 'service' : 'services'}`,
        why: facts.why ?? 'the kernel itself, or a process outside the view of this one, holds them',
      });
    const interfaces = interfacesOf(facts, i.all);
    const listeners = listenersShown(facts.listeners, i.all);
    return {
      at: rfc3339(facts.snapshot.wallMs),
      windowMs,
      worst: findings[0]?.severity ?? null,
      interfaces,
      routes: routesOf(facts, i.all),
      dns: dnsOf(facts.dns),
      services: facts.listeners.length,
      listeners,
      sockets: socketsOf(facts.sockets.sockets),
      firewall: firewallOf(facts, i.all),
      findings,
      unknown: gap.list,
      leftOut: {
        interfaces: (facts.links.value?.links.length ?? 0) - interfaces.length,
        listeners: facts.listeners.length - listeners.length,
      },
    };
  },
});

/** Also what `diagnose` will look at. `why`: why holders of sockets are not known. */
export async function gather(
  ctx: ToolContext,
): Promise<{ facts: NetFacts & { why: string | null }; windowMs: number }> {
  const { net, system } = ctx.host;
  const to = { signal: ctx.signal };
  const { before, after } = await observe(ctx, {});
  const [links, routes, neighbours, firewall, dns, sockets, counters, containers] = await Promise.all([
    flat(within(SLOW_MS, net.links(to), ctx)),
    flat(within(SLOW_MS, net.routes(to), ctx)),
    flat(within(SLOW_MS, net.neighbours(to), ctx)),
    flat(within(SLOW_MS, net.firewall(to), ctx)),
    within(SLOW_MS, net.dns(to), ctx),
    within(SLOW_MS, net.sockets(['tcp', 'udp'], to), ctx),
    net.counters(),
    knownContainers(ctx, ctx.patienceMs ?? PATIENCE_MS),
  ]);
  const table = sockets.value ?? { sockets: [], notRead: 0, unread: [{ what: 'sockets', why: sockets.why ?? '?' }] };
  const heard = table.sockets.filter((s) => s.state === 'LISTEN' || (s.kind === 'udp' && s.state === 'UNCONN'));
  const owners = await attempt(net.owners(new Set(heard.map((s) => s.inode)), to), ctx);
  const no = { value: null, why: dns.why ?? '?' } as const;
  const identity = system.identity();
  const rates = ratesBetween(before === after ? null : before, after, identity);
  const listeners = listenersOf(
    table.sockets,
    { byInode: owners.value?.byInode ?? new Map(), containers: containers?.value ?? [] },
    {
      ephemeralFrom: counters.ephemeralPorts.value?.from ?? 32_768,
      firewall: firewall.value,
      device: mainDefault(routes.value?.routes ?? [])?.hops[0]?.device ?? null,
    },
  );
  const facts = {
    snapshot: after,
    rates,
    links,
    routes,
    neighbours,
    dns: dns.value ?? { file: no, hosts: no, resolved: no },
    sockets: table,
    listeners,
    firewall,
    counters,
    container: identity.virtualisation.container,
    why: owners.value === null ? owners.why : owners.value.why,
  };
  return { facts, windowMs: rates.windowMs };
}

/** Too late, failed, or not known: for a reader all are one. */
async function flat<T>(read: Promise<Reading<Reading<T>>>): Promise<Reading<T>> {
  const outer = await read;
  return outer.value ?? { value: null, why: outer.why ?? '?' };
}
