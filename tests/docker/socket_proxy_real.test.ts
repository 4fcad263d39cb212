/**
 * The least-privilege recipe in front of a real Docker: through its rules every tool of its profile works, and what a thief would ask for
 * ends at the proxy, while the same requests do reach the engine without it. Loud when it is skipped.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROFILES, type Profile } from '../../scripts/socket_proxy.ts';
import type { DockerHost } from '../../src/core/docker.ts';
import { dockerAt, type OpenDocker } from '../../src/host/docker/index.ts';
import { containerControl } from '../../src/tools/container_control.ts';
import { containerRemove } from '../../src/tools/container_remove.ts';
import { containerUpdate } from '../../src/tools/container_update.ts';
import { imagePull } from '../../src/tools/image_pull.ts';
import { imageRemove } from '../../src/tools/image_remove.ts';
import { type LogAnswer, logQuery } from '../../src/tools/log_query.ts';
import { undo } from '../../src/tools/undo.ts';
import { fakeControl } from '../fakes/control.ts';
import { fakeHost } from '../fakes/host.ts';
import { callOf, rig } from '../fakes/policy.ts';
import { ask as askTool, context } from '../tools/context.ts';
import { asked } from '../tools/docker_asked.ts';
import { data, failure, keeper } from '../tools/docker_changes.ts';
import { IMAGE, importImage, type LabEngine, labSettings, lacking, realClock, startLab, until } from './engine.ts';
import {
  AS_GOOD_AS_ROOT,
  ask,
  type Between,
  FORBIDDEN,
  RECIPES,
  recipe,
  rulesIn,
  socketProxy,
} from './socket_proxy.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write(
    'SKIPPED tests/docker/socket_proxy_real: needs DECKHAND_REAL=1, root, debootstrap and docker.\n',
  );
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

const APP = '127.0.0.1:5000/app:1';
const WAITS = 'CMD ["sh","-c","trap \\"exit 0\\" TERM; while :; do sleep 0.1; done"]';

describe.runIf(real)('the recipe in front of Docker 26', { timeout: 120_000 }, () => {
  let lab: LabEngine;
  let stopRegistry: () => Promise<void>;
  const at = {} as Record<Profile, { proxy: Between; docker: OpenDocker }>;

  beforeAll(async () => {
    lab = await startLab('docker');
    stopRegistry = await lab.registry();
    for (const profile of PROFILES) {
      const proxy = await socketProxy(rulesIn('socket-proxy.yaml', profile), lab.socket);
      at[profile] = { proxy, docker: dockerAt({ settings: labSettings(`unix://${proxy.socket}`), clock: realClock }) };
    }
    await importImage(lab, APP, [WAITS], 'one');
    await lab.docker(['push', APP]);
    await lab.docker(['run', '-d', '--name', 'web', '-e', 'TOKEN=hunter2hunter2', APP]);
    await lab.docker(['run', '-d', '--name', 'talks', IMAGE, 'sh', '-c', 'echo one; echo ERROR two >&2; sleep 1000']);
  }, 400_000);
  afterAll(async () => {
    for (const { proxy, docker } of Object.values(at)) {
      docker.close();
      await proxy[Symbol.asyncDispose]();
    }
    await stopRegistry();
    await lab.close();
    expect(lab.left()).toEqual([]);
  }, 60_000);

  const state = async (name: string) =>
    (await lab.docker(['inspect', '-f', '{{.State.Status}}', name], { mayFail: true })).out.trim();

  function changer(docker: DockerHost) {
    const r = rig({
      catalog: {
        tools: [containerControl, containerUpdate, containerRemove, imagePull, imageRemove, undo],
        resources: [],
        prompts: [],
      },
      context: {
        host: { ...fakeHost(), docker, control: fakeControl({ allow: ['*'] }) },
        recent: () => [],
        recentProcesses: () => null,
        absent: () => [],
      },
    });
    Object.assign(r.policy.clock, { now: Date.now });
    r.policy.approvals.decide = () => ({ verdict: 'granted', by: 'test' });
    return (tool: string, args: object) => r.door.run(callOf(tool, args, { principal: keeper }));
  }

  test('compose reads both files as they are, with one profile each', async () => {
    for (const file of [...RECIPES, 'compose.yaml'])
      cpSync(join(import.meta.dirname, '../../deploy/docker', file), join(lab.share, file));
    const config = async (files: string[], profile: Profile) => {
      const args = files.flatMap((f) => ['-f', `/share/${f}`]);
      const ran = await lab.inside(
        [
          'env',
          'DOCKER_GID=999',
          'DECKHAND_UID=998',
          'docker',
          'compose',
          ...args,
          '--profile',
          profile,
          'config',
          '--format',
          'json',
        ],
        {},
      );
      return JSON.parse(ran.out).services as Record<string, { command: string[]; user: string; ports?: unknown }>;
    };
    for (const profile of PROFILES) {
      const beside = await config(['compose.yaml', 'socket-proxy.yaml'], profile);
      expect(Object.keys(beside).sort()).toEqual(['deckhand', `engine-${profile}`]);
      const own = await config(['socket-proxy-host.yaml'], profile);
      expect(Object.keys(own)).toEqual([`engine-${profile}`]);
      for (const [file, services] of [
        ['socket-proxy.yaml', beside],
        ['socket-proxy-host.yaml', own],
      ] as const) {
        const service = services[`engine-${profile}`];
        // Nothing of a rule is taken for a variable.
        expect(service?.command).toEqual(recipe(file).services[`engine-${profile}`]?.command);
        expect(service?.ports).toBeUndefined();
        expect(service?.user).toMatch(/^\d+:999$/);
      }
    }
  });

  test.each(PROFILES)('%s: all that reads works', async (profile) => {
    const { docker, proxy } = at[profile];
    const calls: [string, object][] = [
      ['container_list', { stats: true }],
      ['container_inspect', { container: 'web' }],
      ['image_list', { updates: true }],
      ['docker_system', {}],
      ['stack_list', {}],
    ];
    for (const [tool, args] of calls) {
      const { data: said } = await asked<{ unknown?: unknown[] }>(docker, tool, args).catch((thrown: unknown) => {
        throw new Error(`${tool}: ${String(thrown)}`);
      });
      expect(JSON.stringify(said), tool).not.toContain('refuses');
    }
    const logs = await askTool<LogAnswer>(
      logQuery,
      { source: ['container:talks'], order: 'oldest' },
      context({}, { host: { ...fakeHost(), docker }, now: Date.now }),
    );
    // The engine copies both streams at its own pace: which of two lines was first is not certain.
    expect(logs.data.lines.map((l) => l.text).toSorted()).toEqual(['ERROR two', 'one']);
    expect((await docker.containers.events('web', { sinceMs: 0, most: 5 })).length).toBeGreaterThan(0);
    expect(proxy.refused).toEqual([]);
  });

  test('look: a change ends at the proxy, and the answer says which request', async () => {
    const out = await changer(at.look.docker)('container_control', { container: 'talks', action: 'pause' });
    expect(failure(out)).toMatchObject({
      code: 'permission',
      message: expect.stringContaining('A proxy in front of the engine refuses POST /containers/{container}/pause'),
    });
    expect(await state('talks')).toBe('running');
    at.look.proxy.refused.length = 0;
  });

  test('control: starts and stops, and makes nothing', async () => {
    const call = changer(at.control.docker);
    for (const [action, is] of [
      ['pause', 'paused'],
      ['unpause', 'running'],
      ['restart', 'running'],
      ['stop', 'exited'],
      ['start', 'running'],
    ] as const) {
      const out = await call('container_control', { container: 'web', action, grace_s: 2 });
      expect(data(out), `${action} ${JSON.stringify(failure(out))}`).toMatchObject({ state: 'done' });
      expect(await state('web')).toBe(is);
    }
    expect(at.control.proxy.refused).toEqual([]);
    await importImage(lab, APP, [WAITS], 'not yet');
    await lab.docker(['push', APP]);
    const id = (await lab.docker(['inspect', '-f', '{{.Id}}', 'web'])).out;
    for (const [tool, args] of [
      ['container_update', { container: 'web', within_s: 10 }],
      ['container_remove', { container: 'web', force: true }],
      ['image_pull', { image: '127.0.0.1:5000/other:1' }],
    ] as const)
      expect(failure(await call(tool, args)), tool).toMatchObject({
        message: expect.stringMatching(/refuses|could not be pulled|not found/i),
      });
    expect((await lab.docker(['inspect', '-f', '{{.Id}}', 'web'])).out).toBe(id);
    expect(await state('web')).toBe('running');
  });

  test('change: an update and its way back, a pull, what is removed', async () => {
    const call = changer(at.change.docker);
    const good = async (tool: string, args: object) => {
      const out = await call(tool, args);
      expect(data(out), `${tool} ${JSON.stringify(failure(out))}`).toMatchObject({ state: 'done' });
      return data(out);
    };
    const id = (await lab.docker(['inspect', '-f', '{{.Id}}', 'web'])).out.trim();
    const { receipt } = await good('container_update', { container: 'web', within_s: 20 });
    expect((await lab.docker(['inspect', '-f', '{{.Id}}', 'web'])).out.trim()).not.toBe(id);
    await good('undo', { receipt });
    expect((await lab.docker(['inspect', '-f', '{{.Id}}', 'web'])).out.trim()).toBe(id);
    await good('container_control', { container: 'web', action: 'kill', signal: 'KILL' });
    await until('web has ended', async () => (await state('web')) === 'exited');
    await good('container_remove', { container: 'web' });
    await good('image_remove', { image: APP });
    await good('image_pull', { image: APP });
    await good('image_remove', { dangling: true });
    expect(at.change.proxy.refused).toEqual([]);
    await lab.docker(['run', '-d', '--name', 'web', APP]);
  });

  test('what is forbidden ends at every profile; without the proxy the engine takes it (control)', async () => {
    for (const profile of PROFILES) {
      const attacks = profile === 'change' ? FORBIDDEN : [...FORBIDDEN, ...AS_GOOD_AS_ROOT];
      for (const [method, path, body] of attacks)
        expect([403, 405], `${profile} ${method} ${path}`).toContain(
          (await ask(at[profile].proxy.socket, method, path, body)).status,
        );
    }
    expect((await lab.docker(['ps', '-a', '--format', '{{.Names}}'])).out).not.toContain('evil');

    // Bare, the same words give a file of the host's making, a program inside, and root.
    expect((await ask(lab.socket, 'GET', '/containers/web/archive?path=/etc/mark')).status).toBe(200);
    const exec = await ask(lab.socket, 'POST', '/containers/web/exec', { Cmd: ['cat', '/etc/mark'] });
    expect(exec.status).toBe(201);
    expect((await ask(lab.socket, 'GET', '/containers/web/export')).status).toBe(200);
    const evil = AS_GOOD_AS_ROOT[0] as (typeof AS_GOOD_AS_ROOT)[number];
    expect((await ask(lab.socket, ...evil)).status).toBe(201);
    expect((await lab.docker(['inspect', '-f', '{{.HostConfig.Privileged}}', 'evil'])).out.trim()).toBe('true');
    await lab.docker(['rm', 'evil']);
    // And what the recipe's own page says of the profile `change`: it is as good as root.
    expect((await ask(at.change.proxy.socket, ...evil)).status).toBe(201);
    await lab.docker(['rm', '-f', 'evil']);
  });
});
