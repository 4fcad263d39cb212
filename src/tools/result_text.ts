/** A page of a kept result in lines: rows as a table, plain values as they are. */
import { table } from '../core/table.ts';
import type { View } from '../core/tool.ts';
import type { ResultAnswer } from './result_query.ts';

const CELL = 120;

export function resultText(o: ResultAnswer, view: View): string {
  const lines = [view.paint('bold', `${o.handle}: ${o.tool}, ${o.state}${counts(o)}`)];
  if (o.progress)
    lines.push(
      `progress ${o.progress.done}${o.progress.total === undefined ? '' : ` of ${o.progress.total}`}${o.progress.text ? `: ${o.progress.text}` : ''}`,
    );
  if (o.error)
    lines.push(view.paint('bad', `${o.error.code}: ${o.error.message}`) + (o.error.hint ? ` ${o.error.hint}` : ''));
  if (o.note) lines.push(o.note);
  if (o.items.length > 0) lines.push(items(o.items, view));
  if (o.whole) lines.push(JSON.stringify(o.whole));
  if (o.nextOffset !== null) lines.push(`next page: offset ${o.nextOffset}`);
  return lines.join('\n');
}

function counts(o: ResultAnswer): string {
  if (o.list === null || o.total === null) return '';
  const match = o.matched === o.total ? '' : `, ${o.matched} match`;
  const range = o.items.length === 0 ? ', none shown' : `, shown ${o.offset + 1} to ${o.offset + o.items.length}`;
  return `; ${o.list}: ${o.total} in all${match}${range}`;
}

function items(list: readonly unknown[], view: View): string {
  const rows = list.filter(
    (x): x is Record<string, unknown> => typeof x === 'object' && x !== null && !Array.isArray(x),
  );
  if (rows.length < list.length) return list.map(cell).join('\n');
  const heads = [...new Set(rows.flatMap((r) => Object.keys(r)))];
  return table(
    heads.map((head) => ({ head, max: CELL })),
    rows.map((r) => heads.map((h) => cell(r[h]))),
    view,
  );
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '-';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
