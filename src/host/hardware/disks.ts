/**
 * Disks as the kernel lists them, and what their SMART data say, by smartctl where it is installed. A sleeping disk is left
 * asleep, and one that does not answer is given up alone. Which disks there are comes from /sys/block and nowhere else, so that
 * no caller names a device.
 */
import { readlinkSync } from 'node:fs';
import { toOpsError } from '../../core/errors.ts';
import type { Disk, Inventory, Smart } from '../../core/hardware.ts';
import type { Reading } from '../../core/host.ts';
import type { Exec } from '../exec.ts';
import { known, namesIn, type Root, textOrNull, unknown } from '../system/files.ts';
import { byNumber, count, countIn, named, nameIn } from './words.ts';

/** In memory, a file or network of another, or built on the disks listed here. */
const NO_DISK = /^(?:loop|ram|zram|fd|sr|dm-|md|zd|nbd|rbd|drbd|bcache)\d/;
const VIRTUAL = /^(?:virtio|xen|hyper-v)$/;
const MAX_DISKS = 512;
const MAX_ASKED = 48;
const AT_ONCE = 4;
const TIMEOUT_MS = 6_000;
const RIGHTS = '; it needs the device itself and CAP_SYS_RAWIO (for NVMe CAP_SYS_ADMIN), as root has.';

export function disks(root: Root): Reading<Disk[]> {
  const names = namesIn(root.of('/sys/block'))
    .filter((n) => !NO_DISK.test(n) && /^[\w!.-]{1,64}$/.test(n))
    .sort(byNumber);
  return known(
    names.slice(0, MAX_DISKS).map((name) => {
      const folder = `/sys/block/${name}`;
      const sectors = countIn(root, `${folder}/size`);
      const rotational = textOrNull(root.of(`${folder}/queue/rotational`));
      const model = nameIn(root, `${folder}/device/model`);
      const vendor = nameIn(root, `${folder}/device/vendor`);
      const way = transport(root, name);
      return {
        name,
        // ATA disks all have the vendor "ATA", and PCI's vendors are numbers.
        model:
          model && vendor && !/^(?:ATA|0x[0-9a-f]+)$/i.test(vendor)
            ? `${vendor} ${model}`
            : (model ?? nameIn(root, `${folder}/device/name`)),
        sizeBytes: sectors === null ? null : sectors * 512,
        // Hypervisors leave it at "yes", whatever lies below.
        rotational: rotational === null || VIRTUAL.test(way ?? '') ? null : rotational === '1',
        transport: way,
        firmware: nameIn(root, `${folder}/device/firmware_rev`) ?? nameIn(root, `${folder}/device/rev`),
        removable: textOrNull(root.of(`${folder}/removable`)) === '1',
      };
    }),
  );
}

/** From the way that the device hangs on: ../devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda */
function transport(root: Root, name: string): string | null {
  let way = '';
  try {
    way = readlinkSync(root.of(`/sys/block/${name}`));
  } catch {
    // A fixture, or a kernel without the link: the name must do.
  }
  if (name.startsWith('nvme')) return textOrNull(root.of(`/sys/block/${name}/device/transport`)) || 'nvme';
  if (name.startsWith('mmcblk')) return 'mmc';
  if (/\/usb\d/.test(way)) return 'usb';
  if (/\/ata\d/.test(way)) return 'sata';
  if (/\/session\d/.test(way)) return 'iscsi';
  if (/\/end_device-|\/port-\d/.test(way)) return 'sas';
  if (/\/rport-/.test(way)) return 'fc';
  if (name.startsWith('vd') || /\/virtio\d/.test(way)) return 'virtio';
  if (name.startsWith('xvd')) return 'xen';
  return /\/vmbus|VMBUS/.test(way) ? 'hyper-v' : null;
}

