/**
 * Who holds a row: one process, told apart from a later one with the same number. Decides when such an owner is dead;
 * what is then done with its rows is decided where they lie.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';

/** `pid.start.boot.namespace.instance`, letters and digits only: it is also part of a file name. */
export type Owner = string;

/** A process of another pid namespace (a container on the same folder) cannot be looked up: it is believed this long. */
export const FOREIGN_TRUST_MS = 60 * 60_000;

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** Field 22 of /proc/<pid>/stat, and the state; the name in field 2 may hold blanks and brackets, so count from its end. */
function looked(pid: number | string): { start: string; state: string } | null {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return stat ? { state: fields[0] ?? '', start: fields[19] ?? '0' } : null;
}

let here: { boot: string; namespace: string } | undefined;
function machine() {
  if (!here) {
    let namespace = '0';
    try {
      namespace = readlinkSync('/proc/self/ns/pid').replace(/\D/g, '') || '0';
    } catch {
      // Without /proc all processes are taken to be of one namespace.
    }
    here = { boot: read('/proc/sys/kernel/random/boot_id').replaceAll('-', '').trim().slice(0, 12) || '0', namespace };
  }
  return here;
}

/** A new identity of this process; `instance` keeps two stores of one process apart. */
export function newOwner(): Owner {
  const { boot, namespace } = machine();
  const start = looked('self')?.start ?? '0';
  return [process.pid, start, boot, namespace, randomBytes(4).toString('hex')].join('.');
}

/** `sinceMs`: how long ago the owner wrote; decides only where it cannot be looked up. */
export function isAlive(owner: Owner, sinceMs: number): boolean {
  const [pid, start, boot, namespace] = owner.split('.');
  const ours = machine();
  if (!pid || !/^[1-9]\d{0,9}$/.test(pid)) return false;
  if (boot !== '0' && ours.boot !== '0' && boot !== ours.boot) return false;
  if (namespace !== ours.namespace) return sinceMs < FOREIGN_TRUST_MS;
  const found = looked(pid);
  // A zombie is still listed, but holds nothing any more.
  if (found) return found.state !== 'Z' && found.state !== 'X' && (start === '0' || found.start === start);
  try {
    // No /proc: the number alone has to do.
    if (looked('self')) return false;
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
