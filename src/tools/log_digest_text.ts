/** A digest in few words: what was looked at, then a line for each pattern. Times are the host's. Decides wording only. */
import type { View } from '../core/tool.ts';
import type { DigestAnswer } from './log_digest.ts';
import { LETTER, localTimes, PAINT } from './log_text.ts';

type Row = DigestAnswer['lines'][number];

export function digestText(o: DigestAnswer, view: View): string {
  const local = localTimes(o.zone);
  const several = o.sources.length > 1;
  const oneDay = local(o.since).slice(0, 10) === local(o.until).slice(0, 10);
  const at = (time: string) => (oneDay ? local(time).slice(11, 19) : local(time).slice(5, 16));
  const lines = [view.paint('bold', head(o, local))];
  if (several)
    for (const s of o.sources)
      lines.push(`${s.source}: ${s.failed ?? `${s.entries} entries, ${s.before ?? 'no'} before`}`);
  for (const r of o.lines) {
    lines.push(pattern(r, view, at, several));
    if (r.example) lines.push(`    e.g. ${r.example}`);
  }
  if (o.rest > 0) lines.push(`and ${o.patterns - o.lines.length} more patterns of ${o.rest} entries in all`);
  for (const s of o.sources) if (s.missing) lines.push(`not looked at in ${s.source}: ${s.missing}`);
  return [...lines, ...o.notes].join('\n');
}

function head(o: DigestAnswer, local: (at: string) => string): string {
  const levels = Object.entries(o.levels)
    .filter(([level]) => level in LETTER)
    .map(([level, n]) => `${level} ${n}`);
  const [only] = o.sources;
  const what = o.sources.length === 1 && only ? `${only.source}: ` : '';
  const fresh = o.lines.some((l) => l.new !== null) ? `; NEW: not since ${local(o.baseline).slice(0, 16)}` : '';
  const entries = `${o.entries} ${o.entries === 1 ? 'entry' : 'entries'} since ${local(o.since).slice(0, 16)}`;
  return `${what}${entries}, ${o.patterns} ${o.patterns === 1 ? 'pattern' : 'patterns'}${levels.length > 0 ? `; ${levels.join(', ')}` : ''}${fresh}; times ${local(o.until).slice(19)}`;
}

function pattern(r: Row, view: View, at: (time: string) => string, several: boolean): string {
  const level = r.level ? LETTER[r.level] : '-';
  const paint = r.level ? PAINT[r.level] : null;
  const [first, last] = [at(r.first), at(r.last)];
  const when = first === last ? first : `${first}–${last}`;
  const source = several ? ` ${r.source?.slice(r.source.indexOf(':') + 1)}` : '';
  const about = `${level}${r.new ? ' NEW' : ''} ×${r.count} ${when}${source}`;
  return `${paint ? view.paint(paint, about) : about} ${r.pattern}`;
}
