/**
 * A Docker engine of our own for the image's tests, and the stand-in for the base that the Dockerfile names: no registry is asked.
 * The daemon lives in a mount namespace of its own, with its cgroups under one parent, without iptables and without
 * the default bridge. It shares the machine's network (the build needs npm and apt) and its process table (`--pid=host` has to
 * mean the host). What it leaves is removed by `close`, and a test says so.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { root } from '../e2e/product.ts';

export const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
export const BASE = /^FROM (node:\S+) AS build$/m.exec(dockerfile)?.[1] ?? 'no base in the Dockerfile';
export const IMAGE = 'deckhand:test';

/** What is missing here; empty: the engine can be started. */
export function lacking(): string[] {
  const found = (name: string) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
  const missing = ['dockerd', 'docker', 'debootstrap', 'unshare', 'setpriv'].filter((name) => !found(name));
  return process.geteuid?.() === 0 ? missing : ['root', ...missing];
}

export interface Ran {
  code: number | null;
  out: string;
  err: string;
}

export interface Engine {
  dir: string;
  /** All that the machine could keep of it: processes, mounts, cgroups, links. Empty after `close`. */
  left(): string[];
  /** Throws when the command fails, unless `mayFail`. */
  docker(args: string[], o?: { mayFail?: boolean; ms?: number }): Promise<Ran>;
  close(): Promise<void>;
}

export async function startEngine(): Promise<Engine> {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-image-'));
  const name = basename(dir).toLowerCase();
  const host = `unix://${dir}/docker.sock`;
  const flags = [
    ...['-H', host, '--data-root', `${dir}/data`, '--exec-root', `${dir}/exec`, '--pidfile', `${dir}/docker.pid`],
    ...['--cgroup-parent', `/${name}`, '--bridge=none', '--iptables=false', '--ip-forward=false', '--ip-masq=false'],
  ];
  // Should the test runner be killed, the daemon is told to stop.
  // Shared among its own mounts only, as systemd leaves / on a host: `rslave` then works, and nothing gets out.
  const script = 'mount --make-rprivate / && mount --make-rshared / && exec setpriv --pdeathsig TERM dockerd "$@"';
  const log = join(dir, 'dockerd.log');
  writeFileSync(log, '');
  const daemon = spawn('unshare', ['-m', 'sh', '-c', script, 'sh', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [daemon.stdout, daemon.stderr]) stream.on('data', (d) => appendFileSync(log, d));

  const engine: Engine = {
    dir,
    left: () => leftovers(dir, name),
    async docker(args, { mayFail = false, ms = 60_000 } = {}) {
      const ran = await command('docker', args, { DOCKER_HOST: host, DOCKER_BUILDKIT: '0', DOCKER_CONFIG: dir }, ms);
      if (ran.code !== 0 && !mayFail)
        throw new Error(`docker ${args.join(' ')}: ${ran.code}\n${ran.out.slice(-3000)}\n${ran.err.slice(-3000)}`);
      return ran;
    },
    async close() {
      const { out } = await engine.docker(['ps', '-aq'], { mayFail: true });
      const ids = out.split('\n').filter(Boolean);
      if (ids.length > 0) await engine.docker(['rm', '-fv', ...ids], { mayFail: true });
      await engine.docker(['network', 'rm', NETWORK], { mayFail: true });
      await ended(daemon);
      // containerd and its shims, had the daemon not ended well.
      for (const pid of processesOf(dir)) process.kill(pid, 'SIGKILL');
      for (let i = 0; i < 50 && processesOf(dir).length > 0; i++) await after(100);
      spawnSync('ip', ['link', 'del', BRIDGE]);
      for (const group of cgroups(name)) removeGroup(group);
      rmSync(dir, { recursive: true, force: true });
    },
  };
  for (const end = Date.now() + 30_000; ; await after(100)) {
    if ((await engine.docker(['version'], { mayFail: true })).code === 0) return engine;
    if (Date.now() < end && daemon.exitCode === null) continue;
    const said = readFileSync(log, 'utf8').slice(-3000);
    await engine.close();
    throw new Error(`dockerd did not start:\n${said}`);
  }
}

const NETWORK = 'deckhand-test';
/** At most 15 characters, as the kernel wants it. */
const BRIDGE = 'deckhand-test0';

/** For `-p`: a bridge without forwarding; Docker's own relay process carries the published port. */
export async function network(engine: Engine): Promise<string> {
  await engine.docker(['network', 'create', '-o', `com.docker.network.bridge.name=${BRIDGE}`, NETWORK]);
  return NETWORK;
}

/** Debian's smallest system, the project's Node and this machine's npm, under the very tag that FROM names. */
export async function importBase(engine: Engine): Promise<void> {
  const rootfs = join(engine.dir, 'rootfs');
  const suite = /-([a-z]+)-slim$/.exec(BASE)?.[1] ?? '';
  const mirror = spawnSync('apt-get', ['indextargets', '--format', '$(SITE)', 'Created-By: Packages'], {
    encoding: 'utf8',
  }).stdout.split('\n')[0];
  const made = await command('debootstrap', ['--variant=minbase', suite, rootfs, mirror ?? ''], {}, 180_000);
  if (made.code !== 0) throw new Error(`debootstrap: ${made.code}\n${made.out.slice(-2000)}${made.err.slice(-2000)}`);
  const local = join(rootfs, 'usr/local');
  const node = join(root, `node_modules/node-linux-${process.arch}`);
  cpSync(join(node, 'bin/node'), join(local, 'bin/node'));
  cpSync(join(node, 'LICENSE'), join(local, 'LICENSE'));
  mkdirSync(join(local, 'lib/node_modules'), { recursive: true });
  cpSync(npmFolder(), join(local, 'lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin/npm'));
  // What this machine needs to reach its registry is no business of the Dockerfile: it lies in the stand-in only.
  const registry = (await command('npm', ['config', 'get', 'registry'], {}, 20_000)).out.trim();
  mkdirSync(join(local, 'etc'), { recursive: true });
  writeFileSync(join(local, 'etc/npmrc'), `registry=${registry}\n`);
  const cafile = (await command('npm', ['config', 'get', 'cafile'], {}, 20_000)).out.trim();
  const authorities = process.env.NODE_EXTRA_CA_CERTS ?? (cafile.startsWith('/') ? cafile : undefined);
  if (authorities) cpSync(realpathSync(authorities), join(local, 'etc/ca.pem'));
  rmSync(join(rootfs, 'var/lib/apt/lists'), { recursive: true });
  rmSync(join(rootfs, 'var/cache/apt/archives'), { recursive: true });
  const tar = join(engine.dir, 'base.tar');
  await command('tar', ['-C', rootfs, '-cf', tar, '.'], {}, 60_000);
  rmSync(rootfs, { recursive: true });
  const change = authorities ? ['-c', 'ENV NODE_EXTRA_CA_CERTS=/usr/local/etc/ca.pem'] : [];
  await engine.docker(['import', ...change, tar, BASE]);
  rmSync(tar);
}

export async function buildImage(engine: Engine): Promise<string> {
  // Proxies are arguments that every Dockerfile knows; nothing of them stays in the image.
  const proxies = Object.keys(process.env).filter((k) => /^(https?|no)_proxy$/i.test(k));
  const args = proxies.flatMap((k) => ['--build-arg', k]);
  return (await engine.docker(['build', '--network', 'host', ...args, '-t', IMAGE, root], { ms: 240_000 })).out;
}

function npmFolder(): string {
  const file =
    process.env.npm_execpath ?? spawnSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).stdout.trim();
  return dirname(dirname(realpathSync(file)));
}

