/**
 * Logs: chosen lines of one or several, merged by time. Decides what is asked for and what is answered; reading within bounds is
 * log_read.ts's, what lines mean insight's. Lines are redacted here before they are shortened, because half a secret is none that the
 * door could still know; the door does it again.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineRead } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import { strip } from '../core/foreign.ts';
import { createRedactor } from '../core/redact.ts';
import { foreign, limit, once } from '../core/schema.ts';
import { LONGEST_SOURCE } from '../core/source.ts';
import { pastTime } from '../core/when.ts';
import { createBuckets } from '../insight/log_count.ts';
import type { Entry } from '../insight/log_group.ts';
import { LEVELS } from '../insight/log_level.ts';
import { type Clean, expression, literal } from '../insight/log_match.ts';
import { mergeByTime } from '../insight/log_merge.ts';
import { type Cursor, cursorOf } from '../insight/log_page.ts';
import { createSelector, type Wanted } from '../insight/log_select.ts';
import { nextOf, type Result } from './log_next.ts';
import { type Looked, lookAt, type Plan } from './log_read.ts';
import { excused, openAll, scopesOfSources, sourcesOf, targetsOfSources } from './log_sources.ts';
import { logText } from './log_text.ts';

const MIB = 1024 * 1024;
const MOST_SOURCES = 10;
/** Matches kept for result_query beyond those that are shown. */
const KEPT = 1_000;
/** Characters held while reading, over all sources. */
const HELD = MIB;
/** Of one entry in the answer. A long trace keeps its beginning and its end. */
const ENTRY_CHARS = 4_000;
const MOST_STEPS = 24;
/** For reading; asking the engine for the container and shaping the answer come on top. */
const READ_MS = 15_000;
/** Neighbours of the first error, unless the call says how many. */
const FIRST_CONTEXT = 3;

export const LogRow = once(() =>
  z.object({
    at: z.string(),
    lastAt: z.string().optional().describe('Of the last repeat.'),
    source: z.string().optional().describe('Where there are several.'),
    stderr: z.boolean().optional(),
    level: z.enum(LEVELS).optional(),
    // Cleaned here, so the marks in it are ours.
    text: foreign(z.string().meta({ kept: true }), 'log'),
    lines: z.number().optional().describe('Of a trace.'),
    repeats: z.number().optional(),
    cut: z.boolean().optional().describe('It is longer.'),
    context: z.boolean().optional().describe('A neighbour, no match.'),
    gap: z.boolean().optional(),
  }),
);

export const LogAnswer = once(() =>
  z.object({
    sources: z.array(
      z.object({
        source: z.string(),
        lines: z.number(),
        bytesRead: z.number(),
        from: z.string().nullable(),
        to: z.string().nullable(),
        missing: z.enum(['older', 'newer']).nullable().describe('Which end of what was asked was not looked at.'),
        why: z.string().nullable(),
        failed: foreign(z.string(), 'container engine').optional(),
      }),
    ),
    zone: z.object({ name: z.string(), offsetMinutes: z.number() }),
    entries: z.number().describe('Looked at; a trace is one.'),
    matched: z.number(),
    notKept: z.number(),
    levels: z.record(z.string(), z.number()),
    perStep: z
      .object({ from: z.string(), seconds: z.number(), entries: z.array(z.number()), errors: z.array(z.number()) })
      .nullable(),
    order: z.enum(['newest', 'oldest']),
    lines: z.array(LogRow()),
    next: z
      .string()
      .nullable()
      .describe('Cursor: what is older, or with order oldest newer, than the lines asked for.'),
    notes: z.array(z.string()),
  }),
);
export type LogAnswer = z.output<ReturnType<typeof LogAnswer>>;

