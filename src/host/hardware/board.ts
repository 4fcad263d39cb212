/**
 * The machine itself and its memory modules, from the firmware's tables as the kernel and udev keep them. Serial numbers, UUIDs
 * and asset tags are never read. Modules that udev does not know are asked of a child process (children.ts).
 */
import type { Board, MemoryLayout, MemoryModule } from '../../core/hardware.ts';
import type { Reading } from '../../core/host.ts';
import { known, type Root, textOrNull, unknown } from '../system/files.ts';
import { isThere } from '../system/health.ts';
import { count, named, nameIn, positive, udev } from './words.ts';

/** Table 17 of the SMBIOS specification, from 1 on; what says nothing ("Other", "Unknown") is left out. */
const CHASSIS = [
  ...[
    null,
    null,
    'desktop',
    'low-profile desktop',
    'pizza box',
    'mini tower',
    'tower',
    'portable',
    'laptop',
    'notebook',
  ],
  ...['hand-held', 'docking station', 'all in one', 'sub-notebook', 'space-saving', 'lunch box', 'main server chassis'],
  ...['expansion chassis', 'sub-chassis', 'bus expansion chassis', 'peripheral chassis', 'RAID chassis', 'rack mount'],
  ...['sealed-case PC', 'multi-system chassis', 'Compact PCI', 'Advanced TCA', 'blade', 'blade enclosure', 'tablet'],
  ...['convertible', 'detachable', 'IoT gateway', 'embedded PC', 'mini PC', 'stick PC'],
];

export function board(root: Root): Reading<Board> {
  const dmi = (field: string) => nameIn(root, `/sys/class/dmi/id/${field}`);
  const tree = named(textOrNull(root.of('/proc/device-tree/model')));
  const both = (a: string | null, b: string | null) => [a, b].filter(Boolean).join(' ') || null;
  const vendor = dmi('sys_vendor');
  const product = dmi('product_name');
  const bios = both(dmi('bios_vendor'), dmi('bios_version'));
  if (!vendor && !product && !bios && !tree)
    return unknown('There is neither DMI nor a device tree that names the machine.');
  return known({
    vendor,
    product: product ?? tree,
    version: dmi('product_version'),
    chassis: CHASSIS[(positive(textOrNull(root.of('/sys/class/dmi/id/chassis_type'))) ?? 0) - 1] ?? null,
    board: both(dmi('board_vendor'), dmi('board_name')),
    bios,
    biosDate: isoDate(dmi('bios_date')),
    firmware: isThere(root.of('/sys/firmware/efi')) ? 'UEFI' : bios ? 'BIOS' : tree ? 'device tree' : null,
  });
}

/** DMI has 07/15/2024. */
const isoDate = (text: string | null): string | null => text?.replace(/^(\d\d)\/(\d\d)\/(\d{4})$/, '$3-$1-$2') ?? null;

/** Null where udev (systemd before 248, or none) knows nothing of it. */
export function modulesByUdev(root: Root): MemoryLayout | null {
  const kept = udev(root, '+dmi:id');
  const modules: MemoryModule[] = [];
  let slots = 0;
  for (let n = 0; n < 1024; n++) {
    const of = (field: string) => kept.get(`MEMORY_DEVICE_${n}_${field}`);
    if (!of('SIZE') && !of('LOCATOR') && !of('PRESENT')) break;
    slots++;
    const sizeBytes = of('PRESENT') === '0' ? null : positive(of('SIZE'));
    if (sizeBytes === null) continue;
    modules.push({
      slot: named(
        [of('LOCATOR'), of('BANK_LOCATOR')]
          .map((s) => named(s))
          .filter(Boolean)
          .join(', '),
      ),
      sizeBytes,
      type: named(of('TYPE')),
      mtPerSecond: positive(of('CONFIGURED_SPEED_MTS')) ?? positive(of('SPEED_MTS')),
      vendor: named(of('MANUFACTURER')),
      part: named(of('PART_NUMBER')),
    });
  }
  if (modules.length === 0) return null;
  return {
    source: 'firmware tables, by udev',
    slots: Math.max(slots, count(kept.get('MEMORY_ARRAY_NUM_DEVICES')) ?? 0),
    maxBytes: positive(kept.get('MEMORY_ARRAY_MAX_CAPACITY')),
    errorCorrection: named(kept.get('MEMORY_ARRAY_EC_TYPE')),
    modules,
  };
}
