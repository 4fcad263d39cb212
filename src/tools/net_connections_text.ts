/** Sockets in lines: only the columns that say something in this answer. */
import { type Column, table } from '../core/table.ts';
import { bytes, percent } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import type { GroupRow, NetConnectionsAnswer, SocketRow } from './net_connections.ts';
import { byReason } from './overview_text.ts';

type Row = GroupRow | SocketRow;

export function netConnectionsText(o: NetConnectionsAnswer, view: View): string {
  const states = Object.entries(o.byState)
    .toSorted((a, b) => b[1] - a[1])
    .map(([s, n]) => `${n} ${s}`)
    .join(', ');
  const kinds = Object.entries(o.byKind)
    .map(([k, n]) => `${n} ${k}`)
    .join(', ');
  const said = o.matched === o.total ? '' : `; ${o.matched} match`;
  const lines = [view.paint('bold', `${o.total} sockets (${kinds})${said}`) + (states ? `; TCP: ${states}` : '')];
  if (o.segmentsOut !== null && o.segmentsRetransmitted !== null && o.segmentsOut > 0)
    lines.push(
      `retransmitted since boot: ${o.segmentsRetransmitted} of ${o.segmentsOut} segments (${percent((100 * o.segmentsRetransmitted) / o.segmentsOut)})`,
    );
  if (o.unknown.length > 0) lines.push(`unknown: ${byReason(o.unknown)}`);
  if (o.groups.length > 0) lines.push(groups(o, view));
  if (o.list.length > 0) lines.push(list(o, view));
  return lines.join('\n');
}

type Cell<R> = [boolean, Column, (r: R) => string | number | null];

function shown<R>(rows: readonly R[], columns: Cell<R>[], view: View): string {
  const used = columns.filter(([wanted]) => wanted);
  return table(
    used.map(([, column]) => column),
    rows.map((r) => used.map(([, , cell]) => cell(r))),
    view,
  );
}

const right = (head: string) => ({ head, align: 'right' as const });

/** Queues and retransmits, where there is anything in them. */
function measures<R extends Row>(rows: readonly R[]): Cell<R>[] {
  const some = (of: (r: R) => unknown) => rows.some((r) => of(r));
  const queue = (n: number, r: R) => (n === 0 ? null : listens(r) ? `${n} waiting` : bytes(n));
  return [
    [some((r) => r.receiveQueue), right('unread'), (r) => queue(r.receiveQueue, r)],
    [some((r) => r.sendQueue), right('unsent'), (r) => queue(r.sendQueue, r)],
    [some((r) => r.retransmits), right('retrans now'), (r) => r.retransmits || null],
    [some((r) => r.retransmitted), right('retrans'), (r) => r.retransmitted ?? null],
    [some((r) => r.rttMs), right('rtt ms'), (r) => r.rttMs ?? null],
  ];
}

const listens = (r: Row): boolean => r.direction === 'listen' || r.state === 'LISTEN';

function groups(o: NetConnectionsAnswer, view: View): string {
  const rows = o.groups;
  const states = (r: GroupRow) =>
    Object.entries(r.states)
      .toSorted((a, b) => b[1] - a[1])
      .map(([s, n]) => (r.sockets === n ? s : `${s} ${n}`))
      .join(' ');
  return shown(
    rows,
    [
      [true, right('sockets'), (r) => r.sockets],
      [rows.some((r) => r.kind !== 'tcp'), { head: 'kind' }, (r) => r.kind],
      [o.by === 'process' || o.by === 'port', { head: 'way' }, (r) => r.direction],
      [rows.some((r) => r.port !== null), right('port'), (r) => r.port],
      [true, { head: 'peer', max: 45 }, (r) => (r.peers > 1 ? `${r.peers} peers` : r.peer)],
      [true, { head: 'states' }, states],
      ...measures(rows),
      [rows.some((r) => r.path), { head: 'path', max: 60 }, (r) => r.path ?? null],
      [o.by === 'process', { head: 'held by' }, held],
    ],
    view,
  );
}

function list(o: NetConnectionsAnswer, view: View): string {
  const rows = o.list;
  return shown(
    rows,
    [
      [rows.some((r) => r.kind !== 'tcp'), { head: 'kind' }, (r) => r.kind],
      [true, { head: 'state' }, (r) => r.state],
      [true, { head: 'way' }, (r) => r.direction],
      [true, { head: 'local', max: 60 }, (r) => r.local],
      [rows.some((r) => r.peer), { head: 'peer' }, (r) => r.peer],
      ...measures(rows),
      [true, { head: 'held by' }, held],
    ],
    view,
  );
}

function held(r: Row): string | null {
  const process = r.process == null ? (r.user == null ? null : `user ${r.user}`) : `${r.process} (${r.pid})`;
  return (
    [r.container == null ? null : `container ${r.container}`, process].filter((x) => x !== null).join(', ') || null
  );
}
