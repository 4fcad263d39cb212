/**
 * What keeps the machine running: a UPS as NUT or apcupsd tell of it, where they are installed, and batteries from sysfs.
 * Both programs are asked only for what they know; neither is given an argument that a caller chose.
 */
import { toOpsError } from '../../core/errors.ts';
import type { Battery, Inventory, Ups } from '../../core/hardware.ts';
import type { Reading } from '../../core/host.ts';
import type { Binary, Exec } from '../exec.ts';
import { known, namesIn, type Root, textOrNull, unknown } from '../system/files.ts';
import { byNumber, count, countIn, named, nameIn } from './words.ts';

const bounds = { timeoutMs: 3_000, maxBytes: 64 * 1024 };
const MAX_UPS = 8;

export async function ups(root: Root, o: { exec: Exec; has: (b: Binary) => boolean }): Promise<Inventory['ups']> {
  if (root.foreign) return unknown('Commands of a host whose files are only mounted here cannot be run.');
  const asked = await Promise.all([o.has('upsc') ? nut(o.exec) : null, o.has('apcaccess') ? apc(o.exec) : null]);
  const found = asked.flatMap((r) => r?.value ?? []);
  const why = asked.find((r) => r?.value === null)?.why;
  return found.length > 0 || why === undefined ? known(found) : unknown(why);
}

async function nut(exec: Exec): Promise<Reading<Ups[]>> {
  try {
    const list = await exec({ binary: 'upsc', args: ['-l'], ...bounds });
    if (list.code !== 0)
      return unknown(`NUT is installed, and does not answer: ${list.stderr.trim().split('\n').at(-1)?.slice(0, 120)}`);
    const names = list.stdout.split('\n').filter((n) => /^\w[\w.-]{0,63}$/.test(n));
    const units = await Promise.all(
      names.slice(0, MAX_UPS).map(async (name) => {
        const { code, stdout } = await exec({ binary: 'upsc', args: [name], ...bounds });
        return code === 0 ? [parseNut(name, stdout)] : [silent(name)];
      }),
    );
    return known(units.flat());
  } catch (error) {
    return unknown(toOpsError(error).message);
  }
}

const silent = (name: string): Ups => ({
  name,
  source: 'NUT',
  model: null,
  status: 'does not answer',
  ...{ onBattery: null, batteryLow: null, replaceBattery: null },
  ...{ chargePercent: null, loadPercent: null, runtimeSeconds: null },
});

const lines = (text: string): Map<string, string> =>
  new Map(
    text.split('\n', 1024).flatMap((line): [string, string][] => {
      const colon = line.indexOf(':');
      return colon > 0 ? [[line.slice(0, colon).trim(), line.slice(colon + 1).trim()]] : [];
    }),
  );

/** "ups.status: OL CHRG" */
export function parseNut(name: string, text: string): Ups {
  const is = lines(text);
  const status = named(is.get('ups.status'), 64);
  const says = (word: string) => (status === null ? null : status.split(' ').includes(word));
  const maker = named(is.get('ups.mfr') ?? is.get('device.mfr'));
  const model = named(is.get('ups.model') ?? is.get('device.model'));
  return {
    name,
    source: 'NUT',
    model: [maker, model].filter(Boolean).join(' ') || null,
    status,
    onBattery: says('OB'),
    batteryLow: says('LB'),
    replaceBattery: says('RB'),
    chargePercent: count(is.get('battery.charge')),
    loadPercent: count(is.get('ups.load')),
    runtimeSeconds: count(is.get('battery.runtime')),
  };
}

async function apc(exec: Exec): Promise<Reading<Ups[]>> {
  try {
    const { code, stdout } = await exec({ binary: 'apcaccess', args: ['status'], ...bounds });
    const unit = code === 0 ? parseApc(stdout) : null;
    return unit ? known([unit]) : unknown('apcupsd is installed, and does not answer.');
  } catch (error) {
    return unknown(toOpsError(error).message);
  }
}

/** "STATUS   : ONLINE", "BCHARGE  : 100.0 Percent", "TIMELEFT : 43.0 Minutes" */
export function parseApc(text: string): Ups | null {
  const is = lines(text);
  const status = named(is.get('STATUS'), 64);
  if (status === null) return null;
  const number = (key: string) => count(is.get(key)?.split(' ')[0]);
  const minutes = number('TIMELEFT');
  const name = named(is.get('UPSNAME')) ?? 'apcupsd';
  return {
    name,
    source: 'apcupsd',
    model: named(is.get('MODEL')),
    status,
    onBattery: /COMMLOST/.test(status) ? null : /\bONBATT\b/.test(status),
    batteryLow: /\bLOWBATT\b/.test(status),
    replaceBattery: /\bREPLACEBATT\b/.test(status),
    chargePercent: number('BCHARGE'),
    loadPercent: number('LOADPCT'),
    runtimeSeconds: minutes === null ? null : Math.round(minutes * 60),
  };
}

/** Of the machine; those of mice and headsets (scope "Device") are not its own. */
export function batteries(root: Root): Reading<Battery[]> {
  const folder = '/sys/class/power_supply';
  const found: Battery[] = [];
  for (const name of namesIn(root.of(folder)).sort(byNumber)) {
    const of = (file: string) => textOrNull(root.of(`${folder}/${name}/${file}`));
    if (of('type') !== 'Battery' || of('scope') === 'Device' || of('present') === '0' || found.length >= 16) continue;
    const figure = (...files: string[]) =>
      files.map((f) => countIn(root, `${folder}/${name}/${f}`)).find((n) => n !== null);
    const full = figure('energy_full', 'charge_full');
    const design = figure('energy_full_design', 'charge_full_design');
    const maker = nameIn(root, `${folder}/${name}/manufacturer`);
    found.push({
      name,
      model: [maker, nameIn(root, `${folder}/${name}/model_name`)].filter(Boolean).join(' ') || null,
      status: named(of('status')),
      chargePercent: figure('capacity') ?? null,
      healthPercent: full && design ? Math.round((100 * full) / design) : null,
      // 0 is what drivers say that do not count.
      cycles: figure('cycle_count') || null,
    });
  }
  return known(found);
}
