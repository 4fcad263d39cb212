/**
 * Logs as patterns: tens of thousands of lines in at most thirty, what is bad or new first. Decides what is read and what is compared;
 * mining is insight/log_mine.ts's, their order insight/log_digest.ts's. Lines are redacted before they are mined: a template is made of
 * their words, and half a secret is none that the door could still know.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineRead } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import { foreign, once } from '../core/schema.ts';
import { LONGEST_SOURCE } from '../core/source.ts';
import { pastTime } from '../core/when.ts';
import { rows, told } from '../insight/log_digest.ts';
import type { Entry } from '../insight/log_group.ts';
import { LEVELS, type Level } from '../insight/log_level.ts';
import type { Clean } from '../insight/log_match.ts';
import { createMiner, type Pattern } from '../insight/log_mine.ts';
import type { Selector } from '../insight/log_select.ts';
import { digestText } from './log_digest_text.ts';
import { cleaner } from './log_query.ts';
import { type Looked, lookAt } from './log_read.ts';
import { excused, openAll, scopesOfSources, sourcesOf, targetsOfSources } from './log_sources.ts';

const MIB = 1024 * 1024;
const MOST_SOURCES = 10;
const MOST_PATTERNS = 30;
const READ_MS = 20_000;
const HOUR = 3_600_000;

export const DigestAnswer = once(() =>
  z.object({
    sources: z.array(
      z.object({
        source: z.string(),
        entries: z.number(),
        before: z.number().nullable().describe('In the baseline; null: it was not looked at.'),
        bytesRead: z.number(),
        from: z.string().nullable(),
        missing: z.string().nullable().describe('What was not looked at, and why.'),
        failed: foreign(z.string(), 'log').optional(),
      }),
    ),
    zone: z.object({ name: z.string(), offsetMinutes: z.number() }),
    since: z.string(),
    until: z.string(),
    baseline: z.string().describe('It ends at `since`.'),
    entries: z.number(),
    levels: z.record(z.string(), z.number()),
    patterns: z.number().describe('In all.'),
    lines: z.array(
      z.object({
        count: z.number(),
        before: z.number().nullable(),
        new: z.boolean().nullable().describe('Not in the baseline; null: nothing to compare with.'),
        level: z.enum(LEVELS).optional(),
        first: z.string(),
        last: z.string(),
        source: z.string().optional(),
        // Cleaned here, so the marks in it are ours.
        pattern: foreign(z.string().meta({ kept: true }), 'log'),
        example: foreign(z.string().meta({ kept: true }), 'log').optional(),
      }),
    ),
    rest: z.number().describe('Entries of patterns that are not listed.'),
    notes: z.array(z.string()),
  }),
);
export type DigestAnswer = z.output<ReturnType<typeof DigestAnswer>>;

const time = once(() => z.string().max(40));
const input = once(() =>
  z.strictObject({
    source: z.array(z.string().max(LONGEST_SOURCE)).min(1).max(MOST_SOURCES).describe('As log_query.'),
    since: time().default('1h').describe('As log_query.'),
    until: time().optional().describe('Else now.'),
    baseline: time().optional().describe('Begin of what new is judged by; else as long before.'),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const logDigest = defineRead({
  name: 'log_digest',
  title: 'Patterns in logs',
  description: 'See what logs say: patterns with counts, errors and what is new first. For lines use log_query.',
  toolset: 'logs',
  core: true,
  input,
  output: DigestAnswer,
  scopes: { least: 'logs:read', of: (i) => scopesOfSources(i.source) },
  targets: (i) => targetsOfSources(i.source),
  risk: 'sensitive',
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 40_000, cost: 3 },
  cut: { lists: ['lines'] },
  text: digestText,

  async handler(i, ctx) {
    const { zone } = ctx.host.system.identity();
    const at = windowOf(i, ctx);
    const clean = cleaner(ctx);
    const readers = await openAll(sourcesOf(i.source, 'log_digest'), ctx);
    const results = await Promise.all(
      readers.map(async ({ reader, source, failed }) => {
        if (!reader) return { source, looked: null, failed };
        const plan = {
          ...{ sinceMs: at.baselineMs, untilMs: i.until === undefined ? undefined : at.untilMs },
          ...{ tail: undefined, beyond: undefined, forward: false },
          ...{ enough: Number.POSITIVE_INFINITY, group: true, deadlineMs: ctx.now() + READ_MS },
          maxBytes: Math.floor((READ_MIB * MIB) / readers.length),
        };
        try {
          return { source, looked: await lookAt(reader, plan, () => miner(at.sinceMs, clean), ctx), failed: null };
        } catch (thrown) {
          return { source, looked: null, failed: excused(thrown, readers.length, ctx) };
        }
      }),
    );
    if (results.every((r) => r.failed !== null)) throw results[0]?.failed;

    const all = told(
      results.map(({ looked }) => ({
        patterns: looked?.selection.patterns ?? [],
        compared: (looked?.selection.before ?? 0) > 0,
      })),
    );
    const shown = rows(all, MOST_PATTERNS);
    const sum = (of: (d: Digested) => number) =>
      results.reduce((n, r) => n + (r.looked ? of(r.looked.selection) : 0), 0);
    const listed = shown.reduce((n, r) => n + r.told.count, 0);
    const levels: Record<string, number> = {};
    for (const level of LEVELS.toReversed()) {
      const n = sum((d) => d.levels[level] ?? 0);
      if (n > 0) levels[level] = n;
    }
    return {
      sources: results.map(({ source, looked, failed }) => ({
        source: source.text,
        entries: looked?.selection.entries ?? 0,
        before: looked && looked.selection.before > 0 ? looked.selection.before : null,
        bytesRead: looked?.bytesRead ?? 0,
        from: looked?.fromMs == null ? null : iso(looked.fromMs),
        missing: looked ? missing(looked) : null,
        ...(failed ? { failed: failed.message } : {}),
      })),
      zone: { name: zone.name, offsetMinutes: zone.offsetMinutes },
      since: iso(at.sinceMs),
      until: iso(at.untilMs),
      baseline: iso(at.baselineMs),
      entries: sum((d) => d.entries),
      levels,
      patterns: all.length,
      lines: shown.map(({ told: t, template, example }) => ({
        count: t.count,
        before: t.fresh === null ? null : t.before,
        new: t.fresh,
        ...(t.level === null ? {} : { level: t.level }),
        first: iso(t.firstMs),
        last: iso(t.lastMs),
        ...(results.length > 1 ? { source: results[t.source]?.source.text ?? '' } : {}),
        pattern: template,
        ...(example === null ? {} : { example }),
      })),
      rest: sum((d) => d.entries) - listed,
      notes: notes(results, at),
    };
  },
});

const READ_MIB = 96;
const iso = (ms: number): string => new Date(ms).toISOString();

function windowOf(i: Input, ctx: ToolContext) {
  const { zone, bootedAtMs } = ctx.host.system.identity();
  const now = ctx.now();
  const at = (text: string, name: string) =>
    text === 'boot' && bootedAtMs.value !== null ? bootedAtMs.value : pastTime(text, now, name, zone);
  const sinceMs = at(i.since, 'since');
  const untilMs = i.until === undefined ? now : at(i.until, 'until');
  const baselineMs =
    i.baseline === undefined ? sinceMs - Math.max(untilMs - sinceMs, HOUR / 60) : at(i.baseline, 'baseline');
  if (untilMs <= sinceMs || baselineMs >= sinceMs)
    throw new OpsError('validation', '`baseline`, `since` and `until` are not in order of time.', {
      hint: 'They may be ages: baseline 1d, since 1h.',
    });
  return { sinceMs, untilMs, baselineMs: Math.max(0, baselineMs) };
}

interface Digested {
  matched: number;
  entries: number;
  before: number;
  levels: Record<string, number>;
  patterns: Pattern[];
}

/** Takes what lookAt reads, and keeps none of it. */
function miner(sinceMs: number, clean: Clean): Selector<Digested> {
  const mine = createMiner();
  const levels: Partial<Record<Level, number>> = {};
  let entries = 0;
  let before = 0;
  return {
    push(entry) {
      const early = entry.atMs < sinceMs;
      if (early) before++;
      else {
        entries++;
        if (entry.level) levels[entry.level] = (levels[entry.level] ?? 0) + 1;
      }
      mine.push({ text: heading(entry, clean), atMs: entry.atMs, level: entry.level, before: early });
    },
    full: () => false,
    matched: () => 0,
    end: () => ({ matched: 0, entries, before, levels, patterns: mine.end().patterns }),
  };
}

