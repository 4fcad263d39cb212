/**
 * Devices on a bus: network adapters and graphics processors, from sysfs, with names from udev's database. Nvidia's driver tells
 * its figures only through nvidia-smi, which is asked with one fixed query where it is installed. Hardware addresses stay out.
 */
import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { toOpsError } from '../../core/errors.ts';
import type { Adapter, Gpu, Inventory } from '../../core/hardware.ts';
import type { Reading } from '../../core/host.ts';
import type { Exec } from '../exec.ts';
import { known, namesIn, type Root, textOrNull, unknown } from '../system/files.ts';
import { isThere } from '../system/health.ts';
import { byNumber, count, countIn, named, udev, udevName } from './words.ts';

const MAX = 256;

function linkName(path: string): string | null {
  try {
    return named(basename(readlinkSync(path)));
  } catch {
    return null;
  }
}

const driverOf = (root: Root, device: string): string | null =>
  linkName(root.of(`${device}/driver`)) ??
  named(/^DRIVER=(.+)$/m.exec(textOrNull(root.of(`${device}/uevent`)) ?? '')?.[1]);

/** Interfaces with a device behind them; bridges, tunnels and veth pairs are system_metrics's. */
export function networks(root: Root): Reading<Adapter[]> {
  const names = namesIn(root.of('/sys/class/net')).filter((n) => isThere(root.of(`/sys/class/net/${n}/device`)));
  return known(
    names
      .sort(byNumber)
      .slice(0, MAX)
      .map((name) => {
        const folder = `/sys/class/net/${name}`;
        const of = (file: string) => textOrNull(root.of(`${folder}/${file}`));
        const speed = Number(of('speed'));
        const duplex = of('duplex');
        return {
          name,
          driver: driverOf(root, `${folder}/device`),
          model: udevName(udev(root, `n${of('ifindex')}`)),
          state: named(of('operstate')),
          // -1 and the like: no link, or a virtual one that has none.
          speedMbit: speed > 0 && speed < 2 ** 31 - 1 ? speed : null,
          duplex: duplex === 'full' || duplex === 'half' ? duplex : null,
          mtu: countIn(root, `${folder}/mtu`),
        };
      }),
  );
}

const NOTHING = {
  ...{ memoryBytes: null, memoryUsedBytes: null, busyPercent: null, celsius: null, watts: null, driverVersion: null },
};

/** Class 03 of PCI, and cards of boards without PCI. */
export function gpusInSysfs(root: Root): Gpu[] {
  const pci = '/sys/bus/pci/devices';
  const found: Gpu[] = namesIn(root.of(pci))
    .filter((address) => textOrNull(root.of(`${pci}/${address}/class`))?.startsWith('0x03'))
    .sort()
    .map((address) => {
      const folder = `${pci}/${address}`;
      const id = (file: string) => textOrNull(root.of(`${folder}/${file}`))?.replace('0x', '');
      return {
        ...NOTHING,
        address,
        model: udevName(udev(root, `+pci:${address}`)),
        pciId: id('vendor') && id('device') ? `${id('vendor')}:${id('device')}` : null,
        driver: driverOf(root, folder),
        // These three are amdgpu's.
        memoryBytes: countIn(root, `${folder}/mem_info_vram_total`),
        memoryUsedBytes: countIn(root, `${folder}/mem_info_vram_used`),
        busyPercent: countIn(root, `${folder}/gpu_busy_percent`),
      };
    });
  for (const card of namesIn(root.of('/sys/class/drm'))
    .filter((n) => /^card\d+$/.test(n))
    .sort(byNumber)) {
    const device = `/sys/class/drm/${card}/device`;
    if (isThere(root.of(`${device}/class`)) || !isThere(root.of(device))) continue;
    found.push({ ...NOTHING, address: card, model: null, pciId: null, driver: driverOf(root, device) });
  }
  return found.slice(0, 32);
}

const QUERY = 'pci.bus_id,name,driver_version,memory.total,memory.used,utilization.gpu,temperature.gpu,power.draw';

export async function gpus(
  root: Root,
  o: { exec: Exec; nvidia: boolean; names: () => Promise<Map<string, string>> },
): Promise<Inventory['gpus']> {
  const found = gpusInSysfs(root);
  const told = o.nvidia && !root.foreign ? await nvidia(o.exec) : known([]);
  for (const gpu of told.value ?? []) {
    const at = found.findIndex((g) => g.address === gpu.address);
    // On WSL2 the card is on no bus that is seen from here.
    if (at < 0) found.push(gpu);
    else found[at] = { ...gpu, pciId: found[at]?.pciId ?? null, driver: found[at]?.driver ?? gpu.driver };
  }
  if (!root.foreign && found.some((g) => g.model === null && g.pciId !== null)) {
    const names = await o.names();
    for (const g of found) g.model ??= names.get(g.address.replace(/^0000:/, '')) ?? null;
  }
  return known({ cards: found, missing: told.why ?? null });
}

async function nvidia(exec: Exec): Promise<Reading<Gpu[]>> {
  try {
    const { code, stdout } = await exec({
      binary: 'nvidia-smi',
      args: [`--query-gpu=${QUERY}`, '--format=csv,noheader,nounits'],
      timeoutMs: 5_000,
      maxBytes: 64 * 1024,
    });
    // "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver." goes to stdout.
    return code === 0
      ? known(parseNvidia(stdout))
      : unknown(`nvidia-smi: ${named(stdout.split('\n')[0]) ?? `code ${code}`}`);
  } catch (error) {
    return unknown(toOpsError(error).message);
  }
}

/** "00000000:01:00.0, NVIDIA GeForce RTX 3060, 550.163.01, 12288, 1024, 7, 43, 17.05"; what a card has not is "[N/A]". */
export function parseNvidia(stdout: string): Gpu[] {
  return stdout.split('\n', 64).flatMap((line): Gpu[] => {
    const words = line.split(', ');
    const address = /^[0-9a-f]{4}([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])$/i.exec(words[0] ?? '')?.[1];
    if (!address || words.length < 8) return [];
    const [total, used, busy, celsius, watts] = words.slice(-5).map((w) => count(w.trim()));
    const mebibytes = (n: number | null | undefined) => (n == null ? null : n * 1024 ** 2);
    return [
      {
        address: address.toLowerCase(),
        model: named(words.slice(1, -6).join(', ')),
        pciId: null,
        driver: 'nvidia',
        driverVersion: named(words.at(-6)),
        memoryBytes: mebibytes(total),
        memoryUsedBytes: mebibytes(used),
        busyPercent: busy ?? null,
        celsius: celsius ?? null,
        watts: watts ?? null,
      },
    ];
  });
}
