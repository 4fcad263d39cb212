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
import { foreign, limit } from '../core/schema.ts';
import type { Scope } from '../core/scopes.ts';
import { LONGEST_SOURCE, parseSources, type Source, type SourceKind, wellFormed } from '../core/source.ts';
import { pastTime } from '../core/when.ts';
import { createBuckets } from '../insight/log_count.ts';
import type { Entry } from '../insight/log_group.ts';
import { LEVELS } from '../insight/log_level.ts';
import { type Clean, expression, literal } from '../insight/log_match.ts';
import { mergeByTime } from '../insight/log_merge.ts';
import { createSelector, type Wanted } from '../insight/log_select.ts';
import { openContainer } from './log_container.ts';
import { type LogReader, type Looked, lookAt, type Plan } from './log_read.ts';
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

export const LogRow = z.object({
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
});

export const LogAnswer = z.object({
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
  lines: z.array(LogRow),
  notes: z.array(z.string()),
});
export type LogAnswer = z.output<typeof LogAnswer>;

const time = z.string().max(40);
const input = z.strictObject({
  source: z
    .array(z.string().max(LONGEST_SOURCE))
    .min(1)
    .max(MOST_SOURCES)
    .describe('container:NAME or container:ENGINE/NAME'),
  tail: z.number().int().min(1).max(1_000_000).optional().describe('Last lines only.'),
  since: time.optional().describe('15m, yesterday, 14:30, RFC 3339.'),
  until: time.optional().describe('Likewise.'),
  level: z.enum(LEVELS).optional().describe('At least.'),
  grep: z.string().max(200).optional().describe('Any case.'),
  regex: z.boolean().default(false).describe('grep is RE2.'),
  context: z.number().int().min(0).max(20).optional().describe('Entries around a match.'),
  first_error: z.boolean().default(false).describe('Since `since` or the start.'),
  group: z.boolean().default(true).describe('Traces as one entry.'),
  limit: limit(50, 1_000),
  order: z.enum(['newest', 'oldest']).default('newest').describe('Which to keep.'),
  read_mb: z.number().int().min(1).max(512).default(32).describe('Reads at most.'),
});
type Input = z.output<typeof input>;

type Open = (ctx: ToolContext, source: Source) => Promise<LogReader>;
/** Which kinds can be read, and what each needs beside logs:read. */
const KINDS: Partial<Record<SourceKind, { scopes: Scope[]; open: Open }>> = {
  container: { scopes: ['docker:read'], open: (ctx, s) => openContainer(ctx.host.docker, s, ctx.signal) },
};

export const logQuery = defineRead({
  name: 'log_query',
  title: 'Logs',
  description:
    'Use this to read logs of containers, merged by time: the last entries, or by time, level and text, with counts; stack traces are one entry. first_error finds what broke first. For its state use container_inspect.',
  toolset: 'logs',
  core: true,
  input,
  output: LogAnswer,
  scopes: { least: 'logs:read', of: (i) => wellFormed(i.source).flatMap((s) => KINDS[s.kind]?.scopes ?? []) },
  targets: (i) =>
    wellFormed(i.source).flatMap((s) =>
      s.kind === 'container' ? [{ kind: 'container' as const, name: s.engine ? `${s.engine}/${s.name}` : s.name }] : [],
    ),
  risk: 'sensitive',
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 30_000, cost: 2 },
  cut: { lists: ['lines'], show: (i) => i.limit },
  text: logText,

  async handler(i, ctx) {
    const zone = ctx.host.system.identity().zone;
    const now = ctx.now();
    const { sinceMs, untilMs } = windowOf(i, now, zone);
    const clean = cleaner(ctx);
    const want = await wanted(i, clean);
    const readers = await opened(parsed(i), ctx);

    const share = (n: number) => Math.max(1, Math.floor(n / readers.length));
    const forward = i.first_error || i.order === 'oldest';
    const results = await Promise.all(
      readers.map(async ({ reader, source, failed }) => {
        if (!reader) return { source, looked: null, failed };
        const start = i.first_error && i.tail === undefined ? (reader.startedAtMs ?? undefined) : undefined;
        const plan: Plan = {
          sinceMs: sinceMs ?? start,
          untilMs,
          tail: i.tail,
          forward,
          enough: i.limit,
          group: i.group,
          maxBytes: share(i.read_mb * MIB),
          deadlineMs: now + READ_MS,
        };
        const one: Wanted = { ...want, chars: share(HELD) };
        try {
          return { source, looked: await lookAt(reader, plan, () => createSelector(one), ctx), failed: null };
        } catch (thrown) {
          return { source, looked: null, failed: excused(thrown, readers.length, ctx) };
        }
      }),
    );
    if (results.every((r) => r.failed !== null)) throw results[0]?.failed;
    return answered(i, results, clean, zone);
  },
});

