/**
 * The image as an LXC, in the way that Proxmox VE 9.1 makes one of an OCI image: its layers as a root file system, entry point, environment, user and
 * stop signal out of its config, the network managed from outside, unprivileged. What `pct` would write is written here.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cgroups, command, type Engine, IMAGE, type Ran, removeGroup } from './engine.ts';

/** root inside is this outside, as Proxmox does it. */
const SHIFT = 100_000;
/** A network for documentation: nothing else here has it. */
const HERE = '198.51.100.1';
const THERE = '198.51.100.2';
export const URL_THERE = `http://${THERE}:7070`;

export interface OciConfig {
  Entrypoint: string[];
  Cmd: string[];
  Env: string[];
  User: string;
  StopSignal?: string;
  Volumes: Record<string, object>;
}

export interface Lxc {
  /** Of PID 1 in there, as this machine counts. */
  pid(): number;
  start(): Promise<void>;
  /** By lxc-stop's halt signal; ms until it has ended. */
  stop(): Promise<number>;
  attach(args: string[]): Promise<Ran>;
  log(): string;
  left(): string[];
  close(): Promise<void>;
}

const TOOLS = ['lxc-start', 'lxc-stop', 'lxc-attach', 'lxc-info', 'ip', 'tar'];
export const lackingLxc = (): string[] =>
  TOOLS.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0);

export async function asLxc(engine: Engine, env: Record<string, string>): Promise<Lxc> {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-lxc-'));
  // The way down for root of the container, who is nobody out here.
  chmodSync(dir, 0o755);
  const name = `dh-${process.pid}`;
  const link = `dhl${process.pid}`.slice(0, 15);
  const rootfs = join(dir, name, 'rootfs');
  const state = join(dir, 'state');
  mkdirSync(rootfs, { recursive: true });
  mkdirSync(state, { mode: 0o700 });
  const config = await unpacked(engine, join(dir, 'image'), rootfs);
  const [uid, gid] = config.User.split(':').map(Number);
  if (uid === undefined || gid === undefined) throw new Error(`The image's user is ${config.User}`);
  chownSync(state, SHIFT + uid, SHIFT + gid);
  const volume = Object.keys(config.Volumes)[0] ?? 'none';
  const log = join(dir, 'console.log');
  const file = join(dir, name, 'config');
  const given = [...config.Env, ...Object.entries(env).map(([k, v]) => `${k}=${v}`)];
  writeFileSync(
    file,
    `${[
      `lxc.uts.name = ${name}`,
      `lxc.rootfs.path = dir:${rootfs}`,
      `lxc.idmap = u 0 ${SHIFT} 65536`,
      `lxc.idmap = g 0 ${SHIFT} 65536`,
      `lxc.init.cmd = ${[...config.Entrypoint, ...config.Cmd].join(' ')}`,
      `lxc.init.uid = ${uid}`,
      `lxc.init.gid = ${gid}`,
      `lxc.signal.halt = ${config.StopSignal ?? 'SIGTERM'}`,
      ...given.map((e) => `lxc.environment = ${e}`),
      `lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed`,
      `lxc.mount.entry = shm dev/shm tmpfs rw,nosuid,nodev,create=dir 0 0`,
      `lxc.mount.entry = ${state} ${volume.slice(1)} none bind,create=dir 0 0`,
      `lxc.net.0.type = veth`,
      `lxc.net.0.veth.pair = ${link}`,
      `lxc.net.0.flags = up`,
      `lxc.net.0.ipv4.address = ${THERE}/30`,
      `lxc.net.0.ipv4.gateway = ${HERE}`,
      `lxc.console.logfile = ${log}`,
      `lxc.tty.max = 0`,
    ].join('\n')}\n`,
  );
  const at = ['-P', dir, '-n', name];
  const must = async (program: string, args: string[], ms = 60_000) => {
    const ran = await command(program, args, {}, ms);
    if (ran.code !== 0)
      throw new Error(`${program} ${args.join(' ')}: ${ran.code}\n${ran.out}${ran.err}\n${lxc.log().slice(-3000)}`);
    return ran;
  };
  const groups = () => [`lxc.payload.${name}`, `lxc.monitor.${name}`].flatMap(cgroups);
  const lxc: Lxc = {
    pid: () => Number(/\d+/.exec(spawnSync('lxc-info', [...at, '-p', '-H'], { encoding: 'utf8' }).stdout)?.[0]),
    async start() {
      await must('lxc-start', [...at, '-d', '-o', join(dir, 'lxc.log'), '-l', 'WARN']);
      await must('ip', ['addr', 'replace', `${HERE}/30`, 'dev', link]);
      await must('ip', ['link', 'set', link, 'up']);
      for (const end = Date.now() + 30_000; ; await new Promise((r) => setTimeout(r, 50))) {
        if ((await fetch(new URL('/healthz', URL_THERE)).catch(() => null))?.ok) return;
        if (Date.now() > end) throw new Error(`It does not become live: ${lxc.log()}`);
      }
    },
    async stop() {
      const from = performance.now();
      await must('lxc-stop', [...at, '-t', '45']);
      return performance.now() - from;
    },
    attach: (args) => command('lxc-attach', [...at, '--clear-env', '--', ...args], {}, 30_000),
    log: () =>
      [log, join(dir, 'lxc.log')]
        .filter(existsSync)
        .map((f) => readFileSync(f, 'utf8'))
        .join('\n'),
    left() {
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((l) => l.includes(dir));
      return [
        ...(existsSync(`/sys/class/net/${link}`) ? [link] : []),
        ...mounts,
        ...groups(),
        ...(existsSync(dir) ? [dir] : []),
      ];
    },
    async close() {
      await command('lxc-stop', [...at, '-k'], {}, 30_000);
      for (let i = 0; i < 50 && existsSync(`/sys/class/net/${link}`); i++) await new Promise((r) => setTimeout(r, 100));
      for (let i = 0; i < 50 && groups().length > 0; i++) {
        for (const group of groups()) removeGroup(group);
        if (groups().length > 0) await new Promise((r) => setTimeout(r, 100));
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return lxc;
}

/** Layer upon layer, and every file moved to the range of the container. All are root's: image.test.ts says so. */
async function unpacked(engine: Engine, image: string, rootfs: string): Promise<OciConfig> {
  mkdirSync(image);
  const run = async (program: string, args: string[]) => {
    const ran = await command(program, args, {}, 120_000);
    if (ran.code !== 0) throw new Error(`${program} ${args.join(' ')}: ${ran.err}`);
  };
  await engine.docker(['save', '-o', join(image, 'image.tar'), IMAGE], { ms: 120_000 });
  await run('tar', ['-C', image, '-xf', join(image, 'image.tar')]);
  const [manifest] = JSON.parse(readFileSync(join(image, 'manifest.json'), 'utf8')) as {
    Config: string;
    Layers: string[];
  }[];
  if (!manifest) throw new Error(`No image in ${readdirSync(image)}`);
  for (const layer of manifest.Layers) await run('tar', ['-C', rootfs, '--numeric-owner', '-xpf', join(image, layer)]);
  await run('chown', ['-R', '-h', `${SHIFT}:${SHIFT}`, rootfs]);
  return (JSON.parse(readFileSync(join(image, manifest.Config), 'utf8')) as { config: OciConfig }).config;
}
