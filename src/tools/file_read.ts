/**
 * A part of a file: lines, the last ones, those that match with their neighbours, or bytes. Decides what is asked for and what is
 * answered, and how much; reading in pieces is file_pieces.ts's, which lines of them file_lines.ts's. What is cut here is not kept:
 * the file is still there, and the answer says how to go on.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineRead } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import { createRedactor } from '../core/redact.ts';
import { foreign, once } from '../core/schema.ts';
import { placeOf } from '../insight/log_match.ts';
import { requiredText } from '../insight/regex_text.ts';
import { lineEnds } from '../insight/text_encoding.ts';
import { contentType } from '../insight/text_types.ts';
import { bytesOf } from './file_bytes.ts';
import { type Choice, type Cursor, chosenLines } from './file_lines.ts';
import { iso, named, PathIn, pathOf, targetOf } from './file_parts.ts';
import { openPieces } from './file_pieces.ts';
import { fileReadText } from './file_read_text.ts';

const READ_MS = 15_000;
/** Of the answer's lines: about a thousand tokens unless more is asked for; what is asked for comes twice, as data and as text. */
const STANDARD_CHARS = 3_600;
const MOST_CHARS = 24_000;
/** Unless the call says how many. */
const LINES = 2_000;
const MATCHES = 50;
const SPAN = /^(?:(\d{1,12})(-(\d{1,12})?)?|-(\d{1,9}))$/;

export const FileReadAnswer = once(() =>
  z.object({
    path: foreign(z.string(), 'file name'),
    type: z.string(),
    detail: z.string().nullable(),
    encoding: z.string().nullable().describe('Null: no text.'),
    bom: z.boolean(),
    lineEnds: z.enum(['lf', 'crlf', 'mixed']).nullable().describe('Of what was read; null: none seen.'),
    finalNewline: z.boolean().nullable().describe('Null: the end was not read.'),
    sizeBytes: z.number(),
    modified: z.string().nullable(),
    totalLines: z.number().nullable().describe('Null: not counted.'),
    parts: z.array(
      z.object({
        line: z.number().nullable().describe('Of the first; null: not counted.'),
        byte: z.number(),
        matches: z.array(z.number()).optional().describe('Which of `lines`, from 0.'),
        // Cleaned here, so the marks in it are ours.
        lines: z.array(foreign(z.string().meta({ kept: true }), 'file')),
      }),
    ),
    hex: z.array(foreign(z.string().meta({ kept: true }), 'file')).optional(),
    matched: z.number().optional().describe('Lines shown that match.'),
    altered: z.object({ redacted: z.number(), stripped: z.number() }).describe('What is not shown as it stands there.'),
    invalidBytes: z.number().describe('Shown as \\xNN.'),
    cutLines: z.number().describe('Longer than is shown.'),
    bytesRead: z.number(),
    after: z.string().nullable().describe('To go on; null: nothing follows.'),
    notes: z.array(z.string()),
  }),
);
export type FileReadAnswer = z.output<ReturnType<typeof FileReadAnswer>>;

const input = once(() =>
  z.strictObject({
    path: PathIn(),
    lines: z.string().max(25).optional().describe('20-60, 20- or -50 (the last).'),
    bytes: z.string().max(25).optional().describe('0-255.'),
    grep: z.string().min(1).max(200).optional().describe('Any case.'),
    regex: z.boolean().optional(),
    context: z.number().int().min(0).max(50).optional(),
    limit: z.number().int().min(1).max(2_000).optional(),
    after: z.string().max(80).optional(),
  }),
);
export type FileReadInput = z.output<ReturnType<typeof input>>;

