import { describe, expect, it, test } from 'vitest';
import type { ContainerRun, ContainerState, Port } from '../../src/core/docker.ts';
import { type Event, exitOf } from '../../src/insight/container_exit.ts';
import { reachOf, risksOf } from '../../src/insight/container_reach.ts';
import {
  attentionOf,
  cpuAsDocker,
  loops,
  memoryOf,
  portsOf,
  prunable,
  stackOf,
  stackState,
  useBetween,
} from '../../src/insight/containers.ts';
import { fakeDocker } from '../fakes/docker.ts';
import { FAKE_NOW_MS, fakeContainer, fakeImage, fakeInfo, fakeStatus } from '../fakes/docker_parts.ts';

const AT = FAKE_NOW_MS - 60_000;
const run = (over: Partial<ContainerRun & { state: ContainerState }> = {}) => ({
  state: 'exited' as ContainerState,
  startedAtMs: AT - 3_600_000,
  finishedAtMs: AT,
  exitCode: 0,
  oomKilled: false,
  restarts: 0,
  error: '',
  ...over,
});
const ev = (what: string, detail: Record<string, string> = {}, atMs = AT): Event => ({ atMs, what, detail });
const die = (code: number) => ev('die', { exitCode: String(code) });

describe('why it ended', () => {
  test.each([
    ['a clean end', run(), null, 'ok', 'exit 0'],
    ['a clean end on request', run(), [ev('kill', { signal: '15' }), die(0), ev('stop')], 'stopped', 'exit 0'],
    ['an error', run({ exitCode: 3 }), null, 'error', 'exit 3'],
    ['an error while it was stopped', run({ exitCode: 1 }), [die(1), ev('stop')], 'stopped', 'exit 1'],
    ['the engine says OOM', run({ exitCode: 137, oomKilled: true }), null, 'oom', 'OOM-killed (137)'],
    // cgroup v2 and old engines: the flag stays false, the event tells.
    ['only an event says OOM', run({ exitCode: 137 }), [ev('oom'), die(137)], 'oom', 'OOM-killed (137)'],
    [
      'a child was killed for memory, and the main process gave up',
      run({ exitCode: 1, oomKilled: true }),
      null,
      'oom',
      'OOM-killed (1)',
    ],
    ['the engine failed', run({ exitCode: 125 }), null, 'not_started', 'engine failed (125)'],
    ['not executable', run({ exitCode: 126 }), null, 'not_started', 'not executable (126)'],
    ['not there', run({ exitCode: 127 }), null, 'not_started', 'command not found (127)'],
    ['could not start', run({ exitCode: 128, error: 'no such device' }), null, 'not_started', 'cannot start (128)'],
    ['128 by its own choice', run({ exitCode: 128 }), null, 'error', 'exit 128'],
    [
      'stopped in time',
      run({ exitCode: 143 }),
      [ev('kill', { signal: '15' }), die(143), ev('stop')],
      'stopped',
      'stopped (143)',
    ],
    [
      'deaf',
      run({ exitCode: 137 }),
      [ev('kill', { signal: '15' }), ev('kill', { signal: '9' }), die(137), ev('stop')],
      'stopped',
      'stopped, by force (137)',
    ],
    [
      'killed through the engine',
      run({ exitCode: 137 }),
      [ev('kill', { signal: '9' }), die(137)],
      'stopped',
      'SIGKILL (137)',
    ],
    ['killed by whom nobody says', run({ exitCode: 137 }), [die(137)], 'signal', 'SIGKILL (137)'],
    ['SIGTERM without events', run({ exitCode: 143 }), null, 'stopped', 'SIGTERM (143)'],
    ['a crash', run({ exitCode: 139 }), null, 'signal', 'SIGSEGV (139)'],
    ['a rare signal', run({ exitCode: 128 + 27 }), null, 'signal', 'signal 27 (155)'],
    ['the largest code', run({ exitCode: 255 }), null, 'error', 'exit 255'],
    [
      'made, and could not start',
      run({ state: 'created', exitCode: 128, error: 'port is taken', startedAtMs: null, finishedAtMs: null }),
      null,
      'not_started',
      'cannot start',
    ],
  ])('%s', (_, c, events, kind, short) => {
    expect(exitOf(c, events)).toMatchObject({ kind, short, code: c.exitCode });
  });

  it('is nothing of what runs, or was only made', () => {
    expect(exitOf(run({ state: 'running' }))).toBeNull();
    expect(exitOf(run({ state: 'created' }))).toBeNull();
    expect(exitOf(run({ exitCode: null }))).toBeNull();
    expect(exitOf(run({ startedAtMs: null, finishedAtMs: null }))).toBeNull();
  });

  it('takes no other end’s events for this one’s, and owns up when they are gone', () => {
    const lastWeek = AT - 7 * 86_400_000;
    const old = [
      ev('kill', { signal: '9' }, lastWeek),
      ev('die', { exitCode: '137' }, lastWeek),
      ev('oom', {}, lastWeek),
    ];
    const exit = exitOf(run({ exitCode: 137 }), old);
    expect(exit?.kind).toBe('signal');
    expect(exit?.reason).toContain('not at hand');
    // With its own end among them, and nobody who sent it: then it was not the engine.
    expect(exitOf(run({ exitCode: 137 }), [...old, die(137)])?.reason).toContain('likely the kernel');
  });

  it('tells a deaf process from one that was stopped at once', () => {
    expect(exitOf(run({ exitCode: 137 }), [ev('kill', { signal: '15' }), die(137), ev('stop')])?.reason).toContain(
      'deaf',
    );
    expect(exitOf(run({ exitCode: 137 }), [die(137), ev('stop')])?.reason).not.toContain('deaf');
  });
});

