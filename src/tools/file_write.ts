/**
 * A whole file: a new one, or one in the place of what the caller has read. Decides what content and mode may be, and that nothing is
 * replaced unread; the rest is file_change.ts.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineChange } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import { once } from '../core/schema.ts';
import { bytes as size } from '../core/text.ts';
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
  Sha256,
  standing,
} from './file_change.ts';
import { contentUndo } from './file_change_undo.ts';
import { targetOf } from './file_parts.ts';

/** What an argument may carry; more comes by file_upload. */
const MOST = 48 * 1024;

/** Half a character cannot be written: it would be another one on the disk. */
const Text = once(() =>
  z
    .string()
    .max(MOST)
    .refine((s) => s.isWellFormed(), 'expected whole characters'),
);

const input = once(() =>
  z
    .strictObject({
      path: AnyPath(),
      content: Text().optional().describe('Text, as UTF-8; or `base64`.'),
      base64: z
        .string()
        .max(Math.ceil(MOST / 3) * 4)
        .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/)
        .optional()
        .describe('Bytes.'),
      expect_sha256: Sha256().optional().describe('Of what it replaces; none: it creates.'),
      mode: z
        .string()
        .regex(/^0?[0-7]{3}$/)
        .optional()
        .describe('Of a new file, else 0644.'),
      keep_owner: KeepOwner(),
      overrule: Overrule(),
    })
    .refine((i) => (i.content === undefined) !== (i.base64 === undefined), {
      message: 'expected exactly one of `content` and `base64`',
      path: ['content'],
    }),
);
type Input = z.output<ReturnType<typeof input>>;

export const fileWrite = defineChange({
  name: 'file_write',
  title: 'Write a file',
  description:
    'Use this to create a file, or to replace one whole whose SHA-256 you give; up to 48 KiB, checked first where its kind is known. Atomic; the old content is kept for undo. To change parts of a file use file_edit, for more bytes file_upload.',
  toolset: 'files',
  core: false,
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
  const bytes = i.content === undefined ? Buffer.from(i.base64 ?? '', 'base64') : Buffer.from(i.content);
  if (bytes.length > MOST)
    throw new OpsError('limit', `That is ${size(bytes.length)}; ${size(MOST)} is the most.`, {
      hint: 'Use file_upload.',
    });
  const was = await standing(path, ctx);
  asRead(path, was, i.expect_sha256);
  if (was && i.expect_sha256 === undefined)
    throw new OpsError('conflict', `${called(path)} is there already (${size(was.stat.sizeBytes)}).`, {
      hint: 'Read it; then give the SHA-256 of what you have read as expect_sha256. To change parts of it use file_edit.',
    });
  if (was && i.mode !== undefined)
    throw new OpsError('validation', 'A file that is replaced keeps its mode.', { hint: 'Leave `mode` out.' });
  return {
    path,
    was,
    bytes,
    mode: i.mode === undefined ? undefined : Number.parseInt(i.mode, 8),
    keepOwner: i.keep_owner,
    overrule: i.overrule,
    what: `${was ? 'Replace' : 'Create'} ${called(path)}`,
  };
}
