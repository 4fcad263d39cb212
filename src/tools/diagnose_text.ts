/** A diagnosis in lines: our own words above, what others said below, so that one fence holds it. */
import type { View } from '../core/tool.ts';
import { diskText } from './diagnose_disk_text.ts';
import type { DiagnoseAnswer } from './diagnose_parts.ts';
import { slowText } from './diagnose_slow_text.ts';
import { byReason } from './overview_text.ts';

export function diagnoseText(o: DiagnoseAnswer, view: View): string {
  const well = o.causes[0]?.id.startsWith('not_') === true;
  const ours = [view.paint(well ? 'good' : 'bad', o.verdict)];
  for (const [i, c] of o.causes.entries()) {
    // The first one's sentence is in the verdict.
    ours.push(`${i + 1} ${c.id} (${c.certainty})${i === 0 ? '' : `: ${c.sentence}`}`);
    ours.push(`  next: ${c.next}`);
  }
  ours.push(view.paint('dim', `looked at: ${o.checked.join(', ')}`));
  if (o.unknown.length > 0) ours.push(`unknown: ${byReason(o.unknown)}`);
  const theirs = o.causes.flatMap((c, i) => c.evidence.map((e) => `${i + 1} ${e}`));
  const figures = [...(o.disk ? [diskText(o.disk)] : []), ...(o.slow ? [slowText(o.slow)] : [])];
  ours.push(...figures.flatMap((f) => f.ours));
  theirs.push(...figures.flatMap((f) => f.theirs));
  return [...ours, ...theirs].join('\n');
}
