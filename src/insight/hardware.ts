/**
 * What in an inventory needs a person's hand: disks on their way out, arrays without redundancy, a UPS on its battery, guests that
 * should run. Pure. Decides thresholds and words; these facts are too slow to be findings of the overview.
 */
import type { Inventory, Smart } from '../core/hardware.ts';
import { SEVERITIES, type Severity } from './facts.ts';

export interface Attention {
  severity: Severity;
  sentence: string;
}

/** Platters age faster above this; flash throttles above that. */
const HOT_DISK = 55;
const HOT_FLASH = 75;
const WORN_PERCENT = 90;
const SPARE_PERCENT = 10;

/** Names go into our own sentences, outside the fence: one that is no plain word stays out of them. */
const plain = (name: string): string => (/^[\w.:+-]{1,32}$/.test(name) ? name : '(see below)');

export function needsAttention(of: Partial<Inventory>): Attention[] {
  const found: Attention[] = [];
  const say = (severity: Severity, sentence: string) => found.push({ severity, sentence });

  const rotational = new Map(of.disks?.value?.map((d) => [d.name, d.rotational]));
  for (const { disk, report } of of.smart?.value ?? [])
    if (report.value) judgeDisk(plain(disk), report.value, rotational.get(disk) === true, say);

  for (const { name, degraded, state } of of.raid?.value ?? [])
    if (degraded)
      say(
        'high',
        `Array ${plain(name)} is degraded (${state}): replace the missing disk; until it is rebuilt, one more may lose data.`,
      );

  for (const { name, state } of of.zfs?.value ?? [])
    if (state !== null && state !== 'ONLINE')
      say(
        state === 'DEGRADED' ? 'high' : 'critical',
        `Pool ${plain(name)} is ${plain(state)}: \`zpool status\` on the host names the disk, and what to do.`,
      );

  for (const u of of.ups?.value ?? []) {
    const name = `UPS ${plain(u.name)}`;
    if (u.batteryLow) say('critical', `${name}: its battery is low; shut the host down in order now.`);
    else if (u.onBattery) say('high', `${name} runs on its battery${runtime(u.runtimeSeconds)}: the mains are away.`);
    if (u.replaceBattery) say('medium', `${name} asks for a new battery.`);
    if (u.onBattery === null) say('medium', `${name} is not heard: whether there is mains power is not known.`);
  }

  const idle = (of.guests?.value ?? []).filter((g) => g.onBoot && g.running === false && !g.template);
  if (idle.length > 0)
    say(
      'low',
      `${idle.length === 1 ? 'A guest' : `${idle.length} guests`} set to start with the node ${idle.length === 1 ? 'is' : 'are'} stopped: ${idle
        .slice(0, 10)
        .map((g) => g.id)
        .join(', ')}.`,
    );

  return found.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}

function judgeDisk(name: string, s: Smart, platters: boolean, say: (severity: Severity, sentence: string) => void) {
  const disk = `Disk ${name}`;
  if (s.passed === false) say('critical', `${disk} fails its own SMART check: copy its data away and replace it.`);
  const bad = [
    [s.uncorrectable, 'uncorrectable'],
    [s.pending, 'pending'],
    [s.reallocated, 'reallocated'],
  ] as const;
  const counts = bad.flatMap(([n, what]) => (n ? [`${n} ${what}`] : []));
  if (counts.length > 0)
    say(
      s.pending || s.uncorrectable ? 'high' : 'low',
      `${disk} has bad sectors (${counts.join(', ')}): have a backup, and replace it when the count grows.`,
    );
  if (s.mediaErrors)
    say('high', `${disk} has ${s.mediaErrors} media errors: have a backup, and replace it when the count grows.`);
  if ((s.wearPercent ?? 0) >= WORN_PERCENT || (s.sparePercent ?? 100) < SPARE_PERCENT)
    say(
      'high',
      `${disk} is worn (${s.wearPercent ?? '?'}% of its rated life, ${s.sparePercent ?? '?'}% spare): plan its replacement.`,
    );
  if (s.celsius !== null && s.celsius >= (platters ? HOT_DISK : HOT_FLASH))
    say('medium', `${disk} is at ${s.celsius} °C: look after its cooling.`);
}

const runtime = (seconds: number | null): string =>
  seconds === null ? '' : `, for about ${Math.max(1, Math.round(seconds / 60))} more minutes`;
