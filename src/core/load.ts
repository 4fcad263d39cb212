/**
 * What a look at a slow host needs besides snapshots: control groups and how they are held back, how long disks take for a request, how
 * fast the processors run. Raw counters of one moment; two of them make rates, in insight.
 */
import type { Bounded, ProcessId, Reading } from './host.ts';
import type { Home } from './signal.ts';

export interface GroupUse {
  /** Below the mount of its hierarchy. */
  path: string;
  /** The unit, container or session that it is; null: a slice, or none that is known. */
  home: Home | null;
  cpuMs: number | null;
  /** Limit in processors; null: none. */
  quotaCpus: number | null;
  periods: number | null;
  /** Of the periods, those in which it was held back. */
  throttled: number | null;
  memoryBytes: number | null;
  /** Of that, file pages that the kernel would drop first: no want of memory. */
  idleCacheBytes: number | null;
  memoryLimitBytes: number | null;
  /** How often it ran into its limit of memory. */
  memoryHits: number | null;
}

export interface DiskTimes {
  name: string;
  stacked: boolean;
  reads: number;
  writes: number;
  /** Time of all requests together, waiting included. */
  readMs: number;
  writeMs: number;
  inFlight: number;
  busyMs: number;
}

export interface CpuSpeed {
  /** Mean of all processors now; null where the kernel does not tell. */
  nowKhz: number | null;
  mostKhz: number | null;
  governor: string | null;
  /** Times a core was slowed down for its heat, since boot; null: not counted here. */
  throttles: number | null;
}

export interface LoadSample {
  /** Monotonic. */
  atMs: number;
  groups: Reading<GroupUse[]>;
  disks: Reading<DiskTimes[]>;
  speed: CpuSpeed;
  /** Of vmstat, as far as it is there: allocstall (all zones), pgscan_direct, workingset_refault_file. */
  reclaim: Record<string, number>;
}

export interface LoadHost {
  sample(o?: Bounded): Promise<LoadSample>;
  /** Where these processes belong, by pid; what is gone is not in the map. */
  homes(ids: readonly ProcessId[]): Promise<Map<number, Home | null>>;
}
