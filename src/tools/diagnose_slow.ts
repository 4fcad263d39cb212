/**
 * Gathers what a diagnosis of a slow host rests on: two moments of its counters, processes and control groups, a second and a half apart, and
 * what the sampler remembers from before. Decides the length of the window and who of the many is told. What follows is
 * insight/diagnose_slow.ts's.
 */
import type { ToolContext } from '../core/call.ts';
import type { Reading, Snapshot } from '../core/host.ts';
import type { LoadSample } from '../core/load.ts';
import { percent } from '../core/text.ts';
import { groupName } from '../insight/causes_slow_share.ts';
import { diagnoseSlow } from '../insight/diagnose_slow.ts';
import { type ProcessUse, processUses } from '../insight/processes.ts';
import { perSecond, ratesBetween } from '../insight/rates.ts';
import {
  type Behind,
  behind,
  byName,
  delta,
  diskLoads,
  groupLoads,
  homeText,
  type SlowFacts,
} from '../insight/slow_seen.ts';
import { type Found, type SlowSection, verdictOf, type Way } from './diagnose_parts.ts';
import { gaps, one, psi, whole } from './figures.ts';
import { cleaner } from './log_query.ts';
import { attempt, observe } from './sampling.ts';

/** Shorter, a disk's few requests prove nothing; longer, somebody waits. */
const WINDOW_MS = 1_500;
const LATELY_MS = 120_000;
const TOLD = { processes: 6, groups: 6, disks: 4, each: 5 };
const PAGE = 4096;

export const hostSlow: Way = {
  problem: 'slow',
  kinds: [],
  alone: true,
  form: 'the host, without a target',
  scopes: () => ['system:read'],
  targets: () => [],
  timeoutMs: 20_000,
  async find(_, ctx): Promise<Found> {
    const { load, system } = ctx.host;
    const first = await attempt(load.sample({ signal: ctx.signal }), ctx);
    const recent = ctx.recent();
    const moments = await observe(ctx, { sampleMs: WINDOW_MS, processes: { io: true } });
    const second = await attempt(load.sample({ signal: ctx.signal }), ctx);
    const gap = gaps();
    const facts = await factsOf({ first, second, moments, recent }, ctx, gap);
    const causes = diagnoseSlow(facts);
    const calm = causes[0]?.id === 'not_slow';
    const { identity } = facts;
    const whose = identity.virtualisation.container ? 'This container' : 'The host';
    const checked = ['processors', 'memory', 'disks', 'processes'];
    if (facts.groups.length > 0) checked.push('control groups');
    if (facts.now.pressure.cpu.value) checked.push('pressure');
    const used = facts.rates.cpu.value?.usedPercent ?? null;
    const how = calm ? `${whose} is at ease` : `${whose} is short of something (processors ${percent(used)} used)`;
    return {
      target: 'host',
      verdict: verdictOf(how, causes),
      causes,
      slow: section(facts),
      checked,
      unknown: gap.list,
    };

    async function factsOf(
      o: {
        first: Reading<LoadSample>;
        second: Reading<LoadSample>;
        moments: Awaited<ReturnType<typeof observe>>;
        recent: readonly Snapshot[];
      },
      ctx: ToolContext,
      gap: ReturnType<typeof gaps>,
    ): Promise<SlowFacts> {
      const clean = cleaner(ctx);
      const identity = system.identity();
      const { before, after, lists } = o.moments;
      const rates = ratesBetween(before, after, identity);
      const old = o.recent.find((s) => after.atMs - s.atMs <= LATELY_MS && after.atMs - s.atMs > 3 * WINDOW_MS);
      const [a, b] = [o.first.value, gap.of('control groups, disks', o.second)];
      const ms = a && b ? b.atMs - a.atMs : 0;
      const list = lists ? gap.of('processes', lists.after) : null;
      const uses = list ? processUses(lists?.before ?? null, list).uses : [];
      const stuckThen = new Set(
        lists?.before?.processes.filter((p) => p.state === 'D').map((p) => `${p.pid}.${p.startTicks}`),
      );
      const io = (u: ProcessUse) => (u.readBytesPerSecond ?? 0) + (u.writtenBytesPerSecond ?? 0);
      const some = (of: (u: ProcessUse) => number, least: number) =>
        byName(
          uses.filter((u) => of(u) > 0),
          of,
        )
          .slice(0, TOLD.each)
          .filter((b) => least === 0 || (b.cpuPercent ?? 0) >= least);
      const stuck = uses.filter((u) => u.info.state === 'D' && stuckThen.has(`${u.info.pid}.${u.info.startTicks}`));
      const picked = {
        byCpu: some((u) => u.cpuPercent ?? 0, 5),
        byIo: some(io, 0),
        byMemory: some((u) => u.info.rssBytes, 0),
        stuck: stuck.map(behind),
      };
      const pids = new Set(Object.values(picked).flatMap((list) => list.map((b) => b.pid)));
      const ids = uses.map((u) => u.info).filter((p) => pids.has(p.pid));
      const homes = (await attempt(load.homes(ids), ctx)).value;
      const told = (list: Behind[]): Behind[] =>
        list.map((b) => ({ ...b, name: clean(b.name), home: homes?.get(b.pid) ?? null }));
      gap.of('processor times', rates.cpu);
      gap.of('memory', after.memory);
      gap.of('disks', rates.disks);
      if (after.pressure.cpu.value === null) gap.of('pressure', after.pressure.cpu);
      const strangers = uses.filter((u) => u.info.readBytes === null && !u.info.kernel).length;
      if (strangers > 0)
        gap.list.push({
          what: `I/O of ${strangers} ${strangers === 1 ? 'process' : 'processes'}`,
          why: "other users' counters need root",
        });
      const groups = b && gap.of('control groups', b.groups);
      const disks = b?.disks.value;
      return {
        identity,
        now: after,
        rates,
        lately: old ? ratesBetween(old, after, identity) : null,
        disks: disks ? diskLoads(a?.disks.value ?? [], disks, ms) : [],
        groups: groups ? groupLoads(a?.groups.value ?? [], groups, ms).map((g) => ({ ...g, path: clean(g.path) })) : [],
        byCpu: told(picked.byCpu),
        byIo: told(picked.byIo),
        byMemory: told(picked.byMemory),
        stuck: told(picked.stuck),
        ioHidden: strangers > uses.length / 2,
        speed: b?.speed ?? { nowKhz: null, mostKhz: null, governor: null, throttles: null },
        throttles: delta(a?.speed.throttles, b?.speed.throttles),
        reclaimPerSecond: {
          stalls: perSecond(a?.reclaim.allocstall, b?.reclaim.allocstall, ms),
          refaults: perSecond(a?.reclaim.workingset_refault_file, b?.reclaim.workingset_refault_file, ms),
        },
      };
    }
  },
};