describe('rates', () => {
  const two = async () => {
    const c = fakeContainer('a', {
      limits: { ...fakeContainer('x').limits, memoryBytes: 1_000, cpus: 0.5 },
      use: {
        cpuMs: 500,
        throttledPeriods: 4,
        usageBytes: 900,
        inactiveFileBytes: 400,
        rx: 10,
        tx: 20,
        read: 30,
        written: 40,
        pids: 5,
      },
    });
    const docker = fakeDocker({ containers: [c] });
    const sample = async () => {
      const s = (await docker.containers.samples([c.id])).get(c.id);
      if (!s) throw new Error('no sample');
      return s;
    };
    return [await sample(), await sample()] as const;
  };

  it('are true figures between two samples', async () => {
    const [a, b] = await two();
    expect(useBetween(a, b, 16_000)).toEqual({
      windowMs: 1_000,
      cpuPercent: 50,
      memoryBytes: 500,
      memoryLimitBytes: 1_000,
      memoryPercent: 50,
      pids: 5,
      rxBytesPerSecond: 10,
      txBytesPerSecond: 20,
      readBytesPerSecond: 30,
      writtenBytesPerSecond: 40,
      throttledPercent: 40,
    });
  });

  it('agree with docker’s own formula where the machine’s time is true, and stay true where it is not', async () => {
    const [a, b] = await two();
    expect(cpuAsDocker(a, b)).toBeCloseTo(50, 6);
    // In an LXC, or a nested engine, the machine's time is another's: docker stats is off by as much, ours is not.
    const lxc = { ...b, cpu: { ...b.cpu, systemNs: (a.cpu.systemNs ?? 0) + 1e9 } };
    expect(cpuAsDocker(a, lxc)).toBeCloseTo(200, 6);
    expect(useBetween(a, lxc, null).cpuPercent).toBe(50);
    expect(cpuAsDocker(a, { ...b, cpu: { ...b.cpu, systemNs: null } })).toBeNull();
  });

  it('are unknown, not 0, of one sample, of one moment, and of a container that began anew', async () => {
    const [a, b] = await two();
    const none = { windowMs: 0, cpuPercent: null, rxBytesPerSecond: null, throttledPercent: null };
    expect(useBetween(null, b, null)).toMatchObject({ ...none, memoryBytes: 500 });
    expect(useBetween(b, b, null)).toMatchObject(none);
    expect(useBetween(b, { ...a, atMs: b.atMs + 1_000 }, null)).toMatchObject(none);
    const hostNet = useBetween({ ...a, network: null }, { ...b, network: null, block: null }, null);
    expect(hostNet).toMatchObject({ cpuPercent: 50, rxBytesPerSecond: null, readBytesPerSecond: null });
    const noPeriods = { ...b, cpu: { ...b.cpu, periods: a.cpu.periods } };
    expect(useBetween(a, noPeriods, null).throttledPercent).toBeNull();
  });

  it('memory: page cache is not used memory; a limit as large as the machine is none', async () => {
    const [a, b] = await two();
    const of = (usageBytes: number | null, inactiveFileBytes: number | null) =>
      memoryOf({ usageBytes, inactiveFileBytes, limitBytes: null, cgroup: 2 });
    expect(of(900, 400)).toBe(500);
    expect(of(900, null)).toBe(900);
    // As docker has it: a cache larger than what is used is a slip of the counters.
    expect(of(300, 400)).toBe(300);
    expect(of(null, 400)).toBeNull();
    expect(useBetween(a, b, 1_000)).toMatchObject({ memoryLimitBytes: null, memoryPercent: 50 });
    const free = { ...b, memory: { ...b.memory, limitBytes: null } };
    expect(useBetween(a, free, null)).toMatchObject({ memoryLimitBytes: null, memoryPercent: null });
  });
});

