/** Detailed figures in lines and tables, one block a group. */
import { table } from '../core/table.ts';
import { bytes, duration, percent } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import { traffic } from './overview_parts.ts';
import { byReason, known, perSecond } from './overview_text.ts';
import type { MetricsAnswer } from './system_metrics.ts';

const right = (head: string) => ({ head, align: 'right' as const });
const share = (n: number | null) => known(n, percent);
const size = (n: number | null) => known(n, bytes);
const count = (n: number | null) => known(n, String);

/** A table of a hundred rows is read by nobody, and paid for. All rows are in the answer itself. */
const ROWS = 6;

/** In their own order while they are few; else the busiest. */
function busiest<T>(rows: readonly T[], weight: (row: T) => number | null): { shown: T[]; rest: T[] } {
  if (rows.length <= ROWS + 2) return { shown: [...rows], rest: [] };
  const sorted = rows.toSorted((a, b) => (weight(b) ?? -1) - (weight(a) ?? -1));
  return { shown: sorted.slice(0, ROWS), rest: sorted.slice(ROWS) };
}

const others = (what: string, n: number, which: string): string[] =>
  n === 0 ? [] : [`${n} more ${what} (name one in filter): ${which}`];

export function metricsText(o: MetricsAnswer, view: View): string {
  const head = (word: string, group?: string) =>
    view.paint('bold', word) + (group && o.whose[group] ? ` (${o.whose[group]})` : '');
  const blocks = [`${o.at}, over ${duration(o.windowMs)}`];
  if (o.cpu) blocks.push(`${head('cpu')} ${cpuLine(o.cpu)}`);
  const cores = busiest(o.cores ?? [], (c) => c.usedPercent);
  if (cores.shown.length > 0)
    blocks.push(
      table(
        [{ head: 'core' }, right('used'), right('user'), right('system'), right('iowait'), right('steal')],
        cores.shown.map((c) => [`cpu${c.cpu}`, ...[c.usedPercent, c.user, c.system, c.iowait, c.steal].map(share)]),
        view,
      ),
      ...others(
        'cores',
        cores.rest.length,
        `at most ${share(Math.max(...cores.rest.map((c) => c.usedPercent ?? 0)))} used`,
      ),
    );
  if (o.memory) blocks.push(`${head('memory')} ${memoryLine(o.memory)}`);
  const disks = busiest(o.disks ?? [], (d) => traffic(d.readBytesPerSecond, d.writtenBytesPerSecond));
  if (o.disks)
    blocks.push(
      head('disks', 'disks'),
      table(
        [{ head: 'disk' }, right('read'), right('written'), right('reads/s'), right('writes/s'), right('busy')],
        disks.shown.map((d) => [
          d.name,
          perSecond(d.readBytesPerSecond),
          perSecond(d.writtenBytesPerSecond),
          count(d.readsPerSecond),
          count(d.writesPerSecond),
          share(d.busyPercent),
        ]),
        view,
      ),
      ...others('disks', disks.rest.length, disks.rest.map((d) => d.name).join(' ')),
    );
  const networks = busiest(o.networks ?? [], (n) => traffic(n.rxBytesPerSecond, n.txBytesPerSecond));
  if (o.networks)
    blocks.push(
      head('networks', 'networks'),
      table(
        [
          { head: 'interface' },
          { head: 'state' },
          right('Mbit/s'),
          right('in'),
          right('out'),
          right('pkt in/s'),
          right('pkt out/s'),
          right('err/s'),
          right('drop/s'),
        ],
        networks.shown.map((n) => [
          n.name,
          n.state ?? '?',
          n.speedMbit ?? '-',
          perSecond(n.rxBytesPerSecond),
          perSecond(n.txBytesPerSecond),
          count(n.rxPacketsPerSecond),
          count(n.txPacketsPerSecond),
          count(n.errorsPerSecond),
          count(n.droppedPerSecond),
        ]),
        view,
      ),
      ...others('interfaces', networks.rest.length, networks.rest.map((n) => n.name).join(' ')),
    );
  if (o.filesystems)
    blocks.push(
      head('filesystems'),
      table(
        [
          { head: 'mount', max: 40 },
          { head: 'device', max: 30 },
          { head: 'type' },
          right('size'),
          right('used'),
          right('free'),
          right('use'),
          right('inodes'),
          { head: 'options', max: 40 },
        ],
        o.filesystems.map((f) => [
          f.mount,
          f.device,
          f.type,
          size(f.totalBytes),
          size(f.usedBytes),
          size(f.availableBytes),
          share(f.usedPercent),
          f.inodesUsedPercent === null ? '-' : percent(f.inodesUsedPercent),
          f.options.join(','),
        ]),
        view,
      ),
    );
  if (o.pressure) blocks.push(pressureTable(o.pressure, view));
  if (o.vmstat)
    blocks.push(
      head('vmstat', 'vmstat'),
      table(
        [{ head: 'counter' }, right('per s'), right('since boot')],
        o.vmstat.map((v) => [v.name, count(v.perSecond), v.total]),
        view,
      ),
    );
  const heat = busiest(o.temperatures ?? [], (t) => t.celsius);
  if (heat.shown.length > 0)
    blocks.push(
      `${head('temperatures', 'temperatures')} ${heat.shown.map(degrees).join('; ')}`,
      ...others('sensors', heat.rest.length, `at most ${Math.max(...heat.rest.map((t) => t.celsius))} °C`),
    );
  const g = o.cgroup;
  if (g)
    blocks.push(
      `${head('cgroup')} ${g.version ?? '?'} ${g.path}: CPU used ${known(g.cpuUsedMs, duration)}, throttled ${known(g.cpuThrottledMs, duration)}, limit ${g.limitCpus ?? 'none'} CPUs; memory ${size(g.memoryUsedBytes)}, limit ${g.memoryLimitBytes === null ? 'none' : bytes(g.memoryLimitBytes)}`,
    );
  const k = o.kernel;
  if (k)
    blocks.push(
      `${head('kernel')} ${count(k.openFiles)} files open${k.openFilesMax === null ? '' : ` of ${k.openFilesMax}`}, ${count(k.runnable)} of ${count(k.tasks)} tasks runnable, entropy ${count(k.entropyBits)} bits`,
    );
  if (o.unknown.length > 0) blocks.push(`unknown: ${byReason(o.unknown)}`);
  return blocks.join('\n');
}

