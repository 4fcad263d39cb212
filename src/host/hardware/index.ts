/**
 * The inventory: which reader answers which fact, when the child process is worth starting, and how long an answer serves.
 * What a container sees here is the machine's: sysfs is the same for both.
 */
import type { HardwareHost, Inventory } from '../../core/hardware.ts';
import type { Reading } from '../../core/host.ts';
import type { Binary, Exec } from '../exec.ts';
import { part, patiently } from '../part.ts';
import { known, type Root, unknown } from '../system/files.ts';
import { isThere } from '../system/health.ts';
import type { Mount } from '../system/mounts.ts';
import { gpus, networks } from './adapters.ts';
import { raid, zfs } from './arrays.ts';
import { board, modulesByUdev } from './board.ts';
import { type Children, children, type Ours } from './children.ts';
import { cpu } from './cpu.ts';
import { disks, smart } from './disks.ts';
import { batteries, ups } from './power.ts';

const KEEP_MS = 600_000;
/** On a UPS every minute counts, and guests come and go. */
const KEEP_MOVING_MS = 15_000;
const LONGEST_MS = 30_000;

export interface HardwareOptions {
  exec: Exec;
  has: (binary: Binary) => boolean;
  ours: Ours;
  mounts: () => readonly Mount[];
  uid: number;
  clocks: { monotonic: () => number };
  /** For the tests: another program than ours, with less time. */
  child?: { program?: string; timeoutMs?: number };
}

type Ask = { [F in keyof Inventory]: () => Promise<Inventory[F]> };

export function hardwareReader(root: Root, o: HardwareOptions): HardwareHost {
  const child = children({ run: o.ours, ...o.child });
  const ask: Ask = {
    board: async () => board(root),
    cpu: () => cpu(root),
    cpuMore: async () => (root.foreign ? unknown('Only a process on the host itself can ask for more.') : child.cpu()),
    memory: async () => memory(root, o.uid, child),
    disks: async () => disks(root),
    smart: () => smart(root, { exec: o.exec, installed: o.has('smartctl') }),
    raid: async () => raid(root),
    zfs: () => zfs(root, { exec: o.exec, installed: o.has('zpool') }),
    ups: () => ups(root, o),
    batteries: async () => batteries(root),
    gpus: () => gpus(root, { exec: o.exec, nvidia: o.has('nvidia-smi'), names: child.gpuNames }),
    networks: async () => networks(root),
    guests: async () => (isProxmox(root, o.mounts()) ? child.guests(root.of('')) : known([])),
  };
  const moving = new Set<string>(['ups', 'guests', 'raid', 'zfs']);
  const parts = Object.fromEntries(
    Object.entries(ask).map(([fact, of]) => [
      fact,
      moving.has(fact)
        ? part(of as () => Promise<Reading<unknown>>, KEEP_MOVING_MS, o.clocks, 0)
        : part(of as () => Promise<Reading<unknown>>, KEEP_MS, o.clocks),
    ]),
  );
  return {
    inventory: (facts, asked = {}) =>
      patiently({ waitMs: LONGEST_MS, ...asked }, async (patience) => {
        const answers = await Promise.all(
          facts.map(async (f) => [f, await (parts[f]?.(patience) ?? unknown('There is no such part.'))]),
        );
        return Object.fromEntries(answers);
      }),
  };
}

async function memory(root: Root, uid: number, child: Children): Promise<Inventory['memory']> {
  const byUdev = modulesByUdev(root);
  if (byUdev) return known(byUdev);
  const dmi = isThere(root.of('/sys/firmware/dmi/tables/DMI'));
  if (!dmi && !isThere(root.of('/proc/device-tree/model')))
    return unknown('The firmware has no table of memory modules.');
  if (root.foreign) return unknown('Mount /run/udev of the host as well: memory modules stand there.');
  if (dmi && uid !== 0)
    return unknown('Memory modules are told to root only, or to all by udev of systemd 248 and later.');
  return child.memory();
}

/** By the table of mounts: touching /etc/pve itself could hang. */
const isProxmox = (root: Root, mounts: readonly Mount[]): boolean =>
  mounts.some((m) => m.path === '/etc/pve') || isThere(root.of('/usr/bin/pvesh'));
