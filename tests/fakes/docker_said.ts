/** What the fake engine says of a container at a moment: rows of a list, counters that rise steadily, a window of its log. */
import type {
  ContainerRun,
  ContainerSample,
  ContainerSummary,
  LogEnd,
  LogLine,
  LogWindow,
} from '../../src/core/docker.ts';
import type { FakeContainer, FakeEngine } from './docker.ts';

export const summaryOf = (c: FakeContainer): ContainerSummary =>
  structuredClone({
    id: c.id,
    name: c.name,
    image: c.image,
    imageId: c.imageId,
    state: c.state,
    status: c.status,
    health: c.health,
    createdAtMs: c.createdAtMs,
    ports: c.ports,
    labels: c.labels,
    networks: c.networks,
  });

export const runOf = (c: FakeContainer): ContainerRun => ({
  startedAtMs: c.startedAtMs,
  finishedAtMs: c.finishedAtMs,
  exitCode: c.exitCode,
  oomKilled: c.oomKilled,
  restarts: c.restarts,
  error: c.error,
});

/** As an engine has it, and what a test adds. */
export const hostConfigOf = (c: FakeContainer): Record<string, unknown> => ({
  Privileged: c.privileged,
  NetworkMode: c.networkMode,
  PidMode: c.pidMode,
  IpcMode: c.ipcMode,
  CapAdd: c.capAdd,
  Devices: c.devices.map((d) => ({ PathOnHost: d, PathInContainer: d, CgroupPermissions: 'rwm' })),
  SecurityOpt: c.securityOpt,
  AutoRemove: false,
  ...c.hostConfig,
});

/** Counters since its start, as steady as a clock: 4 processors, of which it has its share. */
export function sampleOf(c: FakeContainer, e: FakeEngine, atMs: number): ContainerSample {
  const s = Math.max(0, atMs - (c.startedAtMs ?? atMs)) / 1_000;
  const { use: u } = c;
  const cpus = e.info.cpus;
  const periods = u.throttledPeriods === null ? null : s * 10;
  return {
    id: c.id,
    atMs,
    cpu: {
      totalNs: s * u.cpuMs * 1e6,
      systemNs: s * cpus * 1e9,
      onlineCpus: cpus,
      throttledNs: u.throttledPeriods === null ? 0 : s * u.throttledPeriods * 50e6,
      periods,
      throttledPeriods: u.throttledPeriods === null ? null : s * u.throttledPeriods,
    },
    memory: {
      usageBytes: u.usageBytes,
      inactiveFileBytes: u.inactiveFileBytes,
      limitBytes: c.limits.memoryBytes ?? e.info.memoryBytes,
      cgroup: e.cgroup,
    },
    pids: { current: u.pids, limit: c.limits.pids },
    network:
      c.networkMode === 'host' || c.networkMode === 'none'
        ? null
        : { rxBytes: s * u.rx, txBytes: s * u.tx, rxErrors: 0, txErrors: 0, rxDropped: 0, txDropped: 0 },
    block: { readBytes: s * u.read, writtenBytes: s * u.written },
  };
}

export function* windowOf(all: readonly LogLine[], w: LogWindow): Generator<LogLine, LogEnd, undefined> {
  const from = all.filter(
    (l) =>
      (w.sinceMs === undefined || l.atMs >= w.sinceMs) &&
      (w.untilMs === undefined || l.atMs <= w.untilMs) &&
      (l.stream === 'stdout' ? w.stdout !== false : w.stderr !== false),
  );
  const end: LogEnd = { bytesRead: 0, lines: 0, stopped: false };
  for (const line of w.tail === undefined ? from : from.slice(Math.max(0, from.length - w.tail))) {
    w.signal?.throwIfAborted();
    // The header of a frame and the time stamp count: they are read too.
    const bytes = Buffer.byteLength(line.text) + 40;
    if (end.bytesRead + bytes > w.maxBytes) return { ...end, stopped: true };
    end.bytesRead += bytes;
    end.lines++;
    const most = w.maxLineBytes ?? Number.POSITIVE_INFINITY;
    yield Buffer.byteLength(line.text) > most
      ? { ...line, text: Buffer.from(line.text).subarray(0, most).toString(), cut: true }
      : { ...line };
  }
  return end;
}