const time = once(() => z.string().max(40));
const input = once(() =>
  z.strictObject({
    source: z
      .array(z.string().max(LONGEST_SOURCE))
      .min(1)
      .max(MOST_SOURCES)
      .describe('journal:[IDENT][@BOOT], unit:NAME, container:[ENGINE/]NAME, file:/PATH'),
    tail: z.number().int().min(1).max(1_000_000).optional().describe('Last lines only.'),
    since: time().optional().describe('15m, yesterday, 14:30, boot, RFC 3339.'),
    until: time().optional().describe('Likewise.'),
    level: z.enum(LEVELS).optional().describe('At least.'),
    grep: z.string().max(200).optional().describe('Any case.'),
    regex: z.boolean().default(false).describe('grep is RE2.'),
    context: z.number().int().min(0).max(20).optional().describe('Neighbours of a match.'),
    first_error: z.boolean().default(false).describe('Since the start.'),
    group: z.boolean().default(true).describe('Traces as one entry.'),
    limit: limit(50, 1_000),
    order: z.enum(['newest', 'oldest']).default('newest').describe('Which to keep.'),
    cursor: z.string().max(200).optional().describe('`next` of an answer.'),
    read_mb: z.number().int().min(1).max(512).default(32).describe('At most.'),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const logQuery = defineRead({
  name: 'log_query',
  title: 'Logs',
  description:
    'Reads logs, merged by time: the last entries, or by time, level and text. first_error finds what broke first. For a summary use log_digest.',
  toolset: 'logs',
  core: true,
  input,
  output: LogAnswer,
  scopes: { least: 'logs:read', of: (i) => scopesOfSources(i.source) },
  targets: (i) => targetsOfSources(i.source),
  risk: 'sensitive',
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 30_000, cost: 2 },
  cut: { lists: ['lines'], show: (i) => i.limit },
  text: logText,

  async handler(i, ctx) {
    const zone = ctx.host.system.identity().zone;
    const now = ctx.now();
    const { sinceMs, untilMs } = windowOf(i, ctx);
    const clean = cleaner(ctx);
    const sources = sourcesOf(i.source, 'log_query');
    const from = pageOf(i, sources.length);
    const forward = from ? from.newer : i.first_error || i.order === 'oldest';
    const want = await wanted(i, clean, forward);
    const readers = await openAll(sources, ctx);

    const share = (n: number) => Math.max(1, Math.floor(n / readers.length));
    const results = await Promise.all(
      readers.map(async ({ reader, source, failed }, n) => {
        if (!reader) return { source, looked: null, failed };
        const start = i.first_error && i.tail === undefined ? (reader.startedAtMs ?? undefined) : undefined;
        const beyond = from?.at[n];
        const plan: Plan = {
          sinceMs: sinceMs ?? start,
          untilMs,
          tail: i.tail,
          beyond,
          forward,
          enough: i.limit,
          group: i.group,
          maxBytes: share(i.read_mb * MIB),
          deadlineMs: now + READ_MS,
        };
        const one: Wanted = { ...want, chars: share(HELD), ...(beyond ? { beyond } : {}) };
        try {
          return { source, looked: await lookAt(reader, plan, () => createSelector(one), ctx), failed: null };
        } catch (thrown) {
          return { source, looked: null, failed: excused(thrown, readers.length, ctx) };
        }
      }),
    );
    if (results.every((r) => r.failed !== null)) throw results[0]?.failed;
    const begun = readers.flatMap(({ reader }) => reader?.begins ?? []);
    const lost = begun.filter((b) => (forward || sinceMs !== undefined) && (sinceMs ?? 0) < b.atMs).map((b) => b.why);
    lost.push(...readers.flatMap(({ reader }) => reader?.note ?? []));
    return answered({ ...i, order: forward ? 'oldest' : 'newest' }, { results, from, lost, clean, zone });
  },
});

function windowOf(i: Input, ctx: ToolContext) {
  const { zone, bootedAtMs } = ctx.host.system.identity();
  const booted = i.since === 'boot' ? bootedAtMs.value : null;
  const sinceMs = i.since === undefined ? undefined : (booted ?? pastTime(i.since, ctx.now(), 'since', zone));
  const untilMs = i.until === undefined ? undefined : pastTime(i.until, ctx.now(), 'until', zone);
  if (sinceMs !== undefined && untilMs !== undefined && untilMs <= sinceMs)
    throw new OpsError('validation', '`until` is not after `since`.', {
      hint: 'Both may be ages: since 2h, until 1h.',
    });
  if (i.tail !== undefined && untilMs !== undefined)
    throw new OpsError('validation', '`tail` counts from the end of the log, so it does not go with `until`.', {
      hint: 'Leave `tail` out: the newest before `until` are answered.',
    });
  return { sinceMs, untilMs };
}

function pageOf(i: Input, sources: number): Cursor | null {
  if (i.cursor === undefined) return null;
  const cursor = i.tail === undefined ? cursorOf(i.cursor, sources) : null;
  if (cursor) return cursor;
  throw new OpsError('validation', '`cursor` is none of an answer to these sources, or stands beside `tail`.', {
    hint: 'Give `next` as it was answered, with the same `source` in the same order, and without `tail`.',
  });
}

const byShape = createRedactor({});

/** As it may be searched and shown. A mark in it is ours: those of the log become brackets. */
export function cleaner(ctx: ToolContext): Clean {
  const redactor = ctx.redactor ?? byShape;
  return (text) => redactor.text(strip(text).replaceAll('⟦', '[').replaceAll('⟧', ']'));
}

async function wanted(i: Input, clean: Clean, oldest: boolean): Promise<Omit<Wanted, 'chars'>> {
  const least = i.level ?? (i.first_error ? 'error' : undefined);
  const found = i.grep === undefined ? undefined : i.regex ? await expression(i.grep, clean) : literal(i.grep, clean);
  const filtered = least !== undefined || found !== undefined;
  return {
    ...(least === undefined ? {} : { least }),
    ...(found === undefined ? {} : { match: (entry: Entry) => found(said(entry)) }),
    context: i.context ?? (i.first_error ? FIRST_CONTEXT : 0),
    keep: i.first_error ? 1 : filtered ? Math.max(KEPT, i.limit) : i.limit,
    oldest,
  };
}

interface Read {
  results: Result[];
  from: Cursor | null;
  /** What is gone before anyone could read it. */
  lost: string[];
  clean: Clean;
  zone: { name: string; offsetMinutes: number };
}

function answered(i: Input, { results, from, lost, clean, zone }: Read) {
  const oldest = i.order === 'oldest';
  const logs = results.map((r) => r.looked?.selection.picked ?? []);
  const merged = mergeByTime(logs, (p) => p.entry);
  const filtered = i.level !== undefined || i.grep !== undefined || i.first_error;
  const keep = filtered ? Math.max(KEPT, i.limit) : i.limit;
  const kept = oldest ? merged.slice(0, keep) : merged.slice(-keep).reverse();
  const sum = (of: (l: Looked) => number) => results.reduce((n, r) => n + (r.looked ? of(r.looked) : 0), 0);
  const levels: Record<string, number> = {};
  const buckets = createBuckets();
  for (const { looked } of results) {
    if (!looked) continue;
    for (const [level, n] of Object.entries(looked.selection.levels))
      if (n > 0) levels[level] = (levels[level] ?? 0) + n;
    buckets.merge(looked.selection.buckets);
  }
  const spread = buckets.spread(MOST_STEPS);
  const matched = sum((l) => l.selection.matched);
  const rows = kept.map(({ item, log }) => ({
    ...row(item.entry, clean),
    ...(results.length > 1 ? { source: results[log]?.source.text ?? '' } : {}),
    ...(item.context ? { context: true } : {}),
    ...(item.gap && results.length === 1 ? { gap: true } : {}),
  }));
  return {
    sources: results.map(({ source, looked, failed }) => ({
      source: source.text,
      lines: looked?.lines ?? 0,
      bytesRead: looked?.bytesRead ?? 0,
      from: iso(looked?.fromMs ?? null),
      to: iso(looked?.toMs ?? null),
      missing: looked?.missing ?? null,
      why: looked?.stopped ?? null,
      ...(failed ? { failed: failed.message } : {}),
    })),
    zone: { name: zone.name, offsetMinutes: zone.offsetMinutes },
    entries: sum((l) => l.selection.entries),
    matched,
    notKept: Math.max(0, sum((l) => l.selection.dropped) + merged.length - kept.length),
    levels,
    perStep: spread && {
      from: iso(spread.fromMs) ?? '',
      seconds: spread.stepMs / 1000,
      entries: spread.entries,
      errors: spread.bad,
    },
    order: oldest ? ('oldest' as const) : ('newest' as const),
    lines: rows,
    next: nextOf(kept.slice(0, i.limit), results, { newer: oldest, from }),
    notes: [...new Set(lost), ...notes(i, results, matched)],
  };
}

/** With the name of its writer, where the log is of many. */
const said = (entry: Entry): string => (entry.by === null ? entry.text : `${entry.by}: ${entry.text}`);

function row(entry: Entry, clean: Clean) {
  const { text, whole } = shortened(clean(said(entry)));
  return {
    at: iso(entry.atMs) ?? '',
    ...(entry.repeats > 1 ? { repeats: entry.repeats, lastAt: iso(entry.lastMs) ?? '' } : {}),
    ...(entry.stream === 'stderr' ? { stderr: true } : {}),
    ...(entry.level ? { level: entry.level } : {}),
    text,
    ...(entry.lines > 1 ? { lines: entry.lines } : {}),
    ...(entry.cut || !whole ? { cut: true } : {}),
  };
}

/** By then redacted. Of many lines the first and the last say most: what was done, and what went wrong. */
function shortened(text: string): { text: string; whole: boolean } {
  if (text.length <= ENTRY_CHARS) return { text, whole: true };
  const lines = text.split('\n');
  const fits = (list: string[], most: number) => {
    let n = 0;
    for (let used = 0; n < list.length; n++) {
      used += (list[n] as string).length + 1;
      if (used > most) break;
    }
    return n;
  };
  const head = fits(lines, ENTRY_CHARS * 0.7);
  const tail = fits(lines.slice(head).reverse(), ENTRY_CHARS * 0.25);
  const left = lines.length - head - tail;
  if (head === 0) return { text: clipped(text), whole: false };
  const end = tail > 0 ? lines.slice(-tail) : [];
  return { text: [...lines.slice(0, head), `⟦${left} lines left out⟧`, ...end].join('\n'), whole: false };
}

/** Never through the middle of a mark or a pair of surrogates. */
function clipped(text: string): string {
  let end = ENTRY_CHARS;
  const open = text.lastIndexOf('⟦', end - 1);
  if (open >= 0 && text.indexOf('⟧', open) >= end) end = open;
  return `${text.slice(0, end).toWellFormed()}⟦${text.length - end} characters left out⟧`;
}

function notes(i: Input, results: Result[], matched: number): string[] {
  const said: string[] = [];
  const short = results.filter((r) => r.looked?.stopped);
  if (short.length > 0) said.push('Not all was looked at: narrow `since` and `until`, or raise read_mb.');
  const cut = results.reduce((n, r) => n + (r.looked?.cutLines ?? 0), 0);
  if (cut > 0)
    said.push(`${cut} ${cut === 1 ? 'line was' : 'lines were'} longer than 16 KiB; what is behind was not searched.`);
  if (i.first_error && matched === 0 && short.length === 0) said.push('No error in what was looked at.');
  return said;
}

const iso = (ms: number | null): string | null =>
  ms === null || !Number.isFinite(ms) || Math.abs(ms) > 8.64e15 ? null : new Date(ms).toISOString();
