/**
 * One question as its decider sees it: what would be done, to what, with which arguments, by whom. What others wrote stands behind a
 * bar, line by line, so that no text can look like ours; what a terminal would obey was written out before it was stored, and is again.
 */
import { reveal } from '../core/foreign.ts';
import { ago, duration, rfc3339 } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import type { Approval } from '../policy/deciding.ts';

export const STATES: Record<Approval['state'], string> = {
  waiting: 'waits',
  granted: 'approved',
  refused: 'refused',
  used: 'used',
  expired: 'expired',
};

export function detailsOf(a: Approval, view: View): string {
  const open = a.state === 'waiting' || a.state === 'granted';
  const left = open ? `, ${duration(Math.max(0, a.expiresAtMs - view.now))} left` : '';
  const { face, client, address } = a.origin;
  const from = [face && `over ${face}`, address && `from ${address}`].filter(Boolean).join(' ');
  const rows: [string, string | null][] = [
    ['effect', a.summary],
    ['tool', `${a.tool} (${a.risk})`],
    ['on', a.targets.map((t) => `${t.kind}:${t.name}`).join(', ') || 'no single thing'],
    ['asked by', `${a.principal}${from ? ` ${from}` : ''}`],
    ['calls itself', client ? `“${client}”` : null],
    ['asked', `${rfc3339(a.createdAtMs)} (${ago(a.createdAtMs, view.now)})`],
    ['decided', a.approver && `${STATES[a.state]}, by ${a.approver} at ${rfc3339(a.decidedAtMs)}`],
    ['because', a.because],
  ];
  const lines = [view.paint('bold', `${a.id}: ${STATES[a.state]}${left}`)];
  for (const [name, value] of rows) {
    if (!value) continue;
    const line = `  ${name.padEnd(13)}${reveal(value).replaceAll('\n', '\\n')}`;
    lines.push(name === 'tool' && a.risk === 'destroy' ? view.paint('bad', line) : line);
  }
  lines.push('  arguments', barred(argumentsIn(a.shown), view));
  if (a.diff) lines.push('  difference', barred(a.diff, view));
  return lines.join('\n');
}

/** For a script: the same facts, times in RFC 3339. */
export function recordOf(a: Approval) {
  const { id, state, principal, tool, risk, targets, summary, diff, shown, origin, approver, because } = a;
  return {
    id,
    state,
    principal,
    tool,
    risk,
    targets,
    summary,
    diff,
    arguments: shown,
    from: { face: origin.face ?? null, address: origin.address ?? null, selfReportedClient: origin.client ?? null },
    askedAt: rfc3339(a.createdAtMs),
    expiresAt: rfc3339(a.expiresAtMs),
    approver,
    decidedAt: a.decidedAtMs === null ? null : rfc3339(a.decidedAtMs),
    because,
  };
}

function argumentsIn(shown: unknown): string {
  if (typeof shown !== 'object' || shown === null || Array.isArray(shown)) return String(shown);
  const parts = Object.entries(shown).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return parts.join('\n') || 'none';
}

const barred = (text: string, view: View) =>
  reveal(text)
    .split('\n')
    .map((line) => `    ${view.paint('dim', '│')} ${line}`)
    .join('\n');
