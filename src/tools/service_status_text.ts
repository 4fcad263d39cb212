/** One unit in lines: what is wrong first, then how it stands; nothing is said of what is as it mostly is. */
import { ago, bytes, duration } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import { byReason } from './overview_text.ts';
import type { ServiceStatusAnswer } from './service_status.ts';

export function serviceStatusText(o: ServiceStatusAnswer, view: View): string {
  const when = (text: string | null) => (text === null ? null : ago(Date.parse(text), view.now));
  const kind = o.problem ? 'bad' : o.state.startsWith('active') ? 'good' : 'bold';
  const lines = [view.paint(kind, `${o.unit}: ${o.state}${o.since ? ` since ${o.since} (${when(o.since)})` : ''}`)];
  const add = (label: string, value: string | number | null | undefined | false) => {
    if (value !== null && value !== undefined && value !== false && value !== '') lines.push(`${label}: ${value}`);
  };
  if (o.problem) {
    add('problem', `${o.problem.short}: ${o.problem.sentence}`);
    add('next', o.problem.next);
  }
  for (const d of o.failedDependencies)
    add('needs', `${d.unit} (${d.by}=), ${d.state}${d.result ? `, ${d.result}` : ''}`);
  if (o.needsDaemonReload)
    add('note', 'its file changed on the disk and systemd was not told (systemctl daemon-reload)');
  add(
    'is',
    [o.description, o.type, o.file && `file ${o.file}`, o.load === 'loaded' ? '' : o.load].filter(Boolean).join(', '),
  );
  if (o.aliases.length > 0) add('also called', o.aliases.join(', '));
  add('runs', o.pid !== null && `${o.program ?? '?'} (pid ${o.pid}) as ${o.user ?? 'root'}`);
  add('says', o.says);
  if (o.exit && o.pid === null) add('last end', `${o.exit.how} ${o.exit.status}, ${when(o.exit.at) ?? '?'}`);
  add('restarts', o.restarts !== null && o.restarts > 0 && `${o.restarts} (Restart=${o.restartPolicy ?? '?'})`);
  const limit = o.memoryLimitBytes === null ? '' : ` of ${bytes(o.memoryLimitBytes)}`;
  const uses = [
    o.memoryBytes !== null && `memory ${bytes(o.memoryBytes)}${limit}`,
    o.cpuSeconds !== null && `CPU ${duration(o.cpuSeconds * 1_000)}`,
    o.tasks !== null && `${o.tasks} tasks`,
  ].filter(Boolean);
  add('uses', uses.join(', '));
  for (const t of o.triggeredBy)
    add('started by', `${t.unit} (${t.active}${t.next ? `, next ${t.next}` : ''}${t.last ? `, last ${t.last}` : ''})`);
  if (o.triggers.length > 0) add('starts', o.triggers.join(', '));
  if (o.files.length === 0 && o.paths.length > 0) add('files', o.paths.join(', '));
  add('service_control', o.mayChange);
  if (o.exposure) {
    add('exposure', `${o.exposure.score} of 10`);
    for (const w of o.exposure.worst) lines.push(`  ${w.weight} ${w.setting} ${w.why}`);
  }
  if (o.unknown.length > 0) add('unknown', byReason(o.unknown));
  for (const f of o.files) lines.push(`--- ${f.path}`, f.text.trimEnd());
  if (o.log.length > 0) lines.push('log:', ...o.log.map((l) => `${l.at.slice(11, 19)}Z ${l.text}`));
  return lines.join('\n');
}
