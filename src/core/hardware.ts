/**
 * Records of the machine's parts, as the host layer gives them back. What is asked slowly or by another program stands in a
 * Reading of its own, so that one deaf disk never hides the others. Serial numbers, UUIDs and hardware addresses are in none
 * of them: they identify a machine, and help nobody to run it.
 */
import type { Bounded, Reading } from './host.ts';

export interface HardwareHost {
  /**
   * The facts asked for, each with its own time-out and kept for ten minutes. What is not known within `waitMs` is a null that
   * says so, and goes on being asked: the next call finds it.
   */
  inventory<F extends Fact>(facts: readonly F[], o?: Bounded & { waitMs?: number }): Promise<Pick<Inventory, F>>;
}

export interface Inventory {
  board: Reading<Board>;
  cpu: Reading<Cpu>;
  /** What sysfs does not tell of the processor; asked in a child process. */
  cpuMore: Reading<CpuMore>;
  memory: Reading<MemoryLayout>;
  disks: Reading<Disk[]>;
  /** Of the disks found, in their order. */
  smart: Reading<{ disk: string; report: Reading<Smart> }[]>;
  raid: Reading<RaidArray[]>;
  zfs: Reading<Pool[]>;
  /** As NUT and apcupsd tell; a UPS that neither of them watches cannot be seen. */
  ups: Reading<Ups[]>;
  batteries: Reading<Battery[]>;
  /** `missing`: why a card's own driver told no figures, where it could have. */
  gpus: Reading<{ cards: Gpu[]; missing: string | null }>;
  networks: Reading<Adapter[]>;
  /** Guests of a Proxmox node; empty on any other host. */
  guests: Reading<Guest[]>;
}
export type Fact = keyof Inventory;

export interface Board {
  /** Of the machine, as its firmware or device tree names it. */
  vendor: string | null;
  product: string | null;
  version: string | null;
  chassis: string | null;
  board: string | null;
  bios: string | null;
  biosDate: string | null;
  firmware: 'UEFI' | 'BIOS' | 'device tree' | null;
}

export interface Cpu {
  model: string | null;
  sockets: number | null;
  cores: number | null;
  threads: number | null;
  maxMhz: number | null;
  minMhz: number | null;
  governor: string | null;
  /** All of a level together, e.g. L1d, L1i, L2, L3. */
  caches: { level: string; bytes: number; count: number }[];
}

export interface CpuMore {
  vendor: string | null;
  /** E.g. "AM5"; from the firmware's tables, so only root is told. */
  socket: string | null;
  maxMhz: number | null;
}

export interface MemoryLayout {
  source: string;
  slots: number | null;
  maxBytes: number | null;
  errorCorrection: string | null;
  modules: MemoryModule[];
}
export interface MemoryModule {
  slot: string | null;
  sizeBytes: number;
  type: string | null;
  mtPerSecond: number | null;
  vendor: string | null;
  part: string | null;
}

export interface Disk {
  name: string;
  model: string | null;
  sizeBytes: number | null;
  rotational: boolean | null;
  transport: string | null;
  firmware: string | null;
  removable: boolean;
}

export interface Smart {
  passed: boolean | null;
  celsius: number | null;
  poweredOnHours: number | null;
  /** Share of an SSD's rated life that is used; may pass 100. */
  wearPercent: number | null;
  sparePercent: number | null;
  reallocated: number | null;
  pending: number | null;
  uncorrectable: number | null;
  mediaErrors: number | null;
}

export interface RaidArray {
  name: string;
  level: string;
  degraded: boolean;
  state: string;
  sizeBytes: number | null;
  members: { disk: string; state: string }[];
  /** Blocks that differed at the last check. */
  mismatches: number | null;
}

export interface Pool {
  name: string;
  state: string | null;
  size: Reading<{ sizeBytes: number; allocatedBytes: number; fragmentedPercent: number | null }>;
}

export interface Ups {
  name: string;
  source: 'NUT' | 'apcupsd';
  model: string | null;
  status: string | null;
  onBattery: boolean | null;
  batteryLow: boolean | null;
  replaceBattery: boolean | null;
  chargePercent: number | null;
  loadPercent: number | null;
  runtimeSeconds: number | null;
}

export interface Battery {
  name: string;
  model: string | null;
  status: string | null;
  chargePercent: number | null;
  /** Full charge now as a share of what it was designed for. */
  healthPercent: number | null;
  cycles: number | null;
}

export interface Gpu {
  /** PCI address, or the card's name where it is on no PCI bus. */
  address: string;
  model: string | null;
  /** vendor:device of PCI, in hexadecimal. */
  pciId: string | null;
  driver: string | null;
  memoryBytes: number | null;
  memoryUsedBytes: number | null;
  busyPercent: number | null;
  celsius: number | null;
  watts: number | null;
  driverVersion: string | null;
}

export interface Adapter {
  name: string;
  driver: string | null;
  model: string | null;
  state: string | null;
  speedMbit: number | null;
  duplex: string | null;
  mtu: number | null;
}

export interface Guest {
  id: number;
  kind: 'lxc' | 'vm';
  name: string | null;
  running: boolean | null;
  template: boolean;
  cores: number | null;
  memoryBytes: number | null;
  /** Starts with the node. */
  onBoot: boolean;
  /** Why Proxmox holds it, e.g. "backup". */
  lock: string | null;
}
