/** The network in lines. As in the host's overview, what others can name stands together, below our own words. */
import { table } from '../core/table.ts';
import type { View } from '../core/tool.ts';
import type { NetOverviewAnswer } from './net_overview.ts';
import { byReason, known, perSecond, tone } from './overview_text.ts';

export function netOverviewText(o: NetOverviewAnswer, view: View): string {
  const label = (word: string) => view.paint('dim', word.padEnd(9));
  const ours = [head(o, view)];
  for (const f of o.findings)
    ours.push(`${view.paint(tone(f.severity), `[${f.severity}] ${f.id}`)}: ${f.sentence} Next: ${f.next}`);
  if (o.unknown.length > 0) ours.push(`unknown: ${byReason(o.unknown)}`);
  if (o.interfaces.length > 0) ours.push(interfaces(o, view));
  ours.push(label('routes') + routes(o), label('dns') + servers(o), label('firewall') + firewall(o));
  for (const r of o.routes.others ?? []) ours.push(`  ${route(r)}`);
  for (const rule of o.routes.rules) ours.push(`  rule ${rule}`);
  const s = o.sockets;
  const left = Object.entries(o.leftOut).filter(([, n]) => n > 0);
  const more = left.length > 0 ? `; not shown: ${left.map(([what, n]) => `${what} ${n}`).join(', ')} (all: true)` : '';
  ours.push(
    `${label('sockets')}${s.tcp} TCP (${s.established} established, ${s.timeWait} in TIME-WAIT), ${s.udp} UDP${more}`,
  );

  const theirs = [];
  if (o.listeners.length > 0) theirs.push(listeners(o, view));
  const names = [
    ...(o.dns.search.length > 0 ? [`search ${o.dns.search.join(' ')}`] : []),
    ...(o.dns.hosts && o.dns.hosts.join(' ') !== 'files dns' ? [`hosts: ${o.dns.hosts.join(' ')}`] : []),
    ...(o.dns.file ? [`resolv.conf is ${o.dns.file}`] : []),
  ];
  if (names.length > 0) theirs.push(`names    ${names.join('; ')}`);
  for (const l of o.dns.links)
    if (o.dns.links.length > 1 || l.domains.length > 0)
      theirs.push(`dns of ${l.name}: ${[...l.servers, ...l.domains].join(' ')}`);
  for (const t of o.firewall?.tables ?? [])
    theirs.push(`table ${t.name}: ${t.chains} chains, ${t.rules} rules${t.madeBy ? ` (${t.madeBy})` : ''}`);
  for (const f of o.findings) theirs.push(`${f.id}: ${f.evidence.replace(/\s*\n\s*/g, ' ↵ ')}`);
  return [...ours, ...theirs].join('\n');
}

function head(o: NetOverviewAnswer, view: View): string {
  const worst = o.findings[0];
  const n = o.findings.length;
  const said = !worst
    ? o.unknown.length > 0
      ? 'no findings in what could be read'
      : view.paint('good', 'no findings')
    : `${n === 1 ? 'one finding' : `${n} findings, the worst`}: ${view.paint(tone(worst.severity), worst.severity)}`;
  const open = o.listeners.filter((l) => l.scope !== 'loopback').length;
  return `${view.paint('bold', 'Network')}: ${said}; ${o.services} ${o.services === 1 ? 'service listens' : 'services listen'}, ${open} of those shown not on loopback alone; ${o.at}`;
}