export async function smart(root: Root, o: { exec: Exec; installed: boolean }): Promise<Inventory['smart']> {
  if (root.foreign) return unknown('Commands of a host whose files are only mounted here cannot be run.');
  const found = disks(root).value ?? [];
  const real = found.filter((d) => !isVirtual(d));
  if (real.length === 0) return known([]);
  if (!o.installed) return unknown('smartctl is not installed (package smartmontools).');
  const reports: { disk: string; report: Reading<Smart> }[] = [];
  const waiting = real.entries();
  const worker = async () => {
    for (const [i, { name: disk }] of waiting)
      reports[i] = {
        disk,
        report: i < MAX_ASKED ? await ask(disk, o.exec) : unknown(`Only ${MAX_ASKED} disks are asked.`),
      };
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return known(reports);
}

/** The machine's owner knows how such a disk is; its guest cannot. */
const isVirtual = (d: Disk): boolean =>
  VIRTUAL.test(d.transport ?? '') ||
  /^(?:mmc|iscsi)$/.test(d.transport ?? '') ||
  /^(?:QEMU|VMware|VBOX|Msft) /i.test(`${d.model} `);

async function ask(disk: string, exec: Exec): Promise<Reading<Smart>> {
  try {
    // ! stands for / in the names of some controllers' disks.
    const device = `/dev/${disk.replaceAll('!', '/')}`;
    const { stdout } = await exec({
      binary: 'smartctl',
      args: ['--json', '-n', 'standby', '-H', '-A', device],
      timeoutMs: TIMEOUT_MS,
      maxBytes: 512 * 1024,
    });
    return parseSmart(stdout);
  } catch (error) {
    return unknown(toOpsError(error).message);
  }
}

interface SmartJson {
  smartctl?: { messages?: { string?: unknown }[] };
  smart_status?: { passed?: unknown };
  temperature?: { current?: unknown };
  power_on_time?: { hours?: unknown };
  endurance_used?: { current_percent?: unknown };
  ata_smart_attributes?: { table?: { id?: unknown; name?: unknown; value?: unknown; raw?: { value?: unknown } }[] };
  nvme_smart_health_information_log?: { percentage_used?: unknown; available_spare?: unknown; media_errors?: unknown };
  scsi_grown_defect_list?: unknown;
  scsi_error_counter_log?: Record<string, { total_uncorrected_errors?: unknown }>;
}

/** Its exit code is a sum of remarks, not a verdict: what counts is in the text. */
export function parseSmart(stdout: string): Reading<Smart> {
  let json: SmartJson;
  try {
    json = JSON.parse(stdout) as SmartJson;
    if (json === null || typeof json !== 'object') throw new SyntaxError();
  } catch {
    return unknown('smartctl said nothing that can be understood.');
  }
  const messages = Array.isArray(json.smartctl?.messages) ? json.smartctl.messages : [];
  const said = named(
    messages.map((m) => m?.string).find((s) => typeof s === 'string'),
    200,
  );
  if (/STANDBY|SLEEP/.test(said ?? '')) return unknown('The disk sleeps, and was left asleep.');
  const passed = typeof json.smart_status?.passed === 'boolean' ? json.smart_status.passed : null;
  const celsius = count(json.temperature?.current);
  const nvme = json.nvme_smart_health_information_log;
  if (passed === null && celsius === null && !nvme)
    return unknown(
      said ? `smartctl: ${said}${/denied|permitted/i.test(said) ? RIGHTS : ''}` : 'The disk has no SMART data.',
    );

  const table = Array.isArray(json.ata_smart_attributes?.table) ? json.ata_smart_attributes.table : [];
  const raw = (id: number) => count(table.find((a) => a?.id === id)?.raw?.value);
  const left = count(
    table.find((a) =>
      /^(?:SSD_Life_Left|Media_Wearout_Indicator|Wear_Leveling_Count|Percent_Lifetime_Remain|Remaining_Lifetime_Perc)$/.test(
        String(a?.name),
      ),
    )?.value,
  );
  const scsi = Object.values(json.scsi_error_counter_log ?? {}).map((e) => count(e?.total_uncorrected_errors) ?? 0);
  return known({
    passed,
    celsius: celsius || null,
    poweredOnHours: count(json.power_on_time?.hours),
    wearPercent:
      count(nvme?.percentage_used) ??
      count(json.endurance_used?.current_percent) ??
      (left === null || left > 100 ? null : 100 - left),
    sparePercent: count(nvme?.available_spare),
    reallocated: raw(5) ?? count(json.scsi_grown_defect_list),
    pending: raw(197),
    uncorrectable: raw(198) ?? (scsi.length > 0 ? scsi.reduce((a, b) => a + b) : null),
    mediaErrors: count(nvme?.media_errors),
  });
}
