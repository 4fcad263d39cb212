/**
 * What can fill a file system, each with its next safe step: a look, or a command of the thing's own that removes only what it can make
 * again. Pure. Known places are in causes_disk_places.ts; the order among equally sure ones is by weight (diagnose_disk.ts).
 */
import { DISK_PLACES, type DiskFolder } from '../core/disk.ts';
import { bytes, clip, percent } from '../core/text.ts';
import { PLACES } from './causes_disk_places.ts';
import { type DiskRow, FULL, files, LIKELY, LONG, part, ROOM, short, used, word } from './causes_disk_share.ts';
import type { CauseHit } from './diagnose.ts';
import { bulk, type DiskFacts, grown, inodeShare, placeBytes, unaccounted, usedShare } from './disk_seen.ts';

const seesAll = (f: DiskFacts) => f.scan?.unreadable.folders === 0 && f.open?.hidden === 0;
const unnamed = (f: DiskFacts, least: number): number | null => {
  const rest = unaccounted(f);
  return rest !== null && short(f) && rest >= Math.max(least * used(f), 8 * 1024 ** 2) ? rest : null;
};

/** A folder that is mostly one of these, or one file, is told as that. */
const KNOWN = DISK_PLACES.filter((id) => id !== 'logs' && id !== 'kernels');
const isKnown = (f: DiskFacts, folder: DiskFolder) =>
  KNOWN.some((id) => placeBytes(f.scan, id) >= 0.5 * folder.bytes) ||
  f.scan?.files.some((x) => x.path.startsWith(`${folder.path}/`) && x.bytes >= 0.5 * folder.bytes);

