/** Whether the host waits for a reboot: what its packages say, else whether a newer kernel of the running kind is installed. */
import { statSync } from 'node:fs';
import type { Health } from '../../core/host.ts';
import { known, namesIn, type Root, textOrNull, unknown } from './files.ts';

/** "6.12.48+deb13-cloud-amd64" is a number and a kind; a kernel is only compared with its own kind. */
export function splitRelease(release: string): { numbers: number[]; kind: string } {
  const kind = /[-.](?:[a-z][a-z0-9_]*-)*[a-z][a-z0-9_]*$/i.exec(release)?.[0] ?? '';
  const rest = release.slice(0, release.length - kind.length);
  return { numbers: (rest.match(/\d+/g) ?? []).map(Number), kind };
}

export function newer(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

const installed = (path: string): boolean => {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
};

export function rebootRequired(root: Root, container: boolean): Health['rebootRequired'] {
  if (installed(root.of('/run/reboot-required'))) {
    const packages = textOrNull(root.of('/run/reboot-required.pkgs'))?.split('\n').filter(Boolean) ?? [];
    const named = [...new Set(packages)].slice(0, 5).join(', ');
    return known({ required: true, why: named ? `asked for by ${named}` : '/run/reboot-required is there' });
  }
  if (container) return unknown('A container runs on the kernel of its machine: only that one can tell.');
  const running = textOrNull(root.of('/proc/sys/kernel/osrelease'));
  if (!running) return unknown('The release of the running kernel is not readable.');
  const { numbers, kind } = splitRelease(running);
  // Folders without modules.dep are what a removed kernel left behind.
  const kernels = ['/lib/modules', '/usr/lib/modules'].flatMap((folder) =>
    namesIn(root.of(folder)).filter((name) => installed(root.of(`${folder}/${name}/modules.dep`))),
  );
  const same = kernels.filter((name) => splitRelease(name).kind === kind);
  if (same.length === 0)
    return unknown(`No kernel of the kind of the running one (${running}) is installed from a package here.`);
  let best = { name: running, numbers };
  for (const name of same) {
    const candidate = splitRelease(name).numbers;
    if (newer(candidate, best.numbers)) best = { name, numbers: candidate };
  }
  if (best.name !== running) return known({ required: true, why: `running ${running}, installed ${best.name}` });
  return known({ required: false, why: null });
}
