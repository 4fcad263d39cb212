/**
 * A moment of the past as people write it: `2h` ago, a day, or RFC 3339. One reading for tools and the command line. Pure;
 * what is asked about that moment is the caller's.
 */
import { OpsError } from './errors.ts';

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };
const FULL = /^(\d{4}-\d{2}-\d{2})[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2})$/;
/** Years before 1970 or after 9999 are slips of the hand. */
const LATEST = Date.UTC(9999, 11, 31);

/** In ms. `name` is what the caller calls it, for the message. A day alone is its beginning, in UTC. */
export function pastTime(text: string, now: number, name: string): number {
  const span = /^(\d{1,6})([smhdw])$/.exec(text);
  const at = span ? now - Number(span[1]) * (UNITS[span[2] as string] as number) : dated(text);
  if (Number.isFinite(at) && at >= 0 && at <= LATEST) return at;
  throw new OpsError('validation', `${name}: ${JSON.stringify(text.slice(0, 64))} is no time.`, {
    hint: 'Write 90s, 15m, 2h, 3d or 1w (so long ago), 2027-01-31, or 2027-01-31T12:00:00Z.',
  });
}

/** Date.parse takes 2027-02-31 for March: the day that comes out must be the one that went in. */
function dated(text: string): number {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? text : FULL.exec(text)?.[1];
  if (day === undefined) return Number.NaN;
  const midnight = Date.parse(`${day}T00:00:00Z`);
  if (!Number.isFinite(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day) return Number.NaN;
  return Date.parse(text);
}
