/** A probe's answer in lines: a table of what was asked, then what others said in detail where it is asked for or wrong. */
import { table } from '../core/table.ts';
import type { View } from '../core/tool.ts';
import type { ProbeAnswer } from './net_probe.ts';

type Result = ProbeAnswer['results'][number];

export function netProbeText(o: ProbeAnswer, view: View): string {
  const lines = [
    `${o.kind}: ${o.ok} of ${o.results.length} well${o.refused.length ? `, ${o.refused.length} not probed` : ''}`,
  ];
  if (o.results.length > 0)
    lines.push(
      table(
        [
          { head: 'target', max: 60 },
          { head: o.kind === 'dns' ? 'server' : 'address' },
          { head: 'ms', align: 'right' },
          { head: 'said' },
        ],
        o.results.map((r) => [r.target, where(r, o.kind), r.ms, `${r.ok ? '' : view.paint('bad', '✗ ')}${r.said}`]),
        view,
      ),
    );
  for (const r of o.results) lines.push(...details(r, o.results.length > 3));
  for (const d of o.differ) lines.push(view.paint('warn', `differ: ${d}`));
  for (const r of o.refused) lines.push(`not probed: ${r.target}: ${r.why}. ${r.hint}`);
  for (const u of o.unknown) lines.push(view.paint('dim', `unknown: ${u.what}: ${u.why}`));
  return lines.join('\n');
}

const where = (r: Result, kind: string): string | null =>
  r.address === null
    ? null
    : r.port === null || kind === 'dns'
      ? r.address
      : r.address.includes(':')
        ? `[${r.address}]:${r.port}`
        : `${r.address}:${r.port}`;

/** Of many targets only what is in the table; of a few what somebody looking for a fault wants next. */
function details(r: Result, many: boolean): string[] {
  if (many) return [];
  const out: string[] = [];
  if (r.dns && (r.dns.answers.length > 1 || !r.ok)) {
    out.push(`  ${r.dns.code} ${r.dns.flags.join(' ')} over ${r.dns.over}`);
    for (const a of r.dns.answers.slice(0, 12)) out.push(`  ${a.name} ${a.ttl} ${a.type} ${a.data}`);
  }
  if (r.tls)
    for (const [i, c] of r.tls.chain.entries())
      out.push(
        `  ${i} ${c.subject} by ${c.issuer}, ${c.from.slice(0, 10)} to ${c.to.slice(0, 10)}, ${c.key}${i === 0 && c.names.length ? `, for ${c.names.join(' ')}` : ''}`,
      );
  if (r.http) {
    const p = r.http.phasesMs;
    out.push(
      `  dns ${p.dns}, connected ${p.connect}${p.tls === null ? '' : `, TLS ${p.tls}`}, first byte ${p.firstByte}, done ${p.total} ms; ${r.http.bodyBytes} bytes${r.http.cut ? ' and more' : ''}`,
    );
    for (const x of r.http.redirects) out.push(`  ${x.status} to ${x.to}`);
    const headers = Object.entries(r.http.headers).filter(([k]) => k !== 'date' && k !== 'content-length');
    if (headers.length) out.push(`  ${headers.map(([k, v]) => `${k}: ${v}`).join('; ')}`);
    if (r.http.text) out.push(`  ${r.http.text.replace(/\s+/g, ' ')}`);
  }
  if (r.ping)
    out.push(
      `  ${r.ping.received}/${r.ping.sent}, min ${r.ping.minMs ?? '?'}, max ${r.ping.maxMs ?? '?'}, jitter ${r.ping.jitterMs ?? '?'} ms`,
    );
  if (r.notIcmp) out.push(`  no ICMP: ${r.notIcmp}`);
  if (r.trace)
    for (const h of r.trace.hops) out.push(`  ${h.hop} ${h.address ?? '*'}${h.ms === null ? '' : ` ${h.ms} ms`}`);
  return out;
}
