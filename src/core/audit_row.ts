/**
 * A record of the audit as people and models read it: which fields are shown, and one line for each. Records come as they
 * stand in a file, so nothing is sure of their form, and whatever is not of ours is shown as text. Hashes are left out: they
 * are for `deckhand audit verify`, which checks them. What is foreign in it is said by audit_search's schema.
 */
import type { AuditEntry } from './audit.ts';
import { type Column, table } from './table.ts';
import { clip } from './text.ts';
import type { View } from './tool.ts';

export interface AuditRow {
  at: string;
  event: string;
  who: string | null;
  tool: string | null;
  outcome: string | null;
  risk: string | null;
  targets: string[];
  call: string | null;
  ms: number | null;
  approval: string | null;
  receipt: string | null;
  args: string | null;
  /** Summary, reason or refused request. */
  what: string | null;
  client: string | null;
  address: string | null;
  /** Whatever else stands there. */
  more: Record<string, unknown>;
  segment: string;
  seq: number;
}

const SHOWN = new Set(
  'v seq ts mono event prev hash argsDigest who tool outcome risk targets call ms approval receipt args summary why what client address'.split(
    ' ',
  ),
);
const LONGEST = 400;
const MOST = 20;

const text = (value: unknown): string | null =>
  value === undefined || value === null
    ? null
    : clip(typeof value === 'string' ? value : JSON.stringify(value), LONGEST);

export function rowOf({ segment, record: r }: AuditEntry): AuditRow {
  const what = [r.summary, r.what, r.why].map(text).filter((t) => t !== null);
  const more = Object.entries(r).filter(([key]) => !SHOWN.has(key));
  return {
    at: r.ts,
    event: r.event,
    who: text(r.who),
    tool: text(r.tool),
    outcome: text(r.outcome),
    risk: text(r.risk),
    targets: Array.isArray(r.targets) ? r.targets.slice(0, MOST).map(target) : [],
    call: text(r.call),
    ms: typeof r.ms === 'number' ? r.ms : null,
    approval: text(r.approval),
    receipt: text(r.receipt),
    args: text(r.args) === '{}' ? null : text(r.args),
    what: what.length > 0 ? what.join(': ') : null,
    client: text(r.client),
    address: text(r.address),
    more: Object.fromEntries(more.slice(0, MOST).map(([key, value]) => [key, plain(value) ? value : text(value)])),
    segment,
    seq: r.seq,
  };
}

const plain = (value: unknown) => typeof value === 'number' || typeof value === 'boolean';

function target(t: unknown): string {
  const { kind, name } = (typeof t === 'object' && t !== null ? t : {}) as { kind?: unknown; name?: unknown };
  return clip(`${String(kind ?? '?')}:${String(name ?? '?')}`, LONGEST);
}

const COLUMNS: readonly Column[] = [
  { head: 'AT' },
  { head: 'WHO', max: 30 },
  { head: 'EVENT', max: 12 },
  { head: 'TOOL', max: 32 },
  { head: 'OUTCOME', max: 16 },
  { head: 'CALL', max: 16 },
  { head: 'WHAT' },
];

/** A width for the last column too: a model pays for its tokens. */
export function recordTable(rows: readonly AuditRow[], view: View): string {
  return table(
    COLUMNS,
    rows.map((r) => [r.at, r.who, r.event, r.tool, ended(r, view), r.call, detail(r)]),
    view,
  );
}

function ended(r: AuditRow, view: View): string | null {
  if (r.event === 'unfinished') return view.paint('bad', 'unknown');
  if (r.outcome === null || r.outcome === 'done') return r.outcome;
  return view.paint(r.outcome === 'running' || r.outcome === 'pending' ? 'warn' : 'bad', r.outcome);
}

function detail(r: AuditRow): string {
  const parts = [
    r.more.count === undefined ? null : `${String(r.more.count)} times`,
    r.targets.join(' '),
    r.args,
    r.what,
    r.approval && `by ${r.approval}`,
    r.receipt && `receipt ${r.receipt}`,
    r.address && `from ${r.address}`,
    r.client,
  ];
  return parts.filter(Boolean).join(' · ');
}
