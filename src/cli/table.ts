/** Columns for people: padded to the widest cell, the last one wrapped or clipped to the terminal. Pure. */

/** Characters as a terminal counts them, roughly: no wide ones stand in our tables. */
const length = (text: string) => [...text].length;

export const pad = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - length(text)));

export function clip(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}

/** At blanks; a word longer than a line stays whole, because a cut path or command is of no use. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line && length(line) + 1 + length(word) > width) {
        lines.push(line);
        line = word;
      } else line = line ? `${line} ${word}` : word;
    }
    lines.push(line);
  }
  return lines;
}

export interface Columns {
  heads?: string[];
  width: number;
  indent?: number;
  /** The last column goes on in further lines instead of being clipped. */
  wrap?: boolean;
  /** Colour of a cell; it is applied after padding, so that it does not count. */
  paint?(text: string, row: number, column: number): string;
}

export function table(rows: readonly (readonly string[])[], o: Columns): string {
  const all = o.heads ? [o.heads, ...rows] : rows;
  const columns = Math.max(0, ...all.map((r) => r.length));
  const widths = Array.from({ length: columns }, (_, c) => Math.max(...all.map((r) => length(r[c] ?? ''))));
  const indent = ' '.repeat(o.indent ?? 0);
  const before = widths.slice(0, -1).reduce((sum, w) => sum + w + 2, indent.length);
  // Too narrow for the last column beside the others: then it is not squeezed, the terminal wraps it.
  const room = o.width - before >= 20 ? o.width - before : Number.POSITIVE_INFINITY;
  const lines: string[] = [];
  all.forEach((cells, index) => {
    const row = o.heads ? index - 1 : index;
    const last = cells[columns - 1] ?? '';
    const parts = o.wrap ? wrap(last, room) : [clip(last, room)];
    const paint = (text: string, column: number) => (o.paint ? o.paint(text, row, column) : text);
    parts.forEach((part, n) => {
      const left = widths.slice(0, -1).map((w, c) => paint(pad(n === 0 ? (cells[c] ?? '') : '', w), c));
      lines.push((indent + [...left, paint(part, columns - 1)].join('  ')).trimEnd());
    });
  });
  return lines.join('\n');
}
