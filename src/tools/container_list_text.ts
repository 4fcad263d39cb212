/** Containers as a table: only the columns that say something in this answer. */
import { type Column, table } from '../core/table.ts';
import { bytes, duration, percent } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import { isPublished } from '../insight/containers.ts';
import type { ContainerListAnswer, ContainerRow } from './container_list.ts';
import { known, perSecond } from './overview_text.ts';

export function containerListText(o: ContainerListAnswer, view: View): string {
  const states = Object.entries(o.byState)
    .map(([state, n]) => `${n} ${state}`)
    .join(', ');
  const shown = o.matched === o.total ? '' : `; ${o.matched} match`;
  const look =
    o.attention > 0 ? view.paint('warn', `; ${o.attention} need${o.attention === 1 ? 's' : ''} attention`) : '';
  const count = `${o.total} ${o.total === 1 ? 'container' : 'containers'}`;
  const lines = [view.paint('bold', `${count}${states ? `: ${states}` : ''}${shown}`) + look];
  if (o.next) lines.push(`next: ${o.next}`);
  for (const u of o.unknown) lines.push(`unknown: ${u.what}: ${u.why}`);
  if (o.containers.length > 0) lines.push(rows(o, view));
  return lines.join('\n');
}

function rows(o: ContainerListAnswer, view: View): string {
  const right = (head: string) => ({ head, align: 'right' as const });
  const some = (of: (r: ContainerRow) => unknown) => o.containers.some((r) => of(r));
  const seconds = (n: number | null) => known(n, (s) => duration(s * 1_000));
  const columns: [boolean, Column, (r: ContainerRow) => string | number | null][] = [
    [true, { head: 'name', max: 40 }, (r) => r.name],
    [true, { head: 'state' }, (r) => painted(r, view)],
    [true, right('for'), (r) => seconds(r.sinceSeconds)],
    [o.sort === 'age', right('age'), (r) => seconds(r.ageSeconds)],
    [some((r) => r.restarts !== 0), right('restarts'), (r) => known(r.restarts, String)],
    [o.stats, right('cpu'), (r) => stat(r.cpuPercent, percent)],
    [o.stats, right('memory'), (r) => memory(r)],
    [o.stats && some((r) => r.throttledPercent), right('throttled'), (r) => stat(r.throttledPercent, percent)],
    [o.stats && some((r) => r.rxBytesPerSecond != null), right('in'), (r) => stat(r.rxBytesPerSecond, perSecond)],
    [o.stats && some((r) => r.txBytesPerSecond != null), right('out'), (r) => stat(r.txBytesPerSecond, perSecond)],
    [o.stats && some((r) => r.readBytesPerSecond), right('read'), (r) => stat(r.readBytesPerSecond, perSecond)],
    [
      o.stats && some((r) => r.writtenBytesPerSecond),
      right('written'),
      (r) => stat(r.writtenBytesPerSecond, perSecond),
    ],
    [o.stats, right('pids'), (r) => stat(r.pids, String)],
    [some((r) => r.project), { head: 'stack', max: 24 }, (r) => r.project],
    // Who asks what they use is spared what they are.
    [!o.stats, { head: 'image', max: 60 }, (r) => r.image],
    [
      !o.stats && some((r) => r.ports.some(isPublished)),
      { head: 'ports', max: 80 },
      (r) => r.ports.filter(isPublished).join(' ') || null,
    ],
  ];
  const used = columns.filter(([wanted]) => wanted);
  return table(
    used.map(([, column]) => column),
    o.containers.map((r) => used.map(([, , cell]) => cell(r))),
    view,
  );
}

/** What is not measured of this one (it does not run) is no gap. */
const stat = (n: number | null | undefined, show: (n: number) => string): string | null =>
  n === undefined || n === null ? null : show(n);

function memory(r: ContainerRow): string | null {
  if (r.memoryBytes === undefined) return null;
  const limit = r.memoryLimitBytes == null ? '' : ` of ${bytes(r.memoryLimitBytes)}`;
  return known(r.memoryBytes, bytes) + limit;
}

function painted(r: ContainerRow, view: View): string {
  const text = stateOf(r);
  if (r.attention === null) return r.health === 'healthy' ? view.paint('good', text) : text;
  return view.paint(r.attention === 'starting' || r.attention === 'paused' ? 'warn' : 'bad', text);
}

/** `running, unhealthy`, `exited: OOM-killed (137)`, `running, restart loop`. */
function stateOf(r: ContainerRow): string {
  const health = r.health === null || (r.health === 'healthy' && r.state !== 'running') ? '' : ` ${r.health}`;
  const loop = r.attention === 'restart_loop' && r.state === 'running' ? ', restart loop' : '';
  const exit = r.exit === null ? '' : r.state === 'exited' ? `: ${r.exit}` : `, ${r.exit}`;
  return r.state + health + loop + exit;
}
