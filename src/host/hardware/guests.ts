/**
 * Guests of a Proxmox node from its files: names, sizes, and whether they run. Runs in our child process, because /etc/pve is a
 * FUSE mount that can hang for as long as its cluster does. Of a configuration only the lines named here are read: the others
 * hold cloud-init passwords, keys and notes.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Guest } from '../../core/hardware.ts';

const MAX_GUESTS = 2_000;
const MAX_BYTES = 256 * 1024;
const KINDS = [
  { kind: 'lxc', folder: 'lxc' },
  { kind: 'vm', folder: 'qemu-server' },
] as const;

const read = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8').slice(0, MAX_BYTES);
  } catch {
    return null;
  }
};
const names = (path: string): string[] | null => {
  try {
    return readdirSync(path);
  } catch {
    return null;
  }
};

/** `prefix`: '' on the host itself, or the folder in which its files are mounted. */
export function guests(prefix: string): { guests: Guest[] } | { why: string } {
  const node = (read(`${prefix}/etc/hostname`) ?? '').trim().split('.')[0];
  const found: Guest[] = [];
  let seen = false;
  for (const { kind, folder } of KINDS) {
    // The first is a link to the second; where only a part is mounted, the node's own folder may be all there is.
    const places = [`/etc/pve/${folder}`, `/etc/pve/local/${folder}`, `/etc/pve/nodes/${node}/${folder}`];
    const place = places.find((p) => names(prefix + p) !== null);
    if (!place) continue;
    seen = true;
    for (const file of names(prefix + place) ?? []) {
      const id = Number(/^([1-9]\d{0,8})\.conf$/.exec(file)?.[1]);
      if (!id || found.length >= MAX_GUESTS) continue;
      const text = read(`${prefix}${place}/${file}`);
      const running = kind === 'lxc' ? lxcRuns(prefix, id) : vmRuns(prefix, id);
      found.push({ ...parseGuest(kind, id, text ?? ''), running });
    }
  }
  if (!seen) return { why: 'This user may not read /etc/pve: root and the group www-data may.' };
  return { guests: found.sort((a, b) => a.id - b.id) };
}

/** The lines before the first [section]: those are snapshots, and a pending change. */
export function parseGuest(kind: Guest['kind'], id: number, text: string): Omit<Guest, 'running'> {
  const of = (key: string): string | null => {
    for (const line of text.split('\n', 1_000)) {
      if (line.startsWith('[')) return null;
      if (line.startsWith(`${key}:`)) return line.slice(key.length + 1).trim();
    }
    return null;
  };
  const whole = (value: string | null): number | null => (value && /^\d{1,9}$/.test(value) ? Number(value) : null);
  const memory = whole(
    of('memory')
      ?.replace(/^current=/, '')
      .split(',')[0] ?? null,
  );
  // Proxmox's own defaults: a VM has one core and 512 MiB, a container all cores and 512 MiB.
  const cores = kind === 'vm' ? (whole(of('cores')) ?? 1) * (whole(of('sockets')) ?? 1) : whole(of('cores'));
  return {
    id,
    kind,
    name: (of(kind === 'lxc' ? 'hostname' : 'name') ?? '').slice(0, 120) || null,
    template: of('template') === '1',
    cores: text === '' ? null : cores,
    memoryBytes: text === '' ? null : (memory ?? 512) * 1024 ** 2,
    onBoot: of('onboot') === '1',
    lock: /^[a-z-]{1,32}$/.exec(of('lock') ?? '')?.[0] ?? null,
  };
}

const CGROUP = '/sys/fs/cgroup';
/** cgroup v2, and three of v1's hierarchies: whichever is mounted. */
const TREES = ['', '/systemd', '/pids', '/memory'].map((tree) => CGROUP + tree);

function lxcRuns(prefix: string, id: number): boolean | null {
  for (const tree of TREES)
    for (const group of [`${prefix}${tree}/lxc/${id}`, `${prefix}${tree}/lxc.payload.${id}`]) {
      if (names(group) === null) continue;
      const populated = /^populated ([01])$/m.exec(read(`${group}/cgroup.events`) ?? '')?.[1];
      return populated !== '0';
    }
  return (names(prefix + CGROUP)?.length ?? 0) > 0 ? false : null;
}

function vmRuns(prefix: string, id: number): boolean | null {
  // A file of a VM that was killed stays behind, and its number may be another process's by now.
  const pid = /^(\d+)\s*$/.exec(read(`${prefix}/run/qemu-server/${id}.pid`) ?? '')?.[1];
  if (pid && read(`${prefix}/proc/${pid}/cmdline`)?.includes(`\0-id\0${id}\0`)) return true;
  if (TREES.some((tree) => names(`${prefix}${tree}/qemu.slice/${id}.scope`) !== null)) return true;
  const told = names(`${prefix}/run/qemu-server`) !== null || (names(prefix + CGROUP)?.length ?? 0) > 0;
  return told ? false : null;
}
