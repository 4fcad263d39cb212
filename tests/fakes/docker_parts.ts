/** An engine and containers to put into it: a homelab of twenty containers, one in each state that one can be found in. */
import type { EngineInfo, EngineStatus, EngineUsage, ImageSummary } from '../../src/core/docker.ts';
import type { FakeContainer, FakeEngine } from './docker.ts';

const GiB = 1024 ** 3;
const MiB = 1024 ** 2;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** 2026-11-20T12:00:00Z, as on the other fakes. */
export const FAKE_NOW_MS = Date.UTC(2026, 10, 20, 12, 0, 0);
const ago = (ms: number) => FAKE_NOW_MS - ms;
const hex = (seed: string) =>
  Array.from({ length: 64 }, (_, i) =>
    ((seed.charCodeAt(i % seed.length) * 7 + i * 13 + seed.length) % 16).toString(16),
  ).join('');

export const fakeStatus = (over: Partial<EngineStatus> = {}): EngineStatus => ({
  name: 'docker',
  endpoint: 'unix:///var/run/docker.sock',
  foundBy: 'default',
  kind: 'docker',
  answers: true,
  trouble: null,
  version: '26.1.5',
  apiVersion: '1.45',
  ...over,
});

export const fakeInfo = (over: Partial<EngineInfo> = {}): EngineInfo => ({
  name: 'docker',
  version: '26.1.5',
  apiVersion: '1.45',
  os: 'Debian GNU/Linux 13 (trixie)',
  kernel: '6.12.48+deb13-amd64',
  storageDriver: 'overlay2',
  dataRoot: '/var/lib/docker',
  cgroupVersion: 2,
  cgroupDriver: 'systemd',
  cpus: 4,
  memoryBytes: 16 * GiB,
  rootless: false,
  containers: { all: 20, running: 12, paused: 1, stopped: 7 },
  images: 4,
  warnings: [],
  securityOptions: ['name=apparmor', 'name=seccomp,profile=builtin', 'name=cgroupns'],
  compose: { value: '2.26.1' },
  ...over,
});

export const fakeUsage = (over: Partial<EngineUsage> = {}): EngineUsage => ({
  networks: [
    {
      id: hex('br'),
      name: 'bridge',
      driver: 'bridge',
      internal: false,
      subnets: ['172.17.0.0/16'],
      containers: ['web'],
    },
    {
      id: hex('sh'),
      name: 'shop_default',
      driver: 'bridge',
      internal: false,
      subnets: ['172.18.0.0/16'],
      containers: ['shop-db-1', 'shop-app-1'],
    },
    {
      id: hex('ol'),
      name: 'old_default',
      driver: 'bridge',
      internal: true,
      subnets: ['172.19.0.0/16'],
      containers: [],
    },
  ],
  volumes: [
    {
      name: 'shop_db',
      driver: 'local',
      createdAtMs: ago(90 * DAY),
      sizeBytes: 3 * GiB,
      usedBy: ['shop-db-1'],
      anonymous: false,
    },
    {
      name: 'old_data',
      driver: 'local',
      createdAtMs: ago(400 * DAY),
      sizeBytes: 700 * MiB,
      usedBy: [],
      anonymous: false,
    },
    { name: hex('anon'), driver: 'local', createdAtMs: null, sizeBytes: null, usedBy: [], anonymous: true },
  ],
  imagesBytes: 6 * GiB,
  containersBytes: 200 * MiB,
  volumesBytes: 3 * GiB + 700 * MiB,
  buildCacheBytes: GiB,
  reclaimable: { imagesBytes: 2 * GiB, containersBytes: 50 * MiB, volumesBytes: 700 * MiB, buildCacheBytes: GiB },
  ...over,
});

export const fakeImage = (tag: string | null, over: Partial<ImageSummary> = {}): ImageSummary => ({
  id: `sha256:${hex(tag ?? 'none')}`,
  tags: tag === null ? [] : [tag],
  digests: tag === null ? [] : [`${tag.replace(/:[^:/]*$/, '')}@sha256:${hex(`d${tag}`)}`],
  createdAtMs: ago(30 * DAY),
  sizeBytes: 200 * MiB,
  sharedBytes: 80 * MiB,
  dangling: tag === null,
  labels: {},
  usedBy: [],
  ...over,
});

export const fakeEngine = (over: Partial<FakeEngine> = {}): FakeEngine => ({
  status: fakeStatus(),
  info: fakeInfo(),
  usage: fakeUsage(),
  containers: [],
  images: [],
  registry: {},
  cgroup: 2,
  compose: () => ({ code: 0, out: '', err: '' }),
  ...over,
});

/** A healthy container that has run for three days. */
export function fakeContainer(name: string, over: Partial<FakeContainer> = {}): FakeContainer {
  const image = over.image ?? 'nginx:1.27';
  return {
    id: hex(name),
    name,
    image,
    imageId: `sha256:${hex(image)}`,
    state: 'running',
    status: 'Up 3 days',
    health: null,
    createdAtMs: ago(30 * DAY),
    ports: [],
    labels: {},
    networks: ['bridge'],
    startedAtMs: ago(3 * DAY),
    finishedAtMs: null,
    exitCode: 0,
    oomKilled: false,
    restarts: 0,
    error: '',
    command: ['nginx', '-g', 'daemon off;'],
    entrypoint: ['/docker-entrypoint.sh'],
    workingDir: '/',
    user: '',
    hostname: hex(name).slice(0, 12),
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'NGINX_VERSION=1.27.2'],
    mounts: [],
    networkSettings: [{ name: 'bridge', ip: '172.17.0.2', ip6: null, gateway: '172.17.0.1', aliases: [] }],
    networkMode: 'bridge',
    restartPolicy: { name: 'unless-stopped', maximumRetries: 0 },
    healthcheck: null,
    healthLog: [],
    failingStreak: null,
    limits: {
      memoryBytes: null,
      memoryReservationBytes: null,
      memorySwapBytes: null,
      cpus: null,
      cpusetCpus: null,
      pids: null,
    },
    privileged: false,
    capAdd: [],
    devices: [],
    securityOpt: [],
    pidMode: '',
    ipcMode: 'private',
    logDriver: 'json-file',
    pid: 1_234,
    sizeRwBytes: 12_288,
    use: {
      cpuMs: 10,
      throttledPeriods: null,
      usageBytes: 60 * MiB,
      inactiveFileBytes: 20 * MiB,
      rx: 1_000,
      tx: 2_000,
      read: 0,
      written: 0,
      pids: 5,
    },
    logs: [],
    events: [],
    onTerm: 'ends',
    cannotStart: null,
    hostConfig: {},
    ...over,
  };
}

