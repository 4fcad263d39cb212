/** Containers of a real Docker 26 in every state, and the row of `container_list` that each must have. Loud when it is skipped. */
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContainerInspectAnswer } from '../../src/tools/container_inspect.ts';
import type { ContainerListAnswer, ContainerRow } from '../../src/tools/container_list.ts';
import type { DockerSystemAnswer } from '../../src/tools/docker_system.ts';
import type { ImageListAnswer } from '../../src/tools/image_list.ts';
import type { StackListAnswer } from '../../src/tools/stack_list.ts';
import { asked } from '../tools/docker_asked.ts';
import { IMAGE, type LabEngine, lacking, startLab, until } from './engine.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write('SKIPPED tests/docker/states_real: needs DECKHAND_REAL=1, root, debootstrap and docker.\n');
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

const sh = (line: string) => ['sh', '-c', line];
const SLEEP = ['sleep', '100000'];
const quick = ['--health-interval', '3s', '--health-retries', '1'];
const compose = (service: string) => [
  '--label',
  'com.docker.compose.project=shop',
  '--label',
  `com.docker.compose.service=${service}`,
];

/** Options, command, and what to do to it once it is there. */
const ALL: Record<string, [options: string[], command: string[], then?: string[]]> = {
  plain: [['-p', '127.0.0.1:18080:80', '-p', '18443:443'], SLEEP],
  healthy: [[...compose('app'), '--health-cmd', 'true', ...quick], SLEEP],
  unhealthy: [[...compose('db'), '--health-cmd', 'echo refused; false', ...quick], SLEEP],
  starting: [['--health-cmd', 'sleep 300', '--health-interval', '1s', '--health-timeout', '300s'], SLEEP],
  paused: [[], SLEEP, ['pause']],
  finished: [[], ['true']],
  crashed: [[], sh('echo broken >&2; exit 3')],
  looping: [['--restart', 'always'], sh('exit 1')],
  'gave-up': [['--restart', 'on-failure:2'], sh('exit 4')],
  oom: [
    ['-m', '20m', '--memory-swap', '20m'],
    ['tail', '/dev/zero'],
  ],
  deaf: [[], SLEEP, ['stop', '-t', '1']],
  polite: [[], sh('trap "exit 143" TERM; while :; do sleep 0.1; done'), ['stop', '-t', '10']],
  killed: [[], SLEEP, ['kill']],
  segfault: [[], sh('sh -c "kill -SEGV \\$\\$"; exit $?')],
  'not-found': [[], ['no-such-program']],
  'not-executable': [[], ['/etc/mark']],
  'own-127': [[], sh('no-such-program')],
  busy: [['--cpus', '0.2', '-m', '64m'], sh('while :; do :; done')],
  secret: [['-e', 'DB_PASSWORD=hunter2', '-e', 'TZ=Europe/Berlin', '--label', 'api.token=abc', '--privileged'], SLEEP],
};

