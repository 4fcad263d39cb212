/**
 * A real systemd for the tests: the Debian 13 root file system of the engines (tests/docker/engine.ts), booted by systemd-nspawn with
 * what it writes kept in memory, and with cgroups of its own below which all of its units are. `close` ends it, and `left` says what
 * is there still. Only on a machine whose controllers are those of cgroup v1, as CI's are.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { type Exec, type ExecStream, execPath, execPathStream } from '../../src/host/exec.ts';
import type { Root } from '../../src/host/system/files.ts';
import { kept, lacking as lackingForRootfs, rootfs } from '../docker/engine.ts';
import { cgroups, command, processesOf, type Ran, removeGroup } from '../image/engine.ts';

/** What is missing here; empty: it can be booted. */
export function lacking(): string[] {
  const found = (name: string) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
  const missing = ['systemd-nspawn', 'nsenter', 'setpriv'].filter((name) => !found(name));
  const old = existsSync(kept()) && !existsSync(join(kept(), 'usr/lib/systemd/systemd'));
  return [
    ...missing,
    ...(existsSync(kept()) ? lackingForRootfs().filter((n) => n === 'root') : lackingForRootfs()),
    ...(old ? [`systemd in ${kept()} (made before it was asked for: remove it, and it is made anew)`] : []),
    ...(existsSync('/sys/fs/cgroup/memory/cgroup.procs') ? [] : ['the memory controller of cgroup v1']),
  ];
}

export interface Systemd {
  /** The folder that is /share inside. */
  share: string;
  /** The host's files as they are inside. */
  root: Root;
  /** As the product's, with each program run inside. */
  exec: Exec;
  stream: ExecStream;
  /** Throws when the command fails, unless `mayFail`. */
  run(args: string[], o?: { mayFail?: boolean; ms?: number }): Promise<Ran>;
  /** Lines of bash, inside. */
  script(text: string, o?: { mayFail?: boolean; ms?: number }): Promise<Ran>;
  left(): string[];
  close(): Promise<void>;
}

const PREFIX = 'deckhand-systemd-';
const ENV = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C', 'SYSTEMD_PAGER='];

/**
 * A group of its own in each hierarchy, entered before nspawn makes a cgroup namespace: what systemd and its units make is below it.
 * The memory limit holds for all of them, whatever becomes of the limits inside: a test once ate 19 GB.
 */
const script = (name: string, base: string, share: string) => `set -e
for d in /sys/fs/cgroup/*/; do
  [ -e "$d/cgroup.procs" ] || continue
  g="$d/${name}"
  mkdir -p "$g"
  if [ -e "$g/cpuset.cpus" ]; then cat "$d/cpuset.cpus" >"$g/cpuset.cpus"; cat "$d/cpuset.mems" >"$g/cpuset.mems"; fi
  if [ -e "$g/memory.limit_in_bytes" ]; then echo 2G >"$g/memory.limit_in_bytes"; fi
  echo $$ >"$g/cgroup.procs"
done
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0
exec setpriv --pdeathsig TERM systemd-nspawn -D ${base} --volatile=overlay --boot --register=no --keep-unit \\
  --machine=${name} --private-network --capability=all --system-call-filter='@keyring bpf' --bind=${share}:/share \\
  --console=pipe -- systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
`;

/** As booted, the controllers are read-only: no limit of a unit would be enforced, and no figure counted. */
const REMOUNT = `set -e
mount -o remount,rw /sys/fs/cgroup
for c in cpu cpuacct cpuset memory devices freezer blkio pids; do
  mount -o remount,rw,bind /sys/fs/cgroup/$c 2>/dev/null || mount -o remount,rw /sys/fs/cgroup/$c
done
mkdir /sys/fs/cgroup/memory/probe
rmdir /sys/fs/cgroup/memory/probe
systemctl daemon-reexec
`;

