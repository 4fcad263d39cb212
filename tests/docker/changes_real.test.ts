/**
 * What only a real Docker engine can show of changes: a container made exactly like another, a pull from a registry that lives or dies,
 * compose, and an engine that is killed and comes back. Loud when it is skipped.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { dockerAt } from '../../src/host/docker/index.ts';
import { execPath } from '../../src/host/exec.ts';
import { IMAGE, importImage, type LabEngine, labSettings, lacking, realClock, startLab, until } from './engine.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write('SKIPPED tests/docker/changes_real: needs DECKHAND_REAL=1, root, debootstrap and docker.\n');
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

describe.runIf(real)('changes on Docker 26', { timeout: 120_000 }, () => {
  let lab: LabEngine;
  beforeAll(async () => {
    lab = await startLab('docker');
  }, 400_000);
  afterAll(async () => {
    await lab.close();
    expect(lab.left()).toEqual([]);
  }, 60_000);
  const inspected = async (name: string) =>
    JSON.parse((await lab.docker(['inspect', name])).out)[0] as Record<string, never> & {
      Id: string;
      Config: Record<string, unknown> & { Env: string[] };
      HostConfig: Record<string, unknown>;
      Mounts: { Destination: string }[];
      NetworkSettings: { Networks: Record<string, { IPAMConfig: unknown; Aliases: string[]; IPAddress: string }> };
    };
  const failed = async (run: Promise<unknown>): Promise<OpsError> => {
    const thrown = await run.then(
      () => null,
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(OpsError);
    return thrown as OpsError;
  };

  test('a container is made exactly like another, and what came with the image follows the image', async () => {
    await importImage(
      lab,
      'app:1',
      ['ENV VERSION=1 SHARED=yes', 'LABEL org.example=one', 'CMD ["sleep","1000"]'],
      'one',
    );
    await importImage(
      lab,
      'app:2',
      ['ENV VERSION=2 SHARED=yes', 'LABEL org.example=two', 'CMD ["sleep","2000"]'],
      'two',
    );
    await lab.docker(['network', 'create', '--subnet', '10.77.0.0/24', 'front']);
    await lab.docker(['network', 'create', 'back']);
    mkdirSync(join(lab.share, 'bind'));
    const network = [
      '--network',
      'front',
      '--ip',
      '10.77.0.50',
      '--network-alias',
      'www',
      '-p',
      '8081:80',
      '-p',
      '127.0.0.1::90',
    ];
    const storage = ['-v', '/share/bind:/bind:ro', '-v', '/anon', '-v', 'named:/named', '--tmpfs', '/scratch:size=1m'];
    const mount = ['--mount', 'type=volume,target=/anon2'];
    const limits = [
      '-m',
      '64m',
      '--cpus',
      '0.5',
      '--pids-limit',
      '50',
      '--ulimit',
      'nofile=100:200',
      '--shm-size',
      '8m',
    ];
    const rights = [
      '--cap-add',
      'NET_ADMIN',
      '--cap-drop',
      'CHOWN',
      '--security-opt',
      'no-new-privileges',
      '--user',
      '0:0',
    ];
    const rest = [
      '--restart',
      'unless-stopped',
      '--label',
      'own=yes',
      '-e',
      'MINE=1',
      '--log-opt',
      'max-size=1m',
      '--init',
    ];
    const more = [
      '--dns',
      '192.0.2.1',
      '--add-host',
      'x:192.0.2.2',
      '--sysctl',
      'net.ipv4.ip_forward=0',
      '--stop-timeout',
      '3',
    ];
    const health = [
      '--health-cmd',
      'true',
      '--health-interval',
      '5s',
      '--read-only',
      '--workdir',
      '/data',
      '--hostname',
      'boss',
    ];
    const all = [...network, ...storage, ...mount, ...limits, ...rights, ...rest, ...more, ...health];
    await lab.docker(['run', '-d', '--name', 'app', ...all, 'app:1']);
    await lab.docker(['network', 'connect', '--alias', 'inner', 'back', 'app']);
    const before = await inspected('app');

    const { changes } = lab.host;
    const raw = await changes.raw('app');
    await changes.stop('app', { graceS: 1 });
    await changes.rename('app', 'app-old');
    const id = await changes.recreate(raw, { image: 'app:2', name: 'app' });
    await changes.start('app');
    const after = await inspected('app');

    expect(after.Id).toBe(id);
    expect(after.Id).not.toBe(before.Id);
    expect(after.Config.Image).toBe('app:2');
    expect(after.Config.Env).toEqual(expect.arrayContaining(['MINE=1', 'SHARED=yes', 'VERSION=2']));
    expect(after.Config.Env).not.toContain('VERSION=1');
    expect(after.Config.Cmd).toEqual(['sleep', '2000']);
    expect(after.Config.Labels).toEqual({ own: 'yes', 'org.example': 'two' });
    for (const key of ['Healthcheck', 'Hostname', 'User', 'WorkingDir', 'ExposedPorts', 'StopTimeout'])
      expect(after.Config[key], key).toEqual(before.Config[key]);
    const { Binds: hadBinds, Mounts: hadMounts, ...hadHost } = before.HostConfig;
    const { Binds: hasBinds, Mounts: hasMounts, ...hasHost } = after.HostConfig;
    expect(hasHost).toEqual(hadHost);
    // Volumes without a name of their own are asked for by the name that the engine gave them: that is the whole difference.
    expect(hasBinds).toEqual(expect.arrayContaining(hadBinds as string[]));
    expect((hasBinds as string[]).length).toBe((hadBinds as string[]).length + 1);
    expect((hasMounts as object[]).length).toBe((hadMounts as object[]).length);
    const sorted = (m: { Destination: string }[]) =>
      m.map((x) => ({ ...x, Mode: '' })).toSorted((a, b) => (a.Destination < b.Destination ? -1 : 1));
    expect(sorted(after.Mounts)).toEqual(sorted(before.Mounts));
    const nets = (c: typeof before) =>
      Object.entries(c.NetworkSettings.Networks)
        .map(([name, n]) => [name, n.IPAMConfig, n.Aliases?.filter((a) => a !== c.Id.slice(0, 12))])
        .sort();
    expect(nets(after).map((n) => JSON.stringify(n).replace('{}', 'null'))).toEqual(
      nets(before).map((n) => JSON.stringify(n).replace('{}', 'null')),
    );
    expect(after.NetworkSettings.Networks.front?.IPAddress).toBe('10.77.0.50');

    // And back: the old one is as it was.
    await changes.remove('app', { force: true, volumes: false });
    await changes.rename('app-old', 'app');
    await changes.start('app');
    const again = await inspected('app');
    expect(again.Id).toBe(before.Id);
    expect(again.HostConfig).toEqual(before.HostConfig);
    expect(again.Config).toEqual(before.Config);
    expect(sorted(again.Mounts)).toEqual(sorted(before.Mounts));
    expect(again.NetworkSettings.Networks.front?.IPAddress).toBe('10.77.0.50');
  });

  test('what the other did not have is refused', async () => {
    await lab.docker(['run', '-d', '--name', 'plain', IMAGE, 'sleep', '1000']);
    const { changes, containers } = lab.host;
    const raw = await changes.raw('plain');
    const host = raw.HostConfig as Record<string, unknown>;
    const evil: Record<string, unknown>[] = [
      { Privileged: true },
      { Binds: ['/:/host'] },
      { PidMode: 'host' },
      { CapAdd: ['ALL'] },
    ];
    for (const more of evil) {
      const error = await failed(
        changes.recreate({ ...raw, HostConfig: { ...host, ...more } }, { image: IMAGE, name: 'evil' }),
      );
      expect(error.code).toBe('conflict');
    }
    const config = { ...raw, Config: { ...(raw.Config as object), Cmd: ['cat', '/etc/shadow'] } };
    expect((await failed(changes.recreate(config, { image: IMAGE, name: 'evil' }))).code).toBe('conflict');
    expect((await failed(changes.recreate(raw, { image: 'not/there:1', name: 'evil' }))).code).toBe('not_found');
    expect((await failed(changes.recreate(raw, { image: IMAGE, name: 'plain' }))).code).toBe('conflict');
    const networks = (raw.NetworkSettings as { Networks: Record<string, object> }).Networks;
    const elsewhere = { ...raw, NetworkSettings: { Networks: { ...networks, nowhere: { Aliases: [] } } } };
    expect((await failed(changes.recreate(elsewhere, { image: IMAGE, name: 'evil' }))).code).toBe('conflict');
    expect((await containers.list({ all: true })).map((c) => c.name)).not.toContain('evil');
  });

  test('a pull: progress, the digest, up to date; an image that is not there; a registry that dies', async () => {
    const kill = await lab.registry();
    const tag = '127.0.0.1:5000/team/app:1';
    await lab.docker(['tag', 'app:1', tag]);
    await lab.docker(['push', tag]);
    await lab.docker(['rmi', tag]);
    const { images } = lab.host;
    const remote = await images.remoteDigest(tag);
    expect(remote.value).toMatch(/^sha256:[0-9a-f]{64}$/);
    const texts: string[] = [];
    const first = await images.pull(tag, { onProgress: (p) => texts.push(p.text) });
    expect(first).toMatchObject({ digest: remote.value, upToDate: false });
    expect(texts.length).toBeGreaterThan(1);
    expect(await images.pull(tag, {})).toEqual({ ...first, upToDate: true });
    expect((await failed(images.pull('127.0.0.1:5000/team/app:none', {}))).code).toBe('not_found');
    const list = await images.list();
    expect(list.find((i) => i.tags.includes(tag))?.digests).toEqual([`127.0.0.1:5000/team/app@${remote.value}`]);
    expect((await images.remove(tag)).untagged).toContain(tag);
    await kill();
    const dead = await failed(images.pull(tag, {}));
    expect(dead.code).toBe('unavailable');
    expect((await images.remoteDigest(tag)).value).toBeNull();
    // A dangling image is made by giving its tag to another.
    await importImage(lab, 'dangling:1', [], 'a');
    await importImage(lab, 'dangling:1', [], 'b');
    expect((await images.list()).filter((i) => i.dangling)).toHaveLength(1);
    const pruned = await images.pruneDangling();
    expect(pruned.deleted.length).toBeGreaterThan(0);
    expect(pruned.freedBytes).toBeGreaterThan(1_000_000);
    expect((await failed(images.remove('app:1'))).code).toBe('conflict');
  });

  test('compose: its projects by their labels, config, up and down by the plugin', async () => {
    const folder = join(lab.share, 'shop');
    mkdirSync(folder);
    const file = join(folder, 'compose.yml');
    writeFileSync(
      file,
      `services:\n  web: {image: "${IMAGE}", command: [sleep, "1000"], stop_grace_period: 1s}\n  db: {image: "${IMAGE}", command: [sleep, "1000"], stop_grace_period: 1s}\n`,
    );
    // The plugin lives inside, where the shared folder has another name.
    const docker = dockerAt({
      settings: labSettings(lab.endpoint),
      clock: realClock,
      exec: async (o) => {
        const args = o.args.map((a) => a.replaceAll(lab.share, '/share'));
        const { code, out, err } = await lab.inside(['docker', ...args], { mayFail: true });
        for (const line of err.split('\n')) o.onLine?.(line);
        return { code, stdout: out, stderr: err };
      },
    });
    const project = { name: 'shop', configFiles: [file], workingDir: folder, services: [] };
    const lines: string[] = [];
    const o = { timeoutMs: 60_000, onLine: (line: string) => void lines.push(line) };
    expect((await docker.engines.info()).compose.value).toMatch(/^2\.\d+/);
    const config = await docker.stacks.compose(project, 'config', o);
    expect(Object.keys(JSON.parse(config.out).services).sort()).toEqual(['db', 'web']);
    expect(await docker.stacks.compose(project, 'up', o)).toMatchObject({ code: 0 });
    expect(lines.join('\n')).toMatch(/Started/);
    const [shop] = await docker.stacks.list();
    expect(shop).toMatchObject({ name: 'shop', configFiles: ['/share/shop/compose.yml'], workingDir: '/share/shop' });
    expect(shop?.services.map((s) => [s.name, s.containers[0]?.state])).toEqual([
      ['db', 'running'],
      ['web', 'running'],
    ]);
    expect(await docker.stacks.compose(project, 'down', o)).toMatchObject({ code: 0 });
    expect(await docker.stacks.list()).toEqual([]);
    for (const bad of [
      { ...project, name: '-f' },
      { ...project, configFiles: [] },
      { ...project, configFiles: ['--help'] },
      { ...project, configFiles: [`${folder}/../shop/compose.yml`] },
      { ...project, configFiles: ['/nowhere/compose.yml'] },
      { ...project, workingDir: 'relative' },
    ])
      expect((await failed(docker.stacks.compose(bad, 'up', o))).code).toBe('validation');
    docker.close();
  });

  test('an engine that is killed is said to be gone at once, and used again when it is back', async () => {
    const { containers, engines } = lab.host;
    expect((await containers.list({ all: true })).length).toBeGreaterThan(0);
    await lab.kill();
    const t = performance.now();
    expect((await failed(containers.list())).code).toBe('unavailable');
    expect((await engines.status()).engines[0]).toMatchObject({
      answers: false,
      trouble: { hint: expect.any(String) },
    });
    expect(performance.now() - t).toBeLessThan(1_000);
    await lab.start();
    expect((await until('it answers', () => containers.list({ all: true }).catch(() => null))).length).toBeGreaterThan(
      0,
    );
  });

  test('a stopped engine costs three seconds, and is well again when it goes on', async () => {
    const { containers } = lab.host;
    lab.signal('SIGSTOP');
    const t = performance.now();
    expect((await failed(containers.list())).code).toBe('timeout');
    const took = performance.now() - t;
    expect(took).toBeGreaterThan(2_500);
    expect(took).toBeLessThan(5_000);
    const u = performance.now();
    expect((await failed(containers.list())).code).toBe('unavailable');
    // At once, beside what was waited for before.
    expect(performance.now() - u).toBeLessThan(took / 5);
    lab.signal('SIGCONT');
    await until('it answers', () => containers.list({ all: true }).catch(() => null));
  });
});

test('a program’s lines are told as they come', async () => {
  const lines: string[] = [];
  const o = { args: ['-c', 'echo a; echo b >&2; printf c'], timeoutMs: 5_000, maxBytes: 100 };
  const ran = await execPath('/bin/sh', { ...o, onLine: (line) => void lines.push(line) });
  expect(ran.code).toBe(0);
  expect(lines.sort()).toEqual(['a', 'b']);
});