export const fileRead = defineRead({
  name: 'file_read',
  title: 'Read a file',
  description:
    'Use this to read a file: lines, its end, around matches; secrets removed, binaries described. To find one use file_search, for logs log_query.',
  toolset: 'files',
  core: true,
  input,
  output: FileReadAnswer,
  scopes: { least: 'files:read' },
  targets: (i) => [{ kind: 'path', name: targetOf(i.path) }],
  risk: 'sensitive',
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 30_000, maxBytes: 64 * 1024, cost: 2 },
  text: fileReadText,

  async handler(i, ctx) {
    const span = spanOf(i);
    const deadlineMs = ctx.now() + READ_MS;
    const path = pathOf(i.path);
    const pieces = await named(i.path, ctx, () => openPieces(ctx.host.files.reader, path, { signal: ctx.signal }));
    const { stat, head } = pieces;
    const { type, text, detail } = contentType(head, stat.sizeBytes);
    const about = {
      path: pieces.path,
      type,
      detail,
      encoding: text?.encoding ?? null,
      bom: (text?.bom ?? 0) > 0,
      sizeBytes: stat.sizeBytes,
      modified: iso(stat.modifiedMs),
    };
    const chars = i.lines || i.bytes || i.limit || i.after ? MOST_CHARS : STANDARD_CHARS;
    if (!text || i.bytes !== undefined) {
      const part = await bytesOf(pieces, text, i.bytes === undefined ? null : span, redactOf(ctx));
      return { ...about, ...NO_LINES, ...part, bytesRead: pieces.bytesRead() };
    }
    const grep = i.grep === undefined ? null : await grepOf(i.grep, i.regex === true);
    const { shown, ...found } = await chosenLines(pieces, text, {
      span,
      grep,
      context: i.context ?? 0,
      limit: i.limit ?? (grep ? MATCHES : LINES),
      chars,
      after: i.after === undefined ? null : cursorOf(i.after, stat.id),
      redact: redactOf(ctx),
      timeUp: () => ctx.now() >= deadlineMs,
    });
    const notes = [...found.notes];
    const { firstCut } = shown;
    if (firstCut)
      notes.push(
        `${firstCut.line === null ? 'The line' : `Line ${firstCut.line}`} is longer than is shown: bytes ${firstCut.byte}-${firstCut.byte + 4_095} has its text from there.`,
      );
    return {
      ...about,
      lineEnds: lineEnds(head, text.encoding),
      finalNewline: found.finalNewline,
      totalLines: found.totalLines,
      parts: shown.parts,
      ...(grep ? { matched: found.matched } : {}),
      altered: { redacted: shown.redacted, stripped: shown.stripped },
      invalidBytes: shown.invalid,
      cutLines: shown.cutLines,
      bytesRead: pieces.bytesRead(),
      after: found.stop && `${found.stop.line ?? ''}.${found.stop.byte}.${tagOf(stat.id)}`,
      notes,
    };
  },
});

const NO_LINES = { lineEnds: null, finalNewline: null, totalLines: null, cutLines: 0, after: null };

/** How lines are searched: by what they show, and before that by what they must hold. */
export async function grepOf(grep: string, regex: boolean): Promise<NonNullable<Choice['grep']>> {
  const place = await placeOf(grep, regex);
  const scan = regex ? requiredText(grep) : grep;
  return { place, literal: regex ? null : grep, scan: scan?.includes('\n') ? null : scan };
}

/** What the walk found is the same file as long as this is: a log that was rotated meanwhile is another one. */
function tagOf(id: string): string {
  let h = 0x811c9dc5;
  for (const c of Buffer.from(id)) h = Math.imul(h ^ c, 0x01000193) >>> 0;
  return h.toString(36);
}

function cursorOf(text: string, id: string): Cursor {
  const m = /^(\d{0,12})\.(\d{1,15})\.([a-z0-9]{1,10})$/.exec(text);
  if (!m)
    throw new OpsError('validation', '`after` is not as an answer gave it.', { hint: 'Leave it out to begin anew.' });
  if (m[3] !== tagOf(id))
    throw new OpsError('conflict', 'The file is another one than that answer was of.', {
      hint: 'It was rotated or replaced: read it from the start, or its rotated name.',
    });
  return { line: m[1] === '' ? null : Number(m[1]), byte: Number(m[2]) };
}

const byShape = createRedactor({});
const redactOf = (ctx: ToolContext) => (text: string) => (ctx.redactor ?? byShape).text(text);

export interface Span {
  from: number;
  /** Inclusive; null: to the end. */
  to: number | null;
  /** So many last ones. */
  last: number | null;
}

function spanOf(i: FileReadInput): Span | null {
  const wrong = (message: string, hint: string) => new OpsError('validation', message, { hint });
  if (i.lines !== undefined && i.bytes !== undefined)
    throw wrong('`lines` and `bytes` do not go together.', 'Give one of them.');
  if (i.bytes !== undefined && (i.grep !== undefined || i.after !== undefined))
    throw wrong('`bytes` goes with neither `grep` nor `after`.', 'Leave `bytes` out to search lines.');
  if (i.after !== undefined && i.lines !== undefined && !i.lines.includes('-', 1))
    throw wrong('`after` goes on from where an answer ended.', 'Leave `lines` out.');
  const said = i.lines ?? i.bytes;
  if (said === undefined) return null;
  const name = i.lines === undefined ? 'bytes' : 'lines';
  const m = SPAN.exec(said);
  if (!m) throw wrong(`${name}: ${JSON.stringify(said)} is no range.`, `Write ${name} as 20-60, 20- or -50.`);
  if (m[4] !== undefined) return { from: 0, to: null, last: Number(m[4]) };
  const from = Number(m[1]);
  const to = m[2] === undefined ? from : m[3] === undefined ? null : Number(m[3]);
  if ((to !== null && to < from) || (name === 'lines' && from < 1))
    throw wrong(
      `${name}: ${said} is no range.`,
      name === 'lines' ? 'Lines begin with 1.' : 'The end is not before the start.',
    );
  return { from, to, last: null };
}