const tcp = (hostPort: number | null, containerPort: number, hostIp: string | null = '0.0.0.0') => ({
  containerPort,
  protocol: 'tcp' as const,
  hostIp: hostPort === null ? null : hostIp,
  hostPort,
});
const both = (hostPort: number, containerPort: number) => [
  tcp(hostPort, containerPort),
  tcp(hostPort, containerPort, '::'),
];
const compose = (project: string, service: string) => ({
  'com.docker.compose.project': project,
  'com.docker.compose.service': service,
  'com.docker.compose.project.config_files': `/srv/${project}/compose.yaml`,
  'com.docker.compose.project.working_dir': `/srv/${project}`,
});
const stopped = (
  finishedAgoMs: number,
  exitCode: number,
  over: Partial<FakeContainer> = {},
): Partial<FakeContainer> => ({
  state: 'exited',
  status: `Exited (${exitCode})`,
  startedAtMs: ago(finishedAgoMs + HOUR),
  finishedAtMs: ago(finishedAgoMs),
  exitCode,
  pid: null,
  ...over,
});
const check = (health: FakeContainer['health']): Partial<FakeContainer> => ({
  health,
  healthcheck: {
    test: ['CMD-SHELL', 'curl -fsS localhost/'],
    intervalMs: 30_000,
    timeoutMs: 5_000,
    retries: 3,
    startPeriodMs: 0,
  },
});

/** Twenty containers, one for each way that one can be found. */
export function everyState(): FakeContainer[] {
  const c = fakeContainer;
  return [
    c('web', { ports: both(8080, 80) }),
    c('shop-app-1', {
      ...check('healthy'),
      image: 'ghcr.io/example/shop:2.4',
      labels: compose('shop', 'app'),
      ports: both(8443, 8443),
    }),
    c('shop-db-1', {
      ...check('unhealthy'),
      image: 'postgres:17',
      labels: compose('shop', 'db'),
      ports: [tcp(5432, 5432, '127.0.0.1')],
      failingStreak: 12,
      healthLog: [{ atMs: ago(20_000), exitCode: 2, output: 'could not connect: connection refused' }],
    }),
    c('shop-cache-1', {
      ...check('starting'),
      image: 'valkey/valkey:8',
      labels: compose('shop', 'cache'),
      startedAtMs: ago(8_000),
    }),
    c('mailer', {
      state: 'restarting',
      status: 'Restarting (1) 4 seconds ago',
      image: 'example/mailer:latest',
      restarts: 41,
      exitCode: 1,
      startedAtMs: ago(9_000),
      finishedAtMs: ago(4_000),
      pid: null,
    }),
    c('flapping', { image: 'example/worker:3', restarts: 17, startedAtMs: ago(40_000) }),
    c('paused', { state: 'paused', status: 'Up 3 days (Paused)' }),
    c('created', { state: 'created', status: 'Created', startedAtMs: null, exitCode: null, pid: null }),
    c('port-taken', {
      state: 'created',
      status: 'Created',
      startedAtMs: null,
      exitCode: null,
      error: 'driver failed programming external connectivity: Bind for 0.0.0.0:80 failed: port is already allocated',
      pid: null,
    }),
    c('finished', stopped(2 * HOUR, 0, { image: 'example/backup:1' })),
    c('crashed', stopped(10 * 60_000, 1, { image: 'example/api:7' })),
    c(
      'oom',
      stopped(5 * 60_000, 137, {
        oomKilled: true,
        image: 'example/indexer:1',
        limits: { ...c('x').limits, memoryBytes: 512 * MiB },
      }),
    ),
    c('killed', stopped(DAY, 137)),
    c('stopped', stopped(3 * DAY, 143)),
    c('segfault', stopped(HOUR, 139, { image: 'example/native:0.9' })),
    c('not-found', stopped(HOUR, 127, { error: 'exec: "serve": executable file not found in $PATH' })),
    c('not-executable', stopped(HOUR, 126, { error: 'exec: "/app/run": permission denied' })),
    c('dead', { ...stopped(40 * DAY, 0), state: 'dead', status: 'Dead' }),
    c('removing', { ...stopped(60_000, 0), state: 'removing', status: 'Removal In Progress' }),
    c('torrent', {
      image: 'lscr.io/linuxserver/qbittorrent:5.0.2',
      ports: [
        ...Array.from({ length: 10 }, (_, i) => both(6881 + i, 6881 + i)).flat(),
        { ...tcp(6881, 6881), protocol: 'udp' },
      ],
      limits: { ...c('x').limits, memoryBytes: GiB, cpus: 0.5 },
      use: {
        ...c('x').use,
        cpuMs: 500,
        throttledPeriods: 4,
        usageBytes: 900 * MiB,
        inactiveFileBytes: 400 * MiB,
        read: 5 * MiB,
        written: MiB,
      },
    }),
  ];
}
