/**
 * What setting up a service asks of a machine: systemd, users, the running process, a clock. Decides how each is asked, with a bound; what
 * for is the callers' business. Tests bring one of their own.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { OpsError } from '../../core/errors.ts';
import { type Binary, type ExecResult, exec, execInstalled, findBinary } from '../../host/exec.ts';
import { type Address, healthy } from './health.ts';
import { type Place, placeAt, USER } from './place.ts';

export interface Ids {
  uid: number;
  gid: number;
}

export interface Machine {
  place: Place;
  uid: number;
  /** systemd runs here as the first process. */
  systemd(): boolean;
  /** `lxc`, `docker` …; null on a machine of its own. */
  container(): string | null;
  has(binary: Binary): boolean;
  run(binary: Binary, args: readonly string[], timeoutMs?: number): Promise<ExecResult>;
  /** A program of an installed version, by the Node that came with it. */
  program(folder: string, args: readonly string[], timeoutMs?: number): Promise<ExecResult>;
  /** The service's user; null where it is not there. */
  user(): Ids | null;
  groupThere(name: string): boolean;
  /** The file that a process runs; null when it cannot be told. */
  exeOf(pid: number): string | null;
  healthy(address: Address): Promise<boolean>;
  /** As the service's user: in the state folder its owner could lead root anywhere by a link. */
  asUser<T>(ids: Ids, work: () => Promise<T>): Promise<T>;
  wait(ms: number): Promise<void>;
  now(): number;
  /** Called before each step; tests end the process here. */
  before(step: string): void;
  signal: AbortSignal;
}

const MOST_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 20_000;

export function thisMachine(signal: AbortSignal): Machine {
  const place = placeAt();
  return {
    place,
    uid: process.geteuid?.() ?? -1,
    systemd: () => readOr('/proc/1/comm') === 'systemd',
    container: () => readOr('/run/systemd/container') || null,
    has: (binary) => findBinary(binary) !== null,
    run: (binary, args, timeoutMs = TIMEOUT_MS) => exec({ binary, args, timeoutMs, maxBytes: MOST_BYTES }),
    program: (folder, args, timeoutMs = TIMEOUT_MS) =>
      execInstalled(join(folder, 'node/bin/node'), {
        args: [join(folder, 'bin/deckhand.mjs'), ...args],
        timeoutMs,
        maxBytes: MOST_BYTES,
      }),
    user: () => userIn(readOr('/etc/passwd')),
    groupThere: (name) =>
      readOr('/etc/group')
        .split('\n')
        .some((l) => l.startsWith(`${name}:`)),
    exeOf(pid) {
      try {
        return readlinkSync(`/proc/${pid}/exe`);
      } catch {
        return null;
      }
    },
    healthy,
    asUser,
    wait: async (ms) => {
      await after(ms, undefined, { signal }).catch(() => undefined);
    },
    now: Date.now,
    before: () => undefined,
    signal,
  };
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function userIn(passwd: string): Ids | null {
  const line = passwd.split('\n').find((l) => l.startsWith(`${USER}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : null;
}

/** Effective ids alone: this process stays root, and is so again afterwards. Nothing else runs in it meanwhile. */
async function asUser<T>(ids: Ids, work: () => Promise<T>): Promise<T> {
  const groups = process.getgroups?.() ?? [];
  process.setgroups?.([ids.gid]);
  process.setegid?.(ids.gid);
  process.seteuid?.(ids.uid);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
    process.setgroups?.(groups);
  }
}

/** Throws with what the program said. */
export async function must(m: Machine, binary: Binary, args: readonly string[], timeoutMs?: number): Promise<string> {
  const { code, stdout, stderr } = await m.run(binary, args, timeoutMs);
  if (code === 0) return stdout;
  const said = (stderr || stdout).trim().split('\n').slice(-3).join(' ').slice(0, 600);
  throw new OpsError(
    'unavailable',
    `${binary} ${args.join(' ')} failed (${code ?? 'killed'}): ${said || 'it said nothing'}`,
    {
      hint: 'Run `deckhand service status`; the same command again goes on where this one stopped.',
    },
  );
}

/** Properties of a unit; an unknown one is ''. */
export async function show<K extends string>(
  m: Machine,
  unit: string,
  names: readonly K[],
): Promise<Record<K, string>> {
  const { stdout } = await m.run('systemctl', ['show', unit, ...names.map((n) => `--property=${n}`)]);
  const found = Object.fromEntries(names.map((n) => [n, ''])) as Record<K, string>;
  for (const line of stdout.split('\n')) {
    const at = line.indexOf('=');
    const name = line.slice(0, at) as K;
    if (at > 0 && name in found)
      found[name] = found[name] === '' ? line.slice(at + 1) : `${found[name]}\n${line.slice(at + 1)}`;
  }
  return found;
}