export const DISK: readonly DiskRow[] = [
  {
    id: 'read_only',
    when: 'the file system is mounted read-only although it should not be',
    sentence: 'It is not full: it fell to read-only, as after an error of its device, and takes no write.',
    next: 'journalctl -k -b -p warning -n 20 --no-pager',
    weight: () => Number.POSITIVE_INFINITY,
    test: ({ fs }) =>
      fs.remountedReadOnly ? { certainty: 'certain', evidence: [`options ${clip(fs.options.join(','), LONG)}`] } : null,
  },
  {
    id: 'inodes_full',
    when: `${100 * FULL.inodes} % or more of its inodes are used`,
    sentence: 'No inode is left, or nearly none: no file can be made, however many bytes are free.',
    next: 'ls -U /{FOLDER} | head',
    weight: () => Number.POSITIVE_INFINITY,
    test(f) {
      const share = inodeShare(f.fs.size.value);
      if (share === null || share < FULL.inodes) return null;
      const { inodes, inodesUsed } = f.fs.size.value;
      const most = f.scan && bulk(f.scan.root, 'entries', 0.3);
      const where = most ? [`${most.entries} of them below ${clip(most.path, LONG)}`] : [];
      const sentence = most
        ? 'No inode is left, or nearly none: no file can be made, however many bytes are free. Most are in one folder.'
        : undefined;
      return {
        certainty: 'certain',
        evidence: [`${inodesUsed} of ${inodes} inodes used`, ...where],
        ...(sentence ? { sentence } : { next: 'du -x --inodes --max-depth=3 / | sort -n | tail' }),
        words: most ? { FOLDER: word(most.path) } : {},
      };
    },
  },
  {
    id: 'reserved_blocks',
    when: 'ordinary users have less than 1 % left, while blocks that are reserved for root are free',
    sentence: 'What is free is reserved for root: services of other users cannot write.',
    next: 'sudo tune2fs -m 1 /{DEVICE}',
    weight: () => Number.POSITIVE_INFINITY,
    test({ fs }) {
      const { totalBytes, usedBytes, availableBytes } = fs.size.value;
      const reserved = totalBytes - usedBytes - availableBytes;
      if (availableBytes >= totalBytes / 100 || reserved < totalBytes / 50) return null;
      const ext = /^ext[234]$/.test(fs.type);
      return {
        certainty: 'certain',
        evidence: [`${bytes(reserved)} reserved, ${bytes(availableBytes)} for everybody, of ${bytes(totalBytes)}`],
        next: ext ? 'sudo tune2fs -m 1 /{DEVICE}' : 'df -h /{DEVICE}',
        words: { DEVICE: word(fs.device) },
      };
    },
  },
  {
    id: 'deleted_open',
    when: 'files that have no name any more are held open by a process; certain from 20 % of what is used',
    sentence: 'Deleted files take room until the process that has them open closes them: restart it.',
    next: 'ls -l /proc/{PID}/fd',
    weight: (f) => f.open?.totalBytes ?? 0,
    test(f) {
      const [first] = f.open?.files ?? [];
      const sum = f.open?.totalBytes ?? 0;
      const share = sum / Math.max(1, used(f));
      if (!first || (share < 0.03 && sum < ROOM) || !(short(f) || sum >= ROOM)) return null;
      const certainty = !short(f) ? 'possible' : share >= LIKELY ? 'certain' : 'likely';
      const told = (f.open?.files ?? [])
        .slice(0, 3)
        .map((x) => `${bytes(x.bytes)} ${clip(x.path, LONG)}, held by ${clip(x.process, 32)} (${x.pid})`);
      return { certainty, evidence: [`${part(f, sum)}, in ${files(f.open?.count ?? 0)}`, ...told], ...restart(first) };
    },
  },
  ...PLACES,
  {
    id: 'grew',
    when: 'folders that have grown since the last look by 5 % or more of the whole',
    sentence: 'It has grown of late.',
    next: 'ls -lat --time-style=long-iso /{FOLDER} | head -n 20',
    weight: (f) => growth(f)[0]?.bytes ?? 0,
    test(f) {
      const [first, ...more] = growth(f);
      if (!first || !f.before || !short(f)) return null;
      const since = `since ${new Date(f.before.atMs).toISOString().slice(0, 16)}Z`;
      const told = [first, ...more.slice(0, 2)].map((g) => `${clip(g.path, LONG)} +${bytes(g.bytes)}`);
      return {
        certainty: 'likely',
        evidence: [since, ...told],
        sentence: 'A folder has grown since the last look: what writes there fills the disk.',
        words: { FOLDER: word(first.path) },
      };
    },
  },
  {
    id: 'big_folder',
    when: 'one folder has half of what is used, and no known place explains it',
    sentence: 'One folder has most of it.',
    next: 'du -xh --max-depth=1 /{FOLDER} | sort -h | tail',
    // Others say more.
    weight: () => 0,
    test(f) {
      const folder = f.scan && short(f) ? bulk(f.scan.root, 'bytes', 0.5) : null;
      if (!folder || isKnown(f, folder)) return null;
      const evidence = [`${clip(folder.path, LONG)}: ${part(f, folder.bytes)}, ${files(folder.entries)}`];
      return { certainty: 'likely', evidence, words: { FOLDER: word(folder.path) } };
    },
  },
  {
    id: 'unreadable',
    when: 'a tenth or more of what is used was not seen, and there are folders that this user may not look into',
    sentence: 'Much of it lies where this user may not look, or is held by processes that it may not see.',
    next: 'sudo du -xh --max-depth=2 /{MOUNT} | sort -h | tail -n 20',
    weight: (f) => unnamed(f, 0.1) ?? 0,
    test(f) {
      const rest = unnamed(f, 0.1);
      const closed = f.scan?.unreadable.folders ?? 0;
      if (rest === null || seesAll(f)) return null;
      const where = clip((f.scan?.unreadable.first ?? []).join(', '), LONG);
      const evidence = [`${part(f, rest)}, not seen`, ...(closed > 0 ? [`${closed} folders: ${where}`] : [])];
      return { certainty: 'likely', evidence, words: { MOUNT: word(f.fs.mount) } };
    },
  },
  {
    id: 'hidden_space',
    when: 'a tenth or more of what is used has no name, and every folder could be read',
    sentence:
      'Files lie below a mount point, where another file system hides them; or the file system itself needs it.',
    next: 'findmnt --submounts /{MOUNT}',
    weight: (f) => unnamed(f, 0.1) ?? 0,
    test(f) {
      const rest = unnamed(f, 0.1);
      if (rest === null || !seesAll(f)) return null;
      const evidence = [`${part(f, rest)}, without a name`, `${f.scan?.otherMounts ?? 0} mounts below it`];
      if (f.fs.type !== 'btrfs' && f.fs.type !== 'zfs')
        return { certainty: 'likely', evidence, words: { MOUNT: word(f.fs.mount) } };
      const sentence = 'Snapshots and subvolumes hold it: what is deleted in the files stays there.';
      const next =
        f.fs.type === 'zfs' ? 'zfs list -t snapshot -o name,used -s used' : 'sudo btrfs filesystem usage /{MOUNT}';
      return { certainty: 'likely', evidence, sentence, next, words: { MOUNT: word(f.fs.mount) } };
    },
  },
  {
    id: 'not_full',
    last: true,
    when: `less than ${100 * FULL.filling} % of its bytes and ${100 * FULL.inodes} % of its inodes are used`,
    sentence: 'There is room: bytes and inodes are free.',
    next: 'system_metrics {"groups":["filesystems"]}',
    weight: () => 0,
    test: (f) => {
      const inode = inodeShare(f.fs.size.value);
      if (short(f) || (inode ?? 0) >= FULL.inodes || f.fs.remountedReadOnly) return null;
      const { availableBytes } = f.fs.size.value;
      const left = inode === null ? '' : `, ${percent(100 * inode)} of its inodes used`;
      return { certainty: 'certain', evidence: [`${bytes(availableBytes)} free${left}`] };
    },
  },
  {
    id: 'simply_full',
    last: true,
    when: 'it is full, and nothing above has a fifth of it',
    sentence: 'It is full of many things, none of which stands out: it needs room, or a look at its folders.',
    next: 'du -xh --max-depth=2 /{MOUNT} | sort -h | tail -n 20',
    weight: () => 0,
    test: (f) =>
      short(f)
        ? {
            certainty: 'likely',
            evidence: [`${percent(100 * usedShare(f.fs.size.value))} used`],
            words: { MOUNT: word(f.fs.mount) },
          }
        : null,
  },
];

function restart({ home, pid }: { home: { kind: string; name: string } | null; pid: number }): Partial<CauseHit> {
  const words: Record<string, string> = { PID: String(pid), ...(home ? { HOME: home.name } : {}) };
  if (home?.kind === 'unit') return { words, next: 'service_control {"unit":"{HOME}","action":"restart"}' };
  if (home) return { words, next: 'container_control {"container":"{HOME}","action":"restart"}' };
  return { words };
}

export function growth(f: DiskFacts) {
  if (!f.scan || f.scan.stopped || !f.before) return [];
  return grown(f.scan, f.before, 0.05 * (f.fs.size.value.usedBytes + f.fs.size.value.availableBytes));
}
