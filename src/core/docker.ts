/**
 * Docker behind one interface, and the records it gives back: as the engine said it (bytes, counters, ms), with unknown told apart from
 * zero. What a figure means, who may be changed and what is shown of it is decided in insight/, policy/ and tools/.
 */
import type { Bounded, Reading } from './host.ts';

/** A name or an id, checked against the engine's own grammar before it reaches this interface (core/schema.ts). */
export type ContainerRef = string;
export type ImageRef = string;

/** Split by what callers need; each method speaks to one engine, the first configured one when none is named. */
export interface DockerHost {
  engines: EngineHost;
  containers: ContainerHost;
  images: ImageHost;
  changes: DockerChangeHost;
  stacks: StackHost;
}

export interface ToEngine extends Bounded {
  /** Name of a configured engine; absent: the only or first one. */
  engine?: string;
}

/** How an engine was found, and whether it answers. */
export interface EngineStatus {
  name: string;
  /** `unix:///var/run/docker.sock`, `tcp://10.0.0.5:2376`, `ssh://user@host`; never with a password. */
  endpoint: string;
  /** Which rule chose it. */
  foundBy: 'config' | 'DOCKER_HOST' | 'rootless' | 'podman' | 'default';
  kind: 'docker' | 'podman' | null;
  answers: boolean;
  /** Why it does not answer, and what to do about it. */
  trouble: { why: string; hint: string } | null;
  version: string | null;
  apiVersion: string | null;
}

export interface EngineHost {
  /** All that are known, each asked with a bounded time-out. Empty with `why` when none was found. */
  status(o?: Bounded): Promise<{ engines: EngineStatus[]; why: string | null }>;
  info(o?: ToEngine): Promise<EngineInfo>;
  /** Networks, volumes and what takes how much room (`GET /system/df`: slow on large engines). */
  usage(o?: ToEngine): Promise<EngineUsage>;
}

export interface EngineInfo {
  name: string;
  version: string;
  apiVersion: string;
  os: string;
  kernel: string;
  storageDriver: string;
  dataRoot: string;
  cgroupVersion: 1 | 2 | null;
  cgroupDriver: string | null;
  cpus: number;
  memoryBytes: number;
  rootless: boolean;
  containers: { all: number; running: number; paused: number; stopped: number };
  images: number;
  warnings: string[];
  securityOptions: string[];
  /** Of the compose plugin on this host; null with the reason where there is none. */
  compose: Reading<string>;
}

export interface EngineUsage {
  networks: { id: string; name: string; driver: string; internal: boolean; subnets: string[]; containers: string[] }[];
  volumes: {
    name: string;
    driver: string;
    createdAtMs: number | null;
    /** Null: the engine did not count it. */
    sizeBytes: number | null;
    usedBy: string[];
    /** Made for a container without a name of its own. */
    anonymous: boolean;
  }[];
  imagesBytes: number;
  containersBytes: number;
  volumesBytes: number;
  buildCacheBytes: number;
  /** What pruning would free, part by part. */
  reclaimable: { imagesBytes: number; containersBytes: number; volumesBytes: number; buildCacheBytes: number };
}

export type ContainerState = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';
export type Health = 'starting' | 'healthy' | 'unhealthy';

export interface Port {
  containerPort: number;
  protocol: 'tcp' | 'udp' | 'sctp';
  /** Null: not published. */
  hostIp: string | null;
  hostPort: number | null;
}

export interface ContainerSummary {
  id: string;
  /** Without the leading slash. */
  name: string;
  image: string;
  imageId: string;
  state: ContainerState;
  /** The engine's own words: `Up 3 hours (healthy)`. */
  status: string;
  health: Health | null;
  createdAtMs: number;
  ports: Port[];
  labels: Record<string, string>;
  networks: string[];
}

/** What only an inspection tells of a container in a list. */
export interface ContainerRun {
  startedAtMs: number | null;
  finishedAtMs: number | null;
  exitCode: number | null;
  oomKilled: boolean;
  restarts: number;
  error: string;
}

export interface Mount {
  type: string;
  source: string;
  destination: string;
  writable: boolean;
  /** Of a volume. */
  name: string | null;
}

export interface ContainerDetail extends ContainerSummary, ContainerRun {
  command: string[];
  entrypoint: string[];
  workingDir: string;
  user: string;
  hostname: string;
  /** `NAME=value`, as the engine has it: never shown as it is. */
  env: string[];
  mounts: Mount[];
  networkSettings: { name: string; ip: string | null; ip6: string | null; gateway: string | null; aliases: string[] }[];
  networkMode: string;
  restartPolicy: { name: string; maximumRetries: number };
  healthcheck: { test: string[]; intervalMs: number; timeoutMs: number; retries: number; startPeriodMs: number } | null;
  healthLog: { atMs: number; exitCode: number; output: string }[];
  failingStreak: number | null;
  limits: {
    memoryBytes: number | null;
    memoryReservationBytes: number | null;
    memorySwapBytes: number | null;
    cpus: number | null;
    cpusetCpus: string | null;
    pids: number | null;
  };
  privileged: boolean;
  capAdd: string[];
  devices: string[];
  securityOpt: string[];
  pidMode: string;
  ipcMode: string;
  logDriver: string;
  pid: number | null;
  sizeRwBytes: number | null;
}

/** One moment's counters; rates are made from two of them (insight/containers.ts). */
export interface ContainerSample {
  id: string;
  atMs: number;
  cpu: {
    totalNs: number;
    systemNs: number | null;
    onlineCpus: number;
    throttledNs: number | null;
    periods: number | null;
    throttledPeriods: number | null;
  };
  memory: {
    usageBytes: number | null;
    inactiveFileBytes: number | null;
    limitBytes: number | null;
    cgroup: 1 | 2 | null;
  };
  pids: { current: number | null; limit: number | null };
  network: {
    rxBytes: number;
    txBytes: number;
    rxErrors: number;
    txErrors: number;
    rxDropped: number;
    txDropped: number;
  } | null;
  block: { readBytes: number; writtenBytes: number } | null;
}

