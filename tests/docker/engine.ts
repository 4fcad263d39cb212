/**
 * Real engines for the tests: Docker 26 and Podman from a Debian 13 root file system, and a registry beside Docker. Each lives in mount,
 * network and process namespaces of its own, with its cgroups under one parent; its socket lies in a shared folder. What one leaves is
 * removed by `close`, and `left` says what is there still. Docker 20.10 is Debian 12's own (tests/image/engine.ts).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { dockerAt, type OpenDocker } from '../../src/host/docker/index.ts';
import { cgroups, command, processesOf, type Ran, removeGroup } from '../image/engine.ts';

const SUITE = 'trixie';
const PACKAGES =
  'ca-certificates,docker.io,docker-cli,docker-compose,podman,docker-registry,busybox-static,iptables,nftables,iproute2,procps,runc,systemd,systemd-sysv,dbus,systemd-journal-remote,libpam-systemd,polkitd';

/** What is missing here; empty: the engines can be started. */
export function lacking(): string[] {
  const found = (name: string) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
  const missing = ['docker', 'unshare', 'nsenter', 'ip', ...(existsSync(kept()) ? [] : ['debootstrap'])].filter(
    (n) => !found(n),
  );
  return process.geteuid?.() === 0 ? missing : ['root', ...missing];
}

/** One root file system for all runs of a machine (DECKHAND_LAB), or for this one. */
const folder = () => process.env.DECKHAND_LAB ?? join(tmpdir(), 'deckhand-lab');
export const kept = () => join(folder(), 'rootfs');

/** Made once, whoever comes first; about a minute. */
export async function rootfs(): Promise<string> {
  mkdirSync(folder(), { recursive: true });
  const lock = join(folder(), 'making');
  for (const end = Date.now() + 300_000; !existsSync(kept()); await after(500)) {
    try {
      mkdirSync(lock);
    } catch {
      if (Date.now() > end) throw new Error(`${lock} is held for five minutes: remove it if nobody makes a rootfs`);
      continue;
    }
    try {
      if (existsSync(kept())) break;
      const part = mkdtempSync(join(folder(), 'part-'));
      const mirror = spawnSync('apt-get', ['indextargets', '--format', '$(SITE)', 'Created-By: Packages'], {
        encoding: 'utf8',
      }).stdout.split('\n')[0];
      const args = ['--variant=minbase', `--include=${PACKAGES}`, SUITE, part, mirror ?? ''];
      const made = await command('debootstrap', args, { DEBIAN_FRONTEND: 'noninteractive' }, 280_000);
      if (made.code !== 0)
        throw new Error(`debootstrap: ${made.code}\n${made.out.slice(-2000)}${made.err.slice(-2000)}`);
      renameSync(part, kept());
    } finally {
      rmdirSync(lock);
    }
  }
  return kept();
}

export type Kind = 'docker' | 'podman';