describe('what needs a look', () => {
  const c = (state: ContainerState, health: 'healthy' | 'unhealthy' | 'starting' | null = null) => ({ state, health });
  test.each([
    [c('running'), run({ state: 'running' }), null],
    [c('running', 'healthy'), run({ state: 'running' }), null],
    [c('running', 'starting'), run({ state: 'running' }), 'starting'],
    [c('running', 'unhealthy'), null, 'unhealthy'],
    [c('restarting'), null, 'restart_loop'],
    [c('running'), run({ state: 'running', restarts: 3, startedAtMs: FAKE_NOW_MS - 1_000 }), 'restart_loop'],
    [c('running'), run({ state: 'running', restarts: 2, startedAtMs: FAKE_NOW_MS - 1_000 }), null],
    // It has settled since.
    [c('running'), run({ state: 'running', restarts: 300, startedAtMs: FAKE_NOW_MS - 86_400_000 }), null],
    [c('exited'), run({ exitCode: 137, oomKilled: true }), 'oom'],
    [c('exited'), run({ exitCode: 1 }), 'failed'],
    [c('exited'), run({ exitCode: 143 }), null],
    [c('exited'), run(), null],
    [c('exited'), null, null],
    [c('dead'), run(), 'dead'],
    [c('paused'), run({ state: 'paused' }), 'paused'],
    [c('removing'), run(), 'removing'],
  ])('%j', (container, of, wanted) => {
    expect(attentionOf(container, of, FAKE_NOW_MS)).toBe(wanted);
  });

  it('a loop has restarted, and not long ago', () => {
    expect(loops(run({ state: 'restarting' }), FAKE_NOW_MS)).toBe(true);
    expect(loops(run({ state: 'running', restarts: 9, startedAtMs: null }), FAKE_NOW_MS)).toBe(false);
  });
});

describe('ports', () => {
  const p = (
    containerPort: number,
    hostPort: number | null = null,
    hostIp: string | null = '0.0.0.0',
    protocol: Port['protocol'] = 'tcp',
  ) => ({
    containerPort,
    protocol,
    hostIp: hostPort === null ? null : hostIp,
    hostPort,
  });
  test.each<[string, Port[], string[]]>([
    ['both families are one', [p(80, 8080), p(80, 8080, '::')], ['8080→80']],
    [
      'one address is said',
      [p(5432, 5432, '127.0.0.1'), p(5432, 5432, '::1')],
      ['127.0.0.1:5432→5432', '[::1]:5432→5432'],
    ],
    ['neighbours stand together', [p(82, 8082), p(80, 8080), p(81, 8081)], ['8080-8082→80-82']],
    ['not when only one side goes on', [p(80, 8080), p(90, 8081)], ['8080→80', '8081→90']],
    ['protocols are apart', [p(53, 53), p(53, 53, '0.0.0.0', 'udp')], ['53→53', '53→53/udp']],
    ['declared ones', [p(80), p(81), p(443)], ['80-81', '443']],
    ['published and declared are apart', [p(80), p(81, 8081)], ['80', '8081→81']],
    ['none', [], []],
  ])('%s', (_, ports, wanted) => {
    expect(portsOf(ports)).toEqual(wanted);
  });
});

