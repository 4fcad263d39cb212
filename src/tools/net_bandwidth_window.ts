/**
 * Watches what passes for a while: interfaces sample by sample, TCP connections now and then, containers at both ends. Decides how often
 * each is looked at, and says what the kernel does not tell of whom.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { ToolContext } from '../core/call.ts';
import type { ContainerSummary } from '../core/docker.ts';
import type { Carried } from '../core/net.ts';
import { type AllMoved, byProcess, interfacesOf, type Look, type Moment, movedIn } from '../insight/bandwidth.ts';
import { containerName } from '../insight/net_listeners.ts';
import { type Gap, isNoise, seenFrom, whole } from './figures.ts';
import { knownContainers } from './overview_containers.ts';
import { attempt } from './sampling.ts';

const MOST_SAMPLES = 20;
const LEAST_MS = 200;
/** Asking for every connection costs more than counters: a few times in a window, so that one that ends has been seen. */
const LOOKS = 5;
const LEAST_LOOK_MS = 1_000;
const MOST_CONTAINERS = 40;
const AT_ONCE = 4;
const PATIENCE_MS = 2_000;
/** Owners are looked for of the heaviest connections. */
const MOST_OWNED = 1_000;
const ROWS = 200;

export async function watched(seconds: number, ctx: ToolContext) {
  const { system, net } = ctx.host;
  const unknown: Gap[] = [];
  const boxes = await containersOf(ctx, unknown);
  const identity = system.identity();
  const sampleMs = Math.max(LEAST_MS, (seconds * 1_000) / MOST_SAMPLES);
  const everyMs = Math.max(LEAST_LOOK_MS, (seconds * 1_000) / LOOKS);
  const moments: Moment[] = [];
  const looks: Look[] = [];
  let noTcp: string | null = null;
  let noCounters: string | null = null;

  const look = async () => {
    if (noTcp !== null) return;
    const details = await net.tcpDetails({ signal: ctx.signal });
    if (details.value === null) {
      noTcp = details.why;
      return;
    }
    const { sockets } = await net.sockets(['tcp'], { signal: ctx.signal });
    looks.push({ details: details.value, sockets });
  };
  const sample = () => {
    const s = system.snapshot();
    if (s.networks.value === null) noCounters = s.networks.why;
    else moments.push({ atMs: s.atMs, networks: s.networks.value });
    return s;
  };

  await look();
  const before = await carriedBy(boxes, ctx);
  const first = sample();
  const samples = Math.round((seconds * 1_000) / sampleMs);
  let looked = first.atMs;
  for (let n = 1; n <= samples; n++) {
    const dueMs = first.atMs + n * sampleMs - system.snapshot().atMs;
    if (dueMs > 0) await pause(dueMs, undefined, { signal: ctx.signal }).catch(() => ctx.signal.throwIfAborted());
    const now = sample();
    ctx.progress(Math.round((n * sampleMs) / 1_000), seconds, 'watching');
    if (n < samples && now.atMs - looked >= everyMs) {
      looked = now.atMs;
      await look();
    }
  }
  const after = await carriedBy(boxes, ctx);
  const lookedMs = Math.max(1, system.snapshot().atMs - first.atMs);
  await look();

  if (noCounters !== null) unknown.push({ what: 'rates of interfaces', why: noCounters });
  const moved = movedIn(looks);
  const { processes, gaps } = await processesOf(moved, noTcp, lookedMs, ctx);
  unknown.push(...gaps);
  const interfaces = interfacesOf(moments)
    .filter((i) => !isNoise.network(i.name) || (i.rx.mean ?? 1) + (i.tx.mean ?? 1) > 0)
    .sort((a, b) => (b.rx.mean ?? 0) + (b.tx.mean ?? 0) - (a.rx.mean ?? 0) - (a.tx.mean ?? 0));
  const [from, to] = [moments[0], moments.at(-1)];
  return {
    windowMs: from && to ? Math.round(to.atMs - from.atMs) : 0,
    samples: Math.max(0, moments.length - 1),
    whose: first.whose?.networks ?? seenFrom(identity),
    interfaces: interfaces.slice(0, ROWS).map((i) => ({ ...i, rx: flow(i.rx), tx: flow(i.tx) })),
    processes,
    containers: boxes
      .flatMap(({ name, pid, shares }): ContainerFlow[] => {
        if (shares !== null) return [{ name, rxBytesPerSecond: null, txBytesPerSecond: null, shares }];
        const [a, b] = [before.get(pid), after.get(pid)];
        if (!a || !b || b.atMs <= a.atMs || b.rxBytes < a.rxBytes || b.txBytes < a.txBytes) {
          unknown.push({ what: `rates of container ${name}`, why: 'its counters could not be read twice' });
          return [];
        }
        const perSecond = (n: number) => whole((n * 1_000) / (b.atMs - a.atMs));
        const [rx, tx] = [perSecond(b.rxBytes - a.rxBytes), perSecond(b.txBytes - a.txBytes)];
        return [{ name, rxBytesPerSecond: rx, txBytesPerSecond: tx, shares }];
      })
      .sort((a, b) => weight(b) - weight(a)),
    unknown,
  };
}

