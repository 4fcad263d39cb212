/** Help in two columns, and text in lines no longer than the terminal. Tables of data are core/table.ts's. Pure. */

/** Characters as a terminal counts them: our own words hold no wide ones. */
const length = (text: string) => [...text].length;

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

const INDENT = '  ';
const LEAST_ROOM = 30;

/** What is explained, and its words; these go on below one another. */
export function pairs(rows: readonly (readonly [string, string])[], width: number): string {
  const left = Math.max(0, ...rows.map(([what]) => length(what)));
  const room = width - INDENT.length - left - 2;
  const lines = rows.flatMap(([what, words]) => {
    // Too narrow for two columns: the words stand below, indented.
    if (room < LEAST_ROOM)
      return [INDENT + what, ...wrap(words, Math.max(LEAST_ROOM, width - 6)).map((l) => `${INDENT}    ${l}`)];
    return wrap(words, room).map((l, n) => `${INDENT}${n === 0 ? what.padEnd(left) : ' '.repeat(left)}  ${l}`);
  });
  return lines.map((l) => l.trimEnd()).join('\n');
}