const degrees = (t: { sensor: string; celsius: number; criticalCelsius: number | null }) =>
  `${t.sensor} ${t.celsius} °C${t.criticalCelsius === null ? '' : ` (critical ${t.criticalCelsius})`}`;

function cpuLine(c: NonNullable<MetricsAnswer['cpu']>): string {
  const modes = c.modes
    ? Object.entries(c.modes)
        .map(([m, n]) => `${m} ${n}`)
        .join(' ')
    : 'modes unknown';
  const other = c.modes && c.modesWhose !== c.whose ? ` (${c.modesWhose})` : '';
  const load = c.load ? c.load.map((l) => l.toFixed(2)).join(' ') : '?';
  const limit = c.limitCpus === null ? '' : `, limit ${c.limitCpus}, throttled ${share(c.throttledPercent)}`;
  return `${share(c.usedPercent)} of ${c.cpus} CPUs (${c.whose ?? '?'}, ${c.source ?? '?'})${limit}: ${modes}${other}; load ${load} (${c.loadWhose ?? '?'}); ${count(c.running)} running, ${count(c.blocked)} blocked; ${count(c.contextSwitchesPerSecond)} switches/s, ${count(c.forksPerSecond)} forks/s`;
}

function memoryLine(m: NonNullable<MetricsAnswer['memory']>): string {
  const parts = [
    `total ${bytes(m.totalBytes)}`,
    `available ${size(m.availableBytes)}`,
    `free ${size(m.freeBytes)}`,
    `buffers ${size(m.buffersBytes)}`,
    `cached ${size(m.cachedBytes)}`,
    `shmem ${size(m.shmemBytes)}`,
    `slab reclaimable ${size(m.slabReclaimableBytes)}`,
    `dirty ${size(m.dirtyBytes)}`,
    ...(m.zfsCacheBytes === undefined ? [] : [`ZFS cache ${bytes(m.zfsCacheBytes)}`]),
    `swap ${size(m.swapFreeBytes)} free of ${size(m.swapTotalBytes)}`,
    ...(m.limitBytes === null ? [] : [`limit ${bytes(m.limitBytes)}`]),
    ...(m.usedByCgroupBytes === null ? [] : [`cgroup uses ${bytes(m.usedByCgroupBytes)}`]),
    ...(m.hostTotalBytes === null ? [] : [`host has ${bytes(m.hostTotalBytes)}`]),
  ];
  return `(${m.whose}, ${m.source}): ${parts.join(', ')}`;
}

function pressureTable(p: NonNullable<MetricsAnswer['pressure']>, view: View): string {
  const rows = (['cpu', 'memory', 'io'] as const).map((kind) => {
    const x = p[kind];
    const cells = x
      ? [x.some10, x.some60, x.full10, x.full60, x.windowSomePercent, x.windowFullPercent]
      : Array(6).fill(null);
    return [`${kind}${x ? ` (${x.whose})` : ''}`, ...cells.map(share)];
  });
  return table(
    [
      { head: 'pressure' },
      right('some 10 s'),
      right('some 60 s'),
      right('full 10 s'),
      right('full 60 s'),
      right('some now'),
      right('full now'),
    ],
    rows,
    view,
  );
}
