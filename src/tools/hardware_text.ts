/** The inventory in lines: what needs attention first, then our own words, then the tables with names that makers and guests chose. */
import { OPEN } from '../core/foreign.ts';
import { table } from '../core/table.ts';
import { bytes, duration, percent } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import { known, tone } from './overview_text.ts';
import type { HardwareAnswer } from './system_hardware.ts';

const right = (head: string) => ({ head, align: 'right' as const });
const words = (...parts: (string | null | undefined | false)[]) => parts.filter(Boolean).join(', ');

/** Lines with what others named stand together at the end, below our own: the door puts one fence around them. */
export function hardwareText(o: HardwareAnswer, view: View): string {
  const label = (word: string) => view.paint('dim', word.padEnd(8));
  const first = o.attention.map((a) => `${view.paint(tone(a.severity), `[${a.severity}]`)} ${a.sentence}`);
  if (first.length === 0) first.push(view.paint('good', 'Nothing that was read needs attention.'));
  for (const u of o.unknown) first.push(`unknown: ${u.what}: ${u.why}`);
  const lines = [...machine(o, label), ...devices(o, label), ...guests(o, label)];
  const none = (['disks', 'raid', 'pools', 'ups', 'batteries', 'gpus', 'networks', 'guests'] as const).filter(
    (list) => o[list]?.length === 0,
  );
  if (none.length > 0) lines.push(`${label('none')}${none.join(', ')}`);
  const theirs = lines.filter((line) => line.includes(OPEN));
  const ours = lines.filter((line) => !line.includes(OPEN));
  return [...first, ...ours, ...(o.disks?.length ? [disks(o.disks, view)] : []), ...theirs].join('\n');
}

type Label = (word: string) => string;

function machine(o: HardwareAnswer, label: Label): string[] {
  const lines: string[] = [];
  const { system: s, cpu: c } = o;
  if (s)
    lines.push(
      label('system') +
        words(
          [s.vendor, s.product, s.version].filter(Boolean).join(' ') || 'unnamed',
          s.chassis,
          s.board && `board ${s.board}`,
        ) +
        `; ${words([s.firmware, s.bios].filter(Boolean).join(' ') || 'firmware unknown', s.biosDate)}`,
    );
  if (c) lines.push(label('cpu') + cpu(c));
  if (o.memory)
    lines.push(
      label('memory') +
        words(
          `${bytes(o.memory.installedBytes)} in modules (${o.memory.source})`,
          o.memory.slots !== null && `${o.memory.slots} slots`,
          o.memory.maxBytes !== null && `at most ${bytes(o.memory.maxBytes)}`,
        ),
    );
  for (const m of o.modules ?? [])
    lines.push(
      `${label('modules')}${m.count} × ${bytes(m.sizeBytes)} ${words(
        [m.type, m.mtPerSecond && `${m.mtPerSecond} MT/s`, m.vendor, m.part].filter(Boolean).join(' '),
        o.memory?.errorCorrection && `error correction: ${o.memory.errorCorrection}`,
        m.slots && `in ${m.slots}`,
      )}`,
    );
  return lines;
}

function devices(o: HardwareAnswer, label: Label): string[] {
  const lines: string[] = [];
  for (const r of o.raid ?? [])
    lines.push(
      `${label('raid')}${r.name}: ${words(r.level, r.state, r.sizeBytes !== null && bytes(r.sizeBytes), r.members.map((m) => `${m.disk} ${m.state}`).join(' '))}`,
    );
  for (const u of o.ups ?? [])
    lines.push(
      `${label('ups')}${u.name} (${u.source}): ${words(u.model, u.status, `charge ${percent(u.chargePercent)}`, `load ${percent(u.loadPercent)}`, `runs for ${duration(u.runtimeSeconds === null ? null : u.runtimeSeconds * 1000)}`)}`,
    );
  for (const b of o.batteries ?? [])
    lines.push(
      `${label('battery')}${b.name}: ${words(b.model, b.status, percent(b.chargePercent), b.healthPercent !== null && `${b.healthPercent}% of its design`, b.cycles !== null && `${b.cycles} cycles`)}`,
    );
  for (const g of o.gpus ?? [])
    lines.push(
      `${label('gpu')}${words(g.model ?? g.pciId ?? 'unknown model', g.address, g.driver && `driver ${g.driver}`, g.memoryBytes !== null && `${known(g.memoryUsedBytes, bytes)} of ${bytes(g.memoryBytes)} used`, g.busyPercent !== null && `${percent(g.busyPercent)} busy`, g.celsius !== null && `${g.celsius} °C`, g.watts !== null && `${g.watts} W`)}`,
    );
  for (const n of o.networks ?? [])
    lines.push(
      `${label('net')}${n.name}: ${words(n.model, n.driver && `driver ${n.driver}`, n.state, n.speedMbit !== null && `${n.speedMbit} Mbit/s`, n.duplex === 'half' && 'half duplex')}`,
    );
  for (const p of o.pools ?? [])
    lines.push(
      `${label('pool')}${p.name}: ${words(p.state, p.sizeBytes !== null && `${known(p.allocatedBytes, bytes)} of ${bytes(p.sizeBytes)}`, p.fragmentedPercent !== null && `${p.fragmentedPercent}% fragmented`)}`,
    );
  return lines;
}

function cpu(c: NonNullable<HardwareAnswer['cpu']>): string {
  const level = ({ level, bytes: n, count }: (typeof c.caches)[number]) =>
    `${level} ${bytes(n)}${count > 1 ? ` in ${count}` : ''}`;
  return words(
    c.model ?? 'unknown model',
    c.sockets !== null && `${c.sockets} ${c.sockets === 1 ? 'socket' : 'sockets'}${c.socket ? ` (${c.socket})` : ''}`,
    `${known(c.cores, String)} cores, ${known(c.threads, String)} threads`,
    c.maxMhz !== null && `up to ${c.maxMhz} MHz`,
    c.governor && `governor ${c.governor}`,
    c.caches.map(level).join(', '),
  );
}

function disks(list: NonNullable<HardwareAnswer['disks']>, view: View): string {
  const heads = [{ head: 'disk' }, right('size'), { head: 'kind' }, { head: 'health' }, right('°C'), right('hours')];
  return table(
    [...heads, right('worn'), { head: 'model' }],
    list.map(({ health: h, ...d }) => [
      d.name,
      known(d.sizeBytes, bytes),
      words(
        d.transport,
        d.rotational === null ? null : d.rotational ? 'rotating' : 'flash',
        d.removable && 'removable',
      ),
      h?.passed == null ? '?' : h.passed ? 'passed' : view.paint('bad', 'FAILING'),
      h?.celsius ?? null,
      h?.poweredOnHours ?? null,
      h?.wearPercent == null ? null : `${h.wearPercent}%`,
      d.model,
    ]),
    view,
  );
}

function guests(o: HardwareAnswer, label: Label): string[] {
  return (o.guests ?? []).map(
    (g) =>
      `${label('guest')}${g.id} ${g.name ?? '(name unknown)'}: ${words(
        g.template ? `${g.kind} template` : g.kind,
        !g.template && (g.running === null ? 'state unknown' : g.running ? 'running' : 'stopped'),
        g.lock && `locked (${g.lock})`,
        g.cores !== null && `${g.cores} cores`,
        g.memoryBytes !== null && bytes(g.memoryBytes),
        g.onBoot && 'starts with the node',
      )}`,
  );
}
