/**
 * The only place that starts processes. Programs come from the table below and nowhere else, by absolute path, with a
 * fixed argument vector, an empty environment and no shell; each has its own process group, which is killed as a whole at
 * the time-out. What to run, and what its output means, is the callers' business.
 */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { OpsError } from '../core/errors.ts';
import { childArguments } from './program.ts';

/**
 * A name for callers, and where it can be. Adding a line here is adding a power: each is a reader, as it is called, but for
 * `logger`, which hands a line to the system's log, and `systemctl`, whose changing verbs are sent by host/services/ alone.
 */
const BINARIES = {
  systemctl: ['/usr/bin/systemctl', '/bin/systemctl', '/run/current-system/sw/bin/systemctl'],
  // `security` of one unit: reads its settings, and scores them. `verify` of a copy of ours (validate/commands.ts).
  'systemd-analyze': ['/usr/bin/systemd-analyze', '/bin/systemd-analyze', '/run/current-system/sw/bin/systemd-analyze'],
  // Read verbs only, and `--directory` of the journal itself (host/journal/).
  journalctl: ['/usr/bin/journalctl', '/bin/journalctl', '/run/current-system/sw/bin/journalctl'],
  // Copies ACL and extended attributes between two descriptors of ours, and nothing else (copyAttributes below).
  cp: ['/usr/bin/cp', '/bin/cp', '/run/current-system/sw/bin/cp'],
  // To an address that was checked, with numbers for options (host/net/probe_ping.ts): raw sockets are theirs, not ours.
  ping: ['/usr/bin/ping', '/bin/ping', '/run/wrappers/bin/ping'],
  tracepath: ['/usr/bin/tracepath', '/usr/sbin/tracepath', '/bin/tracepath'],
  traceroute: ['/usr/bin/traceroute', '/usr/sbin/traceroute', '/bin/traceroute'],
  // Our own words to the systemd that started us (systemd_notify.ts).
  'systemd-notify': ['/usr/bin/systemd-notify', '/bin/systemd-notify', '/run/current-system/sw/bin/systemd-notify'],
  logger: ['/usr/bin/logger', '/bin/logger', '/run/current-system/sw/bin/logger'],
  timedatectl: ['/usr/bin/timedatectl', '/bin/timedatectl', '/run/current-system/sw/bin/timedatectl'],
  chronyc: ['/usr/bin/chronyc', '/usr/sbin/chronyc'],
  'apt-get': ['/usr/bin/apt-get'],
  dnf: ['/usr/bin/dnf'],
  apk: ['/sbin/apk', '/usr/sbin/apk', '/usr/bin/apk'],
  smartctl: ['/usr/sbin/smartctl', '/sbin/smartctl', '/usr/bin/smartctl', '/run/current-system/sw/bin/smartctl'],
  zpool: ['/usr/sbin/zpool', '/sbin/zpool', '/usr/bin/zpool', '/run/current-system/sw/bin/zpool'],
  upsc: ['/usr/bin/upsc', '/bin/upsc', '/run/current-system/sw/bin/upsc'],
  apcaccess: ['/usr/sbin/apcaccess', '/sbin/apcaccess', '/usr/bin/apcaccess', '/run/current-system/sw/bin/apcaccess'],
  // The second is where WSL2 mounts the driver of Windows.
  'nvidia-smi': ['/usr/bin/nvidia-smi', '/usr/lib/wsl/lib/nvidia-smi', '/run/current-system/sw/bin/nvidia-smi'],
  // Names files that may hold a text (files/ripgrep.ts): fixed arguments, no settings, the text never taken for an option.
  rg: ['/usr/bin/rg', '/usr/local/bin/rg', '/run/current-system/sw/bin/rg'],
  // With fixed arguments only: `docker compose` on a project's own files, `ssh HOST docker system dial-stdio`.
  docker: ['/usr/bin/docker', '/usr/local/bin/docker', '/run/current-system/sw/bin/docker'],
  ssh: ['/usr/bin/ssh', '/bin/ssh', '/run/current-system/sw/bin/ssh'],
  // These look at a configuration and change nothing: the first three at a copy of ours, nginx (`-T`) at its own, modules and all, and
  // only after a change of it was approved (validate/commands.ts, in_place.ts).
  visudo: ['/usr/sbin/visudo', '/sbin/visudo', '/usr/local/sbin/visudo', '/run/current-system/sw/bin/visudo'],
  sshd: ['/usr/sbin/sshd', '/sbin/sshd', '/usr/bin/sshd', '/run/current-system/sw/bin/sshd'],
  'named-checkconf': [
    '/usr/bin/named-checkconf',
    '/usr/sbin/named-checkconf',
    '/run/current-system/sw/bin/named-checkconf',
  ],
  nginx: ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/sbin/nginx', '/run/current-system/sw/bin/nginx'],
  // The network's state, with fixed arguments that only list: `ip -j … show`, `ss -ti`, `resolvectl status`, the firewall's rules (host/net/).
  ip: ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip', '/bin/ip', '/run/current-system/sw/bin/ip'],
  ss: ['/usr/bin/ss', '/usr/sbin/ss', '/bin/ss', '/sbin/ss', '/run/current-system/sw/bin/ss'],
  resolvectl: ['/usr/bin/resolvectl', '/bin/resolvectl', '/run/current-system/sw/bin/resolvectl'],
  nft: ['/usr/sbin/nft', '/sbin/nft', '/usr/bin/nft', '/run/current-system/sw/bin/nft'],
  'iptables-save': ['/usr/sbin/iptables-save', '/sbin/iptables-save', '/usr/bin/iptables-save'],
  // A word that changes something, `serve`, is sent by setup/tailnet/ alone, with a socket of ours (docs/tailnet.md).
  tailscale: [
    '/usr/bin/tailscale',
    '/usr/local/bin/tailscale',
    '/usr/sbin/tailscale',
    '/run/current-system/sw/bin/tailscale',
  ],
  'ip6tables-save': ['/usr/sbin/ip6tables-save', '/sbin/ip6tables-save', '/usr/bin/ip6tables-save'],
  // `deckhand service …`, run by root, makes and removes the service's user and folders with these (setup/service/).
  'systemd-sysusers': ['/usr/bin/systemd-sysusers', '/bin/systemd-sysusers'],
  'systemd-tmpfiles': ['/usr/bin/systemd-tmpfiles', '/bin/systemd-tmpfiles'],
  useradd: ['/usr/sbin/useradd', '/sbin/useradd'],
  userdel: ['/usr/sbin/userdel', '/sbin/userdel'],
  groupdel: ['/usr/sbin/groupdel', '/sbin/groupdel'],
} as const satisfies Record<string, readonly string[]>;

