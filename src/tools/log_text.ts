/**
 * A log in few words: one line that says what was looked at, then the entries in order of time, whichever were picked first. Times are
 * the host's; the day is said once. Decides wording only.
 */
import { OPEN } from '../core/foreign.ts';
import { bytes } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import { offsetAt, type Zone } from '../core/when.ts';
import { stampLength } from '../insight/log_stamp.ts';
import type { LogAnswer } from './log_query.ts';

type Row = LogAnswer['lines'][number];
export const LETTER = { trace: 'T', debug: 'D', info: 'I', warn: 'W', error: 'E', fatal: 'F' } as const;
export const PAINT = { trace: 'dim', debug: 'dim', info: null, warn: 'warn', error: 'bad', fatal: 'bad' } as const;

export function logText(o: LogAnswer, view: View): string {
  const rows = o.order === 'newest' ? [...o.lines].reverse() : o.lines;
  const local = localTimes(o.zone);
  const days = new Set(rows.map((r) => local(r.at).slice(0, 10)));
  const day = days.size === 1 ? [...days][0] : undefined;
  const lines = [view.paint('bold', head(o, rows, day, local))];
  if (o.perStep && o.perStep.entries.length > 1) lines.push(steps(o.perStep, local));
  const several = o.sources.length > 1;
  if (several) for (const s of o.sources) lines.push(`${s.source}: ${looked(s)}`);
  for (const r of rows) {
    if (r.gap) lines.push('…');
    lines.push(entry(r, view, local(r.at).slice(day ? 11 : 5), several ? short(r.source ?? '') : null, local));
  }
  for (const s of o.sources) {
    const missing = unread(s, local);
    if (missing) lines.push(missing);
  }
  if (o.next) lines.push(`${o.order === 'newest' ? 'older' : 'newer'} ones: cursor ${o.next}`);
  return [...lines, ...o.notes].join('\n');
}

function head(o: LogAnswer, rows: Row[], day: string | undefined, local: (at: string) => string): string {
  const levels = Object.entries(o.levels)
    .filter(([level]) => level !== 'none')
    .map(([level, n]) => `${level} ${n}`)
    .reverse();
  const one = o.sources.length === 1 ? `${o.sources[0]?.source}: ` : '';
  const shown = rows.reduce((n, r) => n + (r.context ? 0 : (r.repeats ?? 1)), 0);
  const which = o.matched > shown ? `${o.order} ${shown} of ${o.matched}` : `${shown}`;
  const of = o.matched < o.entries ? ` of ${o.entries} entries looked at` : ` ${o.entries === 1 ? 'entry' : 'entries'}`;
  const read = o.sources.length === 1 ? `, ${bytes(o.sources[0]?.bytesRead ?? 0)} read` : '';
  const zone = local(rows[0]?.at ?? new Date(0).toISOString()).slice(19) || '+00:00';
  const when = rows.length === 0 ? '' : `; ${day ? `${day}, ` : ''}times ${zone}`;
  return `${one}${which}${o.matched < o.entries ? ' match' : ''}${of}${read}${levels.length > 0 ? `; ${levels.join(', ')}` : ''}${when}`;
}

function steps(s: NonNullable<LogAnswer['perStep']>, local: (at: string) => string): string {
  const each = s.entries.map((n, i) => (s.errors[i] ? `${n}(${s.errors[i]})` : String(n))).join(' ');
  const minutes = s.seconds / 60;
  const step = minutes < 60 ? `${minutes} min` : minutes < 1_440 ? `${minutes / 60} h` : `${minutes / 1_440} d`;
  const from = minutes < 1_440 ? local(s.from).slice(5, 16) : local(s.from).slice(0, 10);
  return `per ${step} from ${from}${s.errors.some(Boolean) ? ' (errors)' : ''}: ${each}`;
}

const looked = (s: LogAnswer['sources'][number]): string => s.failed ?? `${s.lines} lines, ${bytes(s.bytesRead)} read`;

function unread(s: LogAnswer['sources'][number], local: (at: string) => string): string | null {
  if (s.missing === null || s.why === null) return null;
  const edge = s.missing === 'older' ? s.from : s.to;
  const where = edge === null ? 'all of it' : `what is ${s.missing} than ${local(edge).slice(0, 19)}`;
  return `not looked at: ${where} (${s.source}: ${s.why})`;
}

function entry(r: Row, view: View, at: string, source: string | null, local: (at: string) => string): string {
  const level = r.level ? LETTER[r.level] : '-';
  const paint = r.level ? PAINT[r.level] : null;
  const time = at.replace(/[+-]\d{2}:\d{2}$/, '');
  const text = withoutTime(r.text);
  const again = r.repeats ? ` ×${r.repeats} until ${r.lastAt ? local(r.lastAt).slice(11, 19) : '?'}` : '';
  const about = `${r.context ? '  ' : ''}${time} ${source === null ? '' : `${source} `}${level}${r.stderr ? '!' : ''}${again}`;
  const said = text.replaceAll('\n', '\n    ');
  return `${paint ? view.paint(paint, about) : about} ${said}${r.cut ? ' …' : ''}`;
}

/** The line's own time says again what stands in front of it. */
function withoutTime(text: string): string {
  // The door's mark of foreign text is two characters: that it begins, and whose it is.
  const from = text.startsWith(OPEN) ? 2 : 0;
  const stamp = stampLength(text.slice(from, from + 80));
  return stamp > 0 ? text.slice(0, from) + text.slice(from + stamp) : text;
}

const short = (source: string): string => source.slice(source.indexOf(':') + 1);

/** `2027-01-31T12:00:00+01:00`, by the zone as it was then; one question to the zone for each hour. */
export function localTimes(zone: Zone): (at: string) => string {
  const offsets = new Map<number, number>();
  return (at) => {
    const ms = Date.parse(at);
    const hour = Math.floor(ms / 3_600_000);
    let minutes = offsets.get(hour);
    if (minutes === undefined) {
      minutes = offsetAt(ms, zone);
      offsets.set(hour, minutes);
    }
    const two = (n: number) => String(Math.floor(n)).padStart(2, '0');
    const abs = Math.abs(minutes);
    const local = new Date(ms + minutes * 60_000).toISOString().slice(0, 19);
    return `${local}${minutes < 0 ? '-' : '+'}${two(abs / 60)}:${two(abs % 60)}`;
  };
}
