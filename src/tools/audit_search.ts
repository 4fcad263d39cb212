/**
 * What was done on this host, by whom, and how it ended: records of the audit, filtered, newest first. Decides how questions
 * are asked and what of a record is shown; who may read, and how far one search looks, is behind `ctx.audit`. Hashes are
 * for `deckhand audit verify`, which checks them; here they would only cost tokens.
 */
import * as z from 'zod';
import type { AuditQuery } from '../core/audit.ts';
import { recordTable, rowOf } from '../core/audit_row.ts';
import { defineRead } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import { foreign, limit, once } from '../core/schema.ts';
import type { View } from '../core/tool.ts';
import { pastTime, type Zone } from '../core/when.ts';

const said = (source: string) => foreign(z.string(), source).nullable();

export const AuditRow = once(() =>
  z.object({
    at: z.string(),
    event: z.string(),
    who: z.string().nullable(),
    tool: said('audit').describe('As the caller wrote it.'),
    outcome: z.string().nullable(),
    risk: z.string().nullable(),
    targets: foreign(z.array(z.string()), 'audit'),
    call: z.string().nullable(),
    ms: z.number().nullable(),
    approval: z.string().nullable(),
    receipt: z.string().nullable(),
    args: said('audit'),
    what: said('audit').describe('Summary, reason or refused request.'),
    client: said('audit'),
    address: z.string().nullable(),
    more: foreign(z.record(z.string(), z.unknown()), 'audit'),
    segment: z.string(),
    seq: z.number(),
  }),
);

export const AuditAnswer = once(() =>
  z.object({
    records: z.array(AuditRow()),
    looked: z.object({ bytes: z.number(), of: z.number() }).describe('How much of the audit in that time was read.'),
    corrupt: z.number().describe('Lines that are no record.'),
    next: z.string().nullable().describe('For `from`; null: no more.'),
    note: z.string().nullable(),
  }),
);
export type AuditAnswer = z.output<ReturnType<typeof AuditAnswer>>;

const word = (text: string) => z.string().min(1).max(128).optional().describe(text);

const input = once(() =>
  z.strictObject({
    since: word('2h (ago), 2026-11-21 or RFC 3339.'),
    until: word('As since.'),
    who: word('Principal, e.g. stdio:0 or token:laptop.'),
    tool: word('Its whole name.'),
    event: word('call, intent, late, work, refused, security, approval, unfinished, start …'),
    outcome: word('done, pending, running or an error code.'),
    risk: z.enum(['read', 'sensitive', 'change', 'destroy']).optional().describe('Of the call.'),
    target: word('Part of a target, e.g. unit:nginx.'),
    call: word('Correlation id.'),
    text: word('Part of any value, any case.'),
    order: z.enum(['newest', 'oldest']).default('newest').describe('Which come first.'),
    from: word('`next` of the answer before, with the same filters.'),
    limit: limit(20, 200),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const auditSearch = defineRead({
  name: 'audit_search',
  title: 'Search the audit',
  description:
    'Use this to learn who did what on this host, and how it ended: calls, changes, approvals, refusals, changes without a known end (event unfinished). For what a receipt holds or a handle keeps use result_query.',
  toolset: 'triage',
  core: false,
  input,
  output: AuditAnswer,
  scopes: { least: 'audit:read' },
  risk: 'sensitive',
  annotations: { idempotent: true, openWorld: false },
  perPrincipal: true,
  limits: { timeoutMs: 15_000, maxBytes: 24 * 1024, cost: 3 },
  cut: { lists: ['records'] },
  text,

  async handler(i, ctx) {
    const found = await ctx.audit.search(queryOf(i, ctx.now(), ctx.host.system.identity().zone), ctx.signal);
    const { looked, total } = found.bytes;
    const stopped =
      found.stopped === 'bytes' || found.stopped === 'time'
        ? `Looked at ${looked} of ${total} bytes, then stopped: go on with from, or narrow since and until.`
        : null;
    const broken = found.corrupt
      ? `${found.corrupt} lines are no record: on the host, \`deckhand audit verify\` names them.`
      : null;
    return {
      records: found.entries.map(rowOf),
      looked: { bytes: looked, of: total },
      corrupt: found.corrupt,
      next: found.next,
      note: [stopped, broken].filter(Boolean).join(' ') || null,
    };
  },
});

function queryOf(i: Input, now: number, zone: Zone): AuditQuery {
  const { since, until, from, ...rest } = i;
  const sinceMs = since === undefined ? undefined : pastTime(since, now, 'since', zone);
  const untilMs = until === undefined ? undefined : pastTime(until, now, 'until', zone);
  if (sinceMs !== undefined && untilMs !== undefined && sinceMs > untilMs)
    throw new OpsError('validation', 'since is after until.', { hint: 'Swap them, or leave one out.' });
  const given = { ...rest, sinceMs, untilMs, cursor: from };
  return Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined)) as unknown as AuditQuery;
}

function text(o: AuditAnswer, view: View): string {
  const lines = [o.records.length > 0 ? recordTable(o.records, view) : 'No record fits.'];
  if (o.note) lines.push(view.paint('warn', o.note));
  if (o.next) lines.push(`go on with from: ${o.next}`);
  return lines.join('\n');
}
