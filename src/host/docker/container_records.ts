/**
 * What an engine says of containers, as our records: Docker's list, inspection and statistics, and where Podman's differ. Pure; nothing
 * is asked here.
 */
import type {
  ContainerDetail,
  ContainerRun,
  ContainerSample,
  ContainerState,
  ContainerSummary,
  Health,
  Mount,
  Port,
} from '../../core/docker.ts';
import {
  imageId,
  items,
  labels,
  number,
  plainName,
  positive,
  record,
  records,
  type Said,
  text,
  textOrNull,
  texts,
  timeMs,
} from './said.ts';

const STATES: Record<string, ContainerState> = {
  created: 'created',
  running: 'running',
  paused: 'paused',
  restarting: 'restarting',
  removing: 'removing',
  exited: 'exited',
  dead: 'dead',
  // Podman's own words.
  configured: 'created',
  initialized: 'created',
  stopped: 'exited',
  stopping: 'running',
};
/** A word that no engine known here uses: nothing can be said of it but that it is not usable. */
const stateOf = (value: unknown): ContainerState => STATES[text(value).toLowerCase()] ?? 'dead';

const healthOf = (value: unknown): Health | null => {
  const word = text(value).toLowerCase();
  return word === 'starting' || word === 'healthy' || word === 'unhealthy' ? word : null;
};

/** A list tells health only in its sentence: `Up 3 hours (health: starting)`. */
function healthIn(status: string): Health | null {
  const found = /\((?:health: )?(starting|healthy|unhealthy)\)/.exec(status);
  return healthOf(found?.[1]);
}

const protocolOf = (value: unknown): Port['protocol'] => {
  const word = text(value);
  return word === 'udp' || word === 'sctp' ? word : 'tcp';
};

export function summaryOf(said: Said): ContainerSummary {
  const status = text(said.Status);
  return {
    id: text(said.Id),
    name: plainName(texts(said.Names)[0]),
    image: text(said.Image),
    imageId: imageId(said.ImageID),
    state: stateOf(said.State),
    status,
    health: healthIn(status) ?? healthOf(record(said.Health).Status),
    createdAtMs: (number(said.Created) ?? 0) * 1_000,
    ports: records(said.Ports).map((p) => ({
      containerPort: number(p.PrivatePort) ?? 0,
      protocol: protocolOf(p.Type),
      // Podman says 0 where nothing is published.
      hostIp: positive(p.PublicPort) === null ? null : textOrNull(p.IP),
      hostPort: positive(p.PublicPort),
    })),
    labels: labels(said.Labels),
    networks: Object.keys(record(record(said.NetworkSettings).Networks)).sort(),
  };
}

export function runOf(inspected: Said): ContainerRun {
  const state = record(inspected.State);
  const finishedAtMs = timeMs(state.FinishedAt);
  return {
    startedAtMs: timeMs(state.StartedAt),
    finishedAtMs,
    // The engine says 0 of what has never ended; what waits for its next start counts as running there, with the code of its last end.
    exitCode:
      finishedAtMs === null || (state.Running === true && state.Restarting !== true) ? null : number(state.ExitCode),
    oomKilled: state.OOMKilled === true,
    restarts: number(inspected.RestartCount) ?? 0,
    error: text(state.Error),
  };
}

/** `status` is the sentence of the list, which an inspection lacks. */
export function detailOf(inspected: Said, status: string): ContainerDetail {
  const config = record(inspected.Config);
  const host = record(inspected.HostConfig);
  const state = record(inspected.State);
  const health = record(state.Health);
  const network = record(inspected.NetworkSettings);
  const networks = Object.entries(record(network.Networks)).sort(([a], [b]) => (a < b ? -1 : 1));
  const restart = record(host.RestartPolicy);
  const known = healthOf(health.Status);
  return {
    id: text(inspected.Id),
    name: plainName(inspected.Name),
    image: text(config.Image),
    imageId: imageId(inspected.Image),
    state: stateOf(state.Status),
    status,
    health: known,
    createdAtMs: timeMs(inspected.Created) ?? 0,
    ports: portsOf(network, config),
    labels: labels(config.Labels),
    networks: networks.map(([name]) => name),
    ...runOf(inspected),
    command: words(config.Cmd),
    entrypoint: words(config.Entrypoint),
    workingDir: text(config.WorkingDir),
    user: text(config.User),
    hostname: text(config.Hostname),
    env: texts(config.Env),
    mounts: records(inspected.Mounts).map(mountOf),
    networkSettings: networks.map(([name, value]) => {
      const n = record(value);
      return {
        name,
        ip: textOrNull(n.IPAddress),
        ip6: textOrNull(n.GlobalIPv6Address),
        gateway: textOrNull(n.Gateway),
        aliases: texts(n.Aliases),
      };
    }),
    networkMode: text(host.NetworkMode),
    restartPolicy: { name: text(restart.Name) || 'no', maximumRetries: number(restart.MaximumRetryCount) ?? 0 },
    healthcheck: healthcheckOf(record(config.Healthcheck ?? config.Health)),
    healthLog: known === null ? [] : records(health.Log).map(probeOf),
    failingStreak: known === null ? null : number(health.FailingStreak),
    limits: limitsOf(host),
    privileged: host.Privileged === true,
    capAdd: texts(host.CapAdd),
    devices: records(host.Devices).map((d) => text(d.PathOnHost)),
    securityOpt: texts(host.SecurityOpt),
    pidMode: text(host.PidMode),
    ipcMode: text(host.IpcMode),
    logDriver: text(record(host.LogConfig).Type),
    pid: positive(state.Pid),
    sizeRwBytes: number(inspected.SizeRw),
  };
}

