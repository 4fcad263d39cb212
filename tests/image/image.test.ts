/** The image, built from the very Dockerfile that users build, on a real engine. Bounded: about two minutes. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lackingLxc, lxcTests } from './as_lxc_tests.ts';
import { type Container, childOf, composed, endUnderLoad, HARDENED, orphan, start, zombiesOf } from './container.ts';
import { parts, tree } from './contents.ts';
import { buildImage, type Engine, IMAGE, importBase, lacking, network, startEngine } from './engine.ts';
import { sidecarTests } from './sidecar_tests.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = [...lacking(), ...lackingLxc()];
const able = real && missing.length === 0;
if (!real) process.stderr.write('SKIPPED tests/image: needs DECKHAND_REAL=1, root, dockerd and debootstrap.\n');
else if (!able) process.stderr.write(`SKIPPED tests/image: ${missing.join(', ')} missing.\n`);
if (process.env.CI === 'true' && !able)
  throw new Error(`CI must build and run the image: DECKHAND_REAL=1, and ${missing.join(', ') || 'nothing'} missing.`);

interface Overview {
  host: { hostname: string; container: boolean; virtualisation: string; bootedAt: string; uptimeWhose?: string };
  memory: {
    whose: string;
    source: string;
    totalBytes: number;
    limitBytes: number | null;
    hostTotalBytes: number | null;
  };
  cpu: { whose: string; limitCpus: number | null };
  processes: { whose: string; total: number };
  networks: { name: string }[];
}

const kib = (file: string, key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(file)?.[1]) * 1024;

describe.skipIf(!able)('the image', () => {
  let engine: Engine;
  let net: string;
  const running: Container[] = [];
  const run = async (...flags: string[]) => {
    const container = await start(engine, net, flags);
    running.push(container);
    return container;
  };
  const overview = async (container: Container) => {
    const client = await container.connect();
    const answer = await client.callTool({ name: 'system_overview', arguments: {} });
    await client.close();
    expect(answer.isError ?? false).toBe(false);
    return answer.structuredContent as never as Overview;
  };

  beforeAll(async () => {
    engine = await startEngine();
    net = await network(engine);
    await importBase(engine);
    await buildImage(engine);
  }, 300_000);

  afterAll(async () => {
    await engine?.close();
    expect(engine?.left()).toEqual([]);
  }, 60_000);

  test('it holds Node, the bundle and what those two load: nothing else, nothing twice, nothing that its user may change', async () => {
    const files = await tree(engine);
    const size = parts(files);
    process.stderr.write(
      `${size.map(([name, bytes]) => `${name.padEnd(28)}${(bytes / 1e6).toFixed(2)} MB`).join('\n')}\n`,
    );
    const paths = files.map((f) => f.path);
    expect(paths.filter((p) => /(^|\/)(npm|npx|yarn|corepack|node_modules|sh|bash|apt|dpkg|perl)$/.test(p))).toEqual([
      'var/lib/dpkg',
    ]);
    expect(paths.filter((p) => /(^|\/)node$/.test(p))).toEqual(['usr/local/bin/node', 'usr/share/doc/node']);
    expect(files.filter((f) => f.owner !== '0/0' && f.owner !== 'root/root')).toEqual([]);
    expect(files.filter((f) => /^.(..s|.....s)/.test(f.mode)).map((f) => f.path)).toEqual([]);
    const open = files.filter((f) => !f.mode.startsWith('l') && f.mode[8] === 'w').map((f) => f.path);
    expect(open).toEqual(['tmp', 'var/lib/deckhand']);
    for (const licence of [
      'opt/deckhand/LICENSE',
      'opt/deckhand/dist/THIRD_PARTY_LICENSES.txt',
      'usr/share/doc/node/LICENSE',
    ])
      expect(paths).toContain(licence);
    // A licence and a status entry for each package that a library is of.
    expect(paths.filter((p) => /^var\/lib\/dpkg\/status\.d\//.test(p)).length).toBe(
      paths.filter((p) => /^usr\/share\/doc\/[^/]+\/copyright$/.test(p)).length,
    );
    expect(Number((await engine.docker(['inspect', '-f', '{{.Size}}', IMAGE])).out)).toBeLessThan(145e6);
  });

  test('unhealthy when it hangs, healthy again when it goes on', async () => {
    const c = await run(...HARDENED, '--health-interval=1s', '--health-retries=1', '--health-start-period=1s');
    const health = () => c.inspect<string>('.State.Health.Status');
    await expect.poll(health, { timeout: 15_000, interval: 200 }).toBe('healthy');
    const node = childOf(await c.inspect<number>('.State.Pid'));
    process.kill(node, 'SIGSTOP');
    await expect.poll(health, { timeout: 15_000, interval: 200 }).toBe('unhealthy');
    process.kill(node, 'SIGCONT');
    await expect.poll(health, { timeout: 15_000, interval: 200 }).toBe('healthy');
    await c.remove();
  }, 60_000);

  test('read-only, without capabilities, as a user it does not know: an MCP client calls; the figures are the container’s', async () => {
    const c = await run(...HARDENED, '--cpus=1.5');
    const seen = await overview(c);
    expect(seen.host).toMatchObject({ container: true, virtualisation: 'docker', hostname: c.id.slice(0, 12) });
    const total = kib(readFileSync('/proc/meminfo', 'utf8'), 'MemTotal');
    expect(seen.memory).toMatchObject({ whose: 'container', totalBytes: 256 * 2 ** 20, hostTotalBytes: total });
    expect(seen.cpu.limitCpus).toBe(1.5);
    expect(seen.processes.whose).toBe('container');
    const logs = await c.logs();
    expect(logs).not.toMatch(/EROFS|EACCES|EPERM|ENOSPC/);
    // What the owner's word on a proxy costs is said, and nothing else is amiss.
    const amiss = logs.split('\n').filter((line) => /"level":"(warn|error)"/.test(line));
    expect(amiss.filter((line) => !line.includes('http.trustedProxies'))).toEqual([]);
    // It runs without a TTY, its log is kept by the engine: no secret may be in it.
    expect(logs).not.toMatch(/dh_/);
    expect(c.token).toMatch(/^dh_/);
    expect((await engine.docker(['diff', c.id])).out).toBe('');
    // A cache of another user is not used; the state folder then has one.
    expect(
      (await c.exec('node', '-p', 'fs.readdirSync("/var/lib/deckhand/state/compile-cache")[0]')).out.trim(),
    ).toMatch(/-12345$/);
    await c.remove();
  });

  test('as compose.yaml starts it, with the host’s views and process table: the figures are the host’s, and say so', async () => {
    const c = await run(...composed());
    const seen = await overview(c);
    expect(seen.host).toMatchObject({ container: false, hostname: hostname() });
    expect(seen.memory).toMatchObject({
      whose: 'host',
      source: '/proc/meminfo',
      totalBytes: kib(readFileSync('/proc/meminfo', 'utf8'), 'MemTotal'),
    });
    expect(seen.memory.limitBytes).toBeNull();
    expect(seen.cpu).toMatchObject({ whose: 'host', limitCpus: null });
    expect(seen.processes.whose).toBe('host');
    expect(seen.networks.map((n) => n.name)).not.toContain('lo');
    const list = await (await c.connect()).callTool({
      name: 'process_list',
      arguments: { name: 'dockerd', limit: 5 },
    });
    expect(JSON.stringify(list.structuredContent)).toContain('dockerd');
    // Not PID 1 here, so what tells that the log is kept is its init's name.
    expect(await c.logs()).not.toMatch(/dh_/);
    expect((await c.exec('node', '-e', 'fs.writeFileSync("/host/tmp/deckhand-wrote","x")')).err).toContain('EROFS');
    await c.remove();
  });

  test('state under the volume outlives the container, for the image’s own user', async () => {
    await engine.docker(['volume', 'create', 'kept']);
    const first = await run('-v', 'kept:/var/lib/deckhand');
    await first.remove();
    const second = await run('-v', 'kept:/var/lib/deckhand');
    const list = (await second.exec('deckhand', 'token', 'list', '--json')).out;
    expect((JSON.parse(list) as { tokens?: unknown[] }).tokens ?? JSON.parse(list)).toHaveLength(2);
    // Another user is told whose it is, instead of failing somewhere inside.
    const word = '-e=DECKHAND_HTTP_BEHIND_PROXY=true';
    const other = await engine.docker(['run', '--rm', '--user=12345', word, '-v', 'kept:/var/lib/deckhand', IMAGE], {
      mayFail: true,
    });
    expect(other.code).toBe(3);
    expect(other.err).toContain('/var/lib/deckhand/state');
    await second.remove();
  });

  test('without its owner’s word on what is published it does not start, and says what to give it', async () => {
    const { code, out, err } = await engine.docker(['run', '--rm', IMAGE], { mayFail: true });
    expect(code).toBe(3);
    expect(out + err).toContain('Will not listen on 0.0.0.0 in plain HTTP');
    expect(out + err).toContain('-p 127.0.0.1:7070:7070 -e DECKHAND_HTTP_BEHIND_PROXY=true');
  });

  test('with TLS in it instead it is healthy, and its certificate is the one that it made', async () => {
    await engine.docker(['volume', 'create', 'pair']);
    const volume = ['-v', 'pair:/var/lib/deckhand'];
    const made = await engine.docker([
      'run',
      '--rm',
      ...volume,
      IMAGE,
      'tls',
      'self-signed',
      '--name',
      'nas.lan',
      '--json',
    ]);
    const { certFile, keyFile, names } = JSON.parse(made.out) as { certFile: string; keyFile: string; names: string[] };
    expect(names).toContain('nas.lan');
    const files = [`-e=DECKHAND_HTTP_TLS_CERT_FILE=${certFile}`, `-e=DECKHAND_HTTP_TLS_KEY_FILE=${keyFile}`];
    const often = ['--health-interval=1s', '--health-start-period=1s'];
    const id = (await engine.docker(['run', '-d', ...volume, ...files, ...often, IMAGE])).out.trim();
    const health = async () => (await engine.docker(['inspect', '-f', '{{.State.Health.Status}}', id])).out.trim();
    await expect.poll(health, { timeout: 15_000, interval: 200 }).toBe('healthy');
    await engine.docker(['rm', '-fv', id]);
  }, 60_000);

  test('the compile cache made while it was built is used, on a read-only root', async () => {
    const ask = ['run', '--rm', '--read-only', '-e', 'NODE_DEBUG_NATIVE=COMPILE_CACHE', IMAGE, 'version'];
    const { err, out } = await engine.docker(ask);
    expect(out.trim()).toMatch(/\d+\.\d+\.\d+$/);
    const said = err + out;
    expect(said).toMatch(/dist\/\.compile-cache\/v24[^\n]*-10001/);
    expect(said).toMatch(/main\.mjs was accepted/);
  });

  test('SIGTERM under load: three times, in good order and none over a second', async () => {
    for (let i = 0; i < 3; i++) {
      const c = await run(...HARDENED);
      const { ms, code, failures } = await endUnderLoad(c, engine, 8);
      expect(failures).toEqual([]);
      expect(code).toBe(0);
      expect(ms).toBeLessThan(1_000);
      await c.remove();
    }
  }, 60_000);

  describe('as tailscale.yaml starts it, beside a stand-in for Tailscale', () => sidecarTests(() => engine));
  describe('as an LXC, in the way of Proxmox VE 9.1', () => lxcTests(() => engine));

  describe('as PID 1', () => {
    const IDLE = ['-e', 'setInterval(() => {}, 1000)'];
    const idle = async (entry: string, ...args: string[]) => {
      const made = await engine.docker(['run', '-d', '--network=none', '--entrypoint', entry, IMAGE, ...args, ...IDLE]);
      return made.out.trim();
    };
    const orphans = async (id: string) => {
      await orphan(engine, id, 100);
      const pid = Number((await engine.docker(['inspect', '-f', '{{.State.Pid}}', id])).out);
      return () => zombiesOf(pid);
    };
    const alive = async (id: string) => (await engine.docker(['inspect', '-f', '{{.State.Running}}', id])).out.trim();

    test('a signal before anybody listens ends it, and 100 orphans leave no zombie', async () => {
      const c = await run(...HARDENED);
      const zombies = await await orphans(c.id);
      await expect.poll(zombies, { timeout: 5_000 }).toBe(0);
      await c.remove();
      const id = await idle('/usr/bin/tini-static', '-s', '--', '/usr/local/bin/node');
      await engine.docker(['kill', '-s', 'TERM', id]);
      await expect.poll(() => alive(id), { timeout: 5_000 }).toBe('false');
    });

    test('control: Node alone is deaf to it, and keeps them', async () => {
      const id = await idle('/usr/local/bin/node');
      const zombies = await orphans(id);
      await expect.poll(zombies, { timeout: 5_000 }).toBeGreaterThan(50);
      await engine.docker(['kill', '-s', 'TERM', id]);
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(await alive(id)).toBe('true');
      await engine.docker(['rm', '-f', id]);
    });
  });
});
