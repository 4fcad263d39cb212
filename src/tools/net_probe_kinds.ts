/**
 * One probe of one place, by kind: each connection, query and ping is spent from the caller's share and goes to an address that was judged
 * before. Decides how many addresses of a name are tried, and which redirects are followed; what may be reached is insight/probe_rules.ts's.
 */
import { isIP } from 'node:net';
import type { ToolContext } from '../core/call.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import type { At, Connected, HttpSeen, RecordType } from '../core/probe.ts';
import { type Judged, judgeAll, judgeName, type ProbeRules } from '../insight/probe_rules.ts';
import { certificateSaid, connectSaid, dnsSaid, httpSaid, pingSaid, round, traceSaid } from '../insight/probe_said.ts';
import type { ProbeKind, ProbeTarget } from '../insight/probe_targets.ts';

export interface ProbeAsk {
  kind: ProbeKind;
  type: RecordType;
  count: number;
  follow: boolean;
  method: 'GET' | 'HEAD';
  timeoutMs: number;
}

export interface Ground {
  rules: ProbeRules;
  /** Name servers of this host: these may be asked, wherever they are. */
  configured: ReadonlySet<string>;
  ctx: ToolContext;
}

/** A probe that was not made, because it may not be. */
export class Refused extends Error {
  readonly hint: string;
  constructor(judged: Extract<Judged, { ok: false }>) {
    super(`${judged.address}: ${judged.why}`);
    this.hint = judged.hint;
  }
}

export interface Way {
  addresses: string[];
  ms: number;
}

/** All addresses of it, each judged; one that may not be reached closes the whole name. */
export async function addressesOf(host: string, g: Ground, timeoutMs: number): Promise<Way> {
  const named = judgeName(host);
  if (named && !named.ok) throw new Refused(named);
  const { addresses, ms } = await g.ctx.host.probes.resolve(host, { timeoutMs, signal: g.ctx.signal });
  const closed = judgeAll(addresses, g.rules);
  if (closed && !closed.ok) throw new Refused(closed);
  if (addresses.length === 0) throw new OpsError('not_found', 'The name has no address.');
  return { addresses, ms };
}

/** The first of each family: what a program would try. */
export function candidates(addresses: readonly string[]): string[] {
  const of = (v6: boolean) => addresses.find((a) => a.includes(':') === v6);
  const first = addresses[0] as string;
  const second = of(!first.includes(':'));
  return second === undefined ? [first] : [first, second];
}

const bounds = (ask: ProbeAsk, g: Ground) => ({ timeoutMs: ask.timeoutMs, signal: g.ctx.signal });

export type Row = Record<string, unknown> & {
  target: string;
  address: string | null;
  port: number | null;
  ok: boolean;
  said: string;
  ms: number | null;
};

export async function probeOne(target: ProbeTarget, ask: ProbeAsk, g: Ground): Promise<Row> {
  const way = await addressesOf(target.host, g, ask.timeoutMs);
  switch (ask.kind) {
    case 'tcp':
      return tcp(target, way, ask, g);
    case 'tls':
      return tls(target, way, ask, g);
    case 'http':
      return http(target, way, ask, g);
    case 'ping':
      return ping(target, way, ask, g);
    default:
      return trace(target, way, ask, g);
  }
}

const base = (target: ProbeTarget, address: string | null) => ({
  target: target.text,
  address,
  port: target.port || null,
});

async function tcp(target: ProbeTarget, way: Way, ask: ProbeAsk, g: Ground): Promise<Row> {
  const tries: ({ address: string } & Connected)[] = [];
  for (const address of candidates(way.addresses)) {
    g.ctx.probing.spend(address, target.port);
    tries.push({ address, ...(await g.ctx.host.probes.tcp({ address, port: target.port }, bounds(ask, g))) });
    if (tries.at(-1)?.outcome === 'open') break;
  }
  const best = tries.find((t) => t.outcome === 'open') ?? (tries[0] as (typeof tries)[0]);
  return {
    ...base(target, best.address),
    ok: best.outcome === 'open',
    said: connectSaid(tries),
    ms: round(best.ms),
    outcome: best.outcome,
    ...(tries.length > 1
      ? { tries: tries.map((t) => ({ address: t.address, outcome: t.outcome, ms: round(t.ms) })) }
      : {}),
  };
}