function windowOf(i: Input, now: number, zone: { name: string; offsetMinutes: number }) {
  const sinceMs = i.since === undefined ? undefined : pastTime(i.since, now, 'since', zone);
  const untilMs = i.until === undefined ? undefined : pastTime(i.until, now, 'until', zone);
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

function parsed(i: Input): Source[] {
  const sources = parseSources(i.source);
  const other = sources.find((s) => !KINDS[s.kind]);
  if (other)
    throw new OpsError('validation', `log_query cannot read ${other.text.slice(0, 80)}.`, {
      hint: `It reads ${Object.keys(KINDS)
        .map((k) => `${k}:NAME`)
        .join(', ')}.`,
    });
  return sources;
}

interface Opened {
  source: Source;
  reader: LogReader | null;
  failed: OpsError | null;
}

/** A name that is wrong fails the call, an engine that is away only its own source. */
async function opened(sources: Source[], ctx: ToolContext): Promise<Opened[]> {
  const all = await Promise.all(
    sources.map(async (source): Promise<Opened> => {
      try {
        return { source, reader: (await KINDS[source.kind]?.open(ctx, source)) ?? null, failed: null };
      } catch (thrown) {
        return { source, reader: null, failed: excused(thrown, sources.length, ctx) };
      }
    }),
  );
  return all;
}

/** Of several sources one may be away; whatever else goes wrong is the call's. */
function excused(thrown: unknown, sources: number, ctx: ToolContext): OpsError {
  const own = thrown instanceof OpsError && (thrown.code === 'unavailable' || thrown.code === 'timeout');
  if (sources > 1 && own && !ctx.signal.aborted) return thrown;
  throw thrown;
}

const byShape = createRedactor({});

/** As it may be searched and shown. A mark in it is ours: those of the log become brackets. */
export function cleaner(ctx: ToolContext): Clean {
  const redactor = ctx.redactor ?? byShape;
  return (text) => redactor.text(strip(text).replaceAll('⟦', '[').replaceAll('⟧', ']'));
}

async function wanted(i: Input, clean: Clean): Promise<Omit<Wanted, 'chars'>> {
  const least = i.level ?? (i.first_error ? 'error' : undefined);
  const found = i.grep === undefined ? undefined : i.regex ? await expression(i.grep, clean) : literal(i.grep, clean);
  const filtered = least !== undefined || found !== undefined;
  return {
    ...(least === undefined ? {} : { least }),
    ...(found === undefined ? {} : { match: (entry: Entry) => found(entry.text) }),
    context: i.context ?? (i.first_error ? FIRST_CONTEXT : 0),
    keep: i.first_error ? 1 : filtered ? Math.max(KEPT, i.limit) : i.limit,
    oldest: i.first_error || i.order === 'oldest',
  };
}

type Result = { source: Source; looked: Looked | null; failed: OpsError | null };

function answered(i: Input, results: Result[], clean: Clean, zone: { name: string; offsetMinutes: number }) {
  const oldest = i.first_error || i.order === 'oldest';
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
    notes: notes(i, results, matched),
  };
}

function row(entry: Entry, clean: Clean) {
  const { text, whole } = shortened(clean(entry.text));
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