describe.runIf(real)('every state, on Docker 26', { timeout: 120_000 }, () => {
  let lab: LabEngine;
  const list = async (args: unknown = {}) => asked<ContainerListAnswer>(lab.host, 'container_list', args);
  const row = async (name: string): Promise<ContainerRow | undefined> =>
    (await list({ limit: 200 })).data.containers.find((c) => c.name === name);
  const inspect = async (container: string) =>
    asked<ContainerInspectAnswer>(lab.host, 'container_inspect', { container });

  beforeAll(async () => {
    lab = await startLab('docker');
    await lab.docker(['create', '--name', 'created', IMAGE, ...SLEEP]);
    for (const [name, [options, command, then]] of Object.entries(ALL)) {
      await lab.docker(['run', '-d', '--name', name, ...options, IMAGE, ...command], { mayFail: true });
      if (then) await lab.docker([...then, name]);
    }
  }, 400_000);
  afterAll(async () => {
    // What is frozen cannot be killed (cgroup v1), and would keep the engine's namespace.
    await lab.docker(['unpause', 'paused'], { mayFail: true });
    await lab.close();
    expect(lab.left()).toEqual([]);
  }, 60_000);

  it.each<[string, Partial<ContainerRow>]>([
    [
      'plain',
      { state: 'running', health: null, attention: null, restarts: 0, ports: ['18443→443', '127.0.0.1:18080→80'] },
    ],
    ['healthy', { state: 'running', health: 'healthy', attention: null, project: 'shop', service: 'app' }],
    ['unhealthy', { state: 'running', health: 'unhealthy', attention: 'unhealthy' }],
    ['starting', { state: 'running', health: 'starting', attention: 'starting' }],
    ['paused', { state: 'paused', attention: 'paused', exit: null }],
    ['created', { state: 'created', attention: null, exit: null }],
    ['finished', { state: 'exited', attention: null, exit: 'exit 0' }],
    ['crashed', { state: 'exited', attention: 'failed', exit: 'exit 3' }],
    ['looping', { attention: 'restart_loop' }],
    ['gave-up', { state: 'exited', attention: 'failed', exit: 'exit 4', restarts: 2 }],
    ['oom', { state: 'exited', attention: 'oom', exit: 'OOM-killed (137)' }],
    ['deaf', { state: 'exited', exit: 'SIGKILL (137)' }],
    ['polite', { state: 'exited', attention: null, exit: 'SIGTERM (143)' }],
    ['killed', { state: 'exited', exit: 'SIGKILL (137)' }],
    ['segfault', { state: 'exited', attention: 'failed', exit: 'SIGSEGV (139)' }],
    ['not-found', { state: 'created', attention: 'failed', exit: 'cannot start' }],
    ['not-executable', { state: 'created', attention: 'failed', exit: 'cannot start' }],
    ['own-127', { state: 'exited', attention: 'failed', exit: 'command not found (127)' }],
    ['busy', { state: 'running', attention: null }],
    ['secret', { state: 'running', attention: null }],
  ])('the row of %s', async (name, wanted) => {
    const seen = await until(
      `${name} is as it should be`,
      async () => {
        const is = await row(name);
        return is &&
          Object.entries(wanted).every(([k, v]) => JSON.stringify(is[k as keyof ContainerRow]) === JSON.stringify(v))
          ? is
          : null;
      },
      25_000,
    ).catch(() => row(name));
    expect(seen).toMatchObject(wanted);
  });

  it('all of them in 1,000 tokens', async () => {
    const { data, text } = await list();
    expect(data.total).toBe(20);
    expect(encode(text).length).toBeLessThanOrEqual(1_000);
  });

  it('why each ended, from the engine’s own events', async () => {
    // The engine itself says so: the control of what we say.
    const flag = await lab.docker(['inspect', '-f', '{{.State.OOMKilled}}', 'oom']);
    expect(flag.out.trim()).toBe('true');
    const reason = async (name: string) => (await inspect(name)).data.exit?.reason;
    expect(await reason('oom')).toContain('more memory than its limit');
    expect(await reason('deaf')).toContain('had not ended when the grace was over');
    expect(await reason('polite')).toContain('stopped on request');
    expect(await reason('killed')).toContain('docker kill');
    expect(await reason('segfault')).toContain('not its own');
    const gone = await inspect('not-found');
    expect(gone.data.error).toContain('no-such-program');
    const sick = await inspect('unhealthy');
    expect(sick.data.healthLog[0]).toMatchObject({ exitCode: 1, output: 'refused' });
    expect(sick.data.healthcheck?.failingStreak).toBeGreaterThan(0);
  });

  it('measures truly: a loop held to a fifth of a processor uses that, and is throttled', async () => {
    const { data } = await list({ stats: true, sort: 'cpu' });
    const busy = data.containers[0];
    expect(busy?.name).toBe('busy');
    // Others use this machine too: it may get less than its fifth, and never more.
    expect(busy?.cpuPercent).toBeGreaterThan(3);
    expect(busy?.cpuPercent).toBeLessThan(28);
    expect(busy?.throttledPercent).toBeGreaterThan(0);
    expect(busy?.memoryLimitBytes).toBe(64 * 2 ** 20);
    expect(data.containers.find((c) => c.name === 'plain')).toMatchObject({ memoryLimitBytes: null });
    const one = await inspect('busy');
    expect(one.data.stats?.cpuOfLimitPercent).toBeGreaterThan(15);
    expect(one.data.stats?.cpuOfLimitPercent).toBeLessThan(140);
    expect(one.data.limits).toMatchObject({ cpus: 0.2, memoryBytes: 64 * 2 ** 20 });
  });

  it('shows no secret, and what a privileged one may do', async () => {
    const { data, text } = await inspect('secret');
    expect(JSON.stringify(data) + text).not.toMatch(/hunter2|=abc/);
    expect(data.env).toEqual(expect.arrayContaining(['DB_PASSWORD=⟦redacted:env⟧', 'TZ=Europe/Berlin']));
    expect(data.reach[0]).toContain('privileged');
  });

  it('the engine, its images and its stacks', async () => {
    const system = await asked<DockerSystemAnswer>(lab.host, 'docker_system');
    expect(system.data.engines[0]).toMatchObject({ answers: true, kind: 'docker' });
    expect(system.data.engine?.containers.all).toBe(20);
    expect(system.data.networks.map((n) => n.name)).toContain('bridge');
    const images = await asked<ImageListAnswer>(lab.host, 'image_list');
    expect(images.data.images[0]?.usedBy).toHaveLength(20);
    const stacks = await asked<StackListAnswer>(lab.host, 'stack_list');
    expect(stacks.data.stacks).toMatchObject([{ name: 'shop', state: 'unhealthy', containers: 2 }]);
  });
});
