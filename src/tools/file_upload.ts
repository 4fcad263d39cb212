/**
 * A file of any size: its bytes come by requests of their own (over HTTP) or from a file of this host. Decides what must be declared, so that
 * a yes is a yes to these very bytes, and in which order things happen: stage, bytes, digest, the way back on the disk, one rename.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineChange } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import type { FileNow, FileSource, FileStage } from '../core/files.ts';
import { once, WaitS } from '../core/schema.ts';
import { bytes as size } from '../core/text.ts';
import type { Preview } from '../core/tool.ts';
import {
  asRead,
  called,
  digestOf,
  factsOf,
  KeepOwner,
  PathInput,
  plain,
  Sha256,
  standing,
  statFacts,
  tame,
} from './file_change.ts';
import { targetOf } from './file_parts.ts';
import { uploadUndo } from './file_upload_undo.ts';

const PIECE = 1024 * 1024;

const input = once(() =>
  z.strictObject({
    path: PathInput(),
    size_bytes: z
      .number()
      .int()
      .min(0)
      .max(2 ** 39)
      .optional()
      .describe('Of what comes; not with `from`.'),
    sha256: Sha256().optional().describe('Of what comes; not needed with `from`.'),
    from: PathInput().optional().describe('A file of this host to copy instead of sending bytes.'),
    expect_sha256: Sha256().optional().describe('Of what it replaces; none: it creates.'),
    mode: z
      .string()
      .regex(/^0?[0-7]{3}$/)
      .optional()
      .describe('Of a new file, else 0644.'),
    keep_owner: KeepOwner(),
    wait_s: WaitS(),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const fileUpload = defineChange({
  name: 'file_upload',
  title: 'Upload a file',
  description:
    'Use this to create or replace a file with bytes of any size: it answers a URL to PUT them to with your token (over HTTP), or copies a file of this host (`from`). Declare size and SHA-256; nothing is replaced before all are there and right. For small text use file_write.',
  toolset: 'files',
  core: false,
  input,
  also: () => ({
    url: z.string().optional().describe('PUT the bytes here, with your bearer token.'),
    expiresAt: z.string().optional(),
  }),
  scopes: { least: 'files:write' },
  risk: 'change',
  // Also what is copied: it could be read from its copy.
  targets: (i) =>
    [i.path, ...(i.from === undefined ? [] : [i.from])].map((path) => ({ kind: 'path', name: targetOf(plain(path)) })),
  annotations: { idempotent: false, openWorld: false },
  limits: { timeoutMs: 3_600_000, maxBytes: 32 * 1024 },
  long: true,
  undo: uploadUndo,

  async preview(i, ctx): Promise<Preview> {
    const path = plain(i.path);
    const { was, coming, source } = await planOf(i, ctx);
    await source?.close();
    await ctx.host.files.changer.check(path, { keepOwner: i.keep_owner, signal: ctx.signal });
    const by = i.from === undefined ? 'by bytes that are sent next' : `by a copy of ${called(plain(i.from))}`;
    const what = was ? `Replace ${called(path)} (${size(was.stat.sizeBytes)})` : `Create ${called(path)}`;
    return {
      summary: `${what} ${by}: ${size(coming.sizeBytes)}, SHA-256 ${coming.sha256}.`,
      before: factsOf(was, ctx),
      digest: `${digestOf(was)} ${coming.sizeBytes} ${coming.sha256}`,
    };
  },

  async apply(i, ctx) {
    const path = plain(i.path);
    const { was, coming, source } = await planOf(i, ctx);
    let stage: FileStage | null = null;
    try {
      stage = await ctx.host.files.transfers.stage(path, {
        expected: was ? { sha256: was.sha256 } : { missing: true },
        keepOwner: i.keep_owner,
        sizeBytes: coming.sizeBytes,
        ...(i.mode === undefined ? {} : { mode: Number.parseInt(i.mode, 8) }),
        signal: ctx.signal,
      });
      if (source) await copy(source, stage, ctx);
      else {
        const came = await sent(ctx).receive({ path: stage.path, sizeBytes: coming.sizeBytes }, stage, ctx.signal);
        if (came.sha256 !== coming.sha256)
          throw new OpsError('validation', `The bytes that came have SHA-256 ${came.sha256}, not the one declared.`, {
            hint: 'Nothing was replaced. Call file_upload again with what the file has, and send it once more.',
          });
      }
      const { unkept } = await stage.ready();
      ctx.commit({
        data: { made: coming.sha256, bytes: coming.sizeBytes, existed: was !== null },
        ...(was ? { blobs: { was: was.bytes } } : {}),
      });
      const done = await stage.commit();
      return {
        summary: `${was ? 'Replaced' : 'Created'} ${called(path)} (${size(coming.sizeBytes)}, SHA-256 ${coming.sha256}).${unkept ? ` The new file has not: ${tame(unkept)}.` : ''}`,
        before: factsOf(was, ctx),
        after: { exists: true, ...statFacts(done.stat, ctx), sha256: coming.sha256 },
      };
    } finally {
      await stage?.discard();
      await source?.close();
    }
  },
});

function sent(ctx: ToolContext) {
  if (ctx.transfers?.way === 'url') return ctx.transfers;
  throw new OpsError('validation', 'Bytes can be sent only over HTTP.', {
    hint: 'Name a file of this host, inside a root that may be read, as `from`.',
  });
}

interface Planned {
  /** What is replaced, with its bytes, because undo needs them. */
  was: FileNow | null;
  coming: { sizeBytes: number; sha256: string };
  /** Open. */
  source: FileSource | null;
}

