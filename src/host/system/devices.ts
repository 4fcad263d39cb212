/**
 * What stands beside the counters of disks, networks and sensors in /sys: which names are whole disks, whether a link is
 * up, how hot it is. These change seldom or are slow to ask, so each has its own pace and none of them delays a snapshot.
 */

import { readlinkSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { NetCounters, Reading, Temperature } from '../../core/host.ts';
import { namesIn, type Root, textOrNull, unknown } from './files.ts';
import { int } from './procfs.ts';

/** Disks that come and go are noticed within this. */
const DISKS_MS = 30_000;
const LINKS_MS = 5_000;
const SENSORS_MS = 60_000;
const SLOW_SENSORS_MS = 10_000;

/** In memory, a file of another disk, or one of the paths (nvme0c0n1) to a disk that is there itself: its traffic is no disk's. */
const NO_DISK = /^(?:(?:loop|ram|zram|fd|sr)\d|nvme\d+c\d+n\d)/;
const STACKED = /^(?:dm-|md|bcache|zd|drbd)\d/;
const PARTITION =
  /^(?:(?:sd|vd|hd|xvd)[a-z]+\d+|(?:nvme\d+n\d+|mmcblk\d+|nbd\d+|md\d+|rbd\d+|zd\d+)p\d+|mmcblk\d+boot\d)$/;

export const isStacked = (name: string): boolean => STACKED.test(name);

/** Says which names of diskstats are whole disks. */
export function diskNames(root: Root, monotonic: () => number): () => (name: string) => boolean {
  let at = Number.NEGATIVE_INFINITY;
  let whole = new Set<string>();
  const byList = (name: string) => whole.has(name);
  const byName = (name: string) => !NO_DISK.test(name) && !PARTITION.test(name);
  return () => {
    if (monotonic() - at >= DISKS_MS) {
      at = monotonic();
      // The kernel makes sixteen nbd in advance; the boot areas of an eMMC are listed as disks of their own.
      whole = new Set(
        namesIn(root.of('/sys/block')).filter(
          (n) => byName(n) && !(n.startsWith('nbd') && textOrNull(root.of(`/sys/block/${n}/size`)) === '0'),
        ),
      );
    }
    // Without /sys/block (some containers) the names must do.
    return whole.size > 0 ? byList : byName;
  };
}

interface Link {
  atMs: number;
  state: string | null;
  speedMbit: number | null;
}

/** State and speed of an interface. `speed` is asked only of devices: virtual ones invent it. */
export function linkReader(root: Root, monotonic: () => number): (name: string) => Link {
  const links = new Map<string, Link>();
  return (name) => {
    const now = monotonic();
    const kept = links.get(name);
    if (kept && now - kept.atMs < LINKS_MS) return kept;
    const folder = root.of(`/sys/class/net/${name}`);
    const state = textOrNull(`${folder}/operstate`);
    const real = state !== null && statSync(`${folder}/device`, { throwIfNoEntry: false }) !== undefined;
    const speed = real && state === 'up' ? Number(textOrNull(`${folder}/speed`) ?? Number.NaN) : Number.NaN;
    const link = { atMs: now, state, speedMbit: speed > 0 ? speed : null };
    // Containers come and go, each with an interface of a new name.
    if (links.size > 1024) links.clear();
    links.set(name, link);
    return link;
  };
}

export const withLink = (n: Omit<NetCounters, 'state' | 'speedMbit'>, link: Link): NetCounters => ({
  ...n,
  state: link.state,
  speedMbit: link.speedMbit,
});

interface Sensor {
  name: string;
  path: string;
  criticalCelsius: number | null;
  /** Asked aside from the snapshot: a sleeping disk takes seconds to tell its temperature. */
  slow: boolean;
  celsius: number | null;
}

const SLOW_CHIPS = new Set(['drivetemp', 'nvme', 'spd5118', 'jc42']);
const MAX_SENSORS = 192;

const milli = (text: string | null): number | null => {
  const value = text === null ? null : int({ text, at: 0 });
  // -128 and 127 are what inputs say that nothing is wired to; no part lives that hot.
  return value === null || value <= -100_000 || value >= 127_000 ? null : value / 1000;
};

/** hwmon2 before hwmon10. */
const numbered = (names: string[]): string[] => names.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));

