/**
 * What the host is called and what it is: all that a server says of it before the first call. Apart from the other facts, because a client
 * waits for these two and for no more.
 */
import { KeptFiles, type Root, rootAt, textOrNull } from './files.ts';
import { mountTable } from './filesystems.ts';
import { virtualisation } from './virtualisation.ts';

export function hostnameOf(root: Root): string {
  return (
    (root.foreign ? textOrNull(root.of('/etc/hostname')) : null) ||
    textOrNull(root.of('/proc/sys/kernel/hostname')) ||
    textOrNull(root.of('/etc/hostname')) ||
    'localhost'
  );
}

/** The same as `identity()` says; without a table of mounts it is told from the other signs. */
export function nameOf(procRoot: string): { hostname: string; kind: string } {
  const root = rootAt(procRoot);
  const files = new KeptFiles(root);
  try {
    return { hostname: hostnameOf(root), kind: virtualisation(root, mountsOf(files, root)).kind };
  } finally {
    files.close();
  }
}

function mountsOf(files: KeptFiles, root: Root): ReturnType<typeof mountTable> {
  try {
    return mountTable(files, root);
  } catch {
    // createHost says so in the log.
    return [];
  }
}