export function command(name: string, args: string[], env: Record<string, string>, ms: number): Promise<Ran> {
  const child = spawn(name, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  let out = '';
  let err = '';
  child.stdout.on('data', (d) => {
    out += d;
  });
  child.stderr.on('data', (d) => {
    err += d;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, out, err });
    });
  });
}

export async function ended(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  daemon.once('exit', () => resolve());
  daemon.kill('SIGTERM');
  const timer = setTimeout(() => daemon.kill('SIGKILL'), 15_000);
  await promise;
  clearTimeout(timer);
}

/** By their command line, which names our folder: the daemon's own children have left its process group. */
export function processesOf(dir: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && pid !== process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${dir}/`);
      } catch {
        return false;
      }
    });
}

/** On v2 one folder, on v1 one for each controller. */
export function cgroups(name: string): string[] {
  const tree = '/sys/fs/cgroup';
  const at = existsSync(tree) ? readdirSync(tree, { withFileTypes: true }).filter((d) => d.isDirectory()) : [];
  return [join(tree, name), ...at.map((d) => join(tree, d.name, name))].filter((path) => existsSync(path));
}

export function removeGroup(path: string): void {
  for (const d of readdirSync(path, { withFileTypes: true })) if (d.isDirectory()) removeGroup(join(path, d.name));
  try {
    rmdirSync(path);
  } catch {
    // Still in use: `left` tells.
  }
}

function leftovers(dir: string, name: string): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((l) => l.includes(dir));
  const link = existsSync(`/sys/class/net/${BRIDGE}`) ? [BRIDGE] : [];
  const folder = existsSync(dir) ? [dir] : [];
  return [...processesOf(dir).map((pid) => `process ${pid}`), ...mounts, ...cgroups(name), ...link, ...folder];
}
