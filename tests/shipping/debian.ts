/**
 * A bare Debian for the tests, 12 or 13: what debootstrap calls minbase, with systemd and D-Bus and nothing else (no Node, no curl, no
 * certificates). Booted by systemd-nspawn or by LXC, with what it writes beside the kept root file system. `close` ends it, and `left`
 * says what is there still. As tests/services/systemd.ts only where the controllers are those of cgroup v1.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { kept } from '../docker/engine.ts';
import { cgroups, command, processesOf, type Ran, removeGroup } from '../image/engine.ts';

export type Suite = 'bookworm' | 'trixie';
export type How = 'nspawn' | 'lxc';

const PACKAGES = 'systemd,systemd-sysv,dbus';
const lab = () => dirname(kept());
const bare = (suite: Suite) => join(lab(), `bare-${suite}`);

/** What is missing here; empty: it can be booted. */
export function lacking(): string[] {
  const found = (name: string) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
  const all = ['systemd-nspawn', 'nsenter', 'setpriv', 'lxc-start', 'debootstrap'].filter((n) => !found(n));
  return [
    ...(process.geteuid?.() === 0 ? [] : ['root']),
    ...all,
    ...(existsSync('/sys/fs/cgroup/memory/cgroup.procs') ? [] : ['the memory controller of cgroup v1']),
  ];
}

/** Made once, whoever comes first; half a minute each. */
export async function bareRootfs(suite: Suite): Promise<string> {
  mkdirSync(lab(), { recursive: true });
  const lock = join(lab(), `making-${suite}`);
  for (const end = Date.now() + 300_000; !existsSync(bare(suite)); await after(500)) {
    try {
      mkdirSync(lock);
    } catch {
      if (Date.now() > end) throw new Error(`${lock} is held for five minutes: remove it if nobody makes a rootfs`);
      continue;
    }
    try {
      if (existsSync(bare(suite))) break;
      const part = mkdtempSync(join(lab(), 'part-'));
      const mirror = spawnSync('apt-get', ['indextargets', '--format', '$(SITE)', 'Created-By: Packages'], {
        encoding: 'utf8',
      }).stdout.split('\n')[0];
      const args = ['--variant=minbase', `--include=${PACKAGES}`, suite, part, mirror ?? ''];
      const made = await command('debootstrap', args, { DEBIAN_FRONTEND: 'noninteractive' }, 280_000);
      if (made.code !== 0)
        throw new Error(`debootstrap: ${made.code}\n${made.out.slice(-2000)}${made.err.slice(-2000)}`);
      // It becomes a root folder, which everybody enters: mkdtemp let nobody in.
      chmodSync(part, 0o755);
      renameSync(part, bare(suite));
    } finally {
      rmdirSync(lock);
    }
  }
  return bare(suite);
}

export interface Debian {
  suite: Suite;
  how: How;
  /** The folder that is /share inside. */
  share: string;
  /** Throws when the command fails, unless `mayFail`. */
  run(args: string[], o?: { mayFail?: boolean; ms?: number }): Promise<Ran>;
  /** Lines of sh, inside. */
  sh(text: string, o?: { mayFail?: boolean; ms?: number }): Promise<Ran>;
  /** A program of this machine, in its network alone; or one inside, when `inside`. */
  start(args: string[], inside?: boolean): ChildProcess;
  /** A path inside, from here. */
  path(path: string): string;
  left(): string[];
  close(): Promise<void>;
}

const PREFIX = 'deckhand-debian-';
const ENV = [
  'env',
  '-i',
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'LC_ALL=C',
  'HOME=/root',
  'SYSTEMD_PAGER=',
];

/** A group of its own in each hierarchy, with a bound for all that runs below: a test once ate 19 GB. */
const groups = (name: string) => `set -e
for d in /sys/fs/cgroup/*/; do
  [ -e "$d/cgroup.procs" ] || continue
  g="$d/${name}"
  mkdir -p "$g"
  if [ -e "$g/cpuset.cpus" ]; then cat "$d/cpuset.cpus" >"$g/cpuset.cpus"; cat "$d/cpuset.mems" >"$g/cpuset.mems"; fi
  if [ -e "$g/memory.limit_in_bytes" ]; then echo 2G >"$g/memory.limit_in_bytes"; fi
  echo $$ >"$g/cgroup.procs"
done
`;

const nspawn = (name: string, base: string, share: string) => `${groups(name)}
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0
exec setpriv --pdeathsig TERM systemd-nspawn -D ${base} --volatile=overlay --boot --register=no --keep-unit \\
  --machine=${name} --private-network --capability=all --system-call-filter='@keyring bpf' --bind=${share}:/share \\
  --console=pipe -- systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
`;

/** Overlay by hand: with LXC's own, the mounts would be left when it is killed. The namespace takes them along. */
const lxc = (name: string, dir: string, base: string) => `${groups(name)}
exec setpriv --pdeathsig KILL unshare -m --propagation private sh -ec '
mount -t tmpfs -o size=2G tmpfs ${dir}/over
mkdir ${dir}/over/up ${dir}/over/work ${dir}/over/root
mount -t overlay overlay -o lowerdir=${base},upperdir=${dir}/over/up,workdir=${dir}/over/work ${dir}/over/root
mkdir -p ${dir}/over/root/share
exec lxc-start -F -P ${dir}/lxc -n ${name} -f ${dir}/lxc.conf -o ${dir}/lxc.log -l INFO'
`;