interface ContainerFlow {
  name: string;
  rxBytesPerSecond: number | null;
  txBytesPerSecond: number | null;
  shares: string | null;
}

const weight = (c: ContainerFlow) => (c.rxBytesPerSecond ?? -1) + (c.txBytesPerSecond ?? 0);

const flow = (c: ReturnType<typeof interfacesOf>[0]['rx']) => ({
  bytesPerSecond: whole(c.mean),
  min: whole(c.min),
  median: whole(c.median),
  peak: whole(c.peak),
  spark: c.spark,
});

async function processesOf(moved: AllMoved, noTcp: string | null, ms: number, ctx: ToolContext) {
  const gaps: Gap[] = [];
  if (noTcp !== null) return { processes: [], gaps: [{ what: 'processes', why: noTcp }] };
  if (!moved.counts)
    return { processes: [], gaps: [{ what: 'processes', why: 'this kernel counts no bytes of sockets' }] };
  const heavy = moved.connections
    .filter((m) => m.sent + m.received > 0 && m.inode !== 0)
    .sort((a, b) => b.sent + b.received - a.sent - a.received)
    .slice(0, MOST_OWNED);
  const owners = await ctx.host.net.owners(new Set(heavy.map((m) => m.inode)), { signal: ctx.signal });
  if (owners.why) gaps.push({ what: 'process of some connections', why: owners.why });
  gaps.push({
    what: 'UDP (QUIC, DNS, VPN) by process',
    why: 'the kernel counts the bytes of TCP connections only; retransmits are in what was sent',
  });
  if (moved.ended > 0)
    gaps.push({ what: `the rest of ${moved.ended} connections that ended`, why: 'the kernel forgets them at once' });
  const containers = (await knownContainers(ctx, 0).catch(() => undefined))?.value ?? [];
  const perSecond = (n: number) => whole((n * 1_000) / ms) as number;
  const processes = byProcess(moved.connections, owners.byInode)
    .slice(0, ROWS)
    .map(({ owner, sent, received, connections, peer }) => ({
      process: owner?.name ?? null,
      pid: owner?.pid ?? null,
      user: owner?.user ?? owner?.uid?.toString() ?? null,
      container: owner?.home?.kind === 'container' ? containerName(owner.home.name, containers) : null,
      receivedBytesPerSecond: perSecond(received),
      sentBytesPerSecond: perSecond(sent),
      connections,
      peer,
    }));
  return { processes, gaps };
}

interface Box {
  name: string;
  pid: number;
  /** Whose network it uses: `host`, or another container's; null: its own. */
  shares: string | null;
}

/** The engine alone knows the process in whose network namespace a container lives. */
async function containersOf(ctx: ToolContext, unknown: Gap[]): Promise<Box[]> {
  const list = await knownContainers(ctx, PATIENCE_MS);
  if (list === undefined) return [];
  if (list.value === null) {
    unknown.push({ what: 'containers', why: list.why });
    return [];
  }
  const running = list.value.filter((c) => c.state === 'running');
  if (running.length > MOST_CONTAINERS)
    unknown.push({ what: `${running.length - MOST_CONTAINERS} containers`, why: 'more than are watched at once' });
  const found: Box[] = [];
  const queue = running.slice(0, MOST_CONTAINERS);
  const work = async () => {
    for (let c = queue.shift(); c; c = queue.shift()) {
      const box = await boxOf(c, ctx, unknown);
      if (box) found.push(box);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found;
}

async function boxOf(c: ContainerSummary, ctx: ToolContext, unknown: Gap[]): Promise<Box | null> {
  const detail = await attempt(ctx.host.docker.containers.inspect(c.id, { signal: ctx.signal }), ctx);
  if (detail.value === null) {
    unknown.push({ what: `rates of container ${c.name}`, why: detail.why });
    return null;
  }
  const { pid, networkMode } = detail.value;
  if (!pid) return null;
  const shares = networkMode === 'host' || networkMode.startsWith('container:') ? networkMode : null;
  return { name: c.name, pid, shares };
}

async function carriedBy(boxes: readonly Box[], ctx: ToolContext): Promise<Map<number, Carried>> {
  const found = new Map<number, Carried>();
  for (const { pid, shares } of boxes) {
    const is = shares === null ? await ctx.host.net.carried(pid) : null;
    if (is?.value) found.set(pid, is.value);
  }
  return found;
}
