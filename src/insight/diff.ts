/**
 * Which lines of one text became which of another: Myers' shortest edit script, between what both begin and end with. Pure. Bounded: where
 * more than so many lines differ, all between is said to be replaced, which is true as well.
 */
/** Lines `aFrom` to `aTo` (from 0, the end excluded) became `bFrom` to `bTo`. */
export interface Hunk {
  aFrom: number;
  aTo: number;
  bFrom: number;
  bTo: number;
}

/** Its square is what the worst case costs, in time and in memory. */
const MOST_STEPS = 1_500;

export function diffLines(a: readonly string[], b: readonly string[], mostSteps = MOST_STEPS): Hunk[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const aEnd = a.length - tail;
  const bEnd = b.length - tail;
  if (head === aEnd && head === bEnd) return [];
  const all: Hunk = { aFrom: head, aTo: aEnd, bFrom: head, bTo: bEnd };
  if (head === aEnd || head === bEnd) return [all];
  const n = aEnd - head;
  const m = bEnd - head;
  const same = (x: number, y: number) => a[head + x] === b[head + y];
  const trace = steps(n, m, same, Math.min(n + m, mostSteps));
  return trace ? hunksOf(trace, n, m, head) : [all];
}

/** For each number of steps, how far each diagonal had come before it; null when the end was not reached. */
function steps(n: number, m: number, same: (x: number, y: number) => boolean, most: number): Int32Array[] | null {
  const trace: Int32Array[] = [];
  let v = new Int32Array(3);
  for (let d = 0; d <= most; d++) {
    // One wider on each side than the diagonals of this step, so that neighbours are always there.
    const next = new Int32Array(2 * d + 3);
    for (let k = -d; k <= d; k += 2) {
      const at = (i: number) => v[i + d] as number;
      let x = d === 0 ? 0 : k === -d || (k !== d && at(k - 1) < at(k + 1)) ? at(k + 1) : at(k - 1) + 1;
      while (x < n && x - k < m && same(x, x - k)) x++;
      next[k + d + 1] = x;
      if (x >= n && x - k >= m) {
        trace.push(v);
        return trace;
      }
    }
    trace.push(v);
    v = next;
  }
  return null;
}

/** Back from the end, step by step; neighbours become one hunk. */
function hunksOf(trace: readonly Int32Array[], n: number, m: number, head: number): Hunk[] {
  const hunks: Hunk[] = [];
  let x = n;
  let y = m;
  for (let d = trace.length - 1; d > 0; d--) {
    const v = trace[d] as Int32Array;
    const at = (i: number) => v[i + d] as number;
    const k = x - y;
    const down = k === -d || (k !== d && at(k - 1) < at(k + 1));
    const fromX = down ? at(k + 1) : at(k - 1);
    const fromY = fromX - (down ? k + 1 : k - 1);
    const toX = down ? fromX : fromX + 1;
    const toY = down ? fromY + 1 : fromY;
    const last = hunks.at(-1);
    if (last && last.aFrom === toX + head && last.bFrom === toY + head) {
      last.aFrom = fromX + head;
      last.bFrom = fromY + head;
    } else hunks.push({ aFrom: fromX + head, aTo: toX + head, bFrom: fromY + head, bTo: toY + head });
    x = fromX;
    y = fromY;
  }
  return hunks.reverse();
}
