/**
 * What this host lacks or hides from us, each with the exact mend. Only what was seen to hold here and now is listed: a
 * hint that does not apply teaches people to skip the list.
 */
import { accessSync, constants, statSync } from 'node:fs';
import type { Blind } from '../../core/host.ts';
import { type KeptFiles, namesIn, type Root, readOnce, textOrNull } from './files.ts';
import type { Facts } from './identity.ts';
import type { Mount } from './mounts.ts';

export interface BlindOptions {
  mounts: readonly Mount[];
  uid: number;
  systemd: boolean;
}

type Access = 'yes' | 'no' | 'absent';

function access(path: string, mode: number): Access {
  try {
    accessSync(path, mode);
    return 'yes';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'absent' : 'no';
  }
}

export function blindSpots(root: Root, files: KeptFiles, facts: Facts, o: BlindOptions): Blind[] {
  const blind: Blind[] = [];
  const { container, kind } = facts.found;
  const me = userName(root, o.uid);

  const hidepid = o.mounts
    .find((m) => m.path === '/proc' && m.type === 'proc')
    ?.superOptions.find((x) => x.startsWith('hidepid=') && x !== 'hidepid=0' && x !== 'hidepid=off');
  if (access(root.of('/proc/1/stat'), constants.R_OK) !== 'yes')
    blind.push({
      what: "other users' processes",
      why: hidepid ? `/proc is mounted with ${hidepid}` : 'PID 1 is not to be seen in /proc',
      fix: o.systemd
        ? 'systemctl edit deckhand: [Service] ProtectProc=default; without a unit: mount -o remount,hidepid=0 /proc'
        : 'mount -o remount,hidepid=0 /proc',
    });
  // Readable by its owner and whoever may trace it: for the first process of the machine that is the question itself.
  else if (o.uid !== 0 && readable(root.of('/proc/1/io')) === 'no')
    blind.push({
      what: `disk traffic${countsFds() ? '' : ' and descriptors'} of other users' processes`,
      why: '/proc/<pid>/io needs root, or CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH',
      fix: o.systemd
        ? 'the drop-in deploy/systemd/powers/all-processes.conf (sudo deckhand service install --allow all-processes), which costs much: docs/systemd.md'
        : 'start it as root: sudo deckhand serve',
    });

  if (!root.foreign) {
    for (const folder of ['/var/log/journal', '/run/log/journal']) {
      const id = textOrNull('/etc/machine-id');
      const file = id ? `${folder}/${id}/system.journal` : null;
      if (file && access(file, constants.R_OK) === 'no') {
        blind.push({
          what: 'the system journal',
          why: `user ${me} may not read ${file}`,
          fix: `usermod -aG systemd-journal ${me}, then start deckhand anew`,
        });
        break;
      }
    }
    const socket = ['/run/docker.sock', '/var/run/docker.sock'].find((s) => access(s, constants.F_OK) === 'yes');
    if (socket && access(socket, constants.R_OK | constants.W_OK) === 'no')
      blind.push({
        what: 'Docker',
        why: `user ${me} may not use ${socket}`,
        fix: `put a socket proxy in front of it (see docs), or: usermod -aG docker ${me} (the same as root)`,
      });
  }

  for (const what of ['cpu', 'memory', 'io'] as const) {
    let why: string | null = null;
    try {
      files.read(`/proc/pressure/${what}`, true);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      why =
        code === 'ENOENT'
          ? 'the kernel does not measure it'
          : code === 'EOPNOTSUPP'
            ? 'the kernel was started without psi=1'
            : `/proc/pressure is not readable (${code})`;
    }
    if (why === null) continue;
    blind.push({ what: 'pressure (PSI)', why, fix: `add psi=1 ${commandLine(root, facts)}` });
    break;
  }

  if (!o.systemd)
    blind.push({
      what: 'units (services, timers, failed units)',
      why: 'systemd does not run here: /run/systemd/system is not there',
      fix:
        container && kind !== 'lxc'
          ? 'run deckhand on the machine below for its units; a container has none'
          : kind === 'wsl'
            ? 'in /etc/wsl.conf: [boot] systemd=true; then on Windows: wsl --shutdown'
            : 'nothing to mend where another init is wanted: leave services out of `toolsets` in the config',
    });

  if (container) containerSpots(blind, root, facts);
  return blind;
}

