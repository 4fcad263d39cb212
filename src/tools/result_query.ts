/**
 * Pages, filters and reduces what was cut from an earlier answer, waits for work that goes on or for a decision, and asks work to stop.
 * What is kept is already redacted; whose it is and whether it still exists, `ctx.results` decides. Search is for literal
 * text only: a regular expression of a caller's can hang a process.
 */
import * as z from 'zod';
import type { KeptResult } from '../core/call.ts';
import { defineRead } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import { foreign, Handle, limit, once, WaitS } from '../core/schema.ts';
import { rfc3339 } from '../core/text.ts';
import { resultText } from './result_text.ts';

const STANDARD_LIMIT = 50;
/** Bytes of a page's items. Who names a larger limit has asked for more than the standard answer. */
const PAGE_BYTES = 6_000;
const LARGE_PAGE_BYTES = 24_000;

/** Foreign, but it left through the door before: the marks in it are ours and stay. */
const kept = <S extends z.ZodType>(schema: S): S =>
  foreign(schema.meta({ ...schema.meta(), kept: true }) as S, 'kept result');

export const ResultAnswer = once(() =>
  z.object({
    handle: z.string(),
    tool: z.string(),
    state: z.enum([
      'running',
      'done',
      'failed',
      'cancelled',
      'lost',
      'waiting',
      'granted',
      'refused',
      'used',
      'expired',
    ]),
    createdAt: z.string(),
    expiresAt: z.string(),
    list: z.string().nullable(),
    lists: z.array(z.string()).describe('Names for `list`.'),
    total: z.number().nullable(),
    matched: z.number().nullable(),
    offset: z.number(),
    items: kept(z.array(z.unknown())),
    nextOffset: z.number().nullable().describe('For the next page; null: this was the last.'),
    whole: kept(z.record(z.string(), z.unknown()).nullable().describe('An answer without lists.')),
    progress: z.object({ done: z.number(), total: z.number().optional(), text: z.string().optional() }).nullable(),
    error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).nullable(),
    note: z.string().nullable(),
  }),
);
export type ResultAnswer = z.output<ReturnType<typeof ResultAnswer>>;

