/**
 * Gathers what a diagnosis of something unreachable rests on: its name at each name server, route, neighbour, ping, port, TLS and HTTP, and, where
 * it is this host, who listens. Each packet is judged and spent as one of net_probe is. What follows is insight/diagnose_reach.ts's.
 */
import { isIP } from 'node:net';
import type { ToolContext } from '../core/call.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import type { Reading } from '../core/host.ts';
import { reachOf } from '../core/ip.ts';
import type { Source } from '../core/source.ts';
import { diagnoseReach } from '../insight/diagnose_reach.ts';
import { mainDefault, routeTo } from '../insight/net_facts.ts';
import { judgeAll, judgeName } from '../insight/probe_rules.ts';
import { certificateSaid } from '../insight/probe_said.ts';
import { type AtServer, open, type ReachFacts, type Tried } from '../insight/reach_seen.ts';
import { type Found, verdictOf, type Way } from './diagnose_parts.ts';
import { gaps } from './figures.ts';
import { gather } from './net_overview.ts';
import { groundOf } from './net_probe_ground.ts';
import type { Ground } from './net_probe_kinds.ts';
import { attempt } from './sampling.ts';

const EACH_MS = 4_000;
const PINGS = 10;
const MOST_SERVERS = 3;
/** Ports where a server speaks TLS from the first byte. */
const SECURE = new Set([443, 465, 636, 853, 989, 990, 993, 995, 5061, 6443, 8006, 8443, 9443]);

export const unreachable: Way = {
  problem: 'unreachable',
  kinds: ['url', 'address'],
  form: 'host:port or https://…',
  scopes: () => ['net:read'],
  targets: (source) => [{ kind: 'address', name: source?.name ?? '' }],
  timeoutMs: 40_000,
  async find({ source }, ctx): Promise<Found> {
    const at = placeOf(source as Source);
    const ground = await groundOf(ctx, []);
    const gap = gaps();
    const f = await factsOf(at, ground, gap, ctx);
    const causes = diagnoseReach(f, at.url?.href ?? null);
    const well = causes[0]?.id === 'not_unreachable';
    const text = (source as Source).text;
    const how = well
      ? `${text} can be reached`
      : causes.some((c) => c.certainty !== 'possible')
        ? `${text} cannot be used from here`
        : `${text} shows nothing sure`;
    const checked = [
      'name',
      'route',
      'neighbour',
      ...(f.tried ? ['port'] : []),
      ...(f.ping?.value ? ['ping'] : []),
      ...(f.tls ? ['TLS'] : []),
      ...(f.http ? ['HTTP'] : []),
      ...(f.listeners ? ['listeners', 'firewall'] : []),
    ];
    return { target: text, verdict: verdictOf(how, causes), down: null, causes, checked, unknown: gap.list };
  },
};

interface Place {
  host: string;
  port: number;
  tls: boolean;
  url: URL | null;
}

function placeOf(source: Source): Place {
  if (source.kind === 'url') {
    const url = new URL(source.name);
    const tls = url.protocol === 'https:';
    return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || (tls ? 443 : 80)), tls, url };
  }
  const colon = source.name.lastIndexOf(':');
  const port = Number(source.name.slice(colon + 1));
  return { host: source.name.slice(0, colon).replace(/^\[|\]$/g, ''), port, tls: SECURE.has(port), url: null };
}

async function factsOf(at: Place, g: Ground, gap: ReturnType<typeof gaps>, ctx: ToolContext): Promise<ReachFacts> {
  const { probes, net } = ctx.host;
  const o = { timeoutMs: EACH_MS, signal: ctx.signal };
  const named = judgeName(at.host);
  if (named && !named.ok) throw closed(named);
  const literal = isIP(at.host.split('%')[0] ?? '') !== 0;
  const [names, servers, here] = await Promise.all([
    attempt(probes.resolve(at.host, o), ctx),
    literal ? [] : atServers(at.host, g, ctx),
    gather(ctx),
  ]);
  const { facts } = here;
  const addresses = names.value?.addresses ?? [];
  const links = facts.links.value?.links ?? null;
  const mine = new Set((links ?? []).flatMap((l) => l.addresses.map((a) => a.address)));
  const own =
    addresses.length > 0 && addresses.every((a) => mine.has(a.split('%')[0] ?? '') || reachOf(a) === 'loopback');
  const no = judgeAll(addresses, g.rules);
  if (no && !no.ok && !own) throw closed(no);
  // Itself it may look at without a packet; whether one goes to loopback is the owner's to say.
  const probed = addresses.length > 0 && !no;
  const tried = probed ? await connections(addresses, at.port, ctx) : null;
  const [to = null] = addresses;
  const ping = probed && to !== null ? await pings(to, PINGS, undefined, ctx) : null;
  if (ping?.why !== undefined) gap.list.push({ what: 'ping', why: ping.why });
  const route =
    to === null
      ? null
      : routeTo(
          (facts.routes.value?.routes ?? []).filter((r) => r.table !== 'local'),
          to,
        );
  const f: ReachFacts = {
    host: at.host,
    port: at.port,
    literal,
    names,
    servers,
    links: links ? { value: links } : { value: null, why: facts.links.why ?? '?' },
    routes: facts.routes.value ? { value: facts.routes.value.routes } : { value: null, why: facts.routes.why ?? '?' },
    route,
    // After the attempts: only now the kernel knows who does not answer.
    neighbours: await attempt(net.neighbours({ signal: ctx.signal }), ctx).then(
      (r): Reading<never> => (r.value ?? { value: null, why: r.why ?? '?' }) as never,
    ),
    own,
    listeners: own ? facts.listeners.filter((l) => l.protocol === 'tcp' && l.port === at.port) : null,
    firewall: facts.firewall.value,
    tried,
    ping,
    large: null,
    tls: null,
    http: null,
  };
  gap.of('routes', f.routes);
  gap.of('interfaces', f.links);
  const reached = open(f);
  if (reached) await spoken(f, reached.address, at, ctx);
  const stuck = [f.tls, f.http].some((x) => x !== null && 'silent' in x && x.silent);
  if (reached && (ping?.value?.received ?? 0) > 0 && !own && (stuck || !at.url))
    f.large = await largest(
      f,
      reached.address,
      mainDefault(facts.routes.value?.routes ?? [])?.hops[0]?.device ?? null,
      ctx,
    );
  return f;
}