/** Where this kind of machine keeps the command line of its kernel. */
function commandLine(root: Root, facts: Facts): string {
  const { container, kind } = facts.found;
  const isThere = (path: string) => access(root.of(path), constants.F_OK) !== 'absent';
  if (container) return "to the kernel's command line of the machine below, and reboot that";
  if (kind === 'wsl')
    return 'on Windows in %UserProfile%\\.wslconfig: [wsl2] kernelCommandLine=psi=1, then wsl --shutdown (it takes a kernel that has it built in)';
  for (const path of ['/boot/firmware/cmdline.txt', '/boot/cmdline.txt'])
    if (isThere(path)) return `to the one line of ${path} and reboot`;
  if (isThere('/etc/kernel/cmdline'))
    return `to /etc/kernel/cmdline, run ${isThere('/etc/pve') ? 'proxmox-boot-tool refresh' : 'kernel-install add-all'} and reboot`;
  return 'to GRUB_CMDLINE_LINUX in /etc/default/grub, run update-grub and reboot';
}

function containerSpots(blind: Blind[], root: Root, facts: Facts): void {
  const { kind } = facts.found;
  if (kind === 'lxc' && !facts.lxcfs.has('/proc/meminfo'))
    blind.push({
      what: "the container's own memory and limits",
      why: 'lxcfs is not mounted over /proc: meminfo is that of the machine',
      fix: 'on the Proxmox machine: systemctl enable --now lxcfs, then pct reboot <id>',
    });
  if (kind === 'lxc' && facts.lxcfs.size > 0 && loadIsTheMachines(root, facts))
    blind.push({
      what: "the container's own load",
      why: '/proc/loadavg shows the load of the machine',
      fix: 'on the machine: systemctl edit lxcfs: [Service] ExecStart= ExecStart=/usr/bin/lxcfs -l /var/lib/lxcfs; then restart its containers',
    });
  const inside = facts.cgroup.memory();
  if (inside?.usedBytes == null)
    blind.push({
      what: "the container's own use of memory",
      why: 'its cgroup is not mounted, or has no memory controller',
      fix:
        kind === 'lxc' ? 'pct set <id> --features nesting=1, then pct reboot <id>' : 'docker run … --cgroupns=private',
    });
  if (namesIn(root.of('/sys/class/hwmon')).length === 0)
    blind.push({
      what: 'temperatures',
      why: 'no sensors are to be seen in this container',
      fix: 'run deckhand on the machine below, or with its /sys mounted and host.root set',
    });
}

function loadIsTheMachines(root: Root, facts: Facts): boolean {
  if (!facts.lxcfs.has('/proc/loadavg')) return true;
  const tasks = Number(textOrNull(root.of('/proc/loadavg'))?.split(' ')[3]?.split('/')[1]);
  const ours = facts.cgroup.tasks();
  return ours !== null && tasks > ours * 1.2 + 10;
}

/** Reading decides, not the mode: the kernel asks for the right to trace when the file is read. */
function readable(path: string): Access {
  try {
    readOnce(path);
    return 'yes';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'absent' : 'no';
  }
}

/** Since Linux 6.2 the size of the folder is the number of descriptors, for everybody. */
function countsFds(): boolean {
  return (statSync('/proc/self/fd', { throwIfNoEntry: false })?.size ?? 0) > 0;
}

function userName(root: Root, uid: number): string {
  const passwd = textOrNull(root.of('/etc/passwd')) ?? '';
  const line = passwd.split('\n').find((l) => l.split(':')[2] === String(uid));
  return line?.split(':')[0] || `#${uid}`;
}
