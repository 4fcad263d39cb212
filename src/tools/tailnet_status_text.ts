/** The tailnet in lines: our own words first, then all that others can name, in one piece. */
import { type Column, table } from '../core/table.ts';
import { ago, bytes } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import { byReason, tone } from './overview_text.ts';
import type { PeerRow, TailnetStatusAnswer } from './tailnet_status.ts';

export function tailnetStatusText(o: TailnetStatusAnswer, view: View): string {
  const ours = [head(o, view)];
  for (const f of o.findings)
    ours.push(`${view.paint(tone(f.severity), `[${f.severity}] ${f.id}`)}: ${f.sentence} Next: ${f.next}`);
  if (o.unknown.length > 0) ours.push(`unknown: ${byReason(o.unknown)}`);
  const { self } = o;
  ours.push(
    [
      self.addresses.join(' '),
      self.version === null
        ? 'version unknown'
        : `Tailscale ${self.version}${self.update ? ` (${self.update} is there)` : ''}`,
      self.networking ?? 'networking unknown',
      keyText(o),
      `MagicDNS ${onOff(o.tailnet.magicDns)}`,
      `HTTPS ${onOff(o.tailnet.https)}`,
    ]
      .filter((part) => part !== '')
      .join('; '),
  );

  const theirs = [
    `this is ${self.name ?? '(no name yet)'}${self.tags.length > 0 ? `, ${self.tags.join(' ')}` : self.owner ? `, of ${self.owner}` : ''}${o.tailnet.name ? `, in ${o.tailnet.name}` : ''}${o.state === 'Running' ? '' : `: ${o.state}`}`,
  ];
  for (const w of o.served ?? []) theirs.push(way(w, view));
  for (const f of o.findings) theirs.push(`${f.id}: ${line(f.evidence)}`);
  if (!o.findings.some((f) => f.id === 'tailnet_health')) for (const h of o.health) theirs.push(`health: ${line(h)}`);
  if (o.peers.length > 0) theirs.push(peers(o, view));
  return [...ours, ...theirs].join('\n');
}

const line = (text: string): string => text.replace(/\s*\n\s*/g, ' ↵ ');
const onOff = (is: boolean | null): string => (is === null ? '?' : is ? 'on' : 'off');

function head(o: TailnetStatusAnswer, view: View): string {
  const worst = o.findings[0];
  const n = o.findings.length;
  const found = worst
    ? `${n === 1 ? 'one finding' : `${n} findings, the worst`}: ${view.paint(tone(worst.severity), worst.severity)}`
    : view.paint('good', 'no findings');
  const machines =
    o.total === null
      ? 'other machines unknown'
      : `${o.total} other ${o.total === 1 ? 'machine' : 'machines'}, ${o.online} online`;
  const match = o.matched === null || o.matched === (o.total ?? 0) - o.leftOut ? '' : `, ${o.matched} match`;
  const rented = o.leftOut > 0 ? `, ${o.leftOut} exit nodes for rent not shown` : '';
  const offers = o.served === null ? '' : o.served.length === 0 ? '; nothing is served' : '';
  return `${view.paint('bold', 'Tailnet')}: ${found}; ${machines}${match}${rented}${offers}; ${o.at}`;
}

function keyText({ self, state }: TailnetStatusAnswer): string {
  if (self.keyExpiresAt === null) return state.includes('Running') ? 'key never expires' : '';
  const days = self.keyDaysLeft ?? 0;
  return `key ${days < 0 ? 'expired' : 'expires'} ${self.keyExpiresAt.slice(0, 10)} (${days < 0 ? `${-days} d ago` : `${days} d left`})`;
}

function way(w: NonNullable<TailnetStatusAnswer['served']>[number], view: View): string {
  const to = w.target ?? w.kind;
  const here = w.here === null ? '' : ` (this server’s ${w.here})`;
  const service =
    w.service === null ? '' : `, ${w.service}${w.approved === false ? view.paint('warn', ' not approved') : ''}`;
  return `serves ${w.at} -> ${line(to)}${here}${service}${w.funnel ? view.paint('warn', ', FUNNEL: open to the Internet') : ''}`;
}

function peers(o: TailnetStatusAnswer, view: View): string {
  const some = (of: (p: PeerRow) => unknown) => o.peers.some((p) => of(p));
  const right = (name: string) => ({ head: name, align: 'right' as const });
  const columns: [boolean, Column, (p: PeerRow) => string | null][] = [
    [true, { head: 'machine', max: 40 }, (p) => p.name],
    [true, { head: 'who', max: 40 }, (p) => p.who],
    [true, { head: 'os', max: 12 }, (p) => p.os],
    [true, { head: 'address' }, (p) => p.address],
    [true, { head: 'seen' }, (p) => seen(p, view)],
    [some((p) => p.path !== null && p.path !== 'idle'), { head: 'path' }, path],
    [some((p) => p.rxBytes), right('in'), (p) => (p.rxBytes ? bytes(p.rxBytes) : null)],
    [some((p) => p.txBytes), right('out'), (p) => (p.txBytes ? bytes(p.txBytes) : null)],
    [some((p) => p.exitNode || p.expired || p.shared), { head: 'note' }, note],
  ];
  const used = columns.filter(([wanted]) => wanted);
  return table(
    used.map(([, column]) => column),
    o.peers.map((p) => used.map(([, , cell]) => cell(p))),
    view,
  );
}

function seen(p: PeerRow, view: View): string {
  if (p.online === true) return view.paint('good', 'online');
  if (p.lastSeen === null) return p.online === false ? 'offline' : '?';
  return ago(Date.parse(p.lastSeen), view.now);
}

const path = (p: PeerRow): string | null =>
  p.path === 'idle' ? null : p.path === 'relay' && p.relay !== null ? `relay ${p.relay}` : p.path;

const note = (p: PeerRow): string | null =>
  [p.exitNode === null ? '' : `exit node ${p.exitNode}`, p.expired ? 'expired' : '', p.shared ? 'shared' : '']
    .filter((part) => part !== '')
    .join(', ') || null;