const closed = (judged: { address: string; why: string; hint: string }) =>
  new OpsError('permission', `No probe goes to ${judged.address}: ${judged.why}.`, { hint: judged.hint });

async function atServers(host: string, g: Ground, ctx: ToolContext): Promise<AtServer[]> {
  return Promise.all(
    [...g.configured].slice(0, MOST_SERVERS).map(async (server): Promise<AtServer> => {
      const ask = async (type: 'A' | 'AAAA') => {
        ctx.probing.spend(server, 53);
        return ctx.host.probes.dns(
          { name: host.replace(/\.$/, ''), type, at: { address: server, port: 53 } },
          { timeoutMs: EACH_MS, signal: ctx.signal },
        );
      };
      try {
        const [four, six] = await Promise.all([ask('A'), ask('AAAA')]);
        const addresses = [...four.answers, ...six.answers].flatMap((a) =>
          a.type === 'A' || a.type === 'AAAA' ? [a.data] : [],
        );
        return { server, code: four.code, addresses, why: null };
      } catch (thrown) {
        ctx.signal.throwIfAborted();
        return { server, code: null, addresses: [], why: toOpsError(thrown).message };
      }
    }),
  );
}

/** The first of each family, until one is open. */
async function connections(addresses: readonly string[], port: number, ctx: ToolContext): Promise<Tried[]> {
  const tried: Tried[] = [];
  for (const v6 of [addresses[0]?.includes(':') === true, addresses[0]?.includes(':') !== true]) {
    const address = addresses.find((a) => a.includes(':') === v6);
    if (address === undefined) continue;
    ctx.probing.spend(address, port);
    const is = await ctx.host.probes.tcp({ address, port }, { timeoutMs: EACH_MS, signal: ctx.signal });
    tried.push({ address, is });
    if (is.outcome === 'open') break;
  }
  return tried;
}

async function pings(address: string, count: number, sizeBytes: number | undefined, ctx: ToolContext) {
  ctx.probing.spend(address, 0);
  const bounds = { count, intervalMs: 200, timeoutMs: 1_000, signal: ctx.signal };
  const read = await attempt(
    ctx.host.probes.ping(address, sizeBytes === undefined ? bounds : { ...bounds, sizeBytes }),
    ctx,
  );
  return read.value ?? { value: null, why: read.why ?? '?' };
}

async function spoken(f: ReachFacts, address: string, at: Place, ctx: ToolContext): Promise<void> {
  const o = { timeoutMs: EACH_MS, signal: ctx.signal };
  const failure = (thrown: unknown) => {
    ctx.signal.throwIfAborted();
    const error = toOpsError(thrown);
    if (error.code === 'internal') throw thrown;
    return { failed: error.message, silent: error.code === 'timeout' };
  };
  const servername = f.literal ? null : at.host.replace(/\.$/, '');
  const to = { address, port: at.port };
  if (at.tls) {
    ctx.probing.spend(address, at.port);
    f.tls = await ctx.host.probes.tls(to, { servername, alpn: ['http/1.1'] }, o).then((t) => {
      const told = certificateSaid(t, at.host, ctx.now()).tls;
      return {
        seen: {
          wrong: t.wrong,
          days: told.expiresInDays,
          subject: t.chain[0]?.subject ?? '?',
          issuer: t.chain[0]?.issuer ?? '?',
        },
      };
    }, failure);
  }
  if (!at.url || (f.tls && 'failed' in f.tls)) return;
  ctx.probing.spend(address, at.port);
  const ask = {
    at: to,
    tls: at.tls ? { servername } : null,
    host: at.url.host,
    path: `${at.url.pathname}${at.url.search}`,
    method: 'GET' as const,
    maxBytes: 64 * 1024,
  };
  f.http = await ctx.host.probes.http(ask, o).then((h) => ({ status: h.status, reason: h.reason }), failure);
}

/** As large as the interface towards it takes: whoever on the way takes less has to say so, and often does not. */
async function largest(
  f: ReachFacts,
  address: string,
  device: string | null,
  ctx: ToolContext,
): Promise<ReachFacts['large']> {
  const link = f.links.value?.find((l) => l.name === (f.route?.hops[0]?.device ?? device));
  const sizeBytes = Math.min(link?.mtu ?? 1_500, 1_500);
  const said = await pings(address, 2, sizeBytes, ctx);
  // One that says "too long" is an honest way: the kernel then sends less.
  if (said.value === null || said.value.errors.length > 0) return null;
  return { sizeBytes, passes: said.value.received > 0 };
}
