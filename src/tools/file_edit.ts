/**
 * Parts of a file, all or none: exact texts or ranges of lines, found in its bytes as they are. Decides which edits are asked for; how they
 * are found is insight/edit.ts, all about the change itself file_change.ts.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineChange } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import { once } from '../core/schema.ts';
import { applyEdits } from '../insight/edit.ts';
import { linesOf } from '../insight/edit_lines.ts';
import { cleanLines } from '../insight/text_lines.ts';
import {
  AnyPath,
  asRead,
  called,
  described,
  KeepOwner,
  made,
  Overrule,
  type Plan,
  plain,
  redactorOf,
  Sha256,
  standing,
} from './file_change.ts';
import { contentUndo } from './file_change_undo.ts';
import { targetOf } from './file_parts.ts';

/** One string and not two numbers: this tool is in every model's list, and each bound of a number costs there. */
const LINES = /^(\d{1,8})(?:-(\d{1,8})|(\+))?$/;
const isRange = (text: string): boolean => {
  const [all, from, to] = LINES.exec(text) ?? [];
  return all !== undefined && Number(to ?? from) >= Number(from);
};
/** How far around a line is looked for what makes it a part of a secret. */
const REACH = 1_000;

const edit = once(() =>
  z
    .strictObject({
      find: z.string().min(1).max(48_000).optional(),
      all: z.boolean().optional(),
      lines: z.string().max(20).refine(isRange, 'expected lines as 3, 3-5, or 3+ (behind 3)').optional(),
      replace: z.string().max(48_000),
    })
    .refine((e) => (e.find === undefined) !== (e.lines === undefined), {
      message: 'expected exactly one of `find` and `lines`',
      path: ['find'],
    })
    .refine((e) => e.find !== undefined || e.all === undefined, { message: 'expected with `find`', path: ['all'] }),
);

const input = once(() =>
  z.strictObject({
    path: AnyPath(),
    edits: z
      .array(edit())
      .min(1)
      .max(50)
      .describe('Exact `find`, once or `all`; or `lines` as they are now: 3, 3-5, 3+ (behind 3).'),
    expect_sha256: Sha256().optional().describe('Of what you read.'),
    keep_owner: KeepOwner(),
    overrule: Overrule(),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const fileEdit = defineChange({
  name: 'file_edit',
  title: 'Edit a file',
  description: 'Use this to change parts of a file, all or none. For a new file use file_write.',
  toolset: 'files',
  core: true,
  input,
  scopes: { least: 'files:write' },
  risk: 'change',
  targets: (i) => [{ kind: 'path', name: targetOf(plain(i.path)) }],
  annotations: { idempotent: false, openWorld: false },
  limits: { timeoutMs: 60_000, maxBytes: 32 * 1024 },
  undo: contentUndo,
  preview: async (i, ctx) => described(await planOf(i, ctx), (i as { dry_run?: boolean }).dry_run === true, ctx),
  apply: async (i, ctx) => made(await planOf(i, ctx), ctx),
});

async function planOf(i: Input, ctx: ToolContext): Promise<Plan> {
  const path = plain(i.path);
  const was = await standing(path, ctx);
  if (!was) throw new OpsError('not_found', `${called(path)} is not there.`, { hint: 'file_write creates it.' });
  asRead(path, was, i.expect_sha256);
  const edits = i.edits.map(({ lines, ...e }) => ({ ...e, ...rangeOf(lines) }));
  const { bytes, places } = applyEdits(was.bytes, edits, (n) => shownLine(was.bytes, n, ctx));
  return {
    path,
    was,
    bytes,
    keepOwner: i.keep_owner,
    overrule: i.overrule,
    what: `Change ${places === 1 ? 'one place' : `${places} places`} of ${called(path)}`,
  };
}

/** Behind a line is before the next one, and no lines. */
function rangeOf(lines: string | undefined): { fromLine?: number; toLine?: number } {
  const [, from, to, behind] = LINES.exec(lines ?? '') ?? [];
  if (from === undefined) return {};
  if (behind) return { fromLine: Number(from) + 1, toLine: Number(from) };
  return { fromLine: Number(from), toLine: Number(to ?? from) };
}

/** For an error, which the door redacts line by line: what stands around it makes a line a part of a secret. */
function shownLine(bytes: Uint8Array, line: number, ctx: ToolContext): string {
  const lines = linesOf(bytes);
  const from = Math.max(1, line - REACH);
  const to = Math.min(lines.count, line + REACH);
  const text = lines.flat.toString('utf8', lines.start(from), lines.end(to)).split('\n');
  return cleanLines(text, (t) => redactorOf(ctx).text(t))[line - from]?.text ?? '';
}
