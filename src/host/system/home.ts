/**
 * Where a process belongs, read from its cgroup path: a systemd unit, somebody's session, a container, a virtual machine.
 * Pure but for the one question to systemd. What follows from it for a signal is insight's.
 */
import type { Home } from '../../core/signal.ts';
import type { Binary, Exec } from '../exec.ts';
import { containerPath, parseMembership } from './cgroup.ts';

const ID = /(?:^|[-/:])([0-9a-f]{64})(?:\.scope)?$/;

/** systemd writes what is not allowed in a name as \x2d. */
const unescaped = (unit: string) =>
  unit.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

/**
 * `text`: /proc/<pid>/cgroup; `init`: that of process 1, whose own place is cut off: inside a container the names above it are
 * those of the container that we are in, and say nothing of a process in it.
 */
export function homeOf(text: string, init: string | null): Home | null {
  const path = placeIn(text);
  if (path === null) return null;
  const above = init === null ? '/' : containerPath(placeIn(init) ?? '/', '/');
  const inside = above !== '/' && (path === above || path.startsWith(`${above}/`)) ? path.slice(above.length) : path;
  const parts = inside.split('/').filter((p) => p !== '' && p !== '..');

  // From the outside in: what runs inside a container is first of all in that container.
  for (const [i, part] of parts.entries()) {
    const id = ID.exec(part)?.[1];
    if (id) return { kind: 'container', name: id.slice(0, 12) };
    // Proxmox: lxc/101, lxc.payload.web, qemu.slice/100.scope
    const lxc = part === 'lxc' ? parts[i + 1] : /^lxc\.payload\.(.+)$/.exec(part)?.[1];
    if (lxc) return { kind: 'container', name: lxc };
    if (part === 'qemu.slice' && parts[i + 1])
      return { kind: 'machine', name: (parts[i + 1] as string).replace(/\.scope$/, '') };
    const machine = part === 'machine.slice' ? /^machine-(.+)\.scope$/.exec(parts[i + 1] ?? '')?.[1] : undefined;
    if (machine) {
      const name = unescaped(machine);
      return { kind: name.startsWith('qemu-') ? 'machine' : 'container', name };
    }
    if (/^systemd-nspawn@.+\.service$/.test(part)) return { kind: 'container', name: part.slice(15, -8) };
  }
  const service = parts.findLast((p) => p.endsWith('.service') && !/^user@\d+\.service$/.test(p));
  if (service) return { kind: 'unit', name: service, service: null };
  const session = parts.find((p) => /^session-.+\.scope$|^user@\d+\.service$/.test(p));
  if (session) return { kind: 'session', name: session };
  const scope = parts.findLast((p) => p.endsWith('.scope') && p !== 'init.scope');
  return scope ? { kind: 'unit', name: scope, service: null } : null;
}

/** A unit of the system's manager, whose settings may be asked for: users' managers answer only to themselves. */
export const isSystemUnit = (home: Home | null, text: string): boolean =>
  home?.kind === 'unit' && /^[\w:.@\\-]+\.service$/.test(home.name) && !/\/user@\d+\.service\//.test(text);

/** `systemctl show --property=Restart,MainPID` */
function parseService(stdout: string): { restart: string; mainPid: number } | null {
  const restart = /^Restart=([a-z-]+)$/m.exec(stdout)?.[1];
  const mainPid = /^MainPID=(\d+)$/m.exec(stdout)?.[1];
  return restart === undefined || mainPid === undefined ? null : { restart, mainPid: Number(mainPid) };
}

const SYSTEMCTL_MS = 1_000;

/** Only a remark in a preview: it may be slow or missing without harm. */
export async function serviceOf(
  unit: string,
  o: { exec: Exec; has: (binary: Binary) => boolean },
  signal?: AbortSignal,
): Promise<{ restart: string; mainPid: number } | null> {
  if (!o.has('systemctl')) return null;
  try {
    const args = ['show', '--property=Restart', '--property=MainPID', '--', unit];
    const request = { binary: 'systemctl' as const, args, timeoutMs: SYSTEMCTL_MS, maxBytes: 4096 };
    const { code, stdout } = await o.exec({ ...request, ...(signal ? { signal } : {}) });
    return code === 0 ? parseService(stdout) : null;
  } catch {
    signal?.throwIfAborted();
    return null;
  }
}

/** systemd's own tree where there is one: on v1 the controllers may have others. */
function placeIn(text: string): string | null {
  const { paths } = parseMembership(text);
  return paths.get('name=systemd') ?? paths.get('') ?? paths.get('pids') ?? [...paths.values()][0] ?? null;
}
