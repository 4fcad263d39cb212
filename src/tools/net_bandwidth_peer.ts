/**
 * Measures the way to a Deckhand that the owner has named: latency with nothing beside it, then each way under load. Each connection is
 * spent from the caller's share. Decides which address is taken, and in what order; an address is never the caller's to choose.
 */
import type { ToolContext } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { parsePrefix } from '../core/ip.ts';
import { MEASURE, type MeasureSession, type MeasureWay, type Streamed } from '../core/measure.ts';
import { nearest } from '../core/nearest.ts';
import { courseOf, latencySaid, median } from '../insight/bandwidth.ts';
import { one, whole } from './figures.ts';
import { addressesOf, candidates, Refused } from './net_probe_kinds.ts';

const RESOLVE_MS = 5_000;
const IDLE_REQUESTS = 15;

export interface PeerAsk {
  peer: string;
  ways: readonly MeasureWay[];
  bytes: number;
  seconds: number;
}

export async function measured(ask: PeerAsk, ctx: ToolContext) {
  const { peers } = ctx.host.measure;
  const peer = peers.find((p) => p.name === ask.peer);
  if (!peer)
    throw unknownPeer(
      ask.peer,
      peers.map((p) => p.name),
    );
  const url = new URL(peer.url);
  const encrypted = url.protocol === 'https:';
  const port = Number(url.port || (encrypted ? 443 : 80));
  const all = await addresses(url.hostname.replace(/^\[|\]$/g, ''), ctx);
  const { session, address } = await opened(peer.name, all, port, ctx);
  try {
    const total = 1 + ask.ways.length;
    ctx.progress(0, total, 'latency with nothing beside it');
    const idle = await session.idle(IDLE_REQUESTS);
    const found: { down: Way | null; up: Way | null } = { down: null, up: null };
    for (const [n, way] of ask.ways.entries()) {
      ctx.progress(1 + n, total, way);
      ctx.probing.spend(address, port);
      const share = (bytes: number) => ctx.progress(1 + n + Math.min(1, bytes / ask.bytes), total, way);
      const is = await session.stream(way, { bytes: ask.bytes, seconds: ask.seconds }, share);
      found[way] = wayOf(is, median(idle));
    }
    return { peer: peer.name, address, port, encrypted, idleRttMs: spread(idle), ...found };
  } finally {
    session.close();
  }
}

type Way = ReturnType<typeof wayOf>;

function wayOf(is: Streamed, idleMs: number | null) {
  const mbit = (bytes: number, ms: number) => (ms > 0 ? (bytes * 8) / ms / 1_000 : null);
  // The last sample is a part of one.
  const whole_ = is.samples.length > 2 ? is.samples.slice(0, -1) : is.samples;
  const rate = mbit(is.bytes, is.ms);
  const course = courseOf(
    whole_.map((bytes) => mbit(bytes, MEASURE.sampleMs)),
    rate,
  );
  const loaded = spread(is.rttsMs);
  const { risesMs, said } = latencySaid(idleMs, loaded.median, rate);
  return {
    mbitPerSecond: one(rate),
    medianMbit: one(course.median),
    peakMbit: one(course.peak),
    spark: squeezed(course.spark),
    bytes: is.bytes,
    ms: whole(is.ms) as number,
    ended: is.ended,
    loadedRttMs: loaded,
    rttRisesMs: one(risesMs),
    said,
  };
}

/** A hundred signs say no more than some twenty: the middle one of each few. */
function squeezed(text: string): string {
  const by = Math.ceil(text.length / 25);
  return [...text].filter((_, i) => i % by === by >> 1).join('');
}

const spread = (rtts: readonly number[]) => ({
  requests: rtts.length,
  min: rtts.length > 0 ? one(Math.min(...rtts)) : null,
  median: one(median(rtts)),
  max: rtts.length > 0 ? one(Math.max(...rtts)) : null,
});

/** The owner named it, so it may lie in any network; what is never probed is not measured either, and `net.deny` holds. */
async function addresses(host: string, ctx: ToolContext): Promise<string[]> {
  const of = (texts: readonly string[]) => texts.flatMap((t) => parsePrefix(t) ?? []);
  const rules = { own: [], allow: of(['0.0.0.0/0', '::/0']), deny: of(ctx.host.probes.settings.deny) };
  try {
    return (await addressesOf(host, { rules, configured: new Set(), ctx }, RESOLVE_MS)).addresses;
  } catch (thrown) {
    if (thrown instanceof Refused)
      throw new OpsError('permission', `That peer is not measured: ${thrown.message}.`, { hint: thrown.hint });
    throw thrown;
  }
}

async function opened(name: string, all: readonly string[], port: number, ctx: ToolContext) {
  const tries = candidates(all);
  for (;;) {
    const address = tries.shift() as string;
    ctx.probing.spend(address, port);
    try {
      const session: MeasureSession = await ctx.host.measure.open(name, { address, port }, { signal: ctx.signal });
      return { session, address };
    } catch (thrown) {
      ctx.signal.throwIfAborted();
      const another = thrown instanceof OpsError && (thrown.code === 'unavailable' || thrown.code === 'timeout');
      if (!another || tries.length === 0) throw thrown;
    }
  }
}

function unknownPeer(name: string, names: string[]): OpsError {
  if (names.length === 0)
    return new OpsError('unavailable', 'The owner has named no other Deckhand to measure against.', {
      hint: 'The setting `peers` names them (name, url, tokenFile). Without `peer` this host is watched.',
    });
  return new OpsError('not_found', `No peer ${JSON.stringify(name)}.`, {
    hint: 'The setting `peers` names them.',
    candidates: nearest(name, names, 5).concat(names).slice(0, 10),
  });
}
