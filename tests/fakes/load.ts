/** A host at ease: no groups, one idle disk. Two samples are a second and a half apart. */
import type { LoadHost, LoadSample } from '../../src/core/load.ts';

export const fakeSample = (over: Partial<LoadSample> = {}): LoadSample => ({
  atMs: 0,
  groups: { value: [] },
  disks: {
    value: [{ name: 'vda', stacked: false, reads: 0, writes: 0, readMs: 0, writeMs: 0, inFlight: 0, busyMs: 0 }],
  },
  speed: { nowKhz: null, mostKhz: null, governor: null, throttles: null },
  reclaim: {},
  ...over,
});

export const fakeLoad = (
  samples: readonly LoadSample[] = [],
  homes: LoadHost['homes'] = async () => new Map(),
): LoadHost => {
  let n = 0;
  return {
    sample: async () => samples[Math.min(n++, samples.length - 1)] ?? fakeSample({ atMs: 1_500 * n }),
    homes,
  };
};