const lxcConfig = (name: string, dir: string, share: string) => `lxc.include = /usr/share/lxc/config/common.conf
lxc.include = /usr/share/lxc/config/nesting.conf
lxc.uts.name = ${name}
lxc.rootfs.path = dir:${dir}/over/root
lxc.net.0.type = empty
lxc.mount.auto = proc:rw sys:mixed cgroup:mixed
lxc.mount.entry = ${share} share none bind 0 0
lxc.apparmor.profile = unconfined
lxc.init.cmd = /sbin/init systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
lxc.environment = SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
`;

/** As booted by nspawn, the controllers are read-only: no limit of a unit would be enforced. */
const REMOUNT = `mount -o remount,rw /sys/fs/cgroup
for c in cpu cpuacct cpuset memory devices freezer blkio pids; do
  mount -o remount,rw,bind /sys/fs/cgroup/$c 2>/dev/null || mount -o remount,rw /sys/fs/cgroup/$c
done
systemctl daemon-reexec
`;

/** What a run left that was killed. */
function sweep(): void {
  for (const name of readdirSync(tmpdir()).filter((n) => n.startsWith(PREFIX))) {
    const dir = join(tmpdir(), name);
    const age = Date.now() - (statSync(dir, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age < 900_000 || processesOf(dir).length > 0) continue;
    for (const group of cgroups(name.toLowerCase())) removeGroup(group);
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The first process of the container, as numbered outside: the one that is 1 in its own namespace. */
function firstBelow(pid: number): string {
  const children = (p: string): string[] => {
    try {
      return readFileSync(`/proc/${p}/task/${p}/children`, 'utf8').trim().split(' ').filter(Boolean);
    } catch {
      return [];
    }
  };
  for (let row = [String(pid)]; row.length > 0; row = row.flatMap(children))
    for (const p of row)
      try {
        const line = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${p}/status`, 'utf8'))?.[1]?.split(/\s+/) ?? [];
        if (line.length > 1 && line.at(-1) === '1') return p;
      } catch {
        // Gone meanwhile.
      }
  return '';
}

export async function bootDebian(suite: Suite, how: How): Promise<Debian> {
  sweep();
  const base = await bareRootfs(suite);
  const dir = mkdtempSync(join(tmpdir(), PREFIX));
  const share = join(dir, 'share');
  for (const f of ['share', 'over', 'lxc']) mkdirSync(join(dir, f));
  const name = basename(dir).toLowerCase();
  const log = join(dir, 'log');
  writeFileSync(join(dir, 'lxc.conf'), lxcConfig(name, dir, share));
  writeFileSync(join(dir, 'start.sh'), how === 'nspawn' ? nspawn(name, base, share) : lxc(name, dir, base));
  const file = openSync(log, 'a');
  const outer = spawn('bash', [join(dir, 'start.sh')], { stdio: ['ignore', file, file] });
  let gone = false;
  outer.once('exit', () => {
    gone = true;
  });
  let scripts = 0;
  let known = '';
  const first = () => {
    known ||= firstBelow(outer.pid ?? 0);
    return known;
  };
  const enter = () => ['-t', first(), '-m', '-u', '-i', '-n', '-p', '-C', '--', ...ENV];
  const started = new Set<ChildProcess>();

  const debian: Debian = {
    suite,
    how,
    share,
    path: (path) => `/proc/${first()}/root${path}`,
    async run(args, { mayFail = false, ms = 60_000 } = {}) {
      const ran = await command('nsenter', [...enter(), ...args], {}, ms);
      if (ran.code !== 0 && !mayFail)
        throw new Error(`${args.join(' ')}: ${ran.code}\n${ran.out.slice(-3000)}\n${ran.err.slice(-3000)}`);
      return ran;
    },
    sh(text, o) {
      const path = `${++scripts}.sh`;
      writeFileSync(join(share, path), `set -e\n${text}\n`);
      return debian.run(['sh', `/share/${path}`], o);
    },
    start(args, inside = false) {
      const child = spawn('nsenter', inside ? [...enter(), ...args] : ['-t', first(), '-n', '--', ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      started.add(child);
      child.once('exit', () => started.delete(child));
      return child;
    },
    left() {
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((l) => l.includes(dir));
      const there = existsSync(dir) ? [dir] : [];
      return [...processesOf(dir).map((pid) => `process ${pid}`), ...mounts, ...cgroups(name), ...there];
    },
    async close() {
      for (const child of started) child.kill('SIGKILL');
      if (!gone) {
        const ended = new Promise((done) => outer.once('exit', done));
        const pid = first();
        // With the first process of its namespace every other one dies.
        if (pid) process.kill(Number(pid), 'SIGKILL');
        else outer.kill('SIGKILL');
        const late = after(15_000).then(() => outer.kill('SIGKILL'));
        await Promise.race([ended, late.then(() => ended)]);
      }
      for (let i = 0; i < 50 && cgroups(name).length > 0; i++) {
        for (const group of cgroups(name)) removeGroup(group);
        if (cgroups(name).length > 0) await after(100);
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    for (const end = Date.now() + 60_000; ; await after(100)) {
      const said = first() ? await debian.run(['systemctl', 'is-system-running'], { mayFail: true }) : null;
      if (said && /^(?:running|degraded)/.test(said.out)) break;
      if (Date.now() < end && !gone) continue;
      throw new Error(`systemd did not boot (${said?.out}${said?.err}):\n${readFileSync(log, 'utf8').slice(-3000)}`);
    }
    if (how === 'nspawn') await debian.sh(REMOUNT);
    return debian;
  } catch (thrown) {
    await debian.close();
    throw thrown;
  }
}
