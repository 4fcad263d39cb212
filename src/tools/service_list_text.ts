/** Units as a table: only the columns that say something in this answer. */
import { type Column, table } from '../core/table.ts';
import { ago, bytes, duration } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import { byReason } from './overview_text.ts';
import type { ServiceListAnswer, ServiceRow } from './service_list.ts';

export function serviceListText(o: ServiceListAnswer, view: View): string {
  const states = Object.entries(o.byState)
    .sort(([, a], [, b]) => b - a)
    .map(([state, n]) => `${n} ${state}`)
    .join(', ');
  const failed = o.byState.failed ?? 0;
  const lines = [
    view.paint(failed > 0 ? 'warn' : 'bold', `${o.total} units (${states}); ${o.matched} listed here`),
    ...o.notes.map((n) => `next: ${n.next}`),
  ];
  if (o.unknown.length > 0) lines.push(`unknown: ${byReason(o.unknown)}`);
  if (o.units.length > 0) lines.push(rows(o, view));
  return lines.join('\n');
}

const since = (text: string | null | undefined, view: View): string | null =>
  text ? duration(Math.max(0, view.now - Date.parse(text))) : null;

function rows(o: ServiceListAnswer, view: View): string {
  const right = (head: string) => ({ head, align: 'right' as const });
  const some = (of: (r: ServiceRow) => unknown) => o.units.some((r) => of(r));
  const timers = some((r) => r.activates !== undefined);
  const reason = new Map(o.notes.map((n) => [n.unit, n.sentence]));
  const columns: [boolean, Column, (r: ServiceRow) => string | number | null][] = [
    [true, { head: 'unit', max: 48 }, (r) => r.name],
    // Said only where not all are in the same one.
    [new Set(o.units.map((r) => r.state)).size > 1, { head: 'state' }, (r) => painted(r, view)],
    [!timers && some((r) => r.since), right('for'), (r) => since(r.since, view)],
    [some((r) => r.restarts), right('restarts'), (r) => r.restarts ?? null],
    [some((r) => r.memoryBytes), right('memory'), (r) => (r.memoryBytes == null ? null : bytes(r.memoryBytes))],
    [
      some((r) => r.cpuSeconds),
      right('cpu time'),
      (r) => (r.cpuSeconds == null ? null : duration(r.cpuSeconds * 1_000)),
    ],
    [
      some((r) => ['enabled', 'disabled', 'masked'].includes(r.file ?? '')) && !some((r) => r.since),
      { head: 'file' },
      (r) => r.file ?? null,
    ],
    [timers, right('next'), (r) => (r.next ? `in ${duration(Math.max(0, Date.parse(r.next) - view.now))}` : null)],
    [timers, right('last'), (r) => (r.last ? ago(Date.parse(r.last), view.now) : null)],
    [timers, { head: 'result' }, (r) => r.result ?? null],
    [timers, { head: 'starts', max: 40 }, (r) => r.activates ?? null],
    [some((r) => r.problem), { head: 'problem' }, (r) => reason.get(r.name) ?? r.problem ?? null],
  ];
  const used = columns.filter(([wanted]) => wanted);
  return table(
    used.map(([, column]) => column),
    o.units.map((r) => used.map(([, , cell]) => cell(r))),
    view,
  );
}

const painted = (r: ServiceRow, view: View): string => {
  const state = r.state === null ? 'template' : r.state.replace(/^active\//, '');
  return r.attention === null ? state : view.paint(r.attention === 'failed' ? 'bad' : 'warn', state);
};
