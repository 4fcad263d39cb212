/**
 * What the rows of a slow host share: thresholds, figures of the window or of the last time that is remembered, and who stands behind one.
 * Pure.
 */
import { bytes, clip, percent } from '../core/text.ts';
import type { CauseHit } from './diagnose.ts';
import { type Behind, type GroupLoad, homeText, type SlowFacts } from './slow_seen.ts';

export const MANY = 3;
/** Shares in percent. */
export const SLOW = {
  cpu: 90,
  cpuPressure: 30,
  steal: 10,
  throttled: 10,
  iowait: 20,
  ioPressure: 10,
  diskBusy: 80,
  latencyMs: 40,
  memoryPressure: 5,
  swapMiB: 1,
  irq: 25,
  forks: 500,
  oneCore: 90,
  stuck: 3,
  frequency: 0.6,
  cool: 5,
};
export const PAGE = 4096;
export const MiB = 1024 ** 2;

export const named = (b: Behind, figure: string): string => {
  const home = homeText(b.home);
  const many = b.count > 1 ? ` ×${b.count}` : '';
  return `${clip(b.name, 40)}${many} (${b.pid}${home ? `, ${clip(home, 60)}` : ''}) ${figure}`;
};
export const byCpu = (f: SlowFacts) =>
  f.byCpu.slice(0, MANY).map((b) => named(b, `${percent(b.cpuPercent)} of a core`));
export const byIo = (f: SlowFacts) =>
  f.byIo.length > 0
    ? f.byIo.slice(0, MANY).map((b) => named(b, `${bytes(b.ioBytesPerSecond)}/s`))
    : f.stuck.slice(0, MANY).map((b) => named(b, 'waits in the kernel'));
export const byMemory = (f: SlowFacts) => f.byMemory.slice(0, MANY).map((b) => named(b, bytes(b.rssBytes)));

export type Mode = 'iowait' | 'steal';
export const mode = (f: SlowFacts, of: Mode): number =>
  Math.max(f.rates.cpu.value?.modes?.[of] ?? 0, f.lately?.cpu.value?.modes?.[of] ?? 0);
export const cpuUsed = (f: SlowFacts) =>
  Math.max(f.rates.cpu.value?.usedPercent ?? 0, f.lately?.cpu.value?.usedPercent ?? 0);
/** The window, or the kernel's own mean of the last ten seconds. */
export const pressure = (f: SlowFacts, of: 'cpu' | 'memory' | 'io', kind: 'some' | 'full'): number => {
  const stall = f.rates.pressure[of][kind === 'some' ? 'somePercent' : 'fullPercent'] ?? 0;
  return Math.max(stall, f.now.pressure[of].value?.[kind]?.avg10 ?? 0);
};
export const psi = (f: SlowFacts, of: 'cpu' | 'memory' | 'io'): string => {
  if (f.now.pressure[of].value === null) return 'pressure is not measured here';
  return `${of} pressure: some ${percent(pressure(f, of, 'some'))}, all ${percent(pressure(f, of, 'full'))} of the time`;
};
export const swapRate = (f: SlowFacts): number => {
  const of = (r: SlowFacts['rates'] | null) =>
    ((r?.vmstat.value?.pswpin ?? 0) + (r?.vmstat.value?.pswpout ?? 0)) * PAGE;
  return Math.max(of(f.rates), of(f.lately));
};

export const real = (f: SlowFacts) => f.disks.filter((d) => !d.stacked);
export const worstDisk = (f: SlowFacts) => real(f).toSorted((a, b) => (b.busyPercent ?? 0) - (a.busyPercent ?? 0))[0];
export const diskText = (d: SlowFacts['disks'][number]) =>
  `${d.name}: busy ${percent(d.busyPercent)}, ${d.perSecond === null ? '?' : Math.round(d.perSecond)} requests/s, ${d.latencyMs === null ? 'no request ended' : `${d.latencyMs.toFixed(1)} ms each`}, ${d.inFlight} under way`;

/** The one that has the processor, in a call that is its own. */
export function look(b: Behind | undefined): Partial<CauseHit> {
  if (b?.home?.kind === 'container')
    return { words: { HOME: b.home.name }, next: 'container_inspect {"container":"{HOME}","stats":true}' };
  if (b?.home?.kind === 'unit') return { words: { HOME: b.home.name }, next: 'service_status {"unit":"{HOME}"}' };
  return {};
}

export const groupName = (g: GroupLoad): string => (g.home ? homeText(g.home) : g.path);
export const ofGroup = (g: GroupLoad): Partial<CauseHit> => {
  const { home } = g;
  if (home?.kind === 'container')
    return { words: { HOME: home.name }, next: 'container_inspect {"container":"{HOME}","stats":true}' };
  if (home?.kind === 'unit') return { words: { HOME: home.name }, next: 'service_status {"unit":"{HOME}"}' };
  return {};
};
/** A group that is held back holds back those in it as well: the innermost is told. */
export const innermost = (groups: readonly GroupLoad[]) =>
  groups.filter((g) => !groups.some((x) => x !== g && x.path.startsWith(`${g.path}/`)));

export const throttledGroups = (f: SlowFacts) =>
  innermost(f.groups.filter((g) => (g.throttledPercent ?? 0) >= SLOW.throttled)).sort(
    (a, b) => (b.throttledPercent ?? 0) - (a.throttledPercent ?? 0),
  );
export const squeezed = (f: SlowFacts) =>
  innermost(
    f.groups.filter(
      (g) =>
        g.memoryLimitBytes !== null &&
        g.memoryBytes !== null &&
        g.memoryBytes - (g.idleCacheBytes ?? 0) >= 0.85 * g.memoryLimitBytes &&
        (g.memoryHits ?? 0) > 0,
    ),
  );
