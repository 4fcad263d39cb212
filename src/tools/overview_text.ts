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
  // Said once: what is blind names the mend too.
  const unknown = o.unknown.filter((u) => !o.blind.some((b) => b.what.startsWith(`${u.what} (`)));
  if (unknown.length > 0) ours.push(`unknown: ${byReason(unknown)}`);
  ours.push(identity(o), label('cpu') + cpu(o), label('memory') + memory(o));
  const disks = o.disks.map(
    (d) =>
      `${d.name} ${perSecond(d.readBytesPerSecond)} ${perSecond(d.writtenBytesPerSecond)} ${percent(d.busyPercent)}`,
  );
  if (disks.length > 0) ours.push(`${label('disks')}(read, written, busy) ${disks.join('; ')}`);
  const nets = o.networks.map((n) => `${n.name} ${perSecond(n.rxBytesPerSecond)} ${perSecond(n.txBytesPerSecond)}`);
  if (nets.length > 0) ours.push(`${label('net')}(in, out) ${nets.join('; ')}`);
  if (o.temperatures.length > 0)
    ours.push(label('heat') + o.temperatures.map((t) => `${t.sensor} ${t.celsius} °C`).join('; '));
  const left = Object.entries(o.leftOut).filter(([, n]) => n > 0);
  const notShown = left.length > 0 ? `; not shown: ${left.map(([what, n]) => `${what} ${n}`).join(', ')}` : '';
  const { total, threads, whose } = o.processes;
  ours.push(
    `${label('procs')}${known(total, String)} processes, ${known(threads, String)} threads${o.host.container ? ` (${whose})` : ''}${notShown}`,
  );

  const theirs = [];
  if (o.filesystems.length > 0) theirs.push(filesystems(o, view));
  const who = (p: { pid: number; name: string }) => `${oneLine(p.name)} (${p.pid})`;
  const byCpu = o.topCpu.slice(0, TOP).map((p) => `${who(p)} ${percent(p.cpuPercent)}`);
  if (byCpu.length > 0) theirs.push(`${label('by cpu')}${byCpu.join(', ')} (of one core)`);
  const byMemory = o.topMemory.slice(0, TOP).map((p) => `${who(p)} ${bytes(p.rssBytes)}`);
  if (byMemory.length > 0) theirs.push(`${label('by mem')}${byMemory.join(', ')}`);
  for (const f of o.findings) theirs.push(`${f.id}: ${oneLine(f.evidence)}`);
  return [...ours, ...theirs].join('\n');
}

/** Of the processes in the answer; who wants more asks for the list. */
const TOP = 3;

/** A process may be called anything: a name of several lines must not look like lines of ours. */
const oneLine = (text: string) => text.replace(/\s*\n\s*/g, ' ↵ ');

/** What has the same reason stands together. */
export function byReason(unknown: readonly { what: string; why: string }[]): string {
  const reasons = new Map<string, string[]>();
  for (const { what, why } of unknown) reasons.set(why, [...(reasons.get(why) ?? []), what]);
  return [...reasons].map(([why, whats]) => `${whats.join(', ')} (${why.replace(/\.$/, '')})`).join('; ');
}

function state(o: OverviewAnswer, view: View): string {
  const name = view.paint('bold', o.host.hostname);
  const worst = o.findings[0];
  // "No findings" of a host that could not be looked into would be a clean bill that nobody wrote.
  if (!worst && o.unknown.length > 0) return `${name}: no findings in what could be read.`;
  if (!worst) return `${name}: ${view.paint('good', 'no findings')}.`;
  const n = o.findings.length;
  const count = n === 1 ? 'one finding' : `${n} findings, the worst`;
  return `${name}: ${count}: ${view.paint(tone(worst.severity), worst.severity)}.`;
}

