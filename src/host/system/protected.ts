/**
 * Processes that are signalled through Deckhand by nobody, whatever their rights: those that hold up the host, or the way
 * into it. Decides by name; that a process is our own, an ancestor or the kernel's is seen in signal.ts. A name is what a
 * process calls itself: one that poses as sshd is protected too, and harms nobody by it.
 */

interface Guard {
  names: readonly string[];
  why: string;
}

const GUARDS: readonly Guard[] = [
  {
    names: ['sshd', 'sshd-session', 'sshd-auth', 'dropbear'],
    why: 'it is a way into this host, or somebody who came in that way',
  },
  {
    names: ['systemd', 'systemd-*', '(sd-pam)', '(udev-worker)', 'udevd', 'elogind', 'dbus-daemon', 'dbus-broker*'],
    why: 'it belongs to the core of the system; `systemctl` on the host restarts it in the right order',
  },
  {
    names: ['tailscaled', 'NetworkManager', 'wpa_supplicant', 'dhcpcd', 'dhclient'],
    why: 'the network of this host hangs on it, and perhaps the way that this call came',
  },
  // Stopped or killed, an engine leaves its containers without log, network or supervision, and a shim is the parent of one.
  {
    names: ['dockerd', 'containerd', 'containerd-shim*', 'runc', 'crun', 'conmon', 'crio', 'lxcfs', 'lxc-start'],
    why: 'containers of this host hang on it: stop the container, or restart the engine on the host',
  },
  // Proxmox: when one of these falls silent, the watchdog resets the whole node.
  {
    names: ['watchdog-mux', 'corosync', 'pmxcfs', 'pve-ha-lrm', 'pve-ha-crm'],
    why: 'the cluster resets this node when it falls silent',
  },
];

/** The kernel keeps 15 bytes of a name: a longer one of the owner's means those. */
const KEPT = 15;

/** `names`: the kernel's name of it, and the one shown. `own`: the owner's list, each a name or one ending in `*`. */
export function guarded(names: readonly string[], own: readonly string[]): string | null {
  const is = (pattern: string) => names.some((name) => matches(pattern, name));
  for (const guard of GUARDS) if (guard.names.some(is)) return guard.why;
  const pattern = own.find(is);
  return pattern === undefined ? null : `the owner protects it (\`processes.protect\` has ${pattern})`;
}

function matches(pattern: string, name: string): boolean {
  if (pattern.endsWith('*')) return name.startsWith(pattern.slice(0, -1).slice(0, KEPT));
  return name === pattern || (name.length === KEPT && pattern.startsWith(name));
}

/** Deckhand itself, however it was started: `node …/bin/deckhand.mjs stdio`, or by the name of its link. */
export function isDeckhand(args: readonly string[]): boolean {
  const base = (path: string | undefined) => path?.split('/').at(-1) ?? '';
  const program = base(args[0]);
  if (/^deckhand(\.mjs)?$/.test(program)) return true;
  if (!/^(node|nodejs|MainThread)$/.test(program)) return false;
  const script = args.slice(1).find((a) => !a.startsWith('-'));
  return /^deckhand(\.mjs)?$/.test(base(script)) || /\/deckhand[^/]*\/dist\/\w+\.mjs$/.test(script ?? '');
}