export type Binary = keyof typeof BINARIES;

/** Where it is on this machine, or null. */
export function findBinary(name: Binary): string | null {
  for (const path of BINARIES[name]) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not there: the next place.
    }
  }
  return null;
}

export interface ExecRequest {
  binary: Binary;
  args: readonly string[];
  timeoutMs: number;
  /** Of stdout and stderr each; what is beyond it is dropped and the process killed. */
  maxBytes: number;
  signal?: AbortSignal;
  /** Beside the environment that all get: what one program must know of ours. */
  env?: { readonly NOTIFY_SOCKET: string };
  /** Each line of either stream as it comes. */
  onLine?: (line: string) => void;
  /** Each piece of stdout as it comes. */
  onChunk?: (chunk: Buffer) => void;
}

export interface ExecResult {
  /** Null when a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export type Exec = (request: ExecRequest) => Promise<ExecResult>;

const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', HOME: '/', SYSTEMD_PAGER: '', TERM: 'dumb' };

const running = new Set<ChildProcess>();
let guarded = false;

/** The whole group: a program's own children would hold our pipes open after it. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // ESRCH: it has ended.
  }
}

function guard(): void {
  if (guarded) return;
  guarded = true;
  process.on('exit', killAll);
}

/** At exit: nothing that we started outlives us. */
export function killAll(): void {
  for (const child of running) killGroup(child);
}

export const exec: Exec = (request) => {
  const path = findBinary(request.binary);
  if (!path) throw new OpsError('unavailable', `${request.binary} is not installed on this host.`);
  return execPath(path, request);
};

/**
 * This very Node, with a program file of ours: for what may hang or spawn shells and must not do so in this process.
 * /proc/self/exe is the Node that runs, even when an update has removed its file.
 */
export const execOurs = (file: string, o: Omit<ExecRequest, 'binary'>): Promise<ExecResult> =>
  execPath('/proc/self/exe', { ...o, args: [...childArguments(file), ...o.args] });

/** The Node of an installed version: root's, below /opt/deckhand, and checked before it got there (setup/service/). */
export const execInstalled = (node: string, o: Omit<ExecRequest, 'binary'>): Promise<ExecResult> => execPath(node, o);

/** For the tests, which bring programs of their own; nothing in the product calls it but those above. */
export function execPath(path: string, o: Omit<ExecRequest, 'binary'>): Promise<ExecResult> {
  const { promise, resolve, reject } = Promise.withResolvers<ExecResult>();
  if (o.signal?.aborted) {
    reject(new OpsError('timeout', 'The caller cancelled.'));
    return promise;
  }
  const child = spawn(path, [...o.args], {
    env: o.env ? { ...ENVIRONMENT, ...o.env } : ENVIRONMENT,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    shell: false,
  });
  running.add(child);
  guard();

  let failure: OpsError | null = null;
  const stop = (error: OpsError) => {
    failure ??= error;
    killGroup(child);
    // A program in an uninterruptible wait does not die at once, and its 'close' may never come: we answer now.
    settle();
  };
  const timer = setTimeout(
    () => stop(new OpsError('timeout', `${path} did not finish within ${o.timeoutMs} ms.`)),
    o.timeoutMs,
  );
  const onAbort = () => stop(new OpsError('timeout', 'The caller cancelled.'));
  o.signal?.addEventListener('abort', onAbort, { once: true });

  const collect = (stream: NodeJS.ReadableStream | null) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let rest = '';
    stream?.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (o.onLine) {
        const lines = (rest + chunk.toString('utf8')).split(/[\r\n]+/);
        rest = lines.pop() ?? '';
        for (const line of lines) if (line !== '') o.onLine(line);
      }
      if (size > o.maxBytes) stop(new OpsError('limit', `${path} said more than ${o.maxBytes} bytes.`));
      else chunks.push(chunk);
      if (stream === child.stdout && !failure) o.onChunk?.(chunk);
    });
    return () => Buffer.concat(chunks).toString('utf8');
  };
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);

  const settle = (code: number | null = null) => {
    clearTimeout(timer);
    o.signal?.removeEventListener('abort', onAbort);
    if (failure) {
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.unref();
      reject(failure);
    } else resolve({ code, stdout: stdout(), stderr: stderr() });
  };
  child.on('error', (cause) => {
    running.delete(child);
    failure ??= new OpsError('unavailable', `${path} could not be started.`, { cause });
    settle();
  });
  child.on('exit', () => running.delete(child));
  child.on('close', settle);
  return promise;
}