/** As `tcp`, for what needs a connection: the first address that takes it. */
async function first<T>(
  target: ProbeTarget,
  way: Way,
  g: Ground,
  go: (at: At) => Promise<T>,
): Promise<{ address: string; value: T }> {
  let failed: unknown;
  for (const address of candidates(way.addresses)) {
    g.ctx.probing.spend(address, target.port);
    try {
      return { address, value: await go({ address, port: target.port }) };
    } catch (thrown) {
      g.ctx.signal.throwIfAborted();
      failed ??= thrown;
    }
  }
  throw failed;
}

/** Only a name is said in SNI: an address is none (RFC 6066). */
const servername = (host: string): string | null => (isIP(host.split('%')[0] ?? '') ? null : host.replace(/\.$/, ''));

async function tls(target: ProbeTarget, way: Way, ask: ProbeAsk, g: Ground): Promise<Row> {
  const asked = { servername: servername(target.host), alpn: ['h2', 'http/1.1'] };
  const { address, value } = await first(target, way, g, (at) => g.ctx.host.probes.tls(at, asked, bounds(ask, g)));
  const told = certificateSaid(value, target.host, g.ctx.now());
  return {
    ...base(target, address),
    ok: told.ok,
    said: told.said,
    ms: round(value.connectMs + value.handshakeMs),
    tls: told.tls,
  };
}

const MOST_REDIRECTS = 5;
const BODY_BYTES = 256 * 1024;

async function http(target: ProbeTarget, way: Way, ask: ProbeAsk, g: Ground): Promise<Row> {
  const redirects: { status: number; to: string }[] = [];
  let [at, from] = [target, way];
  for (;;) {
    const { address, value } = await first(at, from, g, (a) =>
      g.ctx.host.probes.http(httpAsk(at, a, ask), bounds(ask, g)),
    );
    const to = value.location === null ? null : URL.parse(value.location, (at.url as URL).href);
    const moved = to !== null && value.status >= 300 && value.status < 400;
    if (!moved || !ask.follow || redirects.length >= MOST_REDIRECTS)
      return httpRow(target, at, address, from.ms, value, redirects, g);
    if (!/^https?:$/.test(to.protocol) || to.username || to.password)
      return httpRow(target, at, address, from.ms, value, redirects, g);
    redirects.push({ status: value.status, to: to.href });
    // Another place, and judged as one: what leads there is the server's to choose.
    const next: ProbeTarget = {
      text: to.href,
      host: to.hostname.replace(/^\[|\]$/g, ''),
      port: Number(to.port || (to.protocol === 'https:' ? 443 : 80)),
      url: to,
    };
    try {
      from = await addressesOf(next.host, g, ask.timeoutMs);
    } catch (thrown) {
      if (!(thrown instanceof Refused)) throw thrown;
      const row = httpRow(target, at, address, from.ms, value, redirects, g);
      return { ...row, ok: false, said: `${row.said}; it leads where no probe goes (${thrown.message})` };
    }
    at = next;
  }
}

function httpAsk(target: ProbeTarget, at: At, ask: ProbeAsk) {
  const url = target.url as URL;
  return {
    at,
    tls: url.protocol === 'https:' ? { servername: servername(target.host) } : null,
    host: url.host,
    path: `${url.pathname}${url.search}`,
    method: ask.method,
    maxBytes: BODY_BYTES,
  };
}

function httpRow(
  target: ProbeTarget,
  at: ProbeTarget,
  address: string,
  dnsMs: number,
  v: HttpSeen,
  redirects: object[],
  g: Ground,
): Row {
  const cert = v.tls ? certificateSaid(v.tls, at.host, g.ctx.now()) : null;
  const said = httpSaid(v, cert, g.ctx.now());
  return {
    ...base(target, address),
    port: at.port,
    ok: said.ok,
    said: said.said,
    ms: round(v.totalMs),
    http: {
      status: v.status,
      reason: v.reason,
      headers: v.headers,
      phasesMs: {
        dns: round(dnsMs),
        connect: round(v.connectMs),
        tls: v.tlsMs === null ? null : round(v.tlsMs),
        firstByte: round(v.firstByteMs),
        total: round(v.totalMs),
      },
      bodyBytes: v.bodyBytes,
      cut: v.cut,
      redirects,
      // Of an error page its first words say more than its status.
      text: v.status >= 400 ? (v.text?.slice(0, 300) ?? null) : null,
    },
    ...(cert ? { tls: cert.tls } : {}),
  };
}

