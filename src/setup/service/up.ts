/**
 * Whether the service is up: active by systemd's word, running the very version that is meant (the file that its process runs says so), and
 * answering. Decides how long is waited, when that is given up early, and what is said of a start that failed.
 */
import { OpsError } from '../../core/errors.ts';
import type { Address } from './health.ts';
import { type Machine, show } from './machine.ts';
import { SERVICE } from './place.ts';

/** A stop may wait 30 s for changes under way, and a start on a slow disk takes some. */
export const UP_MS = 120_000;
const EACH_MS = 200;
/** That it still stands then is asked once more: some die right after they said that they are ready. */
const STEADY_MS = 1_000;
/** Started anew by systemd so often, it will not come up by waiting. */
const MOST_RESTARTS = 3;

export interface Running {
  active: string;
  pid: number;
  version: string | null;
  invocation: string;
  restarts: number;
  result: string;
  status: string;
  sinceMs: number | null;
}

export async function running(m: Machine): Promise<Running> {
  const names = [
    'ActiveState',
    'SubState',
    'MainPID',
    'InvocationID',
    'NRestarts',
    'Result',
    'ExecMainStatus',
    'ActiveEnterTimestamp',
  ] as const;
  const p = await show(m, SERVICE, names);
  const pid = Number(p.MainPID) || 0;
  const exe = pid > 0 ? m.exeOf(pid) : null;
  const since = Date.parse(p.ActiveEnterTimestamp.replace(/^\w+ /, '').replace(/ ([A-Z]+)$/, ' $1'));
  return {
    active: p.ActiveState,
    pid,
    version:
      exe === null
        ? null
        : (/\/opt\/deckhand\/versions\/([^/]+)\/node\/bin\/node(?: \(deleted\))?$/.exec(exe)?.[1] ?? null),
    invocation: p.InvocationID,
    restarts: Number(p.NRestarts) || 0,
    result: p.Result,
    status: p.ExecMainStatus,
    sinceMs: Number.isNaN(since) ? null : since,
  };
}

export async function isUp(m: Machine, version: string, address: Address): Promise<Running | null> {
  const r = await running(m);
  return r.active === 'active' && r.version === version && (await m.healthy(address)) ? r : null;
}

/** `not`: the invocation before a restart, which is still active for a moment. Throws what is known of a start that failed. */
export async function waitUp(
  m: Machine,
  o: { version: string; address: Address; not?: string; ms?: number },
): Promise<Running> {
  const end = m.now() + (o.ms ?? UP_MS);
  let least = Number.POSITIVE_INFINITY;
  for (;;) {
    const r = await running(m);
    least = Math.min(least, r.restarts);
    if (r.invocation !== o.not) {
      if (r.active === 'active' && r.version === o.version && (await m.healthy(o.address))) {
        await m.wait(STEADY_MS);
        const again = await running(m);
        if (again.active === 'active' && again.pid === r.pid) return again;
      }
      if (r.active === 'failed' || r.restarts - least >= MOST_RESTARTS) throw await failure(m, r, o.version);
    }
    if (m.now() > end || m.signal.aborted) throw await failure(m, r, o.version);
    await m.wait(EACH_MS);
  }
}

async function failure(m: Machine, r: Running, version: string): Promise<OpsError> {
  const { stdout } = await m
    .run('journalctl', ['--no-pager', '--quiet', '-u', SERVICE, '-n', '12', '-o', 'cat'])
    .catch(() => ({ stdout: '' }));
  const lines = stdout.trim().split('\n').filter(Boolean).slice(-8);
  const how =
    r.active === 'active'
      ? r.version === version
        ? 'it runs, and /healthz does not answer'
        : `what runs is ${r.version ?? 'another program'}`
      : `systemd says ${r.active}${r.result && r.result !== 'success' ? `, ${r.result}` : ''}${r.status !== '' && r.status !== '0' ? ` ${r.status}` : ''}`;
  const because = startFailure(Number(r.status), m.container());
  const said = lines.length ? `\n${lines.map((l) => `    ${l.slice(0, 300)}`).join('\n')}` : '';
  return new OpsError(
    'unavailable',
    `Version ${version} did not come up: ${how}.${because ? ` ${because.why}` : ''}${said}`,
    {
      hint: because?.mend ?? `journalctl -u ${SERVICE} says more.`,
    },
  );
}

const NESTING =
  'On the Proxmox host: `pct set VMID --features nesting=1`, then `pct reboot VMID`. (Plain LXC: lxc.include = /usr/share/lxc/config/nesting.conf.)';

/** What systemd's own exit codes mean here, and what mends it; null for those of the program. */
export function startFailure(status: number, container: string | null): { why: string; mend: string } | null {
  const lxc = container === 'lxc' || container === 'lxc-libvirt';
  const sandbox = (what: string, code: string) => ({
    why: `systemd could not ${what} (${code})${lxc ? ': in an unprivileged LXC container its sandbox needs nesting' : ''}.`,
    mend: lxc
      ? NESTING
      : 'The container that this runs in must allow its own mounts (nesting); `deckhand doctor` says what is left out.',
  });
  switch (status) {
    case 226:
      return sandbox('make the mounts of the sandbox', '226/NAMESPACE');
    case 243:
      return sandbox('hand over credentials', '243/CREDENTIALS');
    case 225:
      return sandbox('make a network namespace', '225/NETWORK');
    case 217:
      return {
        why: 'There is no user `deckhand` (217/USER).',
        mend: 'systemd-sysusers /etc/sysusers.d/deckhand.conf, then install again.',
      };
    case 216:
      return {
        why: 'A group of the unit is not there (216/GROUP).',
        mend: 'Install again without the power that needs it: --allow docker needs the group `docker`.',
      };
    case 203:
      return {
        why: 'Its program cannot be run (203/EXEC).',
        mend: 'Is /opt on a file system mounted noexec? `deckhand service status` checks every file.',
      };
    case 218:
      return {
        why: 'A capability of the unit may not be had here (218/CAPABILITIES).',
        mend: 'Install again without --allow ping, signals and all-processes: this container has not got what they hand on.',
      };
    case 238:
      return {
        why: 'Its state folder could not be made (238/STATE_DIRECTORY).',
        mend: 'Is /var/lib/deckhand a folder, and writable?',
      };
    default:
      return null;
  }
}
