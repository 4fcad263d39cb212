/**
 * What this host is: a machine, a virtual machine or a container, and by which sign that was found. Signs are taken in
 * the order of how hard they lie: what the container's own manager wrote comes before what a hypervisor shows.
 */
import { readlinkSync, statSync } from 'node:fs';
import type { Virtualisation } from '../../core/host.ts';
import { type Root, textOrNull } from './files.ts';
import type { Mount } from './mounts.ts';

export interface Found {
  kind: Virtualisation;
  container: boolean;
  foundBy: string;
}

const CONTAINERS: Record<string, Virtualisation> = {
  lxc: 'lxc',
  'lxc-libvirt': 'lxc',
  docker: 'docker',
  podman: 'podman',
  'systemd-nspawn': 'systemd-nspawn',
};

/** /proc/<pid>/ns/pid of the first PID namespace: PROC_PID_INIT_INO in the kernel. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';

function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/**
 * True where the kernel's own threads are to be seen and / is a disk: nothing is contained here, whatever marks the
 * image has. (Micro-VMs are booted from container images, /.dockerenv and all.)
 */
function isWholeMachine(root: Root, mounts: readonly Mount[]): boolean {
  const kernelThreads = textOrNull(root.of('/proc/2/comm')) === 'kthreadd';
  const first = linkOf(root.of('/proc/self/ns/pid')) === FIRST_PID_NAMESPACE;
  const disk = mounts.find((m) => m.path === '/')?.source.startsWith('/dev/') ?? false;
  return (kernelThreads || first) && disk;
}

function containerOf(root: Root, mounts: readonly Mount[]): Found | null {
  const named = (name: string, foundBy: string): Found => ({
    kind: CONTAINERS[name] ?? 'container-other',
    container: true,
    foundBy,
  });
  const manager = textOrNull(root.of('/run/systemd/container'));
  if (manager && manager !== 'wsl') return named(manager, `/run/systemd/container says "${manager}"`);
  const variable = textOrNull(root.of('/proc/1/environ'))
    ?.split('\0')
    .find((v) => v.startsWith('container='))
    ?.slice('container='.length);
  if (variable && variable !== 'wsl') return named(variable, `PID 1 was started with container=${variable}`);
  const whole = isWholeMachine(root, mounts);
  if (!whole && isThere(root.of('/run/.containerenv'))) return named('podman', '/run/.containerenv is there');
  if (!whole && isThere(root.of('/.dockerenv'))) return named('docker', '/.dockerenv is there');
  // A machine that runs containers has lxcfs mounted too, but at /var/lib/lxcfs.
  if (mounts.some((m) => m.type === 'fuse.lxcfs' && m.path.startsWith('/proc/')))
    return named('lxc', 'lxcfs is mounted over /proc');
  const cgroup = textOrNull(root.of('/proc/1/cgroup')) ?? '';
  if (!whole && cgroup.includes('kubepods')) return named('', 'the cgroup of PID 1 is a Kubernetes pod');
  if (!whole && /\/docker[-/][0-9a-f]{12}/.test(cgroup))
    return named('docker', 'the cgroup of PID 1 is a Docker container');
  if (!whole && cgroup.includes('/libpod-')) return named('podman', 'the cgroup of PID 1 is a Podman container');
  if (!whole && /\/lxc(?:\.payload)?[./]/.test(cgroup)) return named('lxc', 'the cgroup of PID 1 is an LXC container');
  const overlay = mounts.find((m) => m.path === '/')?.type === 'overlay';
  const namespace = linkOf(root.of('/proc/self/ns/pid'));
  if (!whole && overlay && namespace !== null && namespace !== FIRST_PID_NAMESPACE)
    return named('', '/ is an overlay in a PID namespace of its own');
  return null;
}

/** Vendor or product of DMI, in small letters, to what it stands for. */
const DMI: [string, Virtualisation][] = [
  ['vmware', 'vmware'],
  ['virtualbox', 'virtualbox'],
  ['innotek', 'virtualbox'],
  ['xen', 'xen'],
  ['kvm', 'kvm'],
];

export function virtualisation(root: Root, mounts: readonly Mount[]): Found {
  const contained = containerOf(root, mounts);
  if (contained) return contained;
  const machine = (kind: Virtualisation, foundBy: string): Found => ({ kind, container: false, foundBy });

  const release = textOrNull(root.of('/proc/sys/kernel/osrelease')) ?? '';
  if (/microsoft|wsl/i.test(release)) return machine('wsl', `the kernel calls itself ${release}`);
  const vendor = textOrNull(root.of('/sys/class/dmi/id/sys_vendor')) ?? '';
  const product = textOrNull(root.of('/sys/class/dmi/id/product_name')) ?? '';
  const dmi = `${vendor} ${product}`.trim().toLowerCase();
  for (const [word, kind] of DMI) if (dmi.includes(word)) return machine(kind, `DMI says "${vendor} ${product}"`);
  if (dmi.includes('microsoft') && dmi.includes('virtual machine'))
    return machine('hyperv', `DMI says "${vendor} ${product}"`);
  if (textOrNull(root.of('/sys/hypervisor/type')) === 'xen') return machine('xen', '/sys/hypervisor/type says "xen"');
  const acpi = textOrNull(root.of('/sys/firmware/acpi/tables/FACP'));
  if (acpi?.includes('FIRECK')) return machine('firecracker', 'the ACPI tables are made by Firecracker');
  const clocks = textOrNull(root.of('/sys/devices/system/clocksource/clocksource0/available_clocksource')) ?? '';
  if (clocks.includes('kvm-clock')) return machine('kvm', 'the kernel has a kvm-clock');
  if (dmi.includes('qemu')) return machine('qemu', `DMI says "${vendor} ${product}"`);
  const flags = /^flags\s*:.*$/m.exec(textOrNull(root.of('/proc/cpuinfo')) ?? '')?.[0];
  if (flags && / hypervisor(?: |$)/.test(flags)) return machine('vm-other', 'the CPU has the flag "hypervisor"');
  const compatible = textOrNull(root.of('/proc/device-tree/hypervisor/compatible'));
  if (compatible) return machine(compatible.includes('kvm') ? 'kvm' : 'vm-other', 'the device tree names a hypervisor');
  return machine('none', flags ? 'the CPU has no flag "hypervisor"' : 'no sign of a hypervisor or a container');
}
