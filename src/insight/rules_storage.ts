/** Findings about filesystems, disks and arrays. */
import type { Filesystem } from '../core/host.ts';
import { bytes, percent } from '../core/text.ts';
import { type Facts, GiB, hitOf, type Rule, rule, STEADY_MS } from './facts.ts';

type Sized = Filesystem & { size: { value: NonNullable<Filesystem['size']['value']> } };

/** What can still be written to: an image or a disc is always full, and means nothing by it. */
function writable(facts: Facts): Sized[] {
  return (facts.filesystems.value ?? []).filter((f): f is Sized => f.size.value !== null && !f.readOnly);
}

/** As df counts it: the reserved blocks are neither used nor free. Null for a filesystem without blocks of its own. */
export function usedPercent(size: Sized['size']['value']): number | null {
  const whole = size.usedBytes + size.availableBytes;
  return whole > 0 ? (100 * size.usedBytes) / whole : null;
}

export function inodesPercent(size: Sized['size']['value']): number | null {
  return size.inodes !== null && size.inodes > 0 && size.inodesUsed !== null
    ? (100 * size.inodesUsed) / size.inodes
    : null;
}

/** A share alone makes a large disk cry early, free bytes alone a small one always: both must be short. */
const FULL = { usedPercent: 95, freeGiB: 10 };
const FILLING = { usedPercent: 85, freeGiB: 50 };
const isShort = (f: Sized, l: { usedPercent: number; freeGiB: number }) =>
  (usedPercent(f.size.value) ?? 0) >= l.usedPercent && f.size.value.availableBytes < l.freeGiB * GiB;
const fill = (f: Sized) => ({
  evidence: `${f.mount} ${percent(usedPercent(f.size.value))} of ${bytes(f.size.value.totalBytes)} used, ${bytes(f.size.value.availableBytes)} free`,
  subject: f.mount,
});
const inodes = (f: Sized) => ({
  evidence: `${f.mount} ${percent(inodesPercent(f.size.value))} of ${f.size.value.inodes} inodes used`,
  subject: f.mount,
});
const stacked = (facts: Facts, name: string) =>
  facts.snapshot.disks.value?.find((d) => d.name === name)?.stacked === true;
const DU = 'du -xhd2 {MOUNT} | sort -h | tail -n 20';
const COUNT = 'du -x --inodes --max-depth=3 {MOUNT} | sort -n | tail -n 20';
const BY_IO = 'process_list {"by":"io"}';

