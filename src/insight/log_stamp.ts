/**
 * The time that stands at the beginning of a line, as programs write it: how long it is, and which moment. Pure. Where lines have a time
 * from whoever kept them (an engine, the journal), that one counts; this one then only costs tokens.
 */

const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec';
const ISO =
  /^[[(]?(\d{4})[-/.](\d{2})[-/.](\d{2})[T ,_]+(\d{2}):(\d{2}):(\d{2})(?:[.,:](\d{1,9}))?(?: ?(Z|UTC|GMT|[+-]\d{2}:?\d{2}|CES?T|[ECMP][SD]T|BST|JST|IST|MSK)\b)?[\])]?:?\s*/;
const SYSLOG = /^(?:<\d{1,3}>)?([A-Z][a-z]{2}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})? /;
const DAY_FIRST =
  /^[[(]?(\d{2})[/ -]([A-Z][a-z]{2})[/ -](\d{4})[: ](\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?(?: ([+-]\d{4}))?[\])]?\s*/;
const CLOCK = /^[[(]?\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?[\])]?\s+/;
const EPOCH = /^[[(]?(1\d{9})(?:(\d{3})|\.(\d{1,9}))?[\])]?\s+/;
/** Go's klog and redis write level or role before the time. */
const BEHIND_A_LETTER =
  /^(?:[IWEFD]\d{4} \d{2}:\d{2}:\d{2}\.\d+ |\d{1,7}:[XCSM] \d{2} [A-Z][a-z]{2} (?:\d{4} )?\d{2}:)/;

/** Characters that the time takes, with the blanks behind it; 0: the line does not begin with one. */
export function stampLength(text: string): number {
  const first = text.charCodeAt(0);
  // A digit, a bracket, `<` or a capital: nothing else begins a time, and this is asked of each line.
  const digit = (c: number) => c >= 48 && c <= 57;
  const opened = first === 91 || first === 40 ? text.charCodeAt(1) : first;
  if (digit(opened)) {
    // Each has its own third or fifth character.
    const at = opened === first ? 0 : 1;
    const m =
      text.charCodeAt(at + 2) === 58
        ? CLOCK.exec(text)
        : digit(text.charCodeAt(at + 4))
          ? EPOCH.exec(text)
          : (ISO.exec(text) ?? DAY_FIRST.exec(text));
    return m ? m[0].length : 0;
  }
  if (first === 60 || (first >= 65 && first <= 90)) {
    const m = SYSLOG.exec(text);
    return m && MONTHS.indexOf(m[1] as string) % 3 === 0 ? m[0].length : 0;
  }
  return 0;
}

/** Begins with a time, wherever it stands: no part of an entry above it. */
export function isStamped(text: string): boolean {
  const first = text.charCodeAt(0);
  // A digit or a capital.
  if (!((first >= 48 && first <= 57) || (first >= 65 && first <= 90) || first === 91 || first === 40 || first === 60))
    return false;
  return stampLength(text) > 0 || BEHIND_A_LETTER.test(text);
}

/** The moment, in ms; null where there is none or the day is missing. Without a zone it is `offsetMinutes` east of UTC. */
export function stampMs(text: string, o: { offsetMinutes: number; nowMs: number }): number | null {
  const iso = ISO.exec(text);
  if (iso) {
    const [, y, mo, d, h, mi, s, fraction, zone] = iso as unknown as string[];
    return moment([y, mo, d, h, mi, s], fraction, zone, o.offsetMinutes);
  }
  const day = DAY_FIRST.exec(text);
  if (day) {
    const [, d, name, y, h, mi, s, fraction, zone] = day as unknown as string[];
    return moment([y, month(name as string), d, h, mi, s], fraction, zone, o.offsetMinutes);
  }
  const epoch = EPOCH.exec(text);
  if (epoch)
    return Math.floor(Number(epoch[1]) * 1000 + (epoch[2] ? Number(epoch[2]) : Number(`0.${epoch[3] ?? 0}`) * 1000));
  const syslog = SYSLOG.exec(text);
  if (!syslog) return null;
  // No year in it: this one, unless that is still to come.
  const [, name, d, h, mi, s] = syslog as unknown as string[];
  const year = new Date(o.nowMs + o.offsetMinutes * 60_000).getUTCFullYear();
  const at = (y: number) =>
    moment([String(y), month(name as string), d, h, mi, s], undefined, undefined, o.offsetMinutes);
  const now = at(year);
  return now !== null && now > o.nowMs + 86_400_000 ? at(year - 1) : now;
}

const month = (name: string): string => String(MONTHS.indexOf(name) / 3 + 1);

const ZONES: Record<string, number> = {
  Z: 0,
  UTC: 0,
  GMT: 0,
  CET: 60,
  CEST: 120,
  EST: -300,
  EDT: -240,
  CST: -360,
  CDT: -300,
  MST: -420,
  MDT: -360,
  PST: -480,
  PDT: -420,
  BST: 60,
  JST: 540,
  MSK: 180,
};

function moment(
  parts: (string | undefined)[],
  fraction: string | undefined,
  zone: string | undefined,
  offsetMinutes: number,
): number | null {
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = parts.map(Number);
  const ms = fraction ? Math.floor(Number(`0.${fraction}`) * 1000) : 0;
  const at = Date.UTC(y, mo - 1, d, h, mi, s, ms);
  const whole = new Date(at);
  if (!Number.isFinite(at) || whole.getUTCMonth() !== mo - 1 || whole.getUTCDate() !== d || h > 23 || mi > 59)
    return null;
  const numeric = /^([+-])(\d{2}):?(\d{2})$/.exec(zone ?? '');
  const east = numeric
    ? (numeric[1] === '-' ? -1 : 1) * (Number(numeric[2]) * 60 + Number(numeric[3]))
    : zone === undefined
      ? offsetMinutes
      : (ZONES[zone] ?? null);
  return east === null ? null : at - east * 60_000;
}
