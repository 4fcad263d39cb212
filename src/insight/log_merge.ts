/**
 * Several logs as one, by time. A log's own order is never changed, also where its clock went back: only what stands first in each is
 * compared. Equal times keep the order in which the logs were named. Pure.
 */

export interface Timed {
  atMs: number;
  nanos: number;
}

export function mergeByTime<T>(
  logs: readonly (readonly T[])[],
  timeOf: (item: T) => Timed,
): { item: T; log: number }[] {
  const at = logs.map(() => 0);
  const out: { item: T; log: number }[] = [];
  for (;;) {
    let best = -1;
    let bestTime: Timed | null = null;
    for (let i = 0; i < logs.length; i++) {
      const item = logs[i]?.[at[i] as number];
      if (item === undefined) continue;
      const time = timeOf(item);
      if (
        bestTime === null ||
        time.atMs < bestTime.atMs ||
        (time.atMs === bestTime.atMs && time.nanos < bestTime.nanos)
      ) {
        best = i;
        bestTime = time;
      }
    }
    if (best < 0) return out;
    out.push({ item: logs[best]?.[at[best] as number] as T, log: best });
    at[best] = (at[best] as number) + 1;
  }
}