export const STORAGE: Rule[] = [
  rule({
    id: 'filesystem_hung',
    severity: 'high',
    title: 'Filesystem does not answer',
    limits: {},
    when: () => 'a mount does not answer statfs before its deadline',
    sentence: 'A mount does not answer; whatever touches it hangs too.',
    next: 'findmnt {MOUNT}',
    test: (facts) =>
      hitOf(
        (facts.filesystems.value ?? [])
          .filter((f) => f.size.value === null && /does not answer/.test(f.size.why))
          .map((f) => ({ evidence: `${f.mount} (${f.type})`, subject: f.mount })),
      ),
  }),
  rule({
    id: 'filesystem_broken',
    severity: 'high',
    title: 'Filesystem broken',
    limits: {},
    when: () => 'a mount answers statfs with an I/O error, or the daemon behind it has died',
    sentence: 'A mount is there but cannot be used.',
    next: 'findmnt {MOUNT}',
    test: (facts) =>
      hitOf(
        (facts.filesystems.value ?? []).flatMap((f) =>
          f.size.value === null &&
          /daemon has died|fails \((EIO|ESTALE|EUCLEAN|ESHUTDOWN|ENXIO|ENODEV)\)/.test(f.size.why)
            ? [{ evidence: `${f.mount} (${f.type}): ${f.size.why}`, subject: f.mount }]
            : [],
        ),
      ),
  }),
  rule({
    id: 'filesystem_read_only',
    severity: 'critical',
    title: 'Filesystem fell to read-only',
    limits: {},
    when: () => 'mounted read-only although fstab says read-write',
    sentence: 'A filesystem that should be writable is read-only, as after an I/O error.',
    next: 'journalctl -k -b -p warning -n 20 --no-pager',
    test: (facts) =>
      hitOf(
        (facts.filesystems.value ?? [])
          .filter((f) => f.remountedReadOnly)
          .map((f) => ({ evidence: `${f.mount} on ${f.device} (${f.type})`, subject: f.mount })),
      ),
  }),
  rule({
    id: 'disk_full',
    severity: 'critical',
    title: 'Disk full',
    limits: FULL,
    when: (l) => `${l.usedPercent} % or more used and less than ${l.freeGiB} GiB free`,
    sentence: 'A filesystem is full or about to be; writes fail next.',
    next: DU,
    test: (facts, l) =>
      hitOf(
        writable(facts)
          .filter((f) => isShort(f, l))
          .map(fill),
      ),
  }),
  rule({
    id: 'disk_filling',
    severity: 'medium',
    title: 'Disk filling up',
    limits: FILLING,
    when: (l) => `${l.usedPercent} % or more used and less than ${l.freeGiB} GiB free, but not yet disk_full`,
    sentence: 'A filesystem is filling up.',
    next: DU,
    test: (facts, l) =>
      hitOf(
        writable(facts)
          .filter((f) => isShort(f, l) && !isShort(f, FULL))
          .map(fill),
      ),
  }),
  rule({
    id: 'inodes_full',
    severity: 'critical',
    title: 'Inodes used up',
    limits: { usedPercent: 95 },
    when: (l) => `${l.usedPercent} % or more of the inodes used`,
    sentence: 'No new files can be made soon, however many bytes are free.',
    next: COUNT,
    test: (facts, l) =>
      hitOf(
        writable(facts)
          .filter((f) => (inodesPercent(f.size.value) ?? 0) >= l.usedPercent)
          .map(inodes),
      ),
  }),
  rule({
    id: 'inodes_filling',
    severity: 'medium',
    title: 'Inodes running out',
    limits: { usedPercent: 85, below: 95 },
    when: (l) => `${l.usedPercent} % or more of the inodes used, but less than ${l.below} %`,
    sentence: 'A filesystem is running out of inodes.',
    next: COUNT,
    test: (facts, l) =>
      hitOf(
        writable(facts)
          .filter((f) => {
            const used = inodesPercent(f.size.value) ?? 0;
            return used >= l.usedPercent && used < l.below;
          })
          .map(inodes),
      ),
  }),
  rule({
    id: 'raid_degraded',
    severity: 'critical',
    title: 'RAID array degraded',
    limits: {},
    when: () => 'an md array misses a member',
    sentence: 'An array misses a member; further failures lose data.',
    next: 'mdadm --detail /dev/{ARRAY}',
    test: (facts) =>
      hitOf(
        (facts.health.value?.raid.value ?? [])
          .filter((r) => r.degraded)
          .map((r) => ({ evidence: `${r.array} (${r.level}) ${r.state}`, subject: r.array.replace(/^\/dev\//, '') })),
      ),
  }),
  rule({
    id: 'zfs_not_online',
    severity: 'critical',
    title: 'ZFS pool not online',
    limits: {},
    when: () => 'the state of a pool is not ONLINE',
    sentence: 'A ZFS pool is degraded or worse.',
    next: 'zpool status -v {POOL}',
    test: (facts) =>
      hitOf(
        (facts.health.value?.zfs.value ?? [])
          .filter((z) => z.state !== 'ONLINE')
          .map((z) => ({ evidence: `${z.pool} ${z.state}`, subject: z.pool })),
      ),
  }),
  rule({
    id: 'disk_busy',
    severity: 'low',
    title: 'Disk busy all the time',
    limits: { busyPercent: 95, windowMs: STEADY_MS },
    when: (l) => `busy for ${l.busyPercent} % or more of a window of at least ${l.windowMs} ms`,
    sentence: 'A disk had work all the time; what needs it may wait.',
    next: BY_IO,
    test: (facts, l) =>
      facts.rates.windowMs < l.windowMs
        ? null
        : hitOf(
            (facts.rates.disks.value ?? [])
              // An array is busy with its members: their names say more.
              .filter((d) => (d.busyPercent ?? 0) >= l.busyPercent && !stacked(facts, d.name))
              .map((d) => ({ evidence: `${d.name} busy ${percent(d.busyPercent)}`, subject: d.name })),
          ),
  }),
  rule({
    id: 'io_pressure',
    severity: 'medium',
    title: 'Everything waits for I/O',
    limits: { fullAvg60: 20 },
    when: (l) => `all tasks stalled on I/O for ${l.fullAvg60} % or more of the last minute (PSI full)`,
    sentence: 'All running tasks stood still for I/O much of the last minute.',
    next: BY_IO,
    test: (facts, l) => {
      const p = facts.snapshot.pressure.io.value;
      const full = p?.full?.avg60;
      return p && full !== undefined && full >= l.fullAvg60
        ? { evidence: `io full ${percent(full)} of the last minute (${p.whose})` }
        : null;
    },
  }),
  rule({
    id: 'iowait_high',
    severity: 'low',
    title: 'CPUs idle, waiting for disks',
    limits: { percent: 25, windowMs: STEADY_MS },
    when: (l) => `iowait ${l.percent} % or more over a window of at least ${l.windowMs} ms`,
    sentence: 'The processors wait for disks.',
    next: BY_IO,
    test: (facts, l) => {
      const wait = facts.rates.cpu.value?.modes?.iowait;
      return facts.rates.windowMs >= l.windowMs && wait !== undefined && wait >= l.percent
        ? { evidence: `iowait ${percent(wait)}` }
        : null;
    },
  }),
  rule({
    id: 'writeback_backlog',
    severity: 'low',
    title: 'Much unwritten data in memory',
    limits: { percent: 15, dirtyGiB: 1 },
    when: (l) => `dirty pages ${l.percent} % or more of memory, and ${l.dirtyGiB} GiB or more`,
    sentence: 'Much data waits to be written; a sync or a shutdown takes long, a power cut loses it.',
    next: BY_IO,
    test: (facts, l) => {
      const m = facts.snapshot.memory.value;
      const dirty = m?.dirtyBytes;
      return m && dirty != null && dirty >= l.dirtyGiB * GiB && (100 * dirty) / m.totalBytes >= l.percent
        ? { evidence: `${bytes(dirty)} dirty of ${bytes(m.totalBytes)} memory` }
        : null;
    },
  }),
];
