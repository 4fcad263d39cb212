/** The hardware of the fake host: a small homelab node with one of everything, and one disk on its way out. */
import type { Fact, HardwareHost, Inventory } from '../../src/core/hardware.ts';

const GiB = 1024 ** 3;
const TB = 1e12;
const noSmart = { wearPercent: null, sparePercent: null, mediaErrors: null };

export const fakeInventory: Inventory = {
  board: {
    value: {
      vendor: 'ASRock',
      product: 'X570M Pro4',
      version: null,
      chassis: 'tower',
      board: 'ASRock X570M Pro4',
      bios: 'American Megatrends P5.60',
      biosDate: '2024-01-18',
      firmware: 'UEFI',
    },
  },
  cpu: {
    value: {
      model: 'AMD Ryzen 9 5950X 16-Core Processor',
      sockets: 1,
      cores: 16,
      threads: 32,
      maxMhz: 5083,
      minMhz: 2200,
      governor: 'schedutil',
      caches: [
        { level: 'L1d', bytes: 512 * 1024, count: 16 },
        { level: 'L2', bytes: 8 * 1024 ** 2, count: 16 },
        { level: 'L3', bytes: 64 * 1024 ** 2, count: 2 },
      ],
    },
  },
  cpuMore: { value: { vendor: 'AMD', socket: 'AM4', maxMhz: 5080 } },
  memory: {
    value: {
      source: 'firmware tables, by udev',
      slots: 4,
      maxBytes: 128 * GiB,
      errorCorrection: 'Multi-bit ECC',
      modules: ['DIMM 0', 'DIMM 1'].map((slot) => ({
        slot,
        sizeBytes: 32 * GiB,
        type: 'DDR4',
        mtPerSecond: 3200,
        vendor: 'Kingston',
        part: 'KSM32ED8/32ME',
      })),
    },
  },
  disks: {
    value: [
      {
        name: 'nvme0n1',
        model: 'Samsung SSD 980 PRO 1TB',
        sizeBytes: TB,
        rotational: false,
        transport: 'nvme',
        firmware: '5B2QGXA7',
        removable: false,
      },
      {
        name: 'sda',
        model: 'WDC WD80EFAX-68KNBN0',
        sizeBytes: 8 * TB,
        rotational: true,
        transport: 'sata',
        firmware: '81.00A81',
        removable: false,
      },
      {
        name: 'sdb',
        model: 'WDC WD80EFAX-68KNBN0',
        sizeBytes: 8 * TB,
        rotational: true,
        transport: 'sata',
        firmware: '81.00A81',
        removable: false,
      },
    ],
  },
  smart: {
    value: [
      {
        disk: 'nvme0n1',
        report: {
          value: {
            passed: true,
            celsius: 41,
            poweredOnHours: 12_034,
            wearPercent: 7,
            sparePercent: 100,
            reallocated: null,
            pending: null,
            uncorrectable: null,
            mediaErrors: 0,
          },
        },
      },
      {
        disk: 'sda',
        report: {
          value: {
            ...noSmart,
            passed: false,
            celsius: 52,
            poweredOnHours: 41_211,
            reallocated: 184,
            pending: 16,
            uncorrectable: 16,
          },
        },
      },
      { disk: 'sdb', report: { value: null, why: 'The disk sleeps, and was left asleep.' } },
    ],
  },
  raid: {
    value: [
      {
        name: 'md0',
        level: 'raid1',
        degraded: true,
        state: 'active, 1 of 2 disks',
        sizeBytes: 8 * TB,
        members: [{ disk: 'sda1', state: 'in_sync' }],
        mismatches: 0,
      },
    ],
  },
  zfs: {
    value: [
      {
        name: 'tank',
        state: 'ONLINE',
        size: { value: { sizeBytes: 2 * TB, allocatedBytes: TB, fragmentedPercent: 12 } },
      },
    ],
  },
  ups: {
    value: [
      {
        name: 'eaton',
        source: 'NUT',
        model: 'EATON Ellipse ECO 1200',
        status: 'OB DISCHRG',
        onBattery: true,
        batteryLow: false,
        replaceBattery: false,
        chargePercent: 87,
        loadPercent: 23,
        runtimeSeconds: 1_140,
      },
    ],
  },
  batteries: { value: [] },
  gpus: {
    value: {
      cards: [
        {
          address: '0000:0a:00.0',
          model: 'NVIDIA GeForce RTX 3060',
          pciId: '10de:2504',
          driver: 'nvidia',
          memoryBytes: 12 * GiB,
          memoryUsedBytes: GiB,
          busyPercent: 7,
          celsius: 43,
          watts: 17.05,
          driverVersion: '550.163.01',
        },
      ],
      missing: null,
    },
  },
  networks: {
    value: [
      {
        name: 'enp5s0',
        driver: 'igb',
        model: 'Intel Corporation I211 Gigabit Network Connection',
        state: 'up',
        speedMbit: 1000,
        duplex: 'full',
        mtu: 1500,
      },
    ],
  },
  guests: {
    value: [
      {
        id: 100,
        kind: 'vm',
        name: 'build',
        running: true,
        template: false,
        cores: 8,
        memoryBytes: 16 * GiB,
        onBoot: true,
        lock: null,
      },
      {
        id: 101,
        kind: 'lxc',
        name: 'dns',
        running: false,
        template: false,
        cores: null,
        memoryBytes: GiB,
        onBoot: true,
        lock: 'backup',
      },
    ],
  },
};

/** Overrides replace single facts. */
export const fakeHardware = (over: Partial<Inventory> = {}): HardwareHost => ({
  async inventory<F extends Fact>(facts: readonly F[]) {
    const all = structuredClone({ ...fakeInventory, ...over });
    return Object.fromEntries(facts.map((f) => [f, all[f]])) as Pick<Inventory, F>;
  },
});
