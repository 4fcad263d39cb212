/**
 * The slow facts: failed units, updates, reboot, clock, RAID, ZFS, OOM kills. Each is asked on its own, with its own
 * time-out, at the same time as the others, and kept for a minute (updates for an hour). One that cannot be known says why,
 * and a slow one never holds the others up.
 * What we are blind to on this host is gathered in blind.ts.
 */
import { statSync } from 'node:fs';
import type { Bounded, Health } from '../../core/host.ts';
import type { Binary, Exec } from '../exec.ts';
import { part, patiently } from '../part.ts';
import { blindSpots } from './blind.ts';
import { type KeptFiles, known, namesIn, type Root, readText, textOrNull, unknown, whyUnread } from './files.ts';
import type { Facts } from './identity.ts';
import { rebootRequired } from './kernel.ts';
import type { Mount } from './mounts.ts';
import { field } from './procfs.ts';
import type { Clocks } from './snapshot.ts';
import { pendingUpdates, type Updates } from './updates.ts';

const KEEP_MS = 60_000;
const KEEP_UPDATES_MS = 3_600_000;
const TIMEOUT_MS = 5_000;
/** Each part has its own, shorter bound; this is for who wants to know at any price. */
const LONGEST_MS = 30_000;
const MAX_BYTES = 1024 * 1024;
const MAX_UNITS = 1_000;

export interface HealthOptions {
  exec: Exec;
  has: (binary: Binary) => boolean;
  mounts: () => readonly Mount[];
  uid: number;
}

export const isThere = (path: string): boolean => {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
};

/** JSON since systemd 246; before, columns. */
export function parseFailedUnits(stdout: string): string[] | null {
  const text = stdout.trim();
  if (text === '') return [];
  if (text.startsWith('[')) {
    try {
      const units: unknown = JSON.parse(text);
      if (!Array.isArray(units)) return null;
      return units.flatMap((u: unknown) =>
        u !== null && typeof u === 'object' && 'unit' in u && typeof u.unit === 'string' ? [u.unit] : [],
      );
    } catch {
      return null;
    }
  }
  return text.split('\n').flatMap((line) => /^[●*\s]*(\S+\.[a-z]+)\s/.exec(line)?.[1] ?? []);
}

/** "NTPSynchronized=yes" */
export function parseTimedatectl(stdout: string): boolean | null {
  const value = /^NTPSynchronized=(yes|no)$/m.exec(stdout)?.[1];
  return value === undefined ? null : value === 'yes';
}

/** `chronyc -c tracking`: comma-separated; field 5 is our clock's offset in seconds, the last the leap status. */
export function parseChrony(
  stdout: string,
): { synchronised: boolean; source: string | null; offsetMs: number | null } | null {
  const fields = stdout.trim().split(',');
  const status = fields.at(-1);
  if (fields.length < 10 || !status) return null;
  const offset = Number(fields[4]);
  return {
    synchronised: status !== 'Not synchronised',
    source: fields[1] || fields[0] || null,
    offsetMs: fields[4] && Number.isFinite(offset) ? Math.round(offset * 1e6) / 1000 : null,
  };
}

export interface RaidArray {
  array: string;
  level: string;
  degraded: boolean;
  state: string;
}

/**
 * "md0 : active raid1 sdb1[1] sda1[0]" and below it "104320 blocks [2/1] [U_]": wanted and working disks. A recovery or a
 * check stands in a further line.
 */
export function parseMdstat(text: string): RaidArray[] {
  const arrays: RaidArray[] = [];
  const lines = text.split('\n');
  lines.forEach((line, i) => {
    const head =
      /^(md\S*) : (active|inactive)(?: \((?:auto-)?read-only\))?(?: (raid\d+|linear|multipath|faulty))?/.exec(line);
    if (!head) return;
    const below: string[] = [];
    for (let n = i + 1; n < lines.length && /^\s+\S/.test(lines[n] ?? ''); n++) below.push(lines[n] ?? '');
    // The container of a firmware RAID (Intel's, DDF) is always inactive; the arrays made in it are listed beside it.
    if (head[2] === 'inactive' && /super external:[a-z]/.test(below.join(' '))) return;
    const [, wanted, working] = /\[(\d+)\/(\d+)\]/.exec(below.join(' ')) ?? [];
    const work = /(recovery|resync|reshape|check)\s*=\s*([\d.]+%|DELAYED|PENDING)/.exec(below.join(' '));
    const active = head[2] === 'active';
    arrays.push({
      array: head[1] ?? '',
      level: head[3] ?? 'unknown',
      degraded: !active || (wanted !== undefined && Number(working) < Number(wanted)) || line.includes('(F)'),
      state: [
        active ? 'active' : 'inactive',
        wanted && `${working} of ${wanted} disks`,
        work && `${work[1]} ${work[2]}`,
      ]
        .filter(Boolean)
        .join(', '),
    });
  });
  return arrays;
}

/**
 * The Raspberry Pi's firmware tells of undervoltage through this chip. Its older file (get_throttled) is not read: the
 * kernel warns of every program that does.
 */
export function voltage(root: Root): Pick<Health, 'voltage'> {
  for (const chip of namesIn(root.of('/sys/class/hwmon'))) {
    if (textOrNull(root.of(`/sys/class/hwmon/${chip}/name`)) !== 'rpi_volt') continue;
    const alarm = textOrNull(root.of(`/sys/class/hwmon/${chip}/in0_lcrit_alarm`));
    if (alarm !== null) return { voltage: { low: alarm === '1', source: 'rpi_volt' } };
  }
  return {};
}

