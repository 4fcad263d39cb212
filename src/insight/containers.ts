/**
 * What the figures of containers mean: rates between two samples, memory that is really used, who needs attention first. Pure; what an
 * end means is container_exit.ts's, how it is said the tools'.
 */

import type {
  ContainerRun,
  ContainerSample,
  ContainerState,
  ContainerSummary,
  Health,
  ImageSummary,
} from '../core/docker.ts';
import { STACK_NAME } from '../core/docker_refs.ts';
import { exitOf } from './container_exit.ts';

export interface Use {
  windowMs: number;
  /** Of one processor: CPU time over time that passed. 200 = two processors busy. */
  cpuPercent: number | null;
  memoryBytes: number | null;
  /** Null where there is no limit but the machine's memory. */
  memoryLimitBytes: number | null;
  memoryPercent: number | null;
  pids: number | null;
  rxBytesPerSecond: number | null;
  txBytesPerSecond: number | null;
  readBytesPerSecond: number | null;
  writtenBytesPerSecond: number | null;
  /** Of the periods of its CPU limit, those in which it was held back; null where there is no limit. */
  throttledPercent: number | null;
}

/** `machineBytes`: an engine says "limit = all there is" where none is set. */
export function useBetween(a: ContainerSample | null, b: ContainerSample, machineBytes: number | null): Use {
  const windowMs = a ? b.atMs - a.atMs : 0;
  // A container that was started anew counts from 0 again.
  const same = a !== null && windowMs > 0 && b.cpu.totalNs >= a.cpu.totalNs;
  const perSecond = (x: number | null | undefined, y: number | null | undefined) =>
    same && x != null && y != null && y >= x ? ((y - x) / windowMs) * 1_000 : null;
  const memoryBytes = memoryOf(b.memory);
  const { limitBytes } = b.memory;
  const memoryLimitBytes =
    limitBytes !== null && machineBytes !== null && limitBytes >= machineBytes ? null : limitBytes;
  const of = memoryLimitBytes ?? machineBytes;
  return {
    windowMs: same ? windowMs : 0,
    cpuPercent: same ? ((b.cpu.totalNs - a.cpu.totalNs) / 1e6 / windowMs) * 100 : null,
    memoryBytes,
    memoryLimitBytes,
    memoryPercent: memoryBytes !== null && of !== null && of > 0 ? (100 * memoryBytes) / of : null,
    pids: b.pids.current,
    rxBytesPerSecond: perSecond(a?.network?.rxBytes, b.network?.rxBytes),
    txBytesPerSecond: perSecond(a?.network?.txBytes, b.network?.txBytes),
    readBytesPerSecond: perSecond(a?.block?.readBytes, b.block?.readBytes),
    writtenBytesPerSecond: perSecond(a?.block?.writtenBytes, b.block?.writtenBytes),
    throttledPercent: same ? throttled(a.cpu, b.cpu) : null,
  };
}

function throttled(a: ContainerSample['cpu'], b: ContainerSample['cpu']): number | null {
  if (a.periods === null || b.periods === null || a.throttledPeriods === null || b.throttledPeriods === null)
    return null;
  const periods = b.periods - a.periods;
  return periods > 0 ? (100 * (b.throttledPeriods - a.throttledPeriods)) / periods : null;
}

/**
 * `docker stats`' own formula: the container's share of the machine's CPU time, times its processors. The machine's time is counted in
 * ticks and, in an LXC or a nested engine, is another's: kept here to be compared with, not shown.
 */
export function cpuAsDocker(a: ContainerSample, b: ContainerSample): number | null {
  if (a.cpu.systemNs === null || b.cpu.systemNs === null) return null;
  const system = b.cpu.systemNs - a.cpu.systemNs;
  const own = b.cpu.totalNs - a.cpu.totalNs;
  return system > 0 && own >= 0 ? (own / system) * b.cpu.onlineCpus * 100 : null;
}

/** Without the page cache that is given back when memory is short, as `docker stats` has it; v1 and v2 name it differently, the sample does not. */
export function memoryOf(m: ContainerSample['memory']): number | null {
  if (m.usageBytes === null) return null;
  const cache = m.inactiveFileBytes ?? 0;
  return cache < m.usageBytes ? m.usageBytes - cache : m.usageBytes;
}

/** Restarted as often, and up for no longer: it has not settled. */
export const LOOP = { restarts: 3, upMs: 10 * 60_000 };

export const loops = (c: ContainerRun & { state: ContainerState }, nowMs: number): boolean =>
  c.state === 'restarting' ||
  (c.state === 'running' && c.restarts >= LOOP.restarts && c.startedAtMs !== null && nowMs - c.startedAtMs < LOOP.upMs);

export const ATTENTION = [
  'restart_loop',
  'unhealthy',
  'oom',
  'failed',
  'dead',
  'removing',
  'paused',
  'starting',
] as const;
export type Attention = (typeof ATTENTION)[number];