/** What a run left that was killed: its processes died with it, its cgroups and its folder could not. */
function sweep(): void {
  for (const name of readdirSync(tmpdir()).filter((n) => n.startsWith(PREFIX))) {
    const dir = join(tmpdir(), name);
    const age = Date.now() - (statSync(dir, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age < 600_000 || processesOf(dir).length > 0) continue;
    for (const group of cgroups(name.toLowerCase())) removeGroup(group);
    rmSync(dir, { recursive: true, force: true });
  }
}

export async function bootSystemd(): Promise<Systemd> {
  sweep();
  const base = await rootfs();
  const dir = mkdtempSync(join(tmpdir(), PREFIX));
  const share = join(dir, 'share');
  mkdirSync(share);
  const name = basename(dir).toLowerCase();
  const log = join(dir, 'log');
  writeFileSync(join(dir, 'start.sh'), script(name, base, share));
  const file = openSync(log, 'a');
  const outer: ChildProcess = spawn('bash', [join(dir, 'start.sh')], { stdio: ['ignore', file, file] });
  let gone = false;
  outer.once('exit', () => {
    gone = true;
  });
  let scripts = 0;

  /** Its first process, as numbered outside. */
  const first = (): string => {
    try {
      return readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8').trim().split(' ')[0] ?? '';
    } catch {
      return '';
    }
  };
  const enter = () => ['-t', first(), '-m', '-u', '-i', '-n', '-p', '-C', '--', ...ENV];

  const lab: Systemd = {
    share,
    root: { of: (path) => `/proc/${first()}/root${path}`, foreign: false },
    stream: (o) => execPathStream('/usr/bin/nsenter', { ...o, args: [...enter(), o.binary, ...o.args] }),
    exec: (o) => execPath('/usr/bin/nsenter', { ...o, args: [...enter(), o.binary, ...o.args] }),
    async run(args, { mayFail = false, ms = 30_000 } = {}) {
      const ran = await command('nsenter', [...enter(), ...args], {}, ms);
      if (ran.code !== 0 && !mayFail)
        throw new Error(`${args.join(' ')}: ${ran.code}\n${ran.out.slice(-3000)}\n${ran.err.slice(-3000)}`);
      return ran;
    },
    script(text, o) {
      const path = `${++scripts}.sh`;
      writeFileSync(join(share, path), text);
      return lab.run(['bash', `/share/${path}`], o);
    },
    left() {
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((l) => l.includes(dir));
      const there = existsSync(dir) ? [dir] : [];
      return [...processesOf(dir).map((pid) => `process ${pid}`), ...mounts, ...cgroups(name), ...there];
    },
    async close() {
      if (!gone) {
        const ended = new Promise((done) => outer.once('exit', done));
        const pid = first();
        // With the first process of its namespace every other one dies.
        if (pid) process.kill(Number(pid), 'SIGKILL');
        else outer.kill('SIGKILL');
        await ended;
      }
      // Processes that are just dying hold their group for a moment.
      for (let i = 0; i < 50 && cgroups(name).length > 0; i++) {
        for (const group of cgroups(name)) removeGroup(group);
        if (cgroups(name).length > 0) await after(100);
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    for (const end = Date.now() + 40_000; ; await after(100)) {
      const said = first() ? await lab.run(['systemctl', 'is-system-running'], { mayFail: true }) : null;
      if (said && /^(?:running|degraded)/.test(said.out)) break;
      if (Date.now() < end && !gone) continue;
      throw new Error(`systemd did not boot (${said?.out}${said?.err}):\n${readFileSync(log, 'utf8').slice(-3000)}`);
    }
    await lab.script(REMOUNT);
    return lab;
  } catch (thrown) {
    await lab.close();
    throw thrown;
  }
}

/** Writes these below /etc/systemd/system, tells systemd, and runs what is to follow. */
export async function withUnits(lab: Systemd, files: Readonly<Record<string, string>>, then = ''): Promise<void> {
  const writes = Object.entries(files).map(
    ([name, text]) =>
      `mkdir -p "$(dirname '/etc/systemd/system/${name}')"\ncat >'/etc/systemd/system/${name}' <<'END'\n${text}END\n`,
  );
  await lab.script(`set -e\n${writes.join('')}systemctl daemon-reload\n${then}\n`);
}
