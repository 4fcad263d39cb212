/**
 * Disks put together: md arrays from /proc/mdstat and sysfs, ZFS pools from the kernel's own state and, where it is installed,
 * `zpool list` for their sizes. A pool that hangs holds up its size, not its state.
 */
import { toOpsError } from '../../core/errors.ts';
import type { Inventory, Pool, RaidArray } from '../../core/hardware.ts';
import type { Reading } from '../../core/host.ts';
import type { Exec } from '../exec.ts';
import { known, namesIn, type Root, readText, textOrNull, unknown, whyUnread } from '../system/files.ts';
import { parseMdstat } from '../system/health.ts';
import { byNumber, count, countIn } from './words.ts';

const MAX = 64;

export function raid(root: Root): Reading<RaidArray[]> {
  let text: string;
  try {
    text = readText(root.of('/proc/mdstat'));
  } catch (error) {
    // Without the md driver the file is not there, and no array can be either.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return known([]);
    return unknown(whyUnread(error, '/proc/mdstat'));
  }
  return known(
    parseMdstat(text)
      .slice(0, MAX)
      .map(({ array, level, degraded, state }) => {
        const folder = `/sys/block/${array}`;
        const sectors = countIn(root, `${folder}/size`);
        const members = namesIn(root.of(`${folder}/md`))
          .filter((n) => n.startsWith('dev-'))
          .sort(byNumber);
        return {
          name: array,
          level,
          degraded,
          state,
          sizeBytes: sectors === null ? null : sectors * 512,
          members: members.slice(0, MAX).map((m) => ({
            disk: m.slice('dev-'.length),
            state: textOrNull(root.of(`${folder}/md/${m}/state`)) ?? 'unknown',
          })),
          mismatches: countIn(root, `${folder}/md/mismatch_cnt`),
        };
      }),
  );
}

export async function zfs(root: Root, o: { exec: Exec; installed: boolean }): Promise<Inventory['zfs']> {
  const folder = '/proc/spl/kstat/zfs';
  const states = new Map(
    namesIn(root.of(folder)).flatMap((pool): [string, string][] => {
      const state = textOrNull(root.of(`${folder}/${pool}/state`));
      return state === null ? [] : [[pool, state]];
    }),
  );
  if (states.size === 0) return known([]);
  const sizes = await zpoolList(root, o);
  return known(
    [...states].slice(0, MAX).map(([name, state]): Pool => {
      const size = sizes.value?.get(name);
      return { name, state, size: size ? known(size) : unknown(sizes.why ?? '`zpool list` does not name this pool.') };
    }),
  );
}

type Size = NonNullable<Pool['size']['value']>;

async function zpoolList(root: Root, o: { exec: Exec; installed: boolean }): Promise<Reading<Map<string, Size>>> {
  if (root.foreign) return unknown('Commands of a host whose files are only mounted here cannot be run.');
  if (!o.installed) return unknown('zpool is not installed (package zfsutils-linux).');
  try {
    const { code, stdout, stderr } = await o.exec({
      binary: 'zpool',
      args: ['list', '-Hp', '-o', 'name,size,allocated,fragmentation'],
      timeoutMs: 5_000,
      maxBytes: 64 * 1024,
    });
    if (code === 0) return known(parseZpoolList(stdout));
    return unknown(`zpool could not tell: ${stderr.trim().split('\n')[0]?.slice(0, 200) || `code ${code}`}`);
  } catch (error) {
    return unknown(toOpsError(error).message);
  }
}

/** Columns between tabs, exact numbers; "-" where there is none (a pool that is out of order). */
export function parseZpoolList(stdout: string): Map<string, Size> {
  const pools = new Map<string, Size>();
  for (const line of stdout.split('\n')) {
    const [name, size, allocated, fragmented] = line.split('\t');
    const sizeBytes = count(size);
    const allocatedBytes = count(allocated);
    if (!name || sizeBytes === null || allocatedBytes === null) continue;
    pools.set(name, { sizeBytes, allocatedBytes, fragmentedPercent: count(fragmented?.replace('%', '')) });
  }
  return pools;
}
