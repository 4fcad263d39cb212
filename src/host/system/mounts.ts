/**
 * What is mounted, from mountinfo and fstab, and which of it may be asked synchronously. Pure: nobody touches a mount
 * here. The rule on asking is a matter of safety: a path is only as quick to answer as every mount it leads through.
 */

import { utf8 } from './files.ts';
import { uint } from './procfs.ts';

export interface Mount {
  id: number;
  parent: number;
  /** major:minor: two mounts of it show the same filesystem. */
  device: string;
  /** The folder of the filesystem that is mounted: not '/' for bind mounts, subvolumes and cgroups of a container. */
  root: string;
  path: string;
  options: string[];
  type: string;
  source: string;
  superOptions: string[];
}

/** Space, tab, newline and backslash are written as three octal digits. */
function decoded(field: string): string {
  if (!field.includes('\\')) return utf8(field);
  return utf8(
    field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8) & 255)),
  );
}

export function parseMountinfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const words = line.split(' ');
    const dash = words.indexOf('-', 6);
    if (dash < 0 || words.length < dash + 4) continue;
    const id = uint({ text: words[0] ?? '', at: 0 });
    const parent = uint({ text: words[1] ?? '', at: 0 });
    const path = decoded(words[4] ?? '');
    if (id === null || parent === null || !path.startsWith('/')) continue;
    mounts.push({
      id,
      parent,
      device: words[2] ?? '',
      root: decoded(words[3] ?? ''),
      path,
      options: (words[5] ?? '').split(','),
      type: words[dash + 1] ?? '',
      source: decoded(words[dash + 2] ?? ''),
      superOptions: (words[dash + 3] ?? '').split(','),
    });
  }
  return mounts;
}

const parentPaths = function* (path: string): Generator<string> {
  let at = path.length;
  while (at > 0) {
    at = path.lastIndexOf('/', at - 1);
    if (at >= 0) yield at === 0 ? '/' : path.slice(0, at);
  }
};

/** The mounts a path still leads to: not those that a later mount on the same path, or on one above it, has covered. */
export function visibleMounts(mounts: readonly Mount[]): Mount[] {
  const top = new Map<string, Mount>();
  const byId = new Map<number, Mount>();
  for (const m of mounts) {
    top.set(m.path, m);
    byId.set(m.id, m);
  }
  return [...top.values()].filter((m) => {
    if (m.path === '/') return true;
    // What it lies on: below others on the same path.
    let on = m.parent;
    for (let n = 0; n < 64 && byId.get(on)?.path === m.path; n++) on = byId.get(on)?.parent ?? on;
    for (const path of parentPaths(m.path)) {
      const above = top.get(path);
      if (above) return above.id === on;
    }
    return true;
  });
}

/** What the kernel keeps for itself, and read-only images, which are always full. */
const NOT_DATA = new Set(
  `proc sysfs cgroup cgroup2 devtmpfs devpts mqueue hugetlbfs debugfs tracefs securityfs pstore bpf configfs fusectl
  binfmt_misc autofs rpc_pipefs nfsd efivarfs selinuxfs nsfs binder ramfs rootfs squashfs erofs iso9660 udf cramfs romfs
  fuse.lxcfs fuse.gvfsd-fuse fuse.portal fuse.snapfuse`.split(/\s+/),
);

/** Filesystems that answer statfs out of their own memory when they lie on a local block device. */
const ON_DISK = new Set(
  'ext2 ext3 ext4 xfs btrfs f2fs jfs nilfs2 reiserfs bcachefs vfat msdos exfat ntfs3 hfsplus ufs'.split(' '),
);

/** Files that container engines mount from the host's disk: its figures, not a place for data. */
const ENGINE_FILES = new Set([
  '/etc/hosts',
  '/etc/hostname',
  '/etc/resolv.conf',
  '/etc/mtab',
  '/run/.containerenv',
  '/run/secrets',
  '/.dockerenv',
]);

function holdsData(m: Mount): boolean {
  if (m.path === '/') return true;
  if (NOT_DATA.has(m.type) || ENGINE_FILES.has(m.path)) return false;
  if (/^\/(?:proc|sys)(?:\/|$)/.test(m.path)) return false;
  if (m.path === '/dev' || (m.path.startsWith('/dev/') && m.path !== '/dev/shm')) return false;
  if (m.path.startsWith('/run/credentials/')) return false;
  // WSL shows Windows' driver folder and its own system image there; C: itself is at /mnt/c.
  if (/^\/(?:usr\/lib\/wsl|mnt\/wslg)(?:\/|$)/.test(m.path)) return false;
  // The layers and shared memory of the containers that run here: the same disk again, under long names.
  return !/^\/(?:var\/lib\/(?:docker|containers|containerd)|run\/(?:docker|containerd|netns|user\/\d+\/(?:doc|gvfs)))\//.test(
    m.path,
  );
}

/** One mount for each filesystem that holds data: of several, that of its root, then the one with the shortest path. */
export function dataMounts(visible: readonly Mount[]): Mount[] {
  const best = new Map<string, Mount>();
  for (const m of visible) {
    if (!holdsData(m)) continue;
    const other = best.get(m.device);
    if (!other || rank(m) < rank(other)) best.set(m.device, m);
  }
  return [...best.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

const rank = (m: Mount): number => (m.path === '/' ? 0 : (m.root === '/' ? 10_000 : 100_000) + m.path.length);

/** On this machine's own disks or in its memory. Others (network, FUSE) can stop answering at any time. */
export function isLocal(m: Mount): boolean {
  if (m.type === 'tmpfs' || m.type === 'overlay' || m.type === 'zfs') return true;
  return (ON_DISK.has(m.type) || m.type === 'fuseblk') && m.source.startsWith('/dev/');
}

/**
 * True when statfs cannot hang: the filesystem answers from memory, and so do all that its path leads through. An ext4
 * disk mounted below a hung network share hangs like the share. ZFS waits when its pool is suspended, overlays when
 * what they lie on does; an overlay at / is what we run from, so a worker would be no help.
 */
export function answersAtOnce(m: Mount, visible: readonly Mount[]): boolean {
  const safe = (x: Mount): boolean =>
    x.type === 'tmpfs' ||
    (x.type === 'overlay' && x.path === '/') ||
    (ON_DISK.has(x.type) && x.source.startsWith('/dev/')) ||
    (x !== m && x.path === '/') ||
    (x !== m && NOT_DATA.has(x.type) && !x.type.startsWith('fuse') && x.type !== 'autofs' && x.type !== 'nfsd');
  if (!safe(m)) return false;
  return visible.every((x) => x === m || !m.path.startsWith(x.path === '/' ? '/' : `${x.path}/`) || safe(x));
}

/** Mount points that fstab wants writable. */
export function writableInFstab(text: string): Set<string> {
  const paths = new Set<string>();
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    const [source, path, , options] = words;
    if (!source || source.startsWith('#') || !path?.startsWith('/')) continue;
    if (!(options ?? 'defaults').split(',').includes('ro')) paths.add(decoded(path));
  }
  return paths;
}