export interface StreamRequest {
  binary: Binary;
  args: readonly string[];
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface StreamEnd {
  /** Null when a signal ended it. */
  code: number | null;
  /** Its first words there; more is dropped. */
  stderr: string;
}

export type ExecStream = (request: StreamRequest) => AsyncGenerator<Buffer, StreamEnd, undefined>;

const MOST_STDERR = 16 * 1024;

/** What a program says, piece by piece, no faster than it is taken: nothing is held. Whoever stops taking ends it. */
export const execStream: ExecStream = (request) => {
  const path = findBinary(request.binary);
  if (!path) throw new OpsError('unavailable', `${request.binary} is not installed on this host.`);
  return execPathStream(path, request);
};

/** For the tests, as execPath. */
export async function* execPathStream(
  path: string,
  o: Omit<StreamRequest, 'binary'>,
): AsyncGenerator<Buffer, StreamEnd, undefined> {
  if (o.signal?.aborted) throw new OpsError('timeout', 'The caller cancelled.');
  const child = spawn(path, [...o.args], {
    env: ENVIRONMENT,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    shell: false,
  });
  running.add(child);
  guard();
  let failure: OpsError | null = null;
  const fail = (error: OpsError) => {
    failure ??= error;
    killGroup(child);
    // Also where it does not die at once: whoever reads is told now.
    child.stdout.destroy();
    child.stderr.destroy();
    ended(null);
  };
  const { promise: end, resolve: ended } = Promise.withResolvers<number | null>();
  child.on('exit', () => running.delete(child));
  child.on('close', ended);
  child.on('error', (cause) => {
    running.delete(child);
    fail(new OpsError('unavailable', `${path} could not be started.`, { cause }));
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderr.length < MOST_STDERR) stderr += chunk.toString('utf8').slice(0, MOST_STDERR);
  });
  const timer = setTimeout(
    () => fail(new OpsError('timeout', `${path} did not finish within ${o.timeoutMs} ms.`)),
    o.timeoutMs,
  );
  const onAbort = () => fail(new OpsError('timeout', 'The caller cancelled.'));
  o.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const code = await end;
    if (failure) throw failure;
    return { code, stderr };
  } catch (thrown) {
    throw failure ?? thrown;
  } finally {
    clearTimeout(timer);
    o.signal?.removeEventListener('abort', onAbort);
    if (running.has(child)) {
      killGroup(child);
      child.stderr.destroy();
      child.unref();
    }
  }
}

/**
 * A program whose two streams are a connection, for as long as that lasts. It dies with the connection, and with us.
 */
export function execPipe(binary: Binary, args: readonly string[]): ChildProcessWithoutNullStreams {
  const path = findBinary(binary);
  if (!path) throw new OpsError('unavailable', `${binary} is not installed on this host.`);
  const child = spawn(path, [...args], { env: ENVIRONMENT, cwd: '/', stdio: 'pipe', detached: true, shell: false });
  running.add(child);
  guard();
  child.on('error', () => running.delete(child));
  child.on('exit', () => running.delete(child));
  return child;
}

/**
 * ACL, extended attributes and the label of SELinux from one open file to another, by GNU cp: Node has no call for them. Waits, and so
 * is for a file thread. `refused`: the system does not let us; `no tool`: nobody looked.
 */
export function copyAttributes(from: number, to: number): 'done' | 'refused' | 'no tool' {
  const path = findBinary('cp');
  if (!path) return 'no tool';
  const keep = `mode,xattr${existsSync('/sys/fs/selinux/enforce') ? ',context' : ''}`;
  const { status, stderr } = spawnSync(
    path,
    ['--attributes-only', `--preserve=${keep}`, '--', '/proc/self/fd/3', '/proc/self/fd/4'],
    { env: ENVIRONMENT, cwd: '/', stdio: ['ignore', 'ignore', 'pipe', from, to], timeout: 5_000, maxBuffer: 64 * 1024 },
  );
  if (status === 0) return 'done';
  // BusyBox has no such option, and a GNU cp can be built without them.
  return status === null || /unrecognized|invalid option|built without|Usage:/i.test(stderr.toString())
    ? 'no tool'
    : 'refused';
}