/** What is wrong with it, worst first; null: nothing that a look at it shows. `run` null: not inspected. */
export function attentionOf(
  c: { state: ContainerState; health: Health | null },
  run: ContainerRun | null,
  nowMs: number,
): Attention | null {
  if (c.state === 'dead' || c.state === 'removing' || c.state === 'paused') return c.state;
  if (c.state === 'restarting' || (run && loops({ ...run, state: c.state }, nowMs))) return 'restart_loop';
  if (c.health === 'unhealthy') return 'unhealthy';
  const exit = run && exitOf({ ...run, state: c.state });
  if (exit?.kind === 'oom') return 'oom';
  if (exit && exit.kind !== 'ok' && exit.kind !== 'stopped') return 'failed';
  return c.health === 'starting' ? 'starting' : null;
}

export const rankOf = (a: Attention | null): number => (a === null ? ATTENTION.length : ATTENTION.indexOf(a));

const PROJECT = ['com.docker.compose.project', 'io.podman.compose.project'];
const SERVICE = ['com.docker.compose.service', 'io.podman.compose.service'];
const SERVICE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** The compose project and service that its labels name. Anybody can write a label: what no compose file could say names none. */
export function stackOf(labels: Record<string, string>): { project: string | null; service: string | null } {
  const first = (keys: string[], grammar: RegExp) =>
    keys.map((k) => (Object.hasOwn(labels, k) ? labels[k] : undefined)).find((v) => v !== undefined && grammar.test(v));
  return { project: first(PROJECT, STACK_NAME) ?? null, service: first(SERVICE, SERVICE_NAME) ?? null };
}

export type StackState = 'running' | 'unhealthy' | 'partial' | 'stopped' | 'empty';

/** Of all its containers; a service that ran once and ended well (a migration) does not make a stack partial. */
export function stackState(all: readonly { state: ContainerState; health: Health | null }[]): StackState {
  const up = all.filter((c) => c.state === 'running');
  if (all.length === 0) return 'empty';
  if (all.some((c) => c.health === 'unhealthy' || c.state === 'restarting' || c.state === 'dead')) return 'unhealthy';
  if (up.length === all.length) return 'running';
  return up.length === 0 ? 'stopped' : 'partial';
}

/** As people write them: `8080→80`, `127.0.0.1:53→53/udp`, neighbours together (`6881-6890`), both families once. */
export function portsOf(ports: ContainerSummary['ports']): string[] {
  const seen = new Map<string, { host: number | null; inner: number; ip: string; protocol: string }>();
  for (const p of ports) {
    const anywhere = p.hostIp === null || p.hostIp === '' || p.hostIp === '0.0.0.0' || p.hostIp === '::';
    const ip = p.hostPort === null || anywhere ? '' : p.hostIp?.includes(':') ? `[${p.hostIp}]:` : `${p.hostIp}:`;
    const row = {
      host: p.hostPort,
      inner: p.containerPort,
      ip,
      protocol: p.protocol === 'tcp' ? '' : `/${p.protocol}`,
    };
    seen.set(`${row.ip} ${row.host} ${row.inner} ${row.protocol}`, row);
  }
  // What is published is told; what an image merely declares only where nothing is.
  const rows = [...seen.values()].toSorted(
    (a, b) => order(a.protocol, b.protocol) || order(a.ip, b.ip) || (a.host ?? 0) - (b.host ?? 0) || a.inner - b.inner,
  );
  const runs: { first: (typeof rows)[number]; last: (typeof rows)[number] }[] = [];
  for (const row of rows) {
    const run = runs.at(-1);
    const last = run?.last;
    const next =
      last !== undefined &&
      last.ip === row.ip &&
      last.protocol === row.protocol &&
      row.inner === last.inner + 1 &&
      (row.host === null ? last.host === null : last.host !== null && row.host === last.host + 1);
    if (run && next) run.last = row;
    else runs.push({ first: row, last: row });
  }
  return runs.map(({ first, last }) => {
    const span = (a: number, b: number) => (a === b ? `${a}` : `${a}-${b}`);
    const inner = span(first.inner, last.inner);
    if (first.host === null) return `${inner}${first.protocol}`;
    return `${first.ip}${span(first.host, last.host ?? first.host)}→${inner}${first.protocol}`;
  });
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

export const isPublished = (port: string): boolean => port.includes('→');

export interface Prunable {
  dangling: { images: number; bytes: number };
  /** No container uses them, tagged or not: `docker image prune -a`. */
  unused: { images: number; bytes: number };
  /** Some share layers with what stays and it is not known how much: then the bytes are the most it can be. */
  atMost: boolean;
}

/** What removing images would free: their own layers, without those that others share. */
export function prunable(images: readonly ImageSummary[]): Prunable {
  const unused = images.filter((i) => i.usedBy.length === 0);
  const dangling = unused.filter((i) => i.dangling);
  const own = (list: readonly ImageSummary[]) =>
    list.reduce((sum, i) => sum + Math.max(0, i.sizeBytes - (i.sharedBytes ?? 0)), 0);
  return {
    dangling: { images: dangling.length, bytes: own(dangling) },
    unused: { images: unused.length, bytes: own(unused) },
    atMost: unused.some((i) => i.sharedBytes === null),
  };
}
