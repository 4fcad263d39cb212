/** Engines, what they hold and what they waste, in lines and two small tables. */
import { clipped, table } from '../core/table.ts';
import { bytes } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import type { DockerSystemAnswer } from './docker_system.ts';
import { byReason, known } from './overview_text.ts';

const MOST = { networks: 15, volumes: 20 };

export function dockerSystemText(o: DockerSystemAnswer, view: View): string {
  const label = (word: string) => view.paint('dim', word.padEnd(9));
  const ours: string[] = [];
  if (o.none !== null) ours.push(`${view.paint('bad', 'no container engine')}: ${o.none}`);
  for (const e of o.engines) {
    const how = `${e.endpoint}, found by ${e.foundBy}`;
    if (e.answers)
      ours.push(`${view.paint('good', e.name)}: ${e.kind ?? 'engine'} answers (API ${e.apiVersion ?? '?'}; ${how})`);
    else ours.push(`${view.paint('bad', e.name)}: does not answer (${how}). ${e.hint ?? ''}`.trimEnd());
  }
  const { engine: e, disk: d } = o;
  if (e) {
    const { all, running, paused, stopped } = e.containers;
    const root = e.rootless ? ', rootless' : '';
    ours.push(
      `${label(e.name)}${all} containers (${running} running, ${paused} paused, ${stopped} stopped), ${e.images} images; ${e.cpus} cpus, ${bytes(e.memoryBytes)} memory, cgroup ${e.cgroup ?? '?'}${root}`,
    );
  }
  if (d) {
    const room = (name: string, r: { bytes: number; reclaimableBytes: number }) =>
      `${name} ${bytes(r.bytes)}${r.reclaimableBytes > 0 ? ` (${bytes(r.reclaimableBytes)} reclaimable)` : ''}`;
    ours.push(
      label('disk') +
        [
          room('images', d.images),
          room('containers', d.containers),
          room('volumes', d.volumes),
          room('build cache', d.buildCache),
        ].join('; '),
    );
  }
  for (const r of o.risks) ours.push(`${view.paint('warn', 'risk'.padEnd(9))}${r.what} ${r.hint}`);
  if (o.unknown.length > 0) ours.push(`unknown: ${byReason(o.unknown)}`);

  const theirs: string[] = [];
  for (const x of o.engines) {
    if (x.why !== null) theirs.push(`${label(x.name)}${x.why}`);
    else if (x.version !== null) theirs.push(`${label(x.name)}version ${x.version}`);
  }
  if (e)
    theirs.push(
      `${label('runs on')}${e.os}, kernel ${e.kernel}; ${e.storageDriver} in ${e.dataRoot}; compose ${e.compose ?? '-'}`,
    );
  for (const w of o.warnings) theirs.push(`${label('warning')}${w.replace(/\s*\n\s*/g, ' ↵ ')}`);
  if (o.networks.length > 0) theirs.push(networks(o, view));
  if (o.volumes.length > 0) theirs.push(volumes(o, view));
  return [...ours, ...theirs].join('\n');
}

const rest = (all: number, shown: number) => (all > shown ? `\n⟦${all - shown} left out⟧` : '');

/** The kind stands in each row, not in a head: a line of ours between them would end the fence. */
const headless = (text: string) => text.slice(text.indexOf('\n') + 1);

function networks(o: DockerSystemAnswer, view: View): string {
  const shown = o.networks.slice(0, MOST.networks);
  const columns = [{ head: '' }, { head: '', max: 40 }, { head: '', max: 24 }, { head: '', max: 44 }, { head: '' }];
  const rows = shown.map((n) => [
    'network',
    n.name,
    n.driver + (n.internal ? ' internal' : ''),
    n.subnets.join(' ') || null,
    n.usedBy.join(' ') || 'nobody',
  ]);
  return headless(table(columns, rows, view)) + rest(o.networks.length, shown.length);
}

function volumes(o: DockerSystemAnswer, view: View): string {
  const shown = o.volumes.slice(0, MOST.volumes);
  const rows = shown.map((v) => [
    'volume',
    v.anonymous ? `${clipped(v.name, 13)} (anonymous)` : v.name,
    known(v.sizeBytes, bytes),
    v.usedBy.join(' ') || 'nobody',
  ]);
  const columns = [{ head: '' }, { head: '', max: 40 }, { head: '', align: 'right' as const }, { head: '' }];
  return headless(table(columns, rows, view)) + rest(o.volumes.length, shown.length);
}