export function healthReader(root: Root, files: KeptFiles, facts: Facts, clocks: Clocks, o: HealthOptions) {
  const systemd = () => isThere(root.of('/run/systemd/system'));
  const cannotRun = 'Commands cannot be run on a mounted host.';

  const failedUnits = async (): Promise<Health['failedUnits']> => {
    if (!systemd()) return unknown('systemd does not run here.');
    if (root.foreign) return unknown(cannotRun);
    const { code, stdout, stderr } = await o.exec({
      binary: 'systemctl',
      args: ['list-units', '--failed', '--all', '--full', '--plain', '--no-legend', '--no-pager', '--output=json'],
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_BYTES,
    });
    const units = code === 0 ? parseFailedUnits(stdout) : null;
    if (units) return known(units.slice(0, MAX_UNITS));
    return unknown(`systemctl could not tell: ${stderr.trim().split('\n')[0]?.slice(0, 200) || `code ${code}`}.`);
  };

  const clock = async (): Promise<Health['clock']> => {
    if (!root.foreign && o.has('chronyc')) {
      const chrony = await o
        .exec({ binary: 'chronyc', args: ['-c', '-n', 'tracking'], timeoutMs: 2_000, maxBytes: 64 * 1024 })
        .catch(() => null);
      const tracking = chrony?.code === 0 ? parseChrony(chrony.stdout) : null;
      if (tracking) return known({ ...tracking, source: tracking.source && `chrony (${tracking.source})` });
    }
    if (!root.foreign && systemd() && o.has('timedatectl')) {
      const shown = await o.exec({
        binary: 'timedatectl',
        args: ['show', '-p', 'NTPSynchronized'],
        timeoutMs: TIMEOUT_MS,
        maxBytes: 64 * 1024,
      });
      const synchronised = shown.code === 0 ? parseTimedatectl(shown.stdout) : null;
      if (synchronised !== null) return known({ synchronised, source: 'the kernel, by timedatectl', offsetMs: null });
    }
    if (isThere(root.of('/run/systemd/timesync/synchronized')))
      return known({ synchronised: true, source: 'systemd-timesyncd', offsetMs: null });
    return unknown('Neither chrony nor systemd is here to say whether the clock is synchronised.');
  };

  const raid = async (): Promise<Health['raid']> => {
    try {
      return known(parseMdstat(readText(root.of('/proc/mdstat'))));
    } catch (error) {
      // Without the md driver the file is not there, and no array can be either.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return known([]);
      return unknown(whyUnread(error, '/proc/mdstat'));
    }
  };

  const zfs = async (): Promise<Health['zfs']> => {
    const folder = '/proc/spl/kstat/zfs';
    const pools = namesIn(root.of(folder)).flatMap((pool) => {
      const state = textOrNull(root.of(`${folder}/${pool}/state`));
      return state === null ? [] : [{ pool, state }];
    });
    return known(pools.slice(0, 64));
  };

  const oomKills = async (): Promise<Health['oomKills']> => {
    if (facts.found.container) {
      const own = facts.cgroup.oomKills();
      if (own !== null) return known({ sinceBoot: own, whose: 'container' });
    }
    const vmstat = files.reading('/proc/vmstat', false, (text) => field(text, 'oom_kill'));
    return vmstat.value === null ? vmstat : known({ sinceBoot: vmstat.value, whose: 'host' });
  };

  // The count goes on being true while its age grows: it is corrected at reading.
  let countedAt = 0;
  const pending = async (): Promise<Updates> => {
    countedAt = clocks.monotonic();
    return pendingUpdates(root, o.exec, o.has, clocks.now());
  };
  const aged = (is: Updates): Updates =>
    is.value?.listAgeMs == null
      ? is
      : known({ ...is.value, listAgeMs: Math.round(is.value.listAgeMs + (clocks.monotonic() - countedAt)) });

  const parts = {
    failedUnits: part(failedUnits, KEEP_MS, clocks),
    updates: part(pending, KEEP_UPDATES_MS, clocks),
    rebootRequired: part(async () => rebootRequired(root, facts.found.container), KEEP_MS, clocks),
    clock: part(clock, KEEP_MS, clocks),
    raid: part(raid, KEEP_MS, clocks),
    zfs: part(zfs, KEEP_MS, clocks),
    oomKills: part(oomKills, KEEP_MS, clocks),
  };

  return (asked: Bounded & { waitMs?: number } = {}): Promise<Health> =>
    patiently({ waitMs: LONGEST_MS, ...asked }, async (patience) => {
      const [units, waiting, reboot, time, arrays, pools, kills] = await Promise.all([
        parts.failedUnits(patience),
        parts.updates(patience),
        parts.rebootRequired(patience),
        parts.clock(patience),
        parts.raid(patience),
        parts.zfs(patience),
        parts.oomKills(patience),
      ]);
      return {
        failedUnits: units,
        updates: aged(waiting),
        rebootRequired: reboot,
        clock: time,
        raid: arrays,
        zfs: pools,
        oomKills: kills,
        ...voltage(root),
        blind: blindSpots(root, files, facts, { mounts: o.mounts(), uid: o.uid, systemd: systemd() }),
      };
    });
}