const input = once(() =>
  z.strictObject({
    handle: Handle(),
    wait_s: WaitS(),
    cancel: z.boolean().default(false).describe('Stop running work.'),
    list: z.string().max(64).optional().describe('Which list; the one that was cut most by default.'),
    offset: z.number().int().min(0).max(1_000_000).default(0),
    limit: limit(STANDARD_LIMIT, 1_000),
    grep: z.string().min(1).max(200).optional().describe('Literal, any case.'),
    select: z.array(z.string().max(64)).min(1).max(20).optional().describe('Fields to keep.'),
    sort: z.string().max(65).optional().describe('A field; "-field" for largest first.'),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const resultQuery = defineRead({
  name: 'result_query',
  title: 'Kept results and running work',
  description:
    'Use this with the handle of an earlier answer: page, grep, select or sort what was cut, wait for running work or a decision, or cancel work. Handles expire after some minutes. For fresh facts call the tool itself again.',
  toolset: 'triage',
  core: true,
  input,
  output: ResultAnswer,
  scopes: { least: null },
  risk: 'read',
  annotations: { idempotent: true, openWorld: false },
  perPrincipal: true,
  limits: { timeoutMs: 45_000, maxBytes: 64 * 1024 },
  cut: { lists: ['items'] },
  text: resultText,

  async handler(i, ctx) {
    let kept = found(ctx.results.get(i.handle), i.handle);
    let note: string | null = null;
    if (i.cancel) {
      const asked = ctx.results.cancel(i.handle);
      note = asked
        ? 'Asked to stop; work that has begun its change runs to its end.'
        : `There is nothing to stop: it is ${kept.state}.`;
    }
    const waitMs = i.wait_s === undefined ? ctx.waitMs : i.wait_s * 1_000;
    if ((kept.state === 'running' || kept.state === 'waiting') && waitMs > 0)
      kept = found(await ctx.results.wait(i.handle, waitMs, ctx.signal), i.handle);
    else if (i.cancel) kept = found(ctx.results.get(i.handle), i.handle);
    return { ...page(kept, i), ...heading(kept, note) };
  },
});

function found(kept: KeptResult | null, handle: string): KeptResult {
  if (kept) return kept;
  throw new OpsError('not_found', `Nothing is kept under ${handle} for you.`, {
    hint: 'It expired, or is not yours, or never was: call the tool that gave it again.',
  });
}

const WORDS: Partial<Record<KeptResult['state'], string>> = {
  running: 'Still running: ask again with wait_s.',
  lost: 'The server was restarted while this ran; what became of it is not known. Look at the state of what it was to change, then call the tool again.',
  cancelled: 'Cancelled before its end.',
  waiting: 'The owner of the host has not decided yet: ask again with wait_s.',
  granted: 'Approved: repeat the very call, which then runs, once.',
  refused: 'Refused: the same call is refused until this expires.',
  used: 'The call it was for has been let through with it.',
  expired: 'It ran out, unanswered or unused: to ask again, repeat the call.',
};

function heading(k: KeptResult, note: string | null) {
  const gone =
    k.state === 'done' && k.data === null
      ? 'It is done, but its answer could not be kept: call the tool again.'
      : undefined;
  return {
    handle: k.handle,
    tool: k.tool,
    state: k.state,
    createdAt: rfc3339(k.createdAtMs),
    expiresAt: rfc3339(k.expiresAtMs),
    progress: k.progress,
    error: k.error,
    note: [note, WORDS[k.state] ?? gone].filter(Boolean).join(' ') || null,
  };
}

function page(k: KeptResult, i: Input) {
  const data = k.data ?? {};
  const lists = namesOfLists(k);
  const empty = {
    list: null,
    lists,
    total: null,
    matched: null,
    offset: i.offset,
    items: [],
    nextOffset: null,
    whole: null,
  };
  if (k.data === null) return empty;
  if (i.list === undefined && lists.length === 0) return { ...empty, whole: k.data };
  const list = i.list ?? (lists[0] as string);
  const all = data[list];
  if (!Array.isArray(all))
    throw new OpsError('validation', `The kept answer of ${k.tool} has no list ${JSON.stringify(list)}.`, {
      hint: 'Give one of the candidates, or none.',
      candidates: lists,
    });

  let items: unknown[] = all;
  if (i.grep !== undefined) {
    const part = i.grep.toLowerCase();
    items = items.filter((item) => holds(item, part));
  }
  if (i.sort !== undefined) items = sorted(items, fieldsOf(all), i.sort);
  if (i.select !== undefined) items = selected(items, fieldsOf(all), i.select);
  const matched = items.length;
  const shown = fitting(
    items.slice(i.offset, i.offset + i.limit),
    i.limit > STANDARD_LIMIT ? LARGE_PAGE_BYTES : PAGE_BYTES,
  );
  const next = i.offset + shown.length;
  return {
    list,
    lists,
    total: all.length,
    matched,
    offset: i.offset,
    items: shown,
    nextOffset: shown.length > 0 && next < matched ? next : null,
    whole: null,
  };
}

/** Those that were cut first, then the others. */
function namesOfLists(k: KeptResult): string[] {
  const data = k.data ?? {};
  const others = Object.keys(data).filter((key) => Array.isArray(data[key]) && !k.lists.includes(key));
  return [...k.lists.filter((l) => Array.isArray(data[l])), ...others];
}

/** Values only: a search for "user" must not find every row that has a field of that name. */
function holds(item: unknown, part: string): boolean {
  if (item === null || item === undefined) return false;
  if (typeof item === 'object') return Object.values(item).some((v) => holds(v, part));
  return String(item).toLowerCase().includes(part);
}

type Row = Record<string, unknown>;
const isRow = (item: unknown): item is Row => typeof item === 'object' && item !== null && !Array.isArray(item);

function fieldsOf(items: readonly unknown[]): string[] {
  const fields = new Set<string>();
  for (const item of items) if (isRow(item)) for (const key of Object.keys(item)) fields.add(key);
  return [...fields];
}

function knownField(field: string, fields: readonly string[]): string {
  if (fields.includes(field)) return field;
  if (fields.length === 0)
    throw new OpsError('validation', 'The items of this list are plain values, without fields.', {
      hint: 'Leave out select and sort; grep works.',
    });
  throw new OpsError('validation', `The items have no field ${JSON.stringify(field)}.`, {
    hint: 'Give one of the candidates.',
    candidates: [...fields],
  });
}

function selected(items: readonly unknown[], fields: readonly string[], select: readonly string[]): unknown[] {
  for (const field of select) knownField(field, fields);
  return items.map((item) =>
    isRow(item) ? Object.fromEntries(select.filter((f) => Object.hasOwn(item, f)).map((f) => [f, item[f]])) : item,
  );
}

/** Numbers by size, the rest as text; what has no value comes last either way. */
function sorted(items: readonly unknown[], fields: readonly string[], sort: string): unknown[] {
  const down = sort.startsWith('-') && !fields.includes(sort);
  const field = knownField(down ? sort.slice(1) : sort, fields);
  const value = (item: unknown) => (isRow(item) ? (item[field] ?? null) : null);
  return items.toSorted((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    const order = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y), 'en');
    return down ? -order : order;
  });
}

/** At least one, however large: otherwise a page could never be passed. */
function fitting(items: readonly unknown[], most: number): unknown[] {
  let bytes = 0;
  const at = items.findIndex((item, n) => {
    bytes += Buffer.byteLength(JSON.stringify(item) ?? 'null');
    return bytes > most && n > 0;
  });
  return at < 0 ? [...items] : items.slice(0, at);
}