export interface LabEngine {
  dir: string;
  /** The folder that is /share inside. */
  share: string;
  socket: string;
  endpoint: string;
  /** The adapter, speaking to it. */
  host: OpenDocker;
  /** The command line, from outside. Throws when it fails, unless `mayFail`. */
  docker(args: string[], o?: { mayFail?: boolean; ms?: number }): Promise<Ran>;
  /** A program inside: compose, the registry. */
  inside(args: string[], o?: { mayFail?: boolean; ms?: number }): Promise<Ran>;
  /** A registry inside, at 127.0.0.1:5000; returns how to kill it. */
  registry(): Promise<() => Promise<void>>;
  /** The engine dies with all that it runs, and comes back with its data. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** To the daemon alone: stopped, it hangs. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  left(): string[];
  close(): Promise<void>;
}

export const IMAGE = 'local/busybox:1';
const LINKS = [
  'sh',
  'sleep',
  'tail',
  'httpd',
  'true',
  'false',
  'echo',
  'cat',
  'seq',
  'wget',
  'dd',
  'yes',
  'head',
  'kill',
  'mkdir',
  'touch',
  'ls',
];

const daemonOf: Record<Kind, (cgroup: string) => string> = {
  docker: (cgroup) =>
    `dockerd -H unix:///share/engine.sock --data-root /share/data --exec-root /run/dk --pidfile /run/dk.pid --max-download-attempts 2 --cgroup-parent /${cgroup}`,
  // runc: crun refuses a machine with both kinds of cgroups.
  podman: () =>
    'podman --runtime runc --root /share/data --runroot /run/pm --cgroup-manager cgroupfs --events-backend file system service --time 0 unix:///share/engine.sock',
};

/** A bind mount and pivot_root, not a plain chroot: importing an image remounts /. */
const script = (rootfs: string, share: string, daemon: string) => `set -e
mount --make-rprivate /
mount --bind ${rootfs} ${rootfs}
cd ${rootfs}
mkdir -p share old
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --bind ${share} share
ip link set lo up
pivot_root . old
umount -l /old
export PODMAN_IGNORE_CGROUPSV1_WARNING=1
exec chroot . ${daemon}
`;

export async function startLab(kind: Kind): Promise<LabEngine> {
  const base = await rootfs();
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-engine-'));
  const name = basename(dir).toLowerCase();
  const share = join(dir, 'share');
  mkdirSync(share);
  const socket = join(share, 'engine.sock');
  const endpoint = `unix://${socket}`;
  const log = join(dir, 'log');
  writeFileSync(join(dir, 'start.sh'), script(base, share, daemonOf[kind](name)));
  // Podman's own choice for its containers; what was there before is the machine's, and beside a Docker another lab's.
  const podmans = () => (kind === 'podman' ? cgroups('libpod_parent') : []);
  const before = podmans();
  const groups = () => [...cgroups(name), ...podmans().filter((g) => !before.includes(g))];
  let outer: ChildProcess | null = null;
  /** In the engine's network, but among this machine's processes: they would outlive it. */
  const registries = new Set<ChildProcess>();
  const ends = async (child: ChildProcess) => {
    registries.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await gone;
  };

  /** The first process of the namespaces: with it all others die. */
  const first = (): string => {
    const pid = outer?.pid;
    return pid ? readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim() : '';
  };
  const ranWell = (what: string, ran: Ran, mayFail: boolean) => {
    if (ran.code === 0 || mayFail) return ran;
    throw new Error(`${what}: ${ran.code}\n${ran.out.slice(-3000)}\n${ran.err.slice(-3000)}`);
  };

  const engine: LabEngine = {
    dir,
    share,
    socket,
    endpoint,
    host: dockerAt({ settings: labSettings(endpoint), clock: realClock }),
    async docker(args, { mayFail = false, ms = 60_000 } = {}) {
      const env = { DOCKER_HOST: endpoint, DOCKER_CONFIG: dir };
      return ranWell(`docker ${args.join(' ')}`, await command('docker', args, env, ms), mayFail);
    },
    async inside(args, { mayFail = false, ms = 60_000 } = {}) {
      const enter = ['-t', first(), '-m', '-n', '-p', '-r', '-w', 'env', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'];
      const ran = await command('nsenter', [...enter, 'DOCKER_HOST=unix:///share/engine.sock', ...args], {}, ms);
      return ranWell(args.join(' '), ran, mayFail);
    },
    async registry() {
      const config =
        'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /share/registry\nhttp:\n  addr: 127.0.0.1:5000\n';
      writeFileSync(join(share, 'registry.yml'), config);
      const file = openSync(join(dir, 'registry.log'), 'a');
      const args = ['-t', first(), '-m', '-n', '-r', '-w', 'docker-registry', 'serve', '/share/registry.yml'];
      const child = spawn('nsenter', args, { stdio: ['ignore', file, file] });
      registries.add(child);
      for (const end = Date.now() + 15_000; ; await after(50)) {
        const up = await engine.inside(['busybox', 'wget', '-q', '-O', '-', 'http://127.0.0.1:5000/v2/'], {
          mayFail: true,
        });
        if (up.code === 0) break;
        if (Date.now() > end)
          throw new Error(
            `The registry did not start: ${readFileSync(join(dir, 'registry.log'), 'utf8').slice(-1000)}`,
          );
      }
      return () => ends(child);
    },
    async kill() {
      await Promise.all([...registries].map(ends));
      const child = outer;
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((done) => child.once('exit', done));
      const pid = first();
      // unshare is deaf to TERM; with the first process of its namespace every other one is killed.
      if (pid) process.kill(Number(pid), 'SIGKILL');
      else child.kill('SIGKILL');
      await gone;
      for (let i = 0; i < 50 && processesOf(dir).length > 0; i++) await after(100);
      rmSync(socket, { force: true });
    },
    signal(signal) {
      const pid = first();
      process.kill(Number(pid), signal);
      // It stands when all of its threads do: on a busy machine some go on for a moment, and answer.
      const stands = () =>
        readdirSync(`/proc/${pid}/task`).every((t) =>
          /^[^)]*\) [TtZX]/.test(readFileSync(`/proc/${pid}/task/${t}/stat`, 'utf8')),
        );
      for (const end = Date.now() + 2_000; signal === 'SIGSTOP' && !stands() && Date.now() < end; );
    },
    async start() {
      const file = openSync(log, 'a');
      outer = spawn('unshare', ['-m', '-n', '-p', '--fork', '--kill-child', 'bash', join(dir, 'start.sh')], {
        stdio: ['ignore', file, file],
      });
      for (const end = Date.now() + 40_000; ; await after(100)) {
        if (existsSync(socket) && (await engine.docker(['version'], { mayFail: true })).code === 0) return;
        if (Date.now() < end && outer.exitCode === null) continue;
        throw new Error(`${kind} did not start:\n${readFileSync(log, 'utf8').slice(-3000)}`);
      }
    },
    left() {
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((l) => l.includes(dir));
      const there = existsSync(dir) ? [dir] : [];
      return [...processesOf(dir).map((pid) => `process ${pid}`), ...mounts, ...groups(), ...there];
    },
    async close() {
      engine.host.close();
      if (kind === 'podman') await removeAll(engine);
      await engine.kill();
      for (const group of groups()) removeGroup(group);
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    await engine.start();
    await importImage(engine, IMAGE);
    return engine;
  } catch (thrown) {
    await engine.close();
    throw thrown;
  }
}

/** Podman puts cgroups where it likes, and its containers' monitors outlive it. */
async function removeAll(engine: LabEngine): Promise<void> {
  const { out } = await engine.docker(['ps', '-aq'], { mayFail: true });
  const ids = out.split('\n').filter(Boolean);
  if (ids.length > 0) await engine.docker(['rm', '-f', ...ids], { mayFail: true });
}

/** A megabyte of busybox, under this tag. `changes` as of `docker import -c`; `mark` makes it another image. */
export async function importImage(
  engine: Pick<LabEngine, 'dir' | 'docker'>,
  tag: string,
  changes: string[] = [],
  mark = '',
): Promise<void> {
  const tree = mkdtempSync(join(engine.dir, 'image-'));
  const bin = join(tree, 'bin');
  mkdirSync(bin);
  cpSync(existsSync(kept()) ? join(kept(), 'usr/bin/busybox') : '/usr/bin/busybox', join(bin, 'busybox'));
  for (const link of LINKS) symlinkSync('busybox', join(bin, link));
  for (const d of ['tmp', 'etc', 'data', 'www']) mkdirSync(join(tree, d));
  writeFileSync(join(tree, 'etc/mark'), mark);
  const tar = `${tree}.tar`;
  await command('tar', ['-C', tree, '-cf', tar, '.'], {}, 30_000);
  await engine.docker(['import', ...changes.flatMap((c) => ['-c', c]), tar, tag]);
  rmSync(tree, { recursive: true });
  rmSync(tar);
}

export const labSettings = (endpoint: string) => ({
  engines: [],
  endpoint,
  certPath: null,
  env: { host: null, certPath: null, tlsVerify: false },
});

export const realClock = {
  now: Date.now,
  elapsed: () => performance.now(),
  after(ms: number, fire: () => void) {
    const timer = setTimeout(fire, ms);
    return () => clearTimeout(timer);
  },
};

/** Until it is so; asks often, and not for ever. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null | undefined | false>,
  ms = 20_000,
): Promise<T> {
  for (const end = Date.now() + ms; ; await after(50)) {
    const is = await ask();
    if (is) return is;
    if (Date.now() > end) throw new Error(`Not within ${ms} ms: ${what}`);
  }
}
