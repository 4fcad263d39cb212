/**
 * A compact table: two spaces between columns, no lines drawn (they cost tokens), the last column not padded. Widths
 * ignore what takes no room: the door's marks of foreign text and a terminal's colours.
 */
import type { View } from './tool.ts';

export interface Column {
  head: string;
  align?: 'left' | 'right';
  /** Longest cell; what is longer ends in "…". */
  max?: number;
}

const INVISIBLE = /[\uFDD0-\uFDEF]|\u001b\[[0-9;]*m/g;
const ASCII = /^[\x20-\x7e]*$/;
/** Wide in a terminal: CJK, Hangul, full-width forms, most emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/gu;
const COMBINING = /\p{Mn}/gu;

/** Columns that a text takes in a terminal. */
export function width(text: string): number {
  if (ASCII.test(text)) return text.length;
  const seen = text.replace(INVISIBLE, '').replace(COMBINING, '');
  return [...seen].length + (seen.match(WIDE)?.length ?? 0);
}

export function table(
  columns: readonly Column[],
  rows: readonly (readonly (string | number | null)[])[],
  view: View,
): string {
  const laid = columns.map((c, i) => ({ ...c, width: width(c.head), last: i === columns.length - 1 }));
  const heads = laid.map((column) => ({ text: column.head, wide: column.width, column }));
  const lines = rows.map((row) =>
    laid.map((column, i) => {
      const text = clipped(one(row[i]), column.max);
      const wide = width(text);
      column.width = Math.max(column.width, wide);
      return { text, wide, column };
    }),
  );
  const room = Math.max(10, view.width - laid.reduce((sum, c) => sum + (c.last ? 0 : c.width + 2), 0));
  const said = (cells: typeof heads) =>
    cells
      .map(({ text, wide, column }) => {
        if (column.last && column.align !== 'right') return clipped(text, room);
        const pad = ' '.repeat(column.width - wide);
        return column.align === 'right' ? pad + text : text + pad;
      })
      .join('  ')
      .trimEnd();
  return [view.paint('dim', said(heads)), ...lines.map(said)].join('\n');
}

/** A cell is one line, whatever it was; unknown is "-". */
function one(cell: string | number | null | undefined): string {
  if (cell === null || cell === undefined || cell === '') return '-';
  return String(cell).replace(/\s*\n\s*/g, ' ↵ ');
}

/** Cuts to `max` columns and keeps the marks of foreign text, which close behind the cut. */
export function clipped(text: string, max: number | undefined): string {
  if (max === undefined || width(text) <= max) return text;
  let out = '';
  let room = max - 1;
  for (const ch of text) {
    const w = width(ch);
    if (w > room) break;
    room -= w;
    out += ch;
  }
  // A mark of ours is never half shown: the reader could not tell it from foreign brackets.
  const open = out.lastIndexOf('⟦');
  if (open >= 0 && out.indexOf('⟧', open) < 0) out = out.slice(0, open);
  return `${out}…${text.includes('\uFDD1') ? '\uFDD1' : ''}`;
}
