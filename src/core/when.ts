/**
 * A moment of the past as people write it: `2h` ago, a day, or RFC 3339. One reading for tools and the command line. Pure;
 * what is asked about that moment is the caller's.
 */
import { OpsError } from './errors.ts';

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };
const FULL = /^(\d{4}-\d{2}-\d{2})[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2})$/;
/** Years before 1970 or after 9999 are slips of the hand. */
const LATEST = Date.UTC(9999, 11, 31);

/** A time zone, and its minutes east of UTC now, for where its name is not known. */
export interface Zone {
  name: string;
  offsetMinutes: number;
}

/**
 * In ms. `name` is what the caller calls it, for the message. With the host's zone, times that name none are the host's, and
 * `today`, `yesterday` and `14:30` count, too; without it a day alone is its beginning in UTC.
 */
export function pastTime(text: string, now: number, name: string, zone?: Zone): number {
  const span = /^(\d{1,6})([smhdw])(?: ago)?$/.exec(text);
  const at = span
    ? now - Number(span[1]) * (UNITS[span[2] as string] as number)
    : zone
      ? zoned(text, now, zone)
      : dated(text);
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

const DAY_MS = 86_400_000;

function zoned(text: string, now: number, zone: Zone): number {
  const today = now + offsetAt(now, zone) * 60_000;
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  const word = text === 'today' ? day(today) : text === 'yesterday' ? day(today - DAY_MS) : text;
  const clock = /^\d{1,2}:\d{2}(:\d{2})?$/.test(word);
  const local = clock
    ? `${day(today)}T${word.padStart(word.length === 4 || word.length === 7 ? word.length + 1 : 0, '0')}`
    : word;
  const bare = /^\d{4}-\d{2}-\d{2}$/.test(local) ? `${local}T00:00` : local.replace(' ', 'T');
  const asUtc = dated(`${bare}Z`);
  if (!Number.isFinite(asUtc)) return dated(text);
  // The zone's offset then: asked at a moment at most a day away, and again at the one found, for the hour of a change.
  const near = asUtc - offsetAt(asUtc, zone) * 60_000;
  const at = asUtc - offsetAt(near, zone) * 60_000;
  return clock && at > now ? at - DAY_MS : at;
}

const formats = new Map<string, Intl.DateTimeFormat | null>();

/** Minutes east of UTC at that moment, with summer time as it was then. */
export function offsetAt(ms: number, zone: Zone): number {
  let format = formats.get(zone.name);
  if (format === undefined) {
    try {
      format = new Intl.DateTimeFormat('en', { timeZone: zone.name, timeZoneName: 'longOffset' });
    } catch {
      format = null;
    }
    formats.clear();
    formats.set(zone.name, format);
  }
  const m = / GMT([+-])(\d{2}):(\d{2})$/.exec(format?.format(ms) ?? '');
  if (!m) return zone.offsetMinutes;
  return (m[1] === '-' ? -1 : 1) * (Number(m[2]) * 60 + Number(m[3]));
}
