/** The overview in lines: what a model pays for, and a person reads at a glance. Says nothing that the answer does not hold. */
import { table } from '../core/table.ts';
import { bytes, duration, percent } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import type { Severity } from '../insight/facts.ts';
import type { OverviewAnswer } from './system_overview.ts';

export const tone = (s: Severity) => (s === 'critical' || s === 'high' ? 'bad' : s === 'info' ? 'dim' : 'warn');
export const perSecond = (n: number | null) => (n === null ? '?' : `${bytes(n)}/s`);
export const known = (n: number | null, show: (n: number) => string) => (n === null ? '?' : show(n));

/**
 * Lines that hold names which others can choose stand together, below our own: the door puts one fence around each run of
 * them, and what we advise must not stand inside it.
 */
export function overviewText(o: OverviewAnswer, view: View): string {
  const label = (word: string) => view.paint('dim', word.padEnd(7));
  const ours = [state(o, view)];
  for (const f of o.findings)
    ours.push(`${view.paint(tone(f.severity), `[${f.severity}] ${f.id}`)}: ${f.sentence} Next: ${f.next}`);
  for (const b of o.blind) ours.push(`${view.paint('dim', 'blind')}: ${b.what}: ${b.why} Fix: ${b.fix}`);
  if (o.unknown.length > 0) ours.push(`unknown: ${o.unknown.map((u) => `${u.what} (${u.why})`).join('; ')}`);
  ours.push(identity(o), label('cpu') + cpu(o), label('memory') + memory(o));
  const disks = o.disks.map(
    (d) =>
      `${d.name} ${perSecond(d.readBytesPerSecond)} read, ${perSecond(d.writtenBytesPerSecond)} written, ${percent(d.busyPercent)} busy`,
  );
  if (disks.length > 0) ours.push(label('disks') + disks.join('; '));
  const nets = o.networks.map(
    (n) => `${n.name} ${perSecond(n.rxBytesPerSecond)} in, ${perSecond(n.txBytesPerSecond)} out`,
  );
  if (nets.length > 0) ours.push(label('net') + nets.join('; '));
  if (o.temperatures.length > 0)
    ours.push(label('heat') + o.temperatures.map((t) => `${t.sensor} ${t.celsius} °C`).join('; '));
  const left = Object.entries(o.leftOut).filter(([, n]) => n > 0);
  const notShown = left.length > 0 ? `; not shown: ${left.map(([what, n]) => `${what} ${n}`).join(', ')}` : '';
  const { total, threads, whose } = o.processes;
  ours.push(
    `${label('procs')}${known(total, String)} processes, ${known(threads, String)} threads (${whose})${notShown}`,
  );

  const theirs = [];
  if (o.filesystems.length > 0) theirs.push(filesystems(o, view));
  const who = (p: { pid: number; name: string; user: string | null }) => `${p.name} (${p.pid}, ${p.user ?? '?'})`;
  const byCpu = o.topCpu.map((p) => `${who(p)} ${percent(p.cpuPercent)}`);
  if (byCpu.length > 0) theirs.push(`${label('by cpu')}${byCpu.join(', ')} (of one core)`);
  const byMemory = o.topMemory.map((p) => `${who(p)} ${bytes(p.rssBytes)}`);
  if (byMemory.length > 0) theirs.push(`${label('by mem')}${byMemory.join(', ')}`);
  for (const f of o.findings) theirs.push(`${f.id}: ${f.evidence}`);
  return [...ours, ...theirs].join('\n');
}

function state(o: OverviewAnswer, view: View): string {
  const name = view.paint('bold', o.host.hostname);
  const worst = o.findings[0];
  // "No findings" of a host that could not be looked into would be a clean bill that nobody wrote.
  if (!worst && o.unknown.length > 0) return `${name}: no findings in what could be read.`;
  if (!worst) return `${name}: ${view.paint('good', 'no findings')}.`;
  const n = o.findings.length;
  const count = n === 1 ? 'one finding' : `${n} findings, the worst`;
  return `${name}: ${count}: ${view.paint(tone(worst.severity), `${worst.severity}, ${worst.id}`)}.`;
}

function identity({ host: h, at }: OverviewAnswer): string {
  const how = h.virtualisation === 'none' ? `bare metal (${h.foundBy})` : `${h.virtualisation} (${h.foundBy})`;
  const whoseUp = h.container && h.uptimeWhose ? ` (${h.uptimeWhose})` : '';
  const up = h.uptimeSeconds === null ? 'uptime unknown' : `up ${duration(h.uptimeSeconds * 1000)}${whoseUp}`;
  const parts = [
    h.os ?? 'unknown system',
    `Linux ${h.kernel ?? '?'} ${h.arch}`,
    how,
    ...(h.model ? [h.model] : []),
    up,
  ];
  return `${parts.join('; ')}; ${at}, zone ${h.zone} ${h.utcOffset}`;
}

function cpu({ cpu: c, pressure, windowMs }: OverviewAnswer): string {
  const used = c.usedPercent === null ? 'usage unknown' : `${percent(c.usedPercent)} used`;
  const limit = c.limitCpus === null ? '' : `, limit ${c.limitCpus}`;
  const m = c.modes;
  const source = c.whose ? ` (${c.whose}, ${c.source}, ${duration(windowMs)})` : '';
  const theirs = m && c.modesWhose !== c.whose ? ` (${c.modesWhose})` : '';
  const modes = m ? `; user ${m.user} system ${m.system} iowait ${m.iowait} steal ${m.steal}${theirs}` : '';
  const loadWhose = c.loadWhose === c.whose ? '' : ` (${c.loadWhose})`;
  const load = c.load ? `; load ${c.load.map((l) => l.toFixed(2)).join(' ')}${loadWhose}` : '';
  return `${used} of ${c.cpus} × ${c.model ?? 'unknown model'}${limit}${source}${modes}${load}; ${waiting(pressure.cpu, 'cpu')}`;
}

function memory({ memory: m, pressure }: OverviewAnswer): string {
  const waits = `${waiting(pressure.memory, 'memory')}, ${waiting(pressure.io, 'io')}`;
  if (!m) return `unknown; ${waits}`;
  const limit = m.limitBytes === null ? '' : `, limit ${bytes(m.limitBytes)}`;
  const host = m.hostTotalBytes === null ? '' : `, host has ${bytes(m.hostTotalBytes)}`;
  const swap =
    m.swapTotalBytes === null
      ? 'swap unknown'
      : m.swapTotalBytes === 0
        ? 'no swap'
        : `swap ${known(m.swapUsedBytes, bytes)} of ${bytes(m.swapTotalBytes)} used`;
  return `${percent(m.usedPercent)} of ${bytes(m.totalBytes)} used, ${known(m.availableBytes, bytes)} available${limit}${host} (${m.whose}, ${m.source}); ${swap}; ${waits}`;
}

const waiting = (share: number | null, what: string) => `${what} waits ${known(share, percent)}`;

function filesystems(o: OverviewAnswer, view: View): string {
  const rows = o.filesystems.map((f) => [
    f.mount,
    f.type + (f.readOnly ? ' ro' : ''),
    known(f.totalBytes, bytes),
    known(f.availableBytes, bytes),
    known(f.usedPercent, percent),
    f.inodesUsedPercent === null ? '-' : percent(f.inodesUsedPercent),
  ]);
  const right = (head: string) => ({ head, align: 'right' as const });
  return table(
    [{ head: 'mount', max: 40 }, { head: 'type' }, right('size'), right('free'), right('used'), right('inodes')],
    rows,
    view,
  );
}
