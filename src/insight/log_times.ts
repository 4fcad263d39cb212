/**
 * The times of a file's lines, as they write them: each in the host's zone as it was then, and what has none belongs to the line above.
 * Pure. Reading, and looking for a moment in a large file, is the opener's.
 */
import { offsetAt, type Zone } from '../core/when.ts';
import { stampMs } from './log_stamp.ts';

/** Characters in which a time stands. */
const LOOKED = 80;
const BRACKETED = /^(?:<\d{1,3}>|\S{1,64} \S{1,64} \S{1,64} (?=\[))/;

export function stampReader(o: { zone: Zone; nowMs: number }): (line: string) => number | null {
  const offsets = new Map<number, number>();
  const offset = (ms: number): number => {
    const hour = Math.floor(ms / 3_600_000);
    let minutes = offsets.get(hour);
    if (minutes === undefined) {
      minutes = offsetAt(ms, o.zone);
      if (offsets.size > 10_000) offsets.clear();
      offsets.set(hour, minutes);
    }
    return minutes;
  };
  const read = (text: string): number | null => {
    const near = stampMs(text, { offsetMinutes: o.zone.offsetMinutes, nowMs: o.nowMs });
    if (near === null) return null;
    const then = offset(near);
    return then === o.zone.offsetMinutes ? near : stampMs(text, { offsetMinutes: then, nowMs: o.nowMs });
  };
  return (line) => {
    const text = line.length > LOOKED ? line.slice(0, LOOKED * 3) : line;
    const own = read(text);
    if (own !== null) return own;
    // Web servers write who asked before they write when.
    const before = BRACKETED.exec(text)?.[0];
    return before ? read(text.slice(before.length)) : null;
  };
}

/** Names of a log's older parts, the newest first: `x.1`, `x.2.gz`, `x-20261120`, `x-20261119.xz`. */
export function rotatedOf(base: string, names: readonly string[]): string[] {
  const rest = (name: string) => (name.startsWith(base) ? name.slice(base.length) : '');
  const NUMBER = /^\.(\d{1,4})(?:\.(?:gz|xz|bz2|zst))?$/;
  const DATE = /^[-.](\d{8}(?:-?\d{2,10})?|\d{4}-\d{2}-\d{2}\S{0,12}?)(?:\.(?:gz|xz|bz2|zst))?$/;
  const found = names.flatMap((name) => {
    const number = NUMBER.exec(rest(name));
    if (number) return [{ name, order: Number(number[1]) }];
    const date = DATE.exec(rest(name));
    return date ? [{ name, order: 10_000 - Number((date[1] as string).replace(/\D/g, '').slice(0, 8)) / 1e4 }] : [];
  });
  return found.sort((a, b) => a.order - b.order || (a.name < b.name ? 1 : -1)).map((f) => f.name);
}