test('stacks: by the labels of compose, Docker’s or Podman’s; as well as the worst of it', () => {
  expect(stackOf({ 'com.docker.compose.project': 'a', 'com.docker.compose.service': 'b' })).toEqual({
    project: 'a',
    service: 'b',
  });
  expect(stackOf({ 'io.podman.compose.project': 'p' })).toEqual({ project: 'p', service: null });
  expect(stackOf({ __proto__: 'x' } as never)).toEqual({ project: null, service: null });
  const c = (state: ContainerState, health: 'unhealthy' | null = null) => ({ state, health });
  expect(stackState([])).toBe('empty');
  expect(stackState([c('running'), c('running')])).toBe('running');
  expect(stackState([c('running'), c('exited')])).toBe('partial');
  expect(stackState([c('exited'), c('created')])).toBe('stopped');
  expect(stackState([c('running'), c('running', 'unhealthy')])).toBe('unhealthy');
  expect(stackState([c('restarting'), c('exited')])).toBe('unhealthy');
});

test('pruning frees what no container uses, without the layers that others share', () => {
  const images = [
    fakeImage('a:1', { sizeBytes: 100, sharedBytes: 40, usedBy: ['web'] }),
    fakeImage('b:1', { sizeBytes: 100, sharedBytes: 40 }),
    fakeImage(null, { sizeBytes: 50, sharedBytes: 0 }),
    fakeImage(null, { sizeBytes: 50, sharedBytes: 0, usedBy: ['old'] }),
  ];
  expect(prunable(images)).toEqual({
    dangling: { images: 1, bytes: 50 },
    unused: { images: 2, bytes: 110 },
    atMost: false,
  });
  expect(prunable([fakeImage('c:1', { sizeBytes: 100, sharedBytes: null })])).toMatchObject({
    unused: { bytes: 100 },
    atMost: true,
  });
});

test('reach: what a container may do to its host, and nothing of an ordinary one', () => {
  expect(reachOf(fakeContainer('plain'))).toEqual([]);
  const mount = (source: string, writable = true, type = 'bind') => ({
    type,
    source,
    destination: '/x',
    writable,
    name: null,
  });
  const said = reachOf(
    fakeContainer('bad', {
      privileged: true,
      capAdd: ['CAP_SYS_ADMIN', 'NET_BIND_SERVICE'],
      devices: ['/dev/sda'],
      securityOpt: ['seccomp=unconfined', 'no-new-privileges'],
      pidMode: 'host',
      ipcMode: 'host',
      networkMode: 'host',
      mounts: [mount('/var/run/docker.sock', false), mount('/'), mount('/etc', false), mount('/srv/data')],
    }),
  ).join('\n');
  for (const word of [
    'privileged',
    'socket',
    'network',
    'processes',
    'memory segments',
    'SYS_ADMIN',
    '1 device of',
    'without seccomp',
    'write to / of',
  ])
    expect(said).toContain(word);
  expect(said).not.toMatch(/NET_BIND_SERVICE|\/etc|\/srv/);
});

test('risks of reaching an engine', () => {
  const what = (s: object, i: object | null) =>
    risksOf(fakeStatus(s), i && fakeInfo(i))
      .map((r) => r.what)
      .join('\n');
  expect(what({}, {})).toContain('as good as root');
  expect(what({ kind: 'podman', foundBy: 'podman' }, {})).toContain('as good as root');
  expect(what({}, { rootless: true })).toBe('');
  expect(what({ endpoint: 'tcp://10.0.0.5:2375' }, null)).toContain('TCP without TLS');
  expect(what({ endpoint: 'tcp://10.0.0.5:2376' }, {})).toBe('');
  expect(
    what({}, { rootless: true, warnings: ['WARNING: API is accessible on http://0.0.0.0:2375 without encryption.'] }),
  ).toContain('listens on TCP');
  expect(what({}, { rootless: true, securityOptions: [] })).toContain('without seccomp');
});
