/** A part of a file in few words: one line about it, then its lines with their numbers, as `cat -n` has them. Decides wording only. */
import { bytes } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import type { FileReadAnswer } from './file_read.ts';

export function fileReadText(o: FileReadAnswer, view: View): string {
  const lines = [view.paint('bold', head(o))];
  for (const [i, part] of o.parts.entries()) {
    if (i > 0) lines.push('…');
    if (part.line === null && part.byte > 0) lines.push(view.paint('dim', `from byte ${part.byte}`));
    const matches = new Set(part.matches ?? []);
    for (const [n, text] of part.lines.entries()) {
      const number = part.line === null ? '' : `${part.line + n}`;
      const sign = part.matches === undefined ? '\t' : matches.has(n) ? ':\t' : '-\t';
      lines.push(`${number}${number === '' && sign === '\t' ? '' : sign}${text}`);
    }
  }
  if (o.hex) lines.push(...o.hex);
  const { redacted, stripped } = o.altered;
  const altered = [
    redacted > 0 && `${redacted} redacted`,
    stripped > 0 && `${stripped} unseen characters taken out`,
    o.invalidBytes > 0 && `${o.invalidBytes} bytes of no character, as \\xNN`,
  ].filter(Boolean);
  if (altered.length > 0) lines.push(`not as it stands there: ${altered.join(', ')}`);
  lines.push(...o.notes);
  if (o.after !== null) lines.push(`goes on: after "${o.after}"`);
  return lines.join('\n');
}

function head(o: FileReadAnswer): string {
  const detail = o.detail ? ` (${o.detail})` : '';
  const kind =
    o.encoding === null
      ? `${o.type}${detail}`
      : [
          `${o.encoding}${o.bom ? ' with BOM' : ''}${detail}`,
          o.lineEnds && o.lineEnds !== 'lf' ? o.lineEnds : null,
          o.totalLines === null ? null : `${o.totalLines} lines`,
          o.finalNewline === false ? 'no newline at the end' : null,
        ]
          .filter(Boolean)
          .join(', ');
  const found = o.matched === undefined ? '' : `; ${o.matched} ${o.matched === 1 ? 'match' : 'matches'} shown`;
  return `${kind}, ${bytes(o.sizeBytes)}, changed ${o.modified ?? '?'}${found}`;
}
