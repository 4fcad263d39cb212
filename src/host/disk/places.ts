/**
 * Which places of a file system are for what, by their paths alone. Pure. What may be thrown away, and how, is insight's; a place that is
 * not here is simply a folder.
 */
import type { DiskPlaceId } from '../../core/disk.ts';

export interface Place {
  id: DiskPlaceId;
  /** Of kernels: the release. */
  of: string | null;
  /** The folder that it begins with, as it was met. */
  at?: string;
}

const plain = (id: DiskPlaceId): Place => ({ id, of: null });

const FOLDERS = new Map<string, Place>(
  (
    [
      ['logs', '/var/log'],
      ['journal', '/var/log/journal', '/run/log/journal'],
      ['core_dumps', '/var/lib/systemd/coredump', '/var/crash', '/var/lib/apport/coredump', '/var/spool/abrt'],
      [
        'package_cache',
        '/var/cache/apt',
        '/var/cache/dnf',
        '/var/cache/libdnf5',
        '/var/cache/yum',
        '/var/cache/pacman/pkg',
        '/var/cache/zypp',
        '/var/cache/apk',
        '/var/cache/PackageKit',
      ],
      ['tmp', '/tmp', '/var/tmp'],
      ['docker', '/var/lib/docker', '/var/lib/containerd', '/var/lib/containers', '/var/lib/rancher'],
    ] as [DiskPlaceId, ...string[]][]
  ).flatMap(([id, ...paths]) => paths.map((path) => [path, plain(id)] as const)),
);

const CACHE = plain('user_cache');
const TRASH = plain('trash');
const DOCKER = plain('docker');
const HOME_CACHE = /^(?:\/root|\/home\/[^/]+)\/\.cache$/;
const HOME_DOCKER = /^(?:\/root|\/home\/[^/]+)\/\.local\/share\/(?:docker|containers)$/;
const MODULES = /^(?:\/usr)?\/lib\/modules\/([^/]+)$/;

/** The place that begins with this folder; null: it belongs to that of the folder above. */
export function placeOfFolder(path: string): Place | null {
  const found = FOLDERS.get(path);
  if (found) return found;
  // Nearly every folder ends here: only these few last letters can be one of the others.
  if (path.endsWith('/.cache')) return HOME_CACHE.test(path) ? CACHE : null;
  if (path.endsWith('Trash') || path.includes('/.Trash-')) return /\/(?:Trash|\.Trash-\d+)$/.test(path) ? TRASH : null;
  if (path.endsWith('/docker') || path.endsWith('/containers')) return HOME_DOCKER.test(path) ? DOCKER : null;
  const release = path.includes('/lib/modules/') ? MODULES.exec(path)?.[1] : undefined;
  return release === undefined ? null : { id: 'kernels', of: release };
}

const ROTATED = /\.(?:\d{1,4}|old|gz|xz|zst|bz2|lz4)$|[-.]\d{8}(?:[-T]?\d{2,6})?(?:\.log)?$/;
const BOOT = /^\/boot\/(?:vmlinu[xz]|initrd\.img|initramfs|System\.map|config)-(.+?)(?:kdump)?(?:\.img)?$/;
const CORE = /^core(?:\.\d{1,7})?$/;
const CORE_LEAST = 1024 * 1024;
const ROTATES = plain('rotated_logs');
const DUMPS = plain('core_dumps');
const CONTAINER_LOGS = plain('container_logs');

/** The place of a file in `folder`, whose own place is `inside`. */
export function placeOfFile(folder: string, name: string, bytes: number, inside: Place | null): Place | null {
  if (inside?.id === 'logs') return ROTATED.test(name) ? ROTATES : inside;
  if (inside?.id === 'docker' && name.includes('-json.log')) return CONTAINER_LOGS;
  if (folder === '/boot') {
    const release = BOOT.exec(`/boot/${name}`)?.[1];
    return release === undefined ? inside : { id: 'kernels', of: release };
  }
  if (bytes >= CORE_LEAST && name.startsWith('core') && CORE.test(name)) return DUMPS;
  return inside;
}
