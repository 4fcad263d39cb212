/**
 * Causes of a full disk that are known from where they lie: logs, caches, the engine’s data … Each with a step that removes only what its
 * owner can make again, or a look. Pure.
 */
import type { DiskFile } from '../core/disk.ts';
import { bytes, clip } from '../core/text.ts';
import { type DiskRow, LIKELY, LONG, one, part, place, sure, used } from './causes_disk_share.ts';
import { type DiskFacts, placeBytes } from './disk_seen.ts';

const CLEAN: Record<NonNullable<DiskFacts['packages']>, string> = {
  apt: 'sudo apt-get clean',
  dnf: 'sudo dnf clean packages',
  pacman: 'sudo paccache -r',
  zypper: 'sudo zypper clean',
  apk: 'sudo apk cache clean',
};

const isLog = (x: DiskFile) => x.place === 'logs' || /\.(?:log|out|err)$/.test(x.path);
/** The largest file that no place explains. */
const single = (f: DiskFacts, log: boolean): DiskFile | undefined =>
  f.scan?.files.find((x) => isLog(x) === log && (x.place === null || x.place === 'logs' || x.place === 'tmp'));

export const PLACES: readonly DiskRow[] = [
  place('container_logs', {
    id: 'container_logs',
    when: 'log files of containers, which grow without end where the engine has no max-size',
    sentence:
      'Logs of containers: the engine keeps them without a bound unless it is told max-size (log-opts of daemon.json).',
    next: 'container_list {}',
  }),
  {
    id: 'docker',
    when: 'images, containers, volumes and build cache of the engine whose data lie on it',
    sentence: 'The container engine’s data: images, volumes, containers and build cache.',
    next: 'docker_system {}',
    weight: (f) => dockerBytes(f),
    test(f) {
      const sum = dockerBytes(f);
      const certainty = sure(f, sum);
      if (certainty === null) return null;
      const parts = f.docker?.parts.toSorted((a, b) => b.bytes - a.bytes) ?? [];
      const free = parts.toSorted((a, b) => b.reclaimableBytes - a.reclaimableBytes)[0];
      const told = parts
        .filter((p) => p.bytes > 0)
        .map((p) => `${p.name} ${bytes(p.bytes)} (${bytes(p.reclaimableBytes)} unused)`);
      const cache = free?.name === 'build cache' && free.reclaimableBytes > sum / 10;
      return {
        certainty,
        evidence: [part(f, sum), ...(told.length > 0 ? [told.join(', ')] : [])],
        ...(cache ? { next: 'docker builder prune' } : free?.name === 'images' ? { next: 'image_list {}' } : {}),
      };
    },
  },
  {
    id: 'big_log',
    when: 'one log file (below /var/log, or by its name) with 5 % or more of what is used',
    sentence: 'One log file has grown large: something writes to it without end, or nothing rotates it.',
    next: 'log_query {"source":["file:/{FILE}"],"tail":20}',
    weight: (f) => single(f, true)?.bytes ?? 0,
    test: (f) => one(f, single(f, true)),
  },
  place('rotated_logs', {
    id: 'rotated_logs',
    when: 'old logs (*.1, *.gz, …) below /var/log',
    sentence: 'Old, rotated logs: kept longer than there is room for (rotate and maxsize of logrotate).',
    next: 'sudo find /var/log -name "*.gz" -mtime +30 -ls',
  }),
  {
    id: 'journal',
    when: 'the journal of systemd',
    sentence: 'The journal: by default it may take a tenth of the disk, up to 4 GiB.',
    next: 'sudo journalctl --vacuum-size=500M',
    weight: journal,
    test(f) {
      const certainty = sure(f, journal(f));
      return certainty && { certainty, evidence: [part(f, journal(f))] };
    },
  },
  place(
    'package_cache',
    {
      id: 'package_cache',
      when: 'packages that the package manager has downloaded and installed',
      sentence: 'Downloaded packages, which are no longer needed once they are installed.',
      next: 'sudo apt-get clean',
    },
    (f) => (f.packages === null ? undefined : CLEAN[f.packages]),
  ),
  place('core_dumps', {
    id: 'core_dumps',
    when: 'memory images of programs that crashed',
    sentence: 'Memory images of crashed programs: something crashes, perhaps again and again.',
    next: 'coredumpctl list',
  }),
  {
    id: 'old_kernels',
    when: 'three or more kernels are installed, and those that do not run take room',
    sentence: 'Old kernels: the package manager keeps more than it needs.',
    next: 'sudo apt-get autoremove --purge',
    weight: (f) => oldKernels(f).bytes,
    test(f) {
      const old = oldKernels(f);
      // /boot is small: there a kernel is much.
      const certainty = f.kernel === null || old.releases.length < 2 ? null : sure(f, old.bytes);
      if (certainty === null) return null;
      const next = f.packages === 'dnf' ? 'sudo dnf remove --oldinstallonly' : undefined;
      const names = clip(old.releases.join(', '), LONG);
      return { certainty, evidence: [`${part(f, old.bytes)}: ${names}`], ...(next ? { next } : {}) };
    },
  },
  place('tmp', {
    id: 'temporary_files',
    when: 'what lies in /tmp and /var/tmp',
    sentence: 'Temporary files: what left them there may have died, or still needs them.',
    next: 'ls -lat --time-style=long-iso /{FOLDER} | head -n 20',
  }),
  place('user_cache', {
    id: 'user_caches',
    when: 'folders .cache of users',
    sentence: 'Caches of users’ programs, which those make again when they need them.',
    next: 'du -xh --max-depth=1 /{FOLDER} | sort -h | tail',
  }),
  place('trash', {
    id: 'trash',
    when: 'wastebaskets of users',
    sentence: 'Deleted files that wait in a wastebasket.',
    next: 'ls -la /{FOLDER}',
  }),
  {
    id: 'big_file',
    when: 'one file with 20 % or more of what is used that is no log',
    sentence: 'One file takes much of the room.',
    next: 'file_list {"path":"/{FILE}"}',
    weight: (f) => single(f, false)?.bytes ?? 0,
    test: (f) => {
      const file = single(f, false);
      return file && file.bytes >= LIKELY * used(f) ? one(f, file) : null;
    },
  },
];

function dockerBytes(f: DiskFacts): number {
  const told = f.docker?.parts.reduce((sum, p) => sum + p.bytes, 0) ?? 0;
  return Math.max(told, placeBytes(f.scan, 'docker'));
}

function journal(f: DiskFacts): number {
  return Math.max(f.journalBytes ?? 0, placeBytes(f.scan, 'journal'));
}

function oldKernels(f: DiskFacts): { bytes: number; releases: string[] } {
  const old = (f.scan?.places ?? []).filter((p) => p.id === 'kernels' && p.of !== null && p.of !== f.kernel);
  return { bytes: old.reduce((sum, p) => sum + p.bytes, 0), releases: [...new Set(old.map((p) => p.of as string))] };
}
