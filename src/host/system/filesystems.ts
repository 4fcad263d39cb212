/**
 * The filesystems that hold data, with their sizes. Which mounts those are, and which can be asked without danger, is
 * decided in mounts.ts; how the dangerous ones are asked, in worker.ts.
 */
import { statfsSync, statSync } from 'node:fs';
import { OpsError } from '../../core/errors.ts';
import type { Bounded, Filesystem } from '../../core/host.ts';
import type { Answer, Statfs, StatfsPool } from '../worker.ts';
import { type KeptFiles, type Root, readText, unknown, whyUnread } from './files.ts';
import {
  answersAtOnce,
  dataMounts,
  isLocal,
  type Mount,
  parseMountinfo,
  visibleMounts,
  writableInFstab,
} from './mounts.ts';

/** More mounts than this are a leak of some container engine; the answer stays bounded. */
const MAX_MOUNTS = 512;

export function mountTable(files: KeptFiles, root: Root): Mount[] {
  // Through somebody else's /proc, `self` is seen in our own mount namespace: the host's is that of its first process.
  const paths = root.foreign ? ['/proc/1/mountinfo', '/proc/self/mountinfo'] : ['/proc/self/mountinfo'];
  let failure: unknown;
  for (const path of paths) {
    try {
      return visibleMounts(parseMountinfo(files.read(path, false)));
    } catch (error) {
      failure = error;
    }
  }
  throw new OpsError(
    'unavailable',
    `The table of mounts is not readable: ${whyUnread(failure, '/proc/self/mountinfo')}`,
  );
}

export function filesystemReader(files: KeptFiles, root: Root, pool: StatfsPool) {
  let fstab = { mtimeMs: -1, writable: new Set<string>() };
  const writable = (): Set<string> => {
    try {
      const path = root.of('/etc/fstab');
      const { mtimeMs } = statSync(path);
      if (mtimeMs !== fstab.mtimeMs) fstab = { mtimeMs, writable: writableInFstab(readText(path)) };
      return fstab.writable;
    } catch {
      return new Set();
    }
  };

  return async (o: Bounded = {}): Promise<Filesystem[]> => {
    const visible = mountTable(files, root);
    const wanted = writable();
    const asked = dataMounts(visible)
      .slice(0, MAX_MOUNTS)
      .map(async (m) => describe(m, wanted, await ask(m, visible)));
    return raced(Promise.all(asked), o.signal);
  };

  function ask(m: Mount, visible: readonly Mount[]): Answer | Promise<Answer> {
    const path = root.of(m.path);
    if (!answersAtOnce(m, visible)) return pool.ask(`${m.id} ${m.device} ${m.path}`, path);
    try {
      const s = statfsSync(path);
      return {
        stat: {
          type: s.type,
          blockSize: s.frsize || s.bsize,
          blocks: s.blocks,
          free: s.bfree,
          available: s.bavail,
          files: s.files,
          filesFree: s.ffree,
        },
      };
    } catch (error) {
      return { errno: String((error as NodeJS.ErrnoException).code ?? 'EIO') };
    }
  }
}

/** The caller may leave; the questions go on and their answers serve the next one. */
function raced<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const leave = () => reject(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  return promise;
}

function describe(m: Mount, wanted: ReadonlySet<string>, answer: Answer): Filesystem {
  // Since Linux 6.15 ext4 says so when it has stopped writing after an error, and is not `ro` then.
  const stopped = m.superOptions.includes('emergency_ro') || m.superOptions.includes('shutdown');
  const superReadOnly = stopped || m.superOptions.includes('ro');
  const mountReadOnly = m.options.includes('ro');
  const readOnly = superReadOnly || mountReadOnly;
  // After an error the kernel turns the filesystem itself read-only and leaves the mount's own flag: nobody asked for it.
  const fell =
    stopped || (superReadOnly && !mountReadOnly && isLocal(m) && m.source.startsWith('/dev/') && m.root === '/');
  return {
    mount: m.path,
    device: m.source,
    type: m.type,
    readOnly,
    options: [...new Set([...m.options, ...m.superOptions])].filter((o) => !readOnly || o !== 'rw'),
    size: sizeOf(m, answer),
    remountedReadOnly: readOnly && (fell || wanted.has(m.path)),
    local: isLocal(m),
  };
}

function sizeOf(m: Mount, answer: Answer): Filesystem['size'] {
  if ('stat' in answer) return sizes(answer.stat, m.path);
  if ('hung' in answer) return unknown('does not answer');
  if ('notAsked' in answer) return unknown('not asked: too many other mounts do not answer');
  if (answer.errno === 'EACCES' || answer.errno === 'EPERM') return unknown('this user may not ask it');
  if (answer.errno === 'ENOTCONN') return unknown('its daemon has died (ENOTCONN): unmount it and mount it again');
  return unknown(`asking for its size fails (${answer.errno})`);
}

function sizes(s: Statfs, path: string): Filesystem['size'] {
  const numbers = [s.blockSize, s.blocks, s.free, s.available];
  if (!numbers.every((n) => Number.isFinite(n))) return unknown(`${path} gives sizes that cannot be true.`);
  const counted = s.files > 0;
  return {
    value: {
      totalBytes: s.blocks * s.blockSize,
      usedBytes: Math.max(0, s.blocks - s.free) * s.blockSize,
      availableBytes: s.available * s.blockSize,
      // btrfs, vfat and most network filesystems make inodes as they need them and say 0.
      inodes: counted ? s.files : null,
      inodesUsed: counted ? Math.max(0, s.files - s.filesFree) : null,
    },
  };
}
