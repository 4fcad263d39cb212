/** The process table in lines: the columns that the chosen order needs, and no other. */
import { table } from '../core/table.ts';
import { bytes, duration, percent } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import { known, perSecond } from './overview_text.ts';
import type { ProcessAnswer } from './process_list.ts';

export function processText(o: ProcessAnswer, view: View): string {
  const states = Object.entries(o.byState)
    .toSorted((a, b) => b[1] - a[1])
    .map(([s, n]) => `${s} ${n}`)
    .join(', ');
  const head = `${known(o.total, String)} processes, ${known(o.threads, String)} threads (${o.whose}; ${states}); ${o.matched === o.total ? 'all' : `${o.matched} match`}, by ${o.by} over ${duration(o.windowMs)}`;
  const lines = [view.paint('bold', head)];
  if (o.processes.length > 0) lines.push(rows(o, view));
  for (const u of o.unknown) lines.push(`unknown: ${u.what}: ${u.why}`);
  return lines.join('\n');
}

/** Start and name are for process_signal: on a narrow terminal they would leave no room for the command. */
const NARROW = 120;

function rows(o: ProcessAnswer, view: View): string {
  const wide = view.width >= NARROW;
  const right = (head: string) => ({ head, align: 'right' as const });
  const io = o.by === 'io' ? [right('read'), right('written')] : [];
  const fds = o.by === 'fds' ? [right('fds')] : [];
  return table(
    [
      right('pid'),
      ...(wide ? [right('start'), { head: 'name', max: 32 }] : []),
      { head: 'user', max: 16 },
      { head: 's' },
      right('cpu'),
      right('rss'),
      right('thr'),
      right('age'),
      ...io,
      ...fds,
      { head: 'command' },
    ],
    o.processes.map((p) => [
      p.pid,
      ...(wide ? [p.start, p.name] : []),
      p.user ?? '?',
      p.state,
      percent(p.cpuPercent),
      bytes(p.rssBytes),
      p.threads,
      known(p.ageSeconds, (s) => duration(s * 1000)),
      ...(o.by === 'io' ? [perSecond(p.readBytesPerSecond ?? null), perSecond(p.writtenBytesPerSecond ?? null)] : []),
      ...(o.by === 'fds' ? [known(p.fds ?? null, String)] : []),
      '  '.repeat(Math.min(p.depth ?? 0, 12)) + (p.command ?? `[${p.name}]`),
    ]),
    view,
  );
}
