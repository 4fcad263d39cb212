/** The figures of a slow host in lines: ours above, those with names of others below, so that one fence holds them. */
import { bytes, percent } from '../core/text.ts';
import type { SlowSection } from './diagnose_parts.ts';

export function slowText(s: SlowSection): { ours: string[]; theirs: string[] } {
  const some = (p: SlowSection['pressure']['cpu']) => (p ? percent(p.some10) : '?');
  const ours = [
    [
      `over ${s.windowMs} ms: processors ${percent(s.cpuUsedPercent)} of ${s.cpus} used, ${s.running ?? '?'} running, iowait ${percent(s.iowaitPercent)}, steal ${percent(s.stealPercent)}`,
      `memory ${bytes(s.memoryAvailableBytes)} available, swap ${bytes(s.swapBytesPerSecond)}/s`,
      `pressure of 10 s: cpu ${some(s.pressure.cpu)}, memory ${some(s.pressure.memory)}, io ${some(s.pressure.io)}`,
    ].join('; '),
    ...s.disks
      .filter((d) => (d.busyPercent ?? 0) >= 1)
      .map(
        (d) =>
          `disk ${d.name}: busy ${percent(d.busyPercent)}, ${d.requestsPerSecond ?? '?'} requests/s, ${d.latencyMs === null ? '?' : `${d.latencyMs} ms`} each`,
      ),
  ];
  const theirs = s.groups.map((g) => {
    const held = g.throttledPercent === null ? '' : `, held back ${percent(g.throttledPercent)}`;
    const limit = g.limitCpus === null ? '' : ` (limit ${g.limitCpus} processors)`;
    const memory =
      g.memoryBytes === null
        ? ''
        : `, ${bytes(g.memoryBytes)}${g.memoryLimitBytes === null ? '' : ` of ${bytes(g.memoryLimitBytes)}`}`;
    return `group ${g.name}: ${percent(g.cpuPercent)} of a core${held}${limit}${memory}`;
  });
  theirs.push(
    ...s.processes.map((p) => {
      const io = p.ioBytesPerSecond ? `, ${bytes(p.ioBytesPerSecond)}/s` : '';
      const home = p.home === null ? '' : ` in ${p.home}`;
      return `${p.pid} ${p.name}${p.count > 1 ? ` ×${p.count}` : ''}${home}: ${p.state}, ${percent(p.cpuPercent)} of a core${io}, ${bytes(p.rssBytes)}`;
    }),
  );
  return { ours, theirs };
}
