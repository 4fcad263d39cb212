/** What was found, a line for each file, and its matching lines below it. Decides wording only. */
import { bytes } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import type { FileSearchAnswer } from './file_search.ts';

export function fileSearchText(o: FileSearchAnswer, view: View): string {
  const all = o.matched === null ? `${o.files.length} found, not all looked at` : `${o.matched} found`;
  const sum = o.bytes === null || o.matched === 0 ? '' : `, ${bytes(o.bytes)}`;
  const read = o.looked.bytes > 0 ? `, ${bytes(o.looked.bytes)} of ${o.looked.files} files read` : '';
  const { index } = o;
  const kept = index?.ageSeconds == null ? '' : `, by an index ${index.ageSeconds} s old`;
  const lines = [view.paint('bold', `${all}${sum}; ${o.looked.entries} entries looked at${read}${kept}`)];
  for (const f of o.files) {
    const size = f.kind === undefined ? bytes(f.sizeBytes) : f.kind;
    const about = `${size}, ${f.modified?.slice(0, 16).replace('T', ' ') ?? '?'}${f.uri ? `, ${f.uri}` : ''}`;
    lines.push(`${f.path} (${about})`);
    for (const l of f.lines ?? []) lines.push(`  ${l.line === null ? '' : `${l.line}: `}${l.text.trim()}`);
    if (f.more) lines.push('  …');
  }
  return [...lines, ...o.unknown.map((u) => `not known: ${u.what} (${u.why})`)].join('\n');
}