/** A list, or in older inspections of Podman one text. */
const words = (value: unknown): string[] => (typeof value === 'string' && value !== '' ? [value] : texts(value));

function portsOf(network: Said, config: Said): Port[] {
  // Of what does not run only the wish is known.
  const published = record(network.Ports);
  const wanted = Object.fromEntries(Object.keys(record(config.ExposedPorts)).map((port) => [port, null]));
  return Object.entries({ ...wanted, ...published }).flatMap(([spec, bindings]) => {
    const [port, protocol] = spec.split('/');
    const inside = { containerPort: Number(port) || 0, protocol: protocolOf(protocol) };
    const outside = records(bindings).map((b) => ({
      ...inside,
      hostIp: textOrNull(b.HostIp),
      hostPort: Number(b.HostPort) || null,
    }));
    return outside.length > 0 ? outside : [{ ...inside, hostIp: null, hostPort: null }];
  });
}

const mountOf = (m: Said): Mount => ({
  type: text(m.Type),
  source: text(m.Source),
  destination: text(m.Destination),
  writable: m.RW === true,
  name: textOrNull(m.Name),
});

const ms = (nanoseconds: unknown): number => Math.round((number(nanoseconds) ?? 0) / 1e6);

function healthcheckOf(check: Said): ContainerDetail['healthcheck'] {
  const test = texts(check.Test);
  if (test.length === 0 || test[0] === 'NONE') return null;
  return {
    test,
    // 0 is "as the engine does by default".
    intervalMs: ms(check.Interval) || 30_000,
    timeoutMs: ms(check.Timeout) || 30_000,
    retries: number(check.Retries) || 3,
    startPeriodMs: ms(check.StartPeriod),
  };
}

const probeOf = (l: Said) => ({
  atMs: timeMs(l.Start) ?? timeMs(l.End) ?? 0,
  exitCode: number(l.ExitCode) ?? -1,
  output: text(l.Output),
});

function limitsOf(host: Said): ContainerDetail['limits'] {
  const nano = positive(host.NanoCpus);
  const quota = positive(host.CpuQuota);
  const period = positive(host.CpuPeriod) ?? 100_000;
  return {
    memoryBytes: positive(host.Memory),
    memoryReservationBytes: positive(host.MemoryReservation),
    memorySwapBytes: positive(host.MemorySwap),
    cpus: nano !== null ? nano / 1e9 : quota !== null ? quota / period : null,
    cpusetCpus: textOrNull(host.CpusetCpus),
    pids: positive(host.PidsLimit),
  };
}

/** Beyond it a limit is the kernel's word for "none". */
const NO_LIMIT = 2 ** 60;
const limit = (value: unknown): number | null => {
  const n = positive(value);
  return n === null || n >= NO_LIMIT ? null : n;
};

/** Null of what does not run: its counters are all 0 and its time is the year 1. */
export function sampleOf(id: string, said: Said, kind: 'docker' | 'podman'): ContainerSample | null {
  const atMs = timeMs(said.read);
  const cpu = record(said.cpu_stats);
  const usage = record(cpu.cpu_usage);
  const totalNs = number(usage.total_usage);
  const memory = record(said.memory_stats);
  const stats = record(memory.stats);
  const pids = record(said.pids_stats);
  if (atMs === null || totalNs === null) return null;
  const cgroup = 'total_inactive_file' in stats ? 1 : 'inactive_file' in stats ? 2 : null;
  // Podman gives no throttling, but fields of 0 for it.
  const throttling = kind === 'podman' ? {} : record(cpu.throttling_data);
  return {
    id,
    atMs,
    cpu: {
      totalNs,
      // Podman's is the time that the machine was busy, not the time that passed: no share can be made of it.
      systemNs: kind === 'podman' ? null : positive(cpu.system_cpu_usage),
      onlineCpus: positive(cpu.online_cpus) ?? Math.max(1, items(usage.percpu_usage).length),
      throttledNs: number(throttling.throttled_time),
      periods: number(throttling.periods),
      throttledPeriods: number(throttling.throttled_periods),
    },
    memory: {
      usageBytes: number(memory.usage),
      inactiveFileBytes: number(cgroup === 1 ? stats.total_inactive_file : stats.inactive_file),
      limitBytes: limit(memory.limit),
      cgroup,
    },
    pids: { current: positive(pids.current), limit: limit(pids.limit) },
    network: networkOf(said.networks),
    block: blockOf(record(said.blkio_stats).io_service_bytes_recursive),
  };
}

/** All interfaces together; null with the host's network, where there are none of its own. */
function networkOf(value: unknown): ContainerSample['network'] {
  const interfaces = Object.values(record(value)).map(record);
  if (interfaces.length === 0) return null;
  const sum = (name: string) => interfaces.reduce((n, i) => n + (number(i[name]) ?? 0), 0);
  return {
    rxBytes: sum('rx_bytes'),
    txBytes: sum('tx_bytes'),
    rxErrors: sum('rx_errors'),
    txErrors: sum('tx_errors'),
    rxDropped: sum('rx_dropped'),
    txDropped: sum('tx_dropped'),
  };
}

function blockOf(value: unknown): ContainerSample['block'] {
  if (!Array.isArray(value)) return null;
  const sum = (op: string) =>
    records(value).reduce((n, e) => n + (text(e.op).toLowerCase() === op ? (number(e.value) ?? 0) : 0), 0);
  return { readBytes: sum('read'), writtenBytes: sum('write') };
}