export interface LogLine {
  stream: 'stdout' | 'stderr';
  /** The engine's time stamp. */
  atMs: number;
  /** Nanoseconds within that ms, so that lines of one ms keep their order when they are merged. */
  nanos: number;
  text: string;
  /** The line was longer than what was asked for and is cut. */
  cut: boolean;
}

export interface LogWindow extends ToEngine {
  sinceMs?: number;
  untilMs?: number;
  /** Last lines only; the engine reads backwards. */
  tail?: number;
  stdout?: boolean;
  stderr?: boolean;
  /** Bytes read from the engine, at most; what stopped the reading is said at the end. */
  maxBytes: number;
  maxLineBytes?: number;
}
export interface LogEnd {
  bytesRead: number;
  lines: number;
  /** True when the bound, not the log's end, stopped it. */
  stopped: boolean;
}

export interface ContainerHost {
  list(o?: ToEngine & { all?: boolean; labels?: string[] }): Promise<ContainerSummary[]>;
  /** Of many, a few at a time; what is gone meanwhile is not in the map. */
  runs(ids: readonly string[], o?: ToEngine): Promise<Map<string, ContainerRun>>;
  inspect(ref: ContainerRef, o?: ToEngine & { size?: boolean }): Promise<ContainerDetail>;
  /** One sample of each, a few at a time; what is gone or does not run is not in the map. */
  samples(ids: readonly string[], o?: ToEngine): Promise<Map<string, ContainerSample>>;
  /** Whole lines in order, demultiplexed; ends at the bound, the signal or the log's end. */
  logs(ref: ContainerRef, window: LogWindow): AsyncGenerator<LogLine, LogEnd, undefined>;
  /** What the engine told since then about this container: die, oom, kill, health_status, restart … */
  events(
    ref: ContainerRef,
    o: ToEngine & { sinceMs: number; most: number },
  ): Promise<{ atMs: number; what: string; detail: Record<string, string> }[]>;
}

export interface ImageSummary {
  id: string;
  tags: string[];
  digests: string[];
  createdAtMs: number;
  sizeBytes: number;
  sharedBytes: number | null;
  dangling: boolean;
  labels: Record<string, string>;
  /** Names of containers made from it. */
  usedBy: string[];
}

export interface ImageHost {
  list(o?: ToEngine): Promise<ImageSummary[]>;
  inspect(
    ref: ImageRef,
    o?: ToEngine,
  ): Promise<{ id: string; tags: string[]; digests: string[]; createdAtMs: number; sizeBytes: number }>;
  /** The digest that the registry has under this tag now, by the engine (`GET /distribution/…/json`). */
  remoteDigest(ref: ImageRef, o?: ToEngine): Promise<Reading<string>>;
  /** Ends when the pull has ended; throws what the registry said. */
  pull(
    ref: ImageRef,
    o: ToEngine & { onProgress?(p: { doneBytes: number; totalBytes: number; layers: number; text: string }): void },
  ): Promise<{ id: string; digest: string | null; upToDate: boolean }>;
  remove(ref: ImageRef, o?: ToEngine): Promise<{ untagged: string[]; deleted: string[] }>;
  pruneDangling(o?: ToEngine): Promise<{ deleted: string[]; freedBytes: number }>;
}

export interface DockerChangeHost {
  start(ref: ContainerRef, o?: ToEngine): Promise<void>;
  stop(ref: ContainerRef, o: ToEngine & { graceS: number }): Promise<void>;
  restart(ref: ContainerRef, o: ToEngine & { graceS: number }): Promise<void>;
  pause(ref: ContainerRef, o?: ToEngine): Promise<void>;
  unpause(ref: ContainerRef, o?: ToEngine): Promise<void>;
  kill(ref: ContainerRef, o: ToEngine & { signalName: string }): Promise<void>;
  remove(ref: ContainerRef, o: ToEngine & { force: boolean; volumes: boolean }): Promise<void>;
  rename(ref: ContainerRef, name: string, o?: ToEngine): Promise<void>;
  /** What the engine does when it ends, and at the engine's own start; of all settings this one alone can be changed. */
  restartPolicy(ref: ContainerRef, policy: { name: string; maximumRetries: number }, o?: ToEngine): Promise<void>;
  /** The whole of what the engine says of a container, for making one exactly like it. */
  raw(ref: ContainerRef, o?: ToEngine): Promise<Record<string, unknown>>;
  /** Makes a container of what `raw` said, with another image; returns its id. Refuses what the other did not have. */
  recreate(raw: Record<string, unknown>, o: ToEngine & { image: string; name: string }): Promise<string>;
}

export interface Stack {
  name: string;
  /** Of compose's own labels; null where the label is missing. */
  configFiles: string[];
  workingDir: string | null;
  services: {
    name: string;
    containers: { id: string; name: string; state: ContainerState; health: Health | null; image: string }[];
  }[];
}

export interface StackHost {
  /** Projects by the labels that compose leaves on its containers: needs no plugin. */
  list(o?: ToEngine): Promise<Stack[]>;
  /** `docker compose` with a fixed argument list (`config` prints JSON, `up` never builds), on the files the project itself names; bounded. */
  compose(
    project: Stack,
    verb: 'config' | 'up' | 'pull' | 'down',
    o: ToEngine & { onLine?(line: string): void; timeoutMs: number },
  ): Promise<{ code: number; out: string; err: string }>;
}
