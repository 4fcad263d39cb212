/**
 * Files found by name, size, age or content. Decides what is asked for and what is answered; the walk is the host's. A line that the host
 * found is read again and shown as file_read would show it: whoever searches for a secret finds nothing, not even that it is there.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineRead } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import type { Finding, FindWhat, Found } from '../core/files.ts';
import { createRedactor } from '../core/redact.ts';
import { foreign, limit, once, Unknown } from '../core/schema.ts';
import { requiredText } from '../insight/regex_text.ts';
import { contentType } from '../insight/text_types.ts';
import { type Choice, chosenLines } from './file_lines.ts';
import { notLookedAt } from './file_list.ts';
import { iso, KINDS, named, PathIn, pathOf, targetOf, uriOf } from './file_parts.ts';
import { openPieces } from './file_pieces.ts';
import { grepOf } from './file_read.ts';
import { fileSearchText } from './file_search_text.ts';

const WALK_MS = 15_000;
const VERIFY_MS = 8_000;
const MOST_DEPTH = 200;
const MOST_ENTRIES = 2_000_000;
const MOST_BYTES = 16 * 1024 ** 3;
/** Names that are kept for result_query; and files whose lines are read again. */
const ROWS = 2_000;
const MOST_FILES = 200;
/** Also for one that asks for few: a file whose match redaction hides counts among these, and one too many would tell that it has it. */
const LEAST_FILES = 64;
/** Of one file; file_read has the others. */
const LINES_EACH = 2;
const LINE_CHARS = 1_200;

export const SearchRow = once(() =>
  z.object({
    path: foreign(z.string(), 'file name'),
    kind: z.enum(KINDS).optional().describe('Where it is no file.'),
    sizeBytes: z.number(),
    modified: z.string().nullable(),
    uri: foreign(z.string(), 'file name').optional().describe('Names it as `path`, where its name does not.'),
    lines: z
      .array(
        z.object({
          line: z.number().nullable(),
          // Cleaned here, so the marks in it are ours.
          text: foreign(z.string().meta({ kept: true }), 'file'),
        }),
      )
      .optional(),
    more: z.boolean().optional().describe('Further lines match: file_read with grep.'),
  }),
);
export type SearchRow = z.output<ReturnType<typeof SearchRow>>;

export const FileSearchAnswer = once(() =>
  z.object({
    path: foreign(z.string(), 'file name'),
    matched: z.number().nullable().describe('Null: not all were looked into.'),
    bytes: z.number().nullable().describe('Of them.'),
    looked: z.object({ entries: z.number(), files: z.number(), bytes: z.number() }),
    index: z
      .object({
        ageSeconds: z.number().nullable().describe('Null: not used.'),
        complete: z.boolean().describe('All that changed since was looked at too.'),
      })
      .optional()
      .describe('It said where to look.'),
    files: z.array(SearchRow()),
    unknown: z.array(Unknown()),
  }),
);
export type FileSearchAnswer = z.output<ReturnType<typeof FileSearchAnswer>>;