function interfaces(o: NetOverviewAnswer, view: View): string {
  const right = (column: string) => ({ head: column, align: 'right' as const });
  const faults = o.interfaces.some((n) => n.errorsPerSecond || n.droppedPerSecond);
  const members = o.interfaces.some((n) => n.master || n.parent);
  return table(
    [
      { head: 'interface', max: 16 },
      { head: 'role' },
      { head: 'state' },
      right('mtu'),
      right('Mbit/s'),
      right('in'),
      right('out'),
      ...(faults ? [right('errors/s'), right('drops/s')] : []),
      ...(members ? [{ head: 'on' }] : []),
      { head: 'addresses' },
    ],
    o.interfaces.map((n) => [
      n.name,
      n.role === 'lan' && n.kind !== 'ethernet' && n.kind !== null ? `lan ${n.kind}` : n.role,
      n.state === 'up' ? 'up' : view.paint('warn', n.state),
      n.mtu,
      n.speedMbit === null ? null : `${n.speedMbit}${n.halfDuplex ? ' half' : ''}`,
      n.rxBytesPerSecond === null ? null : perSecond(n.rxBytesPerSecond),
      n.txBytesPerSecond === null ? null : perSecond(n.txBytesPerSecond),
      ...(faults ? [known(n.errorsPerSecond, String), known(n.droppedPerSecond, String)] : []),
      ...(members ? [n.master ?? n.parent] : []),
      n.addresses.join(' '),
    ]),
    view,
  );
}

const route = (r: NetOverviewAnswer['routes']['defaults'][number]): string =>
  [
    r.to,
    r.type === 'unicast' ? '' : r.type,
    r.via === null ? '' : `via ${r.via}`,
    r.device === null ? '' : `dev ${r.device}`,
    r.metric ? `metric ${r.metric}` : '',
    r.table === 'main' ? '' : `table ${r.table}`,
  ]
    .filter(Boolean)
    .join(' ');

function routes({ routes: r }: NetOverviewAnswer): string {
  const defaults = r.defaults.map(route).join('; ') || 'no default route';
  const others = r.total === null ? 'routes unknown' : `${r.total} in all`;
  return `${defaults}; ${others}${r.tables.length > 0 ? `, also in tables ${r.tables.join(', ')}` : ''}`;
}

function servers({ dns }: NetOverviewAnswer): string {
  const asked = dns.servers.length > 0 ? dns.servers.join(', ') : 'no server';
  const by = dns.writtenBy ? ` (resolv.conf by ${dns.writtenBy})` : '';
  const behind = dns.upstream === null ? '' : `; systemd-resolved asks ${dns.upstream.join(', ') || 'nobody'}`;
  return asked + by + behind;
}

function firewall({ firewall: f }: NetOverviewAnswer): string {
  if (f === null) return 'unknown';
  if (f.chains === 0) return `${f.sources.join(', ')}: no rules, lets in whatever comes`;
  const made = f.madeBy.length > 0 ? `; chains of ${f.madeBy.join(', ')}` : '';
  const policy = f.inputPolicy === null ? 'no chain for input' : `input ${f.inputPolicy}`;
  return `${f.sources.join(', ')}: ${policy}, ${f.filters ? 'filters' : 'lets in whatever comes'}; ${f.rules} rules in ${f.chains} chains${made}`;
}

function listeners(o: NetOverviewAnswer, view: View): string {
  const judged = o.listeners.some((l) => l.outside !== null);
  return table(
    [
      { head: 'port', align: 'right' },
      { head: 'listens on', max: 42 },
      ...(judged ? [{ head: 'from outside' }] : []),
      { head: 'held by' },
    ],
    o.listeners.map((l) => [
      `${l.port}/${l.protocol}`,
      l.scope === 'all' ? 'all' : l.addresses.join(' '),
      ...(judged ? [l.outside] : []),
      holder(l),
    ]),
    view,
  );
}

function holder(l: NetOverviewAnswer['listeners'][number]): string {
  const waiting = l.waiting === undefined ? '' : `, ${l.waiting} waiting`;
  const process = l.process === null ? (l.user === null ? null : `user ${l.user}`) : `${l.process} (${l.pid})`;
  const said = [l.container === null ? null : `container ${l.container}`, process];
  return (said.filter((x) => x !== null).join(', ') || '?') + waiting;
}
