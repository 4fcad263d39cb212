/**
 * What a folder has, all about one path, or which folders may be seen at all. Decides order, filters and totals; whoever is on the deny list
 * is named by the host and never opened. Every match is in the answer; the door shows `limit` of them and keeps the rest.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineRead } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import type { FileKind, FileListing, FilePath, Finding } from '../core/files.ts';
import { foreign, limit, once, Unknown } from '../core/schema.ts';
import { contentType, SNIFF_BYTES } from '../insight/text_types.ts';
import { fileListText } from './file_list_text.ts';
import { iso, KINDS, named, octal, PathIn, pathOf, rwx, targetOf, uriOf } from './file_parts.ts';

/** Of one folder, and of a walk through many. */
const MOST_ENTRIES = 50_000;
const MOST_WALKED = 500_000;
const WALK_MS = 8_000;
/** Rows in an answer, shown and kept together. */
const ROWS = 5_000;
/** A sum of more takes too long for a question. */
const MOST_HASHED = 4 * 1024 ** 3;
const SORTS = ['name', 'size', 'modified'] as const;

export const FileRow = once(() =>
  z.object({
    name: foreign(z.string(), 'file name'),
    kind: z.enum(KINDS).nullable(),
    sizeBytes: z.number().nullable().describe('Null for what is no file.'),
    modified: z.string().nullable(),
    denied: z.boolean().optional().describe('On the deny list: never opened.'),
    uri: foreign(z.string(), 'file name').optional().describe('Names it as `path`, where its name does not.'),
  }),
);
export type FileRow = z.output<ReturnType<typeof FileRow>>;

export const FileAbout = once(() =>
  z.object({
    kind: z.enum(KINDS),
    sizeBytes: z.number(),
    allocatedBytes: z.number(),
    mode: z.string(),
    rwx: z.string(),
    owner: z.string(),
    group: z.string(),
    uid: z.number(),
    gid: z.number(),
    links: z.number(),
    modified: z.string().nullable(),
    changed: z.string().nullable(),
    accessed: z.string().nullable(),
    type: z.string().nullable().describe('By content.'),
    encoding: z.string().nullable(),
    sha256: z.string().nullable(),
  }),
);
export type FileAbout = z.output<ReturnType<typeof FileAbout>>;

export const FileListAnswer = once(() =>
  z.object({
    path: foreign(z.string().nullable(), 'file name'),
    about: FileAbout().nullable().describe('Of the path itself.'),
    roots: z
      .array(
        z.object({
          path: z.string(),
          access: z.enum(['read', 'write']),
          depth: z.number(),
          oneFilesystem: z.boolean(),
          symlinks: z.enum(['refuse', 'inside']),
        }),
      )
      .optional(),
    sort: z.enum(SORTS),
    total: z.object({ entries: z.number(), matched: z.number(), bytes: z.number().describe('Of the files matched.') }),
    byKind: z.record(z.string(), z.number()),
    entries: z.array(FileRow()),
    unknown: z.array(Unknown()),
  }),
);
export type FileListAnswer = z.output<ReturnType<typeof FileListAnswer>>;

