/** Bandwidth in lines: a table of interfaces with their course, then who it was; or what a measurement found. */
import { table } from '../core/table.ts';
import { bytes, duration } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import type { NetBandwidthAnswer } from './net_bandwidth.ts';

type Test = NonNullable<NetBandwidthAnswer['test']>;
type Flow = NetBandwidthAnswer['interfaces'][number]['rx'];

const perSecond = (n: number | null): string => (n === null ? '?' : `${bytes(n)}/s`);
const ms = (n: number | null): string => (n === null ? '?' : `${n} ms`);

export function netBandwidthText(o: NetBandwidthAnswer, view: View): string {
  const lines = o.test ? tested(o.test, view) : watched(o, view);
  for (const u of o.unknown) lines.push(view.paint('dim', `unknown: ${u.what}: ${u.why}`));
  return lines.join('\n');
}

function watched(o: NetBandwidthAnswer, view: View): string[] {
  const lines = [`${duration(o.windowMs)}, ${o.samples} samples${o.whose === 'host' ? '' : ` (of this ${o.whose})`}`];
  if (o.interfaces.length > 0)
    lines.push(
      table(
        [
          { head: 'interface', max: 20 },
          { head: '' },
          { head: 'mean', align: 'right' },
          { head: 'min', align: 'right' },
          { head: 'median', align: 'right' },
          { head: 'peak', align: 'right' },
          { head: 'course' },
          { head: 'wrong' },
        ],
        o.interfaces.flatMap((i) => [
          [i.name, 'in', ...course(i.rx), wrong(i)],
          ['', 'out', ...course(i.tx), null],
        ]),
        view,
      ),
    );
  if (o.processes.length > 0)
    lines.push(
      table(
        [
          { head: 'process', max: 30 },
          { head: 'in', align: 'right' },
          { head: 'out', align: 'right' },
          { head: 'connections', align: 'right' },
          { head: 'most with' },
        ],
        o.processes.map((p) => [
          `${p.process ?? 'not known'}${p.pid === null ? '' : ` (${p.pid})`}${p.container ? ` in ${p.container}` : ''}`,
          perSecond(p.receivedBytesPerSecond),
          perSecond(p.sentBytesPerSecond),
          p.connections,
          p.peer,
        ]),
        view,
      ),
    );
  if (o.containers.length > 0)
    lines.push(
      table(
        [
          { head: 'container', max: 40 },
          { head: 'in', align: 'right' },
          { head: 'out', align: 'right' },
        ],
        o.containers.map((c) =>
          c.shares === null
            ? [c.name, perSecond(c.rxBytesPerSecond), perSecond(c.txBytesPerSecond)]
            : [c.name, `network of ${c.shares}`, ''],
        ),
        view,
      ),
    );
  return lines;
}

const course = (f: Flow) => [
  perSecond(f.bytesPerSecond),
  perSecond(f.min),
  perSecond(f.median),
  perSecond(f.peak),
  f.spark,
];

const wrong = (i: NetBandwidthAnswer['interfaces'][number]): string | null => {
  const parts = [i.errors ? `${i.errors} errors` : '', i.drops ? `${i.drops} drops` : ''].filter(Boolean);
  return parts.length > 0 ? parts.join(', ') : null;
};

function tested(t: Test, view: View): string[] {
  const at = t.address.includes(':') ? `[${t.address}]:${t.port}` : `${t.address}:${t.port}`;
  const lines = [
    `to ${t.peer} (${at}${t.encrypted ? ', TLS' : ', not encrypted'}); idle: median ${ms(t.idleRttMs.median)}, ${t.idleRttMs.min ?? '?'} to ${ms(t.idleRttMs.max)}`,
  ];
  for (const [name, way] of [['down', t.down] as const, ['up', t.up] as const]) {
    if (!way) continue;
    lines.push(
      `${name}: ${way.mbitPerSecond ?? '?'} Mbit/s (median ${way.medianMbit ?? '?'}, peak ${way.peakMbit ?? '?'}) ${way.spark}  ${bytes(way.bytes)} in ${duration(way.ms)}`,
      view.paint(
        (way.rttRisesMs ?? 0) >= 100 ? 'warn' : 'dim',
        `  under load: median ${ms(way.loadedRttMs.median)}, to ${ms(way.loadedRttMs.max)} (+${ms(way.rttRisesMs)}). ${way.said}`,
      ),
    );
  }
  return lines;
}
