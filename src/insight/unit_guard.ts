/**
 * Which unit may be changed, and how: what the owner allows by name; never what is protected, what we run in, and what ends or turns
 * over the machine. What holds up the host or the way to it may be brought back (start, enable, reset-failed) where the owner allows it,
 * and is never stopped, restarted, reloaded or disabled. Pure. A refusal says which setting would allow it, where one would.
 */
import { like } from '../core/like.ts';
import type { ServiceRules, Unit, UnitVerb } from '../core/services.ts';
import { unitType } from '../core/unit_refs.ts';

export interface GuardRow {
  names: readonly string[];
  why: string;
}

/** Its start is the end of this boot, or of the machine's work. */
export const ENDS: GuardRow = {
  names: [
    ...[
      'poweroff',
      'reboot',
      'halt',
      'kexec',
      'soft-reboot',
      'exit',
      'shutdown',
      'final',
      'umount',
      'rescue',
      'emergency',
    ],
    ...[
      'suspend',
      'hibernate',
      'hybrid-sleep',
      'suspend-then-hibernate',
      'sleep',
      'ctrl-alt-del',
      'storage-target-mode',
    ],
    ...['factory-reset', 'system-update*', 'runlevel*', 'initrd*'],
  ].map((name) => `${name}.target`),
  why: 'it ends or turns over the whole machine',
};

/** Whatever is done to them but forgetting a failure. Several of them do their work by being started. */
export const NEVER: readonly GuardRow[] = [
  ENDS,
  {
    names: [
      ...[
        'default',
        'multi-user',
        'graphical',
        'sysinit',
        'basic',
        'local-fs*',
        'remote-fs*',
        'network*',
        'sockets',
        'timers',
      ],
      ...['paths', 'swap', 'nss-*', 'getty', 'time-s*', 'cryptsetup*', 'veritysetup*', 'integritysetup*'],
    ].map((name) => `${name}.target`),
    why: 'the rest of the system hangs on it',
  },
  { names: ['rescue.service', 'emergency.service', 'debug-shell.service'], why: 'it is a shell of root' },
  { names: ['systemd-*', 'init.scope', 'initrd-*', 'ldconfig.service'], why: 'it belongs to systemd itself' },
  { names: ['deckhand.*', 'deckhand-*', 'deckhand@*'], why: 'it is Deckhand' },
  { names: ['user@*', 'user-runtime-dir@*', 'user-*.slice', 'session-*'], why: 'people are logged in there' },
];

/** Brought back, yes; never taken away. */
export const KEEP: readonly GuardRow[] = [
  {
    names: [
      ...[
        'ssh.*',
        'sshd.*',
        'ssh@*',
        'sshd@*',
        'sshd-*',
        'dropbear*',
        'getty@*',
        'serial-getty@*',
        'console-getty.service',
      ],
      ...['container-getty@*', 'autovt@*', 'cockpit*', 'teleport*', 'cloudflared*'],
    ],
    why: 'it is a way into this host',
  },
  {
    names: [
      ...[
        'tailscaled.*',
        'NetworkManager*',
        'networking.service',
        'ifup@*',
        'ifupdown*',
        'wpa_supplicant*',
        'dhcpcd*',
        'dhclient*',
      ],
      ...[
        'connman*',
        'iwd.service',
        'netplan*',
        'wg-quick@*',
        'wireguard*',
        'openvpn*',
        'zerotier*',
        'netbird*',
        'nebula*',
      ],
      ...['openvswitch*', 'ovs-*', 'frr.service', 'bird.service', 'resolvconf*'],
    ],
    why: 'the network of this host hangs on it, and perhaps the way that this call came',
  },
  {
    names: [
      'nftables.service',
      'iptables.service',
      'ip6tables.service',
      'netfilter-persistent.service',
      'firewalld.service',
      'ufw.service',
      'shorewall*',
      'pve-firewall.service',
      'proxmox-firewall.service',
    ],
    why: 'it decides who reaches this host',
  },
  {
    names: [
      'dbus.*',
      'dbus-*',
      'polkit.service',
      'elogind.service',
      'udev.service',
      'auditd.service',
      'apparmor.service',
      'lvm2-*',
      'dm-event.*',
      'multipathd*',
      'iscsid*',
      'zfs*',
      'mdmonitor*',
      'lxcfs.service',
    ],
    why: 'the rest of the system hangs on it',
  },
  {
    names: [
      'watchdog-mux.service',
      'corosync.service',
      'pve-cluster.service',
      'pve-ha-lrm.service',
      'pve-ha-crm.service',
      'pacemaker.service',
      'watchdog.service',
    ],
    why: 'the cluster or a watchdog resets this machine when it falls silent',
  },
];

/** Those that take nothing away. */
const BRINGS_BACK: readonly UnitVerb[] = ['start', 'enable', 'reset-failed'];
/** A scope is somebody's session or container, a slice all below it; mounts and devices are the disks'. */
export const CHANGED_TYPES = ['service', 'socket', 'timer', 'path', 'target'] as const;

export type UnitGuard = { by: string; refused?: undefined } | { refused: string; hint: string };
export type Named = Pick<Unit, 'name' | 'aliases'>;

const PERSON = 'Deckhand never does that; a person can, on the host.';

/** Why this is not done, whatever the owner allows. Null: nothing speaks against it. */
export function protectedFrom(u: Named, verb: UnitVerb, rules: ServiceRules, self: readonly string[]): string | null {
  const names = [u.name, ...u.aliases];
  const fits = (glob: string) => names.some((name) => like(glob, name));
  const own = rules.protect.find(fits);
  if (own !== undefined) return `services.protect names ${own}`;
  if (verb === 'reset-failed') return null;
  if (names.some((name) => self.includes(name))) return 'Deckhand itself runs in it';
  const never = NEVER.find((row) => row.names.some(fits));
  if (never) return never.why;
  if (BRINGS_BACK.includes(verb)) return null;
  return KEEP.find((row) => row.names.some(fits))?.why ?? null;
}

export function guardOf(u: Named, verb: UnitVerb, rules: ServiceRules, self: readonly string[]): UnitGuard {
  const type = unitType(u.name);
  if (!CHANGED_TYPES.some((t) => t === type))
    return {
      refused: `${u.name} is a ${type ?? 'unit of no known type'}: only ${CHANGED_TYPES.join(', ')} are changed.`,
      hint: PERSON,
    };
  const why = protectedFrom(u, verb, rules, self);
  if (why !== null) {
    const hint = why.startsWith('services.protect')
      ? 'The owner may remove it from `services.protect` in the config.'
      : PERSON;
    return { refused: `${u.name} is protected from ${verb}: ${why}.`, hint };
  }
  // By its own name: an alias is a second word for it that others may have given.
  const glob = rules.allow.find((g) => like(g, u.name));
  if (glob !== undefined) return { by: `services.allow: ${glob}` };
  return {
    refused: `${u.name} may not be changed: the config does not allow it.`,
    hint: `The owner may add ${u.name} to \`services.allow\` in the config.`,
  };
}
