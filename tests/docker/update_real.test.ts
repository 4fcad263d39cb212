/**
 * Updates through the door against a real Docker: one that succeeds and is taken back, one whose healthcheck fails, a registry that is
 * away, an engine killed in the middle. What is there afterwards is compared with `docker inspect` before. Loud when it is skipped.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DockerHost } from '../../src/core/docker.ts';
import { containerControl } from '../../src/tools/container_control.ts';
import { containerRemove } from '../../src/tools/container_remove.ts';
import { containerUpdate } from '../../src/tools/container_update.ts';
import { stackApply } from '../../src/tools/stack_apply.ts';
import { undo } from '../../src/tools/undo.ts';
import { fakeControl } from '../fakes/control.ts';
import { fakeHost } from '../fakes/host.ts';
import { callOf, rig } from '../fakes/policy.ts';
import { data, failure, keeper } from '../tools/docker_changes.ts';
import { importImage, type LabEngine, lacking, startLab, until } from './engine.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write('SKIPPED tests/docker/update_real: needs DECKHAND_REAL=1, root, debootstrap and docker.\n');
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

const APP = '127.0.0.1:5000/app:1';
const SERVE = 'CMD ["httpd","-f","-p","80","-h","/www"]';

describe.runIf(real)('container_update on Docker 26', { timeout: 120_000 }, () => {
  let lab: LabEngine;
  let stopRegistry: () => Promise<void>;

  /** Under the tag, in the registry; on the engine stays what was there before. */
  async function published(mark: string, changes: string[]): Promise<void> {
    await importImage(lab, APP, changes, mark);
    await lab.docker(['push', APP]);
  }
  beforeAll(async () => {
    lab = await startLab('docker');
    stopRegistry = await lab.registry();
    await lab.docker(['network', 'create', '--subnet', '10.78.0.0/24', 'front']);
    await lab.docker(['network', 'create', 'back']);
    mkdirSync(join(lab.share, 'bind'));
  }, 400_000);
  afterAll(async () => {
    await stopRegistry();
    await lab.close();
    expect(lab.left()).toEqual([]);
  }, 60_000);
  beforeEach(async () => {
    await published('one', [SERVE]);
    const network = ['--network', 'front', '--ip', '10.78.0.50', '--network-alias', 'www', '-p', '8085:80'];
    const storage = ['-v', '/share/bind:/bind', '-v', '/anon', '-v', 'named:/named'];
    const check = ['--health-cmd', '[ "$(cat /etc/mark)" != bad ]', '--health-interval', '1s', '--health-retries', '2'];
    await lab.docker([
      'run',
      '-d',
      '--name',
      'app',
      '--restart',
      'always',
      '--init',
      ...network,
      ...storage,
      ...check,
      APP,
    ]);
    await lab.docker(['network', 'connect', 'back', 'app']);
    await lab.docker(['exec', 'app', 'sh', '-c', 'echo mine > /anon/file; echo old > /tmp/own']);
    await until('app is healthy', async () => (await state('app')).includes('healthy'));
  });
  afterEach(async () => {
    const { out } = await lab.docker(['ps', '-aq']);
    await lab.docker(['rm', '-f', '-v', ...out.split('\n').filter(Boolean)], { mayFail: true });
  });

  const state = async (name: string) =>
    (await lab.docker(['inspect', '-f', '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}', name]))
      .out;
  const names = async () =>
    (await lab.docker(['ps', '-a', '--format', '{{.Names}} {{.State}}'])).out.trim().split('\n').sort();
  /** Without what a stop, a start and a healthcheck of their own change. */
  async function inspected(name: string): Promise<Record<string, unknown>> {
    const is = JSON.parse((await lab.docker(['inspect', name])).out)[0];
    delete is.State.StartedAt;
    delete is.State.FinishedAt;
    delete is.State.Pid;
    delete is.State.Health;
    // The healthcheck runs each second, and while it does it is named here.
    delete is.ExecIDs;
    delete is.State.ExitCode;
    delete is.RestartCount;
    // In the order of a map: another one each time.
    is.Mounts.sort((a: { Destination: string }, b: { Destination: string }) =>
      a.Destination < b.Destination ? -1 : 1,
    );
    delete is.NetworkSettings.SandboxID;
    delete is.NetworkSettings.SandboxKey;
    for (const n of Object.values(is.NetworkSettings.Networks) as Record<string, unknown>[]) delete n.EndpointID;
    return is;
  }

  async function comesBack(): Promise<void> {
    await lab.start();
    stopRegistry = await lab.registry();
  }

  function house(over: (docker: DockerHost) => Partial<DockerHost['changes']> = () => ({})) {
    const docker = { ...lab.host, changes: { ...lab.host.changes, ...over(lab.host) } };
    const control = {
      ...fakeControl({ allow: ['app'] }),
      // The engine publishes in a network of its own: knocked from there.
      async knock({ port }: { port: number }) {
        const ran = await lab.inside(['busybox', 'wget', '-q', '-O', '-', `http://127.0.0.1:${port}/`], {
          mayFail: true,
        });
        return ran.code === 0 || /404/.test(ran.err) ? ('open' as const) : ('refused' as const);
      },
    };
    const r = rig({
      catalog: {
        tools: [containerUpdate, containerControl, containerRemove, stackApply, undo],
        resources: [],
        prompts: [],
      },
      context: {
        host: { ...fakeHost(), docker, control },
        recent: () => [],
        recentProcesses: () => null,
        absent: () => [],
      },
    });
    Object.assign(r.policy.clock, { now: Date.now });
    const call = (tool: string, args: object) => r.door.run(callOf(tool, args, { principal: keeper }));
    return { ...r, call, update: (args = {}) => call('container_update', { container: 'app', within_s: 30, ...args }) };
  }

  test('succeeds: the same settings, address, volumes; the old one stays and comes back by undo', async () => {
    const before = await inspected('app');
    const old = before.Id as string;
    await published('two', [SERVE, 'ENV ADDED=1']);
    const h = house();
    const out = await h.update();
    expect(data(out), JSON.stringify(failure(out))).toMatchObject({ state: 'done' });
    expect(data(out).summary).toMatch(/healthy after .*Port 8085 answers/);
    const kept = `app-deckhand-old-${old.slice(0, 12)}`;
    expect(await names()).toEqual(['app running', `${kept} exited`]);
    const after = (await inspected('app')) as {
      Id: string;
      HostConfig: object;
      Mounts: object[];
      NetworkSettings: { Networks: object };
    };
    expect(after.Id).not.toBe(old);
    // Volumes without a name are bound by the one they have.
    const { Binds: _b, ...hostBefore } = before.HostConfig as Record<string, unknown>;
    const { Binds: _a, ...hostAfter } = after.HostConfig as Record<string, unknown>;
    expect(hostAfter).toEqual(hostBefore);
    const places = (all: unknown) =>
      (all as { Destination: string; Source: string }[]).map((m) => `${m.Source} ${m.Destination}`).sort();
    expect(places(after.Mounts)).toEqual(places(before.Mounts));
    expect((await lab.docker(['exec', 'app', 'cat', '/anon/file', '/etc/mark'])).out).toBe('mine\ntwo');
    expect(
      (
        await lab.docker([
          'inspect',
          '-f',
          '{{.NetworkSettings.Networks.front.IPAddress}} {{len .NetworkSettings.Networks}}',
          'app',
        ])
      ).out.trim(),
    ).toBe('10.78.0.50 2');
    expect((await lab.docker(['inspect', '-f', '{{.HostConfig.RestartPolicy.Name}}', kept])).out.trim()).toBe('no');

    const back = await h.call('undo', { receipt: data(out).receipt });
    expect(data(back), JSON.stringify(failure(back))).toMatchObject({
      state: 'done',
      summary: 'app is the old container again, running.',
    });
    expect(await names()).toEqual(['app running']);
    expect(await inspected('app')).toEqual(before);
    expect((await lab.docker(['exec', 'app', 'cat', '/tmp/own'])).out).toBe('old\n');
  });

  test('its healthcheck fails: the old container is back, with nothing about it changed', async () => {
    const before = await inspected('app');
    await published('bad', [SERVE]);
    const out = await house().update();
    expect(data(out), JSON.stringify(failure(out))).toMatchObject({
      state: 'rolled_back',
      after: { why: 'its healthcheck fails' },
    });
    expect(await names()).toEqual(['app running']);
    expect(await inspected('app')).toEqual(before);
    expect((await lab.docker(['exec', 'app', 'cat', '/tmp/own', '/anon/file'])).out).toBe('old\nmine\n');
  });

  test('it ends at once: the last words, and the old container', async () => {
    const before = await inspected('app');
    await published('three', ['CMD ["sh","-c","echo no database >&2; exit 3"]']);
    const out = await house().update();
    expect(data(out)).toMatchObject({ state: 'rolled_back', after: { log: expect.arrayContaining(['no database']) } });
    expect(await inspected('app')).toEqual(before);
  });

  test('up to date: nothing happens; the registry away: nothing is touched', async () => {
    const before = await inspected('app');
    expect(data(await house().update()).summary).toContain('nothing was changed');
    await published('four', [SERVE]);
    await stopRegistry();
    try {
      expect((await house().update()).status).toBe('failed');
      expect(await names()).toEqual(['app running']);
      expect(await inspected('app')).toEqual(before);
    } finally {
      stopRegistry = await lab.registry();
    }
  });

  test.each(['stop', 'rename', 'start'] as const)(
    'the engine is killed at the %s: the old container is back when it is',
    async (step) => {
      const id = (await inspected('app')).Id;
      await published(`killed at ${step}`, [SERVE]);
      let back: Promise<void> | null = null;
      const h = house((docker) => ({
        async [step](...args: never[]) {
          if (back === null) {
            await lab.kill();
            // It comes back while the tool is at it.
            back = comesBack();
          }
          return (docker.changes[step] as (...a: never[]) => Promise<void>)(...args);
        },
      }));
      const out = await h.update();
      // The registry comes after the engine: what follows needs both.
      await back;
      expect(data(out), JSON.stringify(failure(out))).toMatchObject({ state: 'rolled_back' });
      expect(await names()).toEqual(['app running']);
      expect((await inspected('app')).Id).toBe(id);
    },
  );
});