const input = once(() =>
  z.strictObject({
    path: PathIn(),
    glob: z.string().min(1).max(255).optional().describe('*.conf or **/x/*'),
    grep: z.string().min(1).max(200).optional().describe('Any case.'),
    regex: z.boolean().optional(),
    size: z.string().max(16).optional().describe('+10M or -1k'),
    age: z.string().max(16).optional().describe('-2d (changed since) or +30d'),
    limit: limit(12, 500),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const fileSearch = defineRead({
  name: 'file_search',
  title: 'Find files',
  description:
    'Use this to find files below a folder by name, size, age or content. For one file use file_read with grep, for a folder file_list.',
  toolset: 'files',
  core: true,
  input,
  output: FileSearchAnswer,
  scopes: { least: 'files:read' },
  targets: (i) => [{ kind: 'path', name: targetOf(i.path) }],
  risk: 'sensitive',
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 40_000, cost: 3 },
  cut: { lists: ['files'], show: (i) => i.limit },
  text: fileSearchText,

  async handler(i, ctx) {
    const path = pathOf(i.path);
    const what = whatOf(i, ctx.now());
    const bounds = {
      depth: MOST_DEPTH,
      limit: i.grep === undefined ? ROWS : Math.min(MOST_FILES, Math.max(LEAST_FILES, i.limit * 3)),
      maxEntries: MOST_ENTRIES,
      maxBytes: MOST_BYTES,
      maxMs: WALK_MS,
      index: true,
    };
    // A wrong expression is told as one before anything is looked at.
    const grep = i.grep === undefined ? null : await grepOf(i.grep, i.regex === true);
    const again = grep && rereader(i.limit, grep, ctx);
    const some = again ? { some: (found: Found[]) => again.begin(found) } : {};
    const found = await named(i.path, ctx, () =>
      ctx.host.files.find(path, what, { ...bounds, ...some, signal: ctx.signal }),
    ).finally(() => again?.stop());
    const unknown = found.proposed ? notNamed(found) : notLookedAt(found);
    const index = indexOf(found, unknown);
    const looked = { entries: found.looked.entries, files: found.looked.files, bytes: found.looked.bytes };
    const shown = typeof path === 'string' ? path : targetOf(i.path);
    const sorted = found.found.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
    if (!again) {
      const all = found.stopped === null;
      if (found.hits > sorted.length)
        unknown.push({ what: `${found.hits - sorted.length} further`, why: `${sorted.length} are listed at most` });
      const files = sorted.map(rowOf);
      return {
        path: shown,
        matched: all ? found.hits : null,
        bytes: all ? found.totalBytes : null,
        looked,
        ...index,
        files,
        unknown,
      };
    }
    const { files, through } = await again.all(sorted);
    const all = through && found.stopped === null && found.hits <= sorted.length;
    if (!through || found.hits > sorted.length)
      unknown.push({ what: 'further files', why: 'enough were found: narrow it by name, or begin further down' });
    const bytes = files.reduce((n, f) => n + f.sizeBytes, 0);
    return {
      path: shown,
      matched: all ? files.length : null,
      bytes: all ? bytes : null,
      looked: found.proposed ? { entries: files.length, files: files.length, bytes } : looked,
      ...index,
      files,
      unknown,
    };
  },
});

/**
 * Where only files were looked into that hold the text, a count of those that may not be shown would tell that they hold it, and letter by
 * letter what they hold. So the same is said whatever there is.
 */
function notNamed(found: Finding): FileSearchAnswer['unknown'] {
  const passedOver = { ...found.passedOver, denied: 0, unreadable: 0, otherDevice: 0 };
  return [
    ...notLookedAt({ ...found, passedOver }),
    { what: 'what is on the deny list, or may not be read', why: 'never opened' },
  ];
}

/** What an index has to do with it; nobody may take what it does not know yet for nothing. */
function indexOf({ index }: Finding, unknown: FileSearchAnswer['unknown']): Pick<FileSearchAnswer, 'index'> {
  if (!index) return {};
  if (index.unused !== undefined) {
    unknown.push({ what: 'the index', why: `${index.unused}: the files themselves were looked through` });
    return { index: { ageSeconds: null, complete: true } };
  }
  if (!index.complete)
    unknown.push({ what: 'what changed since the index was kept', why: 'there was no time to look at all of it' });
  return { index: { ageSeconds: Math.round(index.ageMs / 1_000), complete: index.complete } };
}

const SIZE = /^([+-])(\d{1,9})([kKMGT]?)(?:i?B)?$/;
const UNITS: Record<string, number> = { '': 1, k: 1_024, M: 1_024 ** 2, G: 1_024 ** 3, T: 1_024 ** 4 };
const AGE = /^([+-])(\d{1,6})([mhdw])$/;
const SPANS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

function whatOf(i: Input, now: number): FindWhat {
  if (i.glob === undefined && i.grep === undefined && i.size === undefined && i.age === undefined)
    throw new OpsError('validation', 'There is nothing to look for.', {
      hint: 'Give glob, grep, size or age; file_list shows all of a folder.',
    });
  const wrong = (name: string, said: string, hint: string) =>
    new OpsError('validation', `${name}: ${JSON.stringify(said)} cannot be read.`, { hint });
  const what: FindWhat = i.glob === undefined ? {} : { glob: i.glob };
  if (i.size !== undefined) {
    const m = SIZE.exec(i.size);
    if (!m) throw wrong('size', i.size, 'Write +10M (larger) or -1k (smaller).');
    const n = Number(m[2]) * (UNITS[m[3] === 'K' ? 'k' : (m[3] as string)] as number);
    if (m[1] === '+') what.minBytes = n + 1;
    else what.maxBytes = n - 1;
    what.kinds = ['file'];
  }
  if (i.age !== undefined) {
    const m = AGE.exec(i.age);
    if (!m) throw wrong('age', i.age, 'Write -2d (changed in the last two days) or +30d (not since then).');
    const at = now - Number(m[2]) * (SPANS[m[3] as string] as number);
    if (m[1] === '-') what.modifiedAfterMs = at;
    else what.modifiedBeforeMs = at;
  }
  if (i.grep !== undefined) {
    const holds = i.regex ? requiredText(i.grep) : null;
    what.content = { text: i.grep, regex: i.regex === true, ignoreCase: true, ...(holds ? { holds } : {}) };
  }
  return what;
}

function rowOf(f: Found): SearchRow {
  const uri = uriOf('/', f.path.slice(1), f.bytes?.subarray(1) ?? null);
  return {
    path: f.path,
    ...(f.stat.kind === 'file' ? {} : { kind: f.stat.kind }),
    sizeBytes: f.stat.sizeBytes,
    modified: iso(f.stat.modifiedMs),
    ...(uri ? { uri } : {}),
  };
}

const byShape = createRedactor({});

interface Rereader {
  /** Some of what will have to be read, while others are still looked for. */
  begin(found: readonly Found[]): void;
  /** There will be no more to do. */
  stop(): void;
  /** In order, until there are enough. `through`: all of them were read again. */
  all(found: readonly Found[]): Promise<{ files: SearchRow[]; through: boolean }>;
}

function rereader(most: number, grep: NonNullable<Choice['grep']>, ctx: ToolContext): Rereader {
  const redactor = ctx.redactor ?? byShape;
  /** What was read early, by path: of which file, and what it came to. */
  const early = new Map<string, { of: string; row: SearchRow | null }>();
  const waiting: Found[] = [];
  let running: Promise<void> | null = null;
  let over = false;

  /** Null: it is none of those found. */
  async function read(f: Found, deadlineMs: number): Promise<SearchRow | null> {
    const [first] = f.lines ?? [];
    if (!first) return null;
    const last = f.lines?.[LINES_EACH * 4] ?? f.lines?.at(-1) ?? first;
    try {
      const pieces = await openPieces(ctx.host.files.reader, f.bytes ?? f.path, { signal: ctx.signal });
      // Another file stands there by now.
      if (pieces.stat.id !== f.stat.id) return null;
      const text = contentType(pieces.head, pieces.stat.sizeBytes).text ?? { encoding: 'utf-8' as const, bom: 0 };
      const { shown, matched, stop } = await chosenLines(pieces, text, {
        span: { from: first.number, to: last.number, last: null },
        grep,
        context: 0,
        limit: LINES_EACH,
        chars: LINE_CHARS,
        lineChars: LINE_CHARS / 6,
        after: { line: first.number, byte: first.offset },
        redact: (s) => redactor.text(s),
        timeUp: () => ctx.now() >= deadlineMs,
      });
      if (matched === 0) return null;
      const lines = shown.parts.flatMap((p) =>
        p.lines.map((line, n) => ({ line: p.line === null ? null : p.line + n, text: line })),
      );
      const more = stop !== null && stop.why !== 'range';
      return { ...rowOf(f), lines, ...(more ? { more: true } : {}) };
    } catch (thrown) {
      // It went away, or must not be read.
      if (!(thrown instanceof OpsError) || ctx.signal.aborted || !GONE.has(thrown.code)) throw thrown;
      return null;
    }
  }

  async function ahead(): Promise<void> {
    for (let f = waiting.shift(); f && !over && early.size < most; f = waiting.shift())
      early.set(f.path, { of: f.stat.id, row: await read(f, ctx.now() + VERIFY_MS) });
  }

  return {
    begin(found) {
      waiting.push(...found);
      running ??= ahead()
        // Whatever it was: the file is read anew when its turn comes, and then it is told.
        .catch(() => {})
        .finally(() => {
          running = null;
        });
    },
    stop() {
      over = true;
    },
    async all(found) {
      over = true;
      await running;
      const deadlineMs = ctx.now() + VERIFY_MS;
      const files: SearchRow[] = [];
      for (const f of found) {
        if (!f.lines?.length) continue;
        if (files.length >= most || ctx.now() >= deadlineMs) return { files, through: false };
        const known = early.get(f.path);
        const row = known?.of === f.stat.id ? known.row : await read(f, deadlineMs);
        if (row) files.push(row);
      }
      return { files, through: true };
    },
  };
}
const GONE = new Set(['not_found', 'permission', 'conflict', 'validation']);