async function ping(target: ProbeTarget, way: Way, ask: ProbeAsk, g: Ground): Promise<Row> {
  const address = way.addresses[0] as string;
  for (let i = 0; i < ask.count; i++) g.ctx.probing.spend(address, 0);
  const icmp = await g.ctx.host.probes.ping(address, {
    count: ask.count,
    intervalMs: 200,
    timeoutMs: Math.min(ask.timeoutMs, 2_000),
    signal: g.ctx.signal,
  });
  if (icmp.value !== null) {
    const { sent, received, ms, errors } = icmp.value;
    return { ...base(target, address), port: null, ...pingSaid({ sent, received, ms, errors, by: 'icmp' }) };
  }
  // A port that refuses is as alive as one that is open.
  const ports = target.port ? [target.port] : [443, 80, 22];
  for (const port of ports) {
    const ms: number[] = [];
    let sent = 0;
    for (; sent < ask.count; sent++) {
      g.ctx.probing.spend(address, port);
      const is = await g.ctx.host.probes.tcp(
        { address, port },
        { timeoutMs: Math.min(ask.timeoutMs, 2_000), signal: g.ctx.signal },
      );
      if (is.outcome === 'open' || is.outcome === 'refused') ms.push(is.ms);
      else if (ms.length === 0) break;
    }
    if (ms.length > 0 || port === ports.at(-1))
      return {
        ...base(target, address),
        port,
        ...pingSaid({ sent: Math.max(sent, 1), received: ms.length, ms, errors: [], by: 'tcp' }),
        notIcmp: icmp.why,
      };
  }
  throw new Error('no port to knock at');
}

async function trace(target: ProbeTarget, way: Way, ask: ProbeAsk, g: Ground): Promise<Row> {
  const address = way.addresses[0] as string;
  g.ctx.probing.spend(address, 0);
  const got = await g.ctx.host.probes.trace(address, {
    timeoutMs: Math.max(ask.timeoutMs, 40_000),
    maxHops: 30,
    signal: g.ctx.signal,
  });
  if (got.value === null) throw new OpsError('unavailable', got.why);
  return { ...base(target, address), ...traceSaid(got.value) };
}

/** One name at one server. */
export async function queryOne(target: ProbeTarget, server: string, ask: ProbeAsk, g: Ground): Promise<Row> {
  const named = judgeName(target.host);
  if (named && !named.ok) throw new Refused(named);
  if (!g.configured.has(server)) {
    const closed = judgeAll([server], g.rules);
    if (closed && !closed.ok) throw new Refused(closed);
  }
  g.ctx.probing.spend(server, 53);
  try {
    const reply = await g.ctx.host.probes.dns(
      { name: nameOf(target.host, ask.type), type: ask.type, at: { address: server, port: 53 } },
      bounds(ask, g),
    );
    return { target: target.text, address: server, port: 53, ...dnsSaid(reply, ask.type) };
  } catch (thrown) {
    g.ctx.signal.throwIfAborted();
    const error = toOpsError(thrown);
    return { target: target.text, address: server, port: 53, ok: false, said: error.message, ms: null };
  }
}

/** An address is asked for by its name in the reverse tree (RFC 1035, 3596). */
function nameOf(host: string, type: RecordType): string {
  if (type !== 'PTR' || !isIP(host)) return host.replace(/\.$/, '');
  if (!host.includes(':')) return `${host.split('.').reverse().join('.')}.in-addr.arpa`;
  const [head = '', tail = ''] = host.split('::');
  const left = head.split(':').filter(Boolean);
  const right = tail.split(':').filter(Boolean);
  const words = host.includes('::')
    ? [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right]
    : left;
  return `${words
    .map((w) => w.padStart(4, '0'))
    .join('')
    .split('')
    .reverse()
    .join('.')}.ip6.arpa`;
}