/** Eight disks all call themselves "nvme": the device behind the chip says which one is hot. */
function whichOne(chip: string, folder: string): string {
  const disk = namesIn(`${folder}/device/block`)[0];
  if (disk) return ` ${disk}`;
  try {
    const device = basename(readlinkSync(`${folder}/device`));
    return device.startsWith(chip) ? device.slice(chip.length) : ` ${device}`;
  } catch {
    return ` ${basename(folder)}`;
  }
}

function criticalOfZone(folder: string): number | null {
  const trip = namesIn(folder).find(
    (f) => /^trip_point_\d+_type$/.test(f) && textOrNull(`${folder}/${f}`) === 'critical',
  );
  return trip === undefined ? null : milli(textOrNull(`${folder}/${trip.replace(/type$/, 'temp')}`));
}

function findSensors(root: Root): Sensor[] {
  const found: Sensor[] = [];
  const chips = numbered(namesIn(root.of('/sys/class/hwmon'))).map((chip) => {
    const folder = root.of(`/sys/class/hwmon/${chip}`);
    return { folder, name: textOrNull(`${folder}/name`) ?? chip };
  });
  const times = new Map<string, number>();
  for (const { name } of chips) times.set(name, (times.get(name) ?? 0) + 1);
  for (const { folder, name: chip } of chips) {
    const chipName = (times.get(chip) ?? 0) > 1 ? `${chip}${whichOne(chip, folder)}` : chip;
    for (const file of numbered(namesIn(folder))) {
      const input = /^temp(\d+)_input$/.exec(file)?.[1];
      if (input === undefined || found.length >= MAX_SENSORS) continue;
      const label = textOrNull(`${folder}/temp${input}_label`);
      found.push({
        name: label ? `${chipName} ${label}` : chipName,
        path: `${folder}/${file}`,
        criticalCelsius: milli(textOrNull(`${folder}/temp${input}_crit`)),
        slow: SLOW_CHIPS.has(chip),
        celsius: null,
      });
    }
  }
  if (found.length > 0) return found;
  for (const zone of numbered(namesIn(root.of('/sys/class/thermal')))) {
    if (!zone.startsWith('thermal_zone') || found.length >= MAX_SENSORS) continue;
    const folder = root.of(`/sys/class/thermal/${zone}`);
    found.push({
      name: textOrNull(`${folder}/type`) ?? zone,
      path: `${folder}/temp`,
      criticalCelsius: criticalOfZone(folder),
      slow: false,
      celsius: null,
    });
  }
  return found;
}

/** Temperatures: quick ones now, slow ones as of the last round, which each call may start anew. */
export function sensorReader(root: Root, monotonic: () => number): () => Reading<Temperature[]> {
  let sensors: Sensor[] = [];
  let foundAt = Number.NEGATIVE_INFINITY;
  let slowAt = Number.NEGATIVE_INFINITY;
  let underWay = false;

  const askSlow = async (slow: Sensor[]) => {
    underWay = true;
    for (const s of slow) s.celsius = milli(await readFile(s.path, 'latin1').catch(() => null));
    underWay = false;
  };

  return () => {
    const now = monotonic();
    if (now - foundAt >= SENSORS_MS) {
      foundAt = now;
      const before = new Map(sensors.map((s) => [s.path, s]));
      sensors = findSensors(root).map((s) => {
        const known = before.get(s.path);
        return known ? { ...s, slow: known.slow, celsius: known.celsius } : s;
      });
    }
    if (sensors.length === 0)
      return unknown('There are no temperature sensors under /sys/class/hwmon or /sys/class/thermal.');
    for (const s of sensors) {
      if (s.slow) continue;
      const before = performance.now();
      s.celsius = milli(textOrNull(s.path));
      // An embedded controller can take long too: from now on it is asked aside.
      if (performance.now() - before > 2) s.slow = true;
    }
    const slow = sensors.filter((s) => s.slow);
    if (slow.length > 0 && !underWay && now - slowAt >= SLOW_SENSORS_MS) {
      slowAt = now;
      void askSlow(slow);
    }
    const value = sensors.flatMap((s) =>
      s.celsius === null ? [] : [{ sensor: s.name, celsius: s.celsius, criticalCelsius: s.criticalCelsius }],
    );
    return value.length > 0 ? { value } : unknown('The temperature sensors have not answered yet.');
  };
}
