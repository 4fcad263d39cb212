/**
 * What all changes of a file's content have in common: what must be there, what the approver reads, the check of the new content, the way
 * back on the disk before the first byte is written, and the verdict. Decides when a verdict stops a change, and how large a file may be
 * that is changed; what the new content is, the tools.
 */
import { hash } from 'node:crypto';
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import type { FileNow, FileStat } from '../core/files.ts';
import { strip } from '../core/foreign.ts';
import { createRedactor } from '../core/redact.ts';
import { once } from '../core/schema.ts';
import { rfc3339, bytes as size } from '../core/text.ts';
import type { ChangeContext, Changed, Preview } from '../core/tool.ts';
import type { Verdict } from '../core/validate.ts';
import { type Difference, difference } from '../insight/diff_text.ts';
import { LONGEST_PATH, pathOf } from './file_parts.ts';

export const PathInput = once(() => z.string().min(2).max(4_095).regex(/^\//, 'expected an absolute path'));
/** Also as `file_list` gives one that text cannot say: `file:///` with %XX. */
export const AnyPath = once(() =>
  z
    .string()
    .min(2)
    .max(LONGEST_PATH * 3)
    .refine((p) => p.startsWith('/') || p.startsWith('file:///'), 'expected an absolute path'),
);
export const Sha256 = once(() => z.string().regex(/^[0-9a-f]{64}$/));
export const Overrule = once(() => z.boolean().default(false).describe('Though its check fails.'));
export const KeepOwner = once(() => z.boolean().default(true).describe('false: may become ours.'));

/** The old content is kept for undo, and passes through memory: larger files are not changed here. */
export const MOST_BYTES = 8 * 1024 * 1024;

const byShape = createRedactor({});
export const redactorOf = (ctx: ToolContext) => ctx.redactor ?? byShape;

/** One way to write a path: one lock, one rule. */
export const plain = (path: string): string => (path.startsWith('file:///') ? path : slashes(path));
const slashes = (path: string): string =>
  `/${path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')}`;

/** In a sentence of ours what others wrote is one line, and no mark. */
export const tame = (text: string, most = 200): string => {
  const line = strip(text).replaceAll('⟦', '[').replaceAll('⟧', ']').replace(/\s+/g, ' ').trim();
  return line.length > most ? `${line.slice(0, most)}…` : line;
};
export const called = (path: string): string => tame(path, 300);

/** What is to be written, and over what. */
export interface Plan {
  path: string;
  was: FileNow | null;
  bytes: Uint8Array;
  /** Of a new file. */
  mode?: number | undefined;
  keepOwner: boolean;
  overrule: boolean;
  /** In words: `Change 2 places of /etc/hosts`. */
  what: string;
}

/** What stands there now: null where nothing does. */
export async function standing(path: string, ctx: ToolContext): Promise<FileNow | null> {
  try {
    return await ctx.host.files.changer.now(pathOf(path), { maxBytes: MOST_BYTES, signal: ctx.signal });
  } catch (thrown) {
    const error = toOpsError(thrown);
    if (error.code === 'limit')
      throw new OpsError('limit', `${called(path)} is larger than ${size(MOST_BYTES)}.`, {
        hint: 'What a change replaces is kept for undo, and no more than that of one file. file_move or file_delete (to the trash) puts it aside whole; then write a new one.',
        cause: error,
      });
    if (error.code === 'not_found')
      throw new OpsError('not_found', error.message, { hint: 'Its folder must be there: folders are not made here.' });
    throw error;
  }
}

/** The caller says which content it has read. */
export function asRead(path: string, was: FileNow | null, expected: string | undefined): void {
  if (expected === undefined || was?.sha256 === expected) return;
  const hint = 'Read it again, then repeat the call with what it holds now.';
  if (!was) throw new OpsError('conflict', `${called(path)} is not there (any more).`, { hint });
  throw new OpsError(
    'conflict',
    `${called(path)} is not as it was read: it was changed at ${rfc3339(was.stat.modifiedMs)}, and its SHA-256 is another now.`,
    { hint },
  );
}

export const isNothing = ({ was, bytes }: Plan): boolean => was !== null && Buffer.compare(was.bytes, bytes) === 0;

export async function described(plan: Plan, dryRun: boolean, ctx: ToolContext): Promise<Preview> {
  const { path, was, bytes, overrule, keepOwner } = plan;
  if (bytes.length > MOST_BYTES)
    throw new OpsError('limit', `It would be ${size(bytes.length)} long; ${size(MOST_BYTES)} is the most.`, {
      hint: 'Change it on the host itself.',
    });
  const before = factsOf(was, ctx);
  const digest = digestOf(was);
  if (isNothing(plan)) return { summary: `${called(path)} is so already: nothing would be changed.`, before, digest };
  await ctx.host.files.changer.check(pathOf(path), { keepOwner, signal: ctx.signal });

  const verdict = await ctx.host.validate.proposed(was?.path ?? path, bytes, { signal: ctx.signal });
  if (verdict?.result === 'failed' && !overrule && !dryRun)
    throw new OpsError('validation', `Nothing was written: ${refused(verdict)}`, {
      hint: 'Mend the new content; or, where the check is wrong, give `overrule: true`.',
    });
  const diff = difference(called(path), was?.bytes ?? null, bytes, redactorOf(ctx));
  const later = await ctx.host.validate.inPlaceBy(was?.path ?? path);
  const said = [
    `${plan.what} (${sizes(plan)}${lineCount(diff)}).`,
    hidden(diff),
    verdict && spoken(verdict, overrule),
    later &&
      `Once written, ${later} looks at it${overrule ? '.' : '; if it fails because of this, the old content is put back.'}`,
  ];
  return {
    summary: said.filter((s) => s !== null).join(' '),
    before,
    ...(diff ? { diff: diff.text } : {}),
    digest,
  };
}

export async function made(plan: Plan, ctx: ChangeContext): Promise<Changed> {
  const { path, was, bytes, overrule } = plan;
  const { validate } = ctx.host;
  const before = factsOf(was, ctx);
  if (isNothing(plan)) return { summary: `${called(path)} is so already; nothing was changed.`, before, after: before };
  const where = was?.path ?? path;
  const by = await validate.inPlaceBy(where);
  if (by === null) return written(plan, ctx);
  return validate.alone(where, async () => {
    // What fails already is not the fault of this change, and must not keep anybody from mending it.
    const first = await validate.inPlace(where, { signal: ctx.signal });
    const done = await written(plan, ctx);
    const verdict = await validate.inPlace(where);
    const after = { ...done.after, check: verdict };
    if (verdict.result === 'failed' && first.result === 'failed')
      return {
        ...done,
        summary: `${done.summary} ${by} failed before already, and still does: ${because(verdict)}`,
        after,
      };
    if (verdict.result !== 'failed' || overrule)
      return { ...done, summary: `${done.summary} ${spoken(verdict, overrule)}`, after };
    await restored(plan, ctx, verdict);
    const diff = difference(called(path), was?.bytes ?? null, bytes, redactorOf(ctx));
    return {
      state: 'rolled_back',
      summary: `${refused(verdict)} ${was ? `The old content of ${called(path)} is back.` : `${called(path)} is gone again.`}`,
      before,
      after: { ...before, check: verdict },
      ...(diff ? { diff: diff.text } : {}),
    };
  });
}

async function written(plan: Plan, ctx: ChangeContext): Promise<Changed> {
  const { path, was, bytes, mode, keepOwner } = plan;
  // The preview has asked just now, and this is its answer: had it failed, we were not here.
  const verdict = await ctx.host.validate.proposed(was?.path ?? path, bytes, { signal: ctx.signal });
  const diff = difference(called(path), was?.bytes ?? null, bytes, redactorOf(ctx));
  ctx.commit({
    data: { made: hash('sha256', bytes), existed: was !== null },
    ...(was ? { blobs: { was: was.bytes } } : {}),
  });
  const done = await ctx.host.files.changer.write(pathOf(path), bytes, {
    expected: was ? { sha256: was.sha256 } : { missing: true },
    keepOwner,
    ...(mode === undefined ? {} : { mode }),
  });
  const said = [
    `${was ? 'Changed' : 'Created'} ${called(path)} (${sizes(plan)}${lineCount(diff)}).`,
    done.unkept && `The new file has not: ${tame(done.unkept)}.`,
    verdict && verdict.result !== 'ok' ? spoken(verdict, plan.overrule) : null,
  ];
  return {
    summary: said.filter((s) => s !== null).join(' '),
    before: factsOf(was, ctx),
    after: { ...factsOf({ ...done, bytes }, ctx), ...(verdict ? { check: verdict } : {}) },
    ...(diff ? { diff: diff.text } : {}),
  };
}

async function restored({ path, was, bytes, keepOwner }: Plan, ctx: ChangeContext, verdict: Verdict): Promise<void> {
  const { changer } = ctx.host.files;
  try {
    if (was) await changer.write(pathOf(path), was.bytes, { expected: { sha256: hash('sha256', bytes) }, keepOwner });
    else await removeExactly(path, hash('sha256', bytes), ctx);
  } catch (thrown) {
    const error = toOpsError(thrown);
    throw new OpsError(error.code, `${refused(verdict)} And what was there could not be put back: ${error.message}`, {
      cause: error,
    });
  }
}

/** A file that holds just this, for good: what is in it is known. */
export async function removeExactly(path: string, sha256: string, ctx: ToolContext): Promise<void> {
  const { changer } = ctx.host.files;
  const is = await changer.now(pathOf(path), { maxBytes: MOST_BYTES });
  if (!is) return;
  if (is.sha256 !== sha256)
    throw new OpsError('conflict', `${called(path)} was changed meanwhile.`, { hint: 'Look at what it holds now.' });
  await changer.remove(pathOf(path), { id: is.stat.id, maxEntries: 1 });
}

/** Content, and who may do what with it: an approval must not be of another file than it was asked for. */
export const digestOf = (was: FileNow | null): string =>
  JSON.stringify(was && [was.path, was.sha256, was.stat.mode, was.stat.uid, was.stat.gid]);

export function factsOf(was: FileNow | null, ctx: ToolContext): Record<string, unknown> {
  if (!was) return { exists: false };
  return { exists: true, ...statFacts(was.stat, ctx), sha256: was.sha256 };
}

export function statFacts(stat: FileStat, ctx: ToolContext): Record<string, unknown> {
  const { user, group } = ctx.host.system.accounts();
  return {
    bytes: stat.sizeBytes,
    mode: stat.mode.toString(8).padStart(4, '0'),
    owner: `${user(stat.uid) ?? stat.uid}:${group(stat.gid) ?? stat.gid}`,
    modifiedAt: rfc3339(stat.modifiedMs),
  };
}

const sizes = ({ was, bytes }: Plan) =>
  was ? `${size(was.bytes.length)} → ${size(bytes.length)}` : size(bytes.length);
const lineCount = (d: Difference | null) => (d && d.added + d.removed > 0 ? `, +${d.added} −${d.removed} lines` : '');
const hidden = (d: Difference | null) =>
  d && d.alike > 0
    ? `What differs in ${d.alike === 1 ? 'one line' : `${d.alike} lines`} is secret or cannot be seen, and is not shown.`
    : null;

const because = (v: Verdict) =>
  `${v.line === null ? '' : `line ${v.line}: `}${tame(v.why ?? 'it does not say why')}.`.replace(/\.+$/, '.');
const refused = (v: Verdict) => `${v.by} refuses it: ${because(v)}`;

function spoken(v: Verdict, overrule: boolean): string {
  if (v.result === 'ok') return `${v.by} finds nothing wrong with it.`;
  if (v.result === 'unknown') return `Not checked by ${v.by}: ${because(v)}`;
  return `${refused(v)} ${overrule ? 'That is overruled.' : 'It would not be written without `overrule: true`.'}`;
}