const input = once(() =>
  z.strictObject({
    path: PathIn().optional(),
    glob: z.string().min(1).max(255).optional().describe('*.conf or **/x/*'),
    kind: z.enum(['file', 'directory', 'symlink']).optional(),
    depth: z.number().int().min(1).max(64).optional(),
    sort: z.enum(SORTS).default('name'),
    limit: limit(40, 1_000),
    hash: z.boolean().optional(),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const fileList = defineRead({
  name: 'file_list',
  title: 'Folders and file facts',
  description:
    'Use this to list a folder, or for owner, mode, times and type of one file; without path: what may be read. To search use file_search, to read file_read.',
  toolset: 'files',
  core: true,
  input,
  output: FileListAnswer,
  scopes: { least: 'files:read' },
  targets: (i) => (i.path === undefined ? [] : [{ kind: 'path', name: targetOf(i.path) }]),
  risk: 'sensitive',
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 40_000 },
  cut: { lists: ['entries'], show: (i) => i.limit },
  text: fileListText,

  async handler(i, ctx) {
    const { files } = ctx.host;
    if (i.path === undefined) return rootsOf(i, ctx);
    const path = pathOf(i.path);
    const stat = i.depth === undefined && i.glob === undefined;
    const here = await named(i.path, ctx, () =>
      files.reader.list(path, { limit: stat ? MOST_ENTRIES : 1, stat, signal: ctx.signal }),
    );
    const unknown: FileListAnswer['unknown'] = [];
    const about = await aboutOf(here, path, i, ctx, unknown);
    if (here.entries === null) {
      if (i.depth !== undefined || i.glob !== undefined)
        throw new OpsError('validation', 'That is no folder.', { hint: 'Leave `glob` and `depth` out.' });
      const total = { entries: 1, matched: 1, bytes: here.stat.sizeBytes };
      return { path: here.path, about, sort: i.sort, total, byKind: {}, entries: [], unknown };
    }
    const found = stat ? ofFolder(here, i, unknown) : await below(path, here.path, i, ctx, unknown);
    const rows = ordered(found.rows, i.sort).slice(0, ROWS);
    return { path: here.path, about, sort: i.sort, total: found.total, byKind: found.byKind, entries: rows, unknown };
  },
});

function rootsOf(i: Input, ctx: ToolContext) {
  if (i.glob !== undefined || i.depth !== undefined || i.hash || i.kind !== undefined)
    throw new OpsError('validation', 'Of which folder?', {
      hint: 'Give `path`; without anything else the roots are listed.',
    });
  const roots = ctx.host.files.roots();
  const unknown = roots.length > 0 ? [] : [{ what: 'files', why: 'no folder is opened: the setting is `files.roots`' }];
  const total = { entries: roots.length, matched: roots.length, bytes: 0 };
  return { path: null, about: null, roots: [...roots], sort: i.sort, total, byKind: {}, entries: [], unknown };
}

async function aboutOf(
  { stat, path: shown }: FileListing,
  path: FilePath,
  i: Input,
  ctx: ToolContext,
  unknown: FileListAnswer['unknown'],
): Promise<FileAbout> {
  const { reader } = ctx.host.files;
  const names = ctx.host.system.accounts();
  const file = stat.kind === 'file';
  const attempt = async <T>(what: string, ask: () => Promise<T>): Promise<T | null> => {
    try {
      return await ask();
    } catch (thrown) {
      if (!(thrown instanceof OpsError) || ctx.signal.aborted) throw thrown;
      unknown.push({ what, why: thrown.message.replaceAll(`: ${shown}`, '') });
      return null;
    }
  };
  const signal = ctx.signal;
  const head = file && (await attempt('type', () => reader.read(path, { length: SNIFF_BYTES, signal })));
  const type = head ? contentType(head.bytes, stat.sizeBytes) : null;
  if (i.hash && !file) unknown.push({ what: 'sha256', why: 'it is of files only' });
  const hashed =
    i.hash && file ? await attempt('sha256', () => reader.hash(path, { maxBytes: MOST_HASHED, signal })) : null;
  return {
    kind: stat.kind,
    sizeBytes: stat.sizeBytes,
    allocatedBytes: stat.allocatedBytes,
    mode: octal(stat.mode),
    rwx: rwx(stat),
    owner: names.user(stat.uid) ?? String(stat.uid),
    group: names.group(stat.gid) ?? String(stat.gid),
    uid: stat.uid,
    gid: stat.gid,
    links: stat.links,
    modified: iso(stat.modifiedMs),
    changed: iso(stat.changedMs),
    accessed: iso(stat.accessedMs),
    type: type && (type.detail ? `${type.type} (${type.detail})` : type.type),
    encoding: type?.text?.encoding ?? null,
    sha256: hashed?.sha256 ?? null,
  };
}

interface Rows {
  rows: FileRow[];
  total: FileListAnswer['total'];
  byKind: Record<string, number>;
}

function ofFolder(here: FileListing, i: Input, unknown: FileListAnswer['unknown']): Rows {
  const entries = here.entries ?? [];
  const folder = i.path?.startsWith('file:///') ? (pathOf(i.path) as Uint8Array) : here.path;
  if (here.truncated)
    unknown.push({ what: 'further entries', why: `only the first ${entries.length} of the folder were looked at` });
  const matching = entries.filter((e) => i.kind === undefined || e.kind === i.kind);
  const byKind: Record<string, number> = {};
  for (const e of matching) count(byKind, e.kind);
  const rows = matching.map((e) => {
    const uri = uriOf(folder, e.name, e.bytes);
    return {
      name: e.name,
      kind: e.kind,
      sizeBytes: e.kind === 'file' ? (e.stat?.sizeBytes ?? null) : null,
      modified: e.stat && iso(e.stat.modifiedMs),
      ...(e.denied ? { denied: true } : {}),
      ...(uri && !e.denied ? { uri } : {}),
    };
  });
  const bytes = rows.reduce((n, r) => n + (r.sizeBytes ?? 0), 0);
  return { rows, byKind, total: { entries: entries.length, matched: rows.length, bytes } };
}

async function below(
  path: FilePath,
  shown: string,
  i: Input,
  ctx: ToolContext,
  unknown: FileListAnswer['unknown'],
): Promise<Rows> {
  const what = {
    ...(i.glob === undefined ? {} : { glob: i.glob }),
    ...(i.kind === undefined ? {} : { kinds: [i.kind] }),
  };
  const bounds = { depth: i.depth ?? 1, limit: 20_000, maxEntries: MOST_WALKED, maxBytes: 0, maxMs: WALK_MS };
  const found = await ctx.host.files.find(path, what, { ...bounds, signal: ctx.signal });
  unknown.push(...notLookedAt(found));
  if (found.hits > found.found.length)
    unknown.push({
      what: `${found.hits - found.found.length} further entries`,
      why: `only the first ${found.found.length} found are listed and ordered`,
    });
  const cut = shown === '/' ? 1 : shown.length + 1;
  const byKind: Record<string, number> = {};
  const rows = found.found.map((f) => {
    count(byKind, f.stat.kind);
    const name = f.path.slice(cut);
    const uri = uriOf('', f.path.slice(1), f.bytes?.subarray(1) ?? null);
    return {
      name,
      kind: f.stat.kind,
      sizeBytes: f.stat.kind === 'file' ? f.stat.sizeBytes : null,
      modified: iso(f.stat.modifiedMs),
      ...(uri ? { uri } : {}),
    };
  });
  // find's total counts what folders and links take themselves.
  const bytes = rows.reduce((n, r) => n + (r.sizeBytes ?? 0), 0);
  return { rows, byKind, total: { entries: found.looked.entries, matched: found.hits, bytes } };
}

/** What a walk passed over, and why it stopped: nobody may take silence for "none". */
export function notLookedAt(found: Finding): FileListAnswer['unknown'] {
  const said: FileListAnswer['unknown'] = [];
  const { denied, unreadable, otherDevice } = found.passedOver;
  if (found.stopped)
    said.push({
      what: 'the rest',
      why: {
        entries: `${found.looked.entries} entries are looked at at most: begin further down`,
        bytes: 'as many bytes as one call may were read: begin further down, or narrow it by name',
        time: 'the time for looking was up: begin further down, or narrow it by name',
      }[found.stopped],
    });
  if (denied > 0) said.push({ what: `${denied} entries`, why: 'on the deny list: never opened' });
  if (unreadable > 0)
    said.push({ what: `${unreadable} entries`, why: 'the system does not let this service read them' });
  if (otherDevice > 0)
    said.push({ what: `${otherDevice} folders`, why: 'on another file system than their root, or the kernel’s own' });
  return said;
}

function count(byKind: Record<string, number>, kind: FileKind | null): void {
  const name = kind ?? 'unknown';
  byKind[name] = (byKind[name] ?? 0) + 1;
}

function ordered(rows: FileRow[], sort: Input['sort']): FileRow[] {
  const byName = (a: FileRow, b: FileRow) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  const by: Record<Input['sort'], (a: FileRow, b: FileRow) => number> = {
    name: () => 0,
    size: (a, b) => (b.sizeBytes ?? -1) - (a.sizeBytes ?? -1),
    modified: (a, b) =>
      (b.modified ?? '') < (a.modified ?? '') ? -1 : (b.modified ?? '') > (a.modified ?? '') ? 1 : 0,
  };
  return rows.toSorted((a, b) => by[sort](a, b) || byName(a, b));
}