function identity({ host: h, at }: OverviewAnswer): string {
  const found = h.container ? ` (${h.foundBy})` : '';
  const how = h.virtualisation === 'none' ? 'bare metal' : `${h.virtualisation}${found}`;
  const whoseUp = h.container && h.uptimeWhose ? ` (${h.uptimeWhose})` : '';
  const up = h.uptimeSeconds === null ? 'uptime unknown' : `up ${duration(h.uptimeSeconds * 1000)}${whoseUp}`;
  const parts = [
    h.os ?? 'unknown system',
    `Linux ${h.kernel ?? '?'} ${h.arch}`,
    how,
    // "(Q35 + ICH9, 2009)" costs more than it tells.
    ...(h.model ? [h.model.replace(/\s*\([^)]*\)/g, '')] : []),
    up,
  ];
  return `${parts.join('; ')}; ${at}, zone ${h.zone} ${h.utcOffset}`;
}

const shortModel = (model: string | null): string =>
  model?.replace(/\((?:R|TM)\)|\s+\d+-Core Processor|\s+CPU(?= @)/g, '') ?? 'unknown model';

/** Whose a figure is, is said where that can differ. */
function cpu({ host, cpu: c, windowMs }: OverviewAnswer): string {
  const used = c.usedPercent === null ? 'usage unknown' : `${percent(c.usedPercent)} used`;
  const limit = c.limitCpus === null ? '' : `, limit ${c.limitCpus}`;
  const m = c.modes;
  const over = duration(windowMs);
  const source = !c.whose ? '' : host.container ? ` (${c.whose}, ${c.source}, ${over})` : ` over ${over}`;
  const theirs = m && c.modesWhose !== c.whose ? ` (${c.modesWhose})` : '';
  const modes = m
    ? `; user ${m.user} system ${m.system} iowait ${m.iowait}${m.steal > 0 ? ` steal ${m.steal}` : ''}${theirs}`
    : '';
  const loadWhose = c.loadWhose === c.whose ? '' : ` (${c.loadWhose})`;
  const load = c.load ? `; load ${c.load.map((l) => l.toFixed(2)).join(' ')}${loadWhose}` : '';
  return `${used} of ${c.cpus} × ${shortModel(c.model)}${limit}${source}${modes}${load}`;
}

function memory({ host: { container }, memory: m, pressure }: OverviewAnswer): string {
  const waits = waiting({ cpu: pressure.cpu, memory: pressure.memory, io: pressure.io });
  if (!m) return `unknown${waits}`;
  const limit = m.limitBytes === null ? '' : `, limit ${bytes(m.limitBytes)}`;
  const zfs = m.zfsCacheBytes === undefined ? '' : `, ${bytes(m.zfsCacheBytes)} ZFS cache can shrink`;
  const host = m.hostTotalBytes === null ? '' : `, host has ${bytes(m.hostTotalBytes)}`;
  const swap =
    m.swapTotalBytes === null
      ? 'swap unknown'
      : m.swapTotalBytes === 0
        ? 'no swap'
        : `swap ${known(m.swapUsedBytes, bytes)} of ${bytes(m.swapTotalBytes)} used`;
  return `${percent(m.usedPercent)} of ${bytes(m.totalBytes)} used, ${known(m.availableBytes, bytes)} available${zfs}${limit}${host}${container ? ` (${m.whose}, ${m.source})` : ''}; ${swap}${waits}`;
}

function waiting(shares: Record<string, number | null>): string {
  const told = Object.entries(shares).flatMap(([what, share]) => (share === null ? [] : [`${what} ${percent(share)}`]));
  return told.length > 0 ? `; waiting for ${told.join(', ')}` : '';
}

function filesystems(o: OverviewAnswer, view: View): string {
  // A column that on nearly every host says nothing.
  const inodes = o.filesystems.some((f) => (f.inodesUsedPercent ?? 0) >= 50);
  const rows = o.filesystems.map((f) => [
    f.mount,
    f.type + (f.readOnly ? ' ro' : ''),
    known(f.totalBytes, bytes),
    known(f.availableBytes, bytes),
    known(f.usedPercent, percent),
    ...(inodes ? [f.inodesUsedPercent === null ? '-' : percent(f.inodesUsedPercent)] : []),
  ]);
  const right = (head: string) => ({ head, align: 'right' as const });
  return table(
    [
      { head: 'mount', max: 40 },
      { head: 'type' },
      right('size'),
      right('free'),
      right('used'),
      ...(inodes ? [right('inodes')] : []),
    ],
    rows,
    view,
  );
}