async function planOf(i: Input, ctx: ToolContext): Promise<Planned> {
  const path = plain(i.path);
  const was = await standing(path, ctx);
  asRead(path, was, i.expect_sha256);
  if (was && i.expect_sha256 === undefined)
    throw new OpsError('conflict', `${called(path)} is there already (${size(was.stat.sizeBytes)}).`, {
      hint: 'Look at it; then give its SHA-256 as expect_sha256.',
    });
  if (was && i.mode !== undefined)
    throw new OpsError('validation', 'A file that is replaced keeps its mode.', { hint: 'Leave `mode` out.' });
  const most = ctx.transfers?.maxBytes ?? Number.POSITIVE_INFINITY;
  const bounded = (sizeBytes: number) => {
    if (sizeBytes > most)
      throw new OpsError('limit', `That is ${size(sizeBytes)}, and ${size(most)} is the most.`, {
        hint: 'The setting `files.transfers.maxBytes` says so.',
      });
  };
  if (i.from === undefined) {
    sent(ctx);
    if (i.size_bytes === undefined || i.sha256 === undefined)
      throw new OpsError('validation', '`size_bytes` and `sha256` of what is to come are needed.', {
        hint: 'On your side: stat -c %s FILE; sha256sum FILE.',
      });
    bounded(i.size_bytes);
    return { was, coming: { sizeBytes: i.size_bytes, sha256: i.sha256 }, source: null };
  }
  const source = await ctx.host.files.transfers.open(plain(i.from), { signal: ctx.signal });
  try {
    const { sizeBytes } = source.stat;
    bounded(sizeBytes);
    const sha256 = await source.digest({ signal: ctx.signal });
    const declared = (i.size_bytes ?? sizeBytes) === sizeBytes && (i.sha256 ?? sha256) === sha256;
    if (!declared)
      throw new OpsError(
        'validation',
        `${called(plain(i.from))} has ${sizeBytes} bytes, SHA-256 ${sha256}: not as declared.`,
        {
          hint: 'Leave out size_bytes and sha256, or give what it has.',
        },
      );
    return { was, coming: { sizeBytes, sha256 }, source };
  } catch (thrown) {
    await source.close();
    throw thrown;
  }
}

/** Held open since its digest, and refused when it has changed since: these are the bytes that were counted. */
async function copy(source: FileSource, stage: FileStage, ctx: ToolContext): Promise<void> {
  const piece = new Uint8Array(new SharedArrayBuffer(PIECE));
  for (let at = 0; ; ) {
    ctx.signal.throwIfAborted();
    const got = await source.read(piece, at);
    if (got === 0) return;
    await stage.append(piece, got);
    at += got;
    ctx.progress(at, source.stat.sizeBytes);
  }
}