const TRACEBACK = /^\s*Traceback \(most recent call last\):/;
/** Of a line; what stands behind tells no more of its kind. */
const HEADING = 1_024;

/** One line of it, clean: the first, or the last where that says what happened. */
function heading(entry: Entry, clean: Clean): string {
  const by = entry.by === null ? '' : `${entry.by}: `;
  if (entry.lines === 1) return clean(by + entry.text.slice(entry.stamp)).slice(0, HEADING);
  // As a whole: a secret of several lines is none that one of them shows.
  const lines = clean(entry.text.slice(entry.stamp)).split('\n');
  const line = TRACEBACK.test(lines[0] ?? '') ? lines.findLast((l) => l.trim() !== '') : lines[0];
  return (by + (line ?? '')).slice(0, HEADING);
}

function missing(looked: Looked<Digested>): string | null {
  if (looked.missing === null || looked.stopped === null) return null;
  const edge = looked.missing === 'older' ? looked.fromMs : looked.toMs;
  return `${edge === null ? 'all of it' : `what is ${looked.missing} than ${iso(edge)}`}: ${looked.stopped}`;
}

function notes(
  results: readonly { source: { text: string }; looked: Looked<Digested> | null }[],
  at: { sinceMs: number },
): string[] {
  const blind = results.filter(
    ({ looked }) => looked !== null && looked.selection.entries > 0 && looked.selection.before === 0,
  );
  const part = results.filter(({ looked }) => looked?.missing === 'older' && (looked.fromMs ?? 0) > at.sinceMs);
  return [
    ...(part.length > 0 ? ['Not all of the window was looked at: narrow `since`.'] : []),
    ...(blind.length > 0
      ? [`Nothing of the time before was there to tell what is new in ${blind.map((r) => r.source.text).join(', ')}.`]
      : []),
  ];
}