function section(f: SlowFacts): SlowSection {
  const cpu = f.rates.cpu.value;
  const v = f.rates.vmstat.value;
  const swap = v?.pswpin == null || v.pswpout == null ? null : (v.pswpin + v.pswpout) * PAGE;
  const seen = new Map([...f.byCpu, ...f.byIo, ...f.stuck].map((b) => [b.pid, b]));
  const busy = f.groups.filter((g) => g.home !== null || (g.throttledPercent ?? 0) > 0);
  const groups = busy
    .filter((g) => (g.cpuPercent ?? 0) >= 5 || (g.throttledPercent ?? 0) >= 1 || (g.memoryHits ?? 0) > 0)
    .sort((a, b) => (b.throttledPercent ?? 0) - (a.throttledPercent ?? 0) || (b.cpuPercent ?? 0) - (a.cpuPercent ?? 0));
  return {
    windowMs: f.rates.windowMs,
    cpuUsedPercent: one(cpu?.usedPercent),
    cpus: cpu?.cpus ?? f.identity.cpus,
    running: f.now.cpu.value?.running ?? null,
    iowaitPercent: one(cpu?.modes?.iowait),
    stealPercent: one(cpu?.modes?.steal),
    pressure: {
      cpu: psi(f.now.pressure.cpu.value),
      memory: psi(f.now.pressure.memory.value),
      io: psi(f.now.pressure.io.value),
    },
    memoryAvailableBytes: f.now.memory.value?.availableBytes ?? null,
    swapBytesPerSecond: whole(swap),
    disks: f.disks
      .toSorted((a, b) => (b.busyPercent ?? 0) - (a.busyPercent ?? 0))
      .slice(0, TOLD.disks)
      .map((d) => ({
        name: d.name,
        busyPercent: one(d.busyPercent),
        requestsPerSecond: one(d.perSecond),
        latencyMs: one(d.latencyMs),
        underWay: d.inFlight,
      })),
    groups: groups.slice(0, TOLD.groups).map((g) => ({
      name: groupName(g),
      cpuPercent: one(g.cpuPercent),
      throttledPercent: one(g.throttledPercent),
      limitCpus: one(g.quotaCpus),
      memoryBytes: g.memoryBytes,
      memoryLimitBytes: g.memoryLimitBytes,
    })),
    processes: [...seen.values()].slice(0, TOLD.processes).map((b) => ({
      pid: b.pid,
      count: b.count,
      name: b.name,
      home: homeText(b.home) || null,
      state: b.state,
      cpuPercent: one(b.cpuPercent),
      ioBytesPerSecond: whole(b.ioBytesPerSecond),
      rssBytes: b.rssBytes,
    })),
  };
}
