/** A folder with a state and a target, as the killed process and its judge both open it; and what is done to that target. */
import { createHash, hash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type App, createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import { fileEdit } from '../../src/tools/file_edit.ts';
import { fileUpload } from '../../src/tools/file_upload.ts';
import { fileWrite } from '../../src/tools/file_write.ts';
import { undo } from '../../src/tools/undo.ts';
import { quiet } from '../fakes/policy.ts';
import { fileTool } from './file_tool.ts';

/** Of the tool made for this (`change`, `undo`), and of the product's own on a file below a root. */
export const KINDS = ['change', 'undo', 'edit', 'write', 'create', 'upload', 'unedit', 'uncreate', 'unupload'] as const;
export type Kind = (typeof KINDS)[number];
/** What an undo takes back. */
const UNDOES: Partial<Record<Kind, Kind>> = { undo: 'change', unedit: 'edit', uncreate: 'create', unupload: 'upload' };
export const undoes = (kind: Kind): Kind | undefined => UNDOES[kind];
/** Of changes of real files the work is done by the file thread (child.ts). */
export const ofFiles = (kind: Kind): boolean => kind !== 'change' && kind !== 'undo';
/** The killed call's id in all records. */
export const CALL = 'call-that-is-killed';

/** Text that does not pack well, so that its blob takes more than one page. */
const bytes = (seed: string, n: number) => {
  const hex = createHash('shake256', { outputLength: n / 2 })
    .update(seed)
    .digest('hex');
  return Buffer.from(hex);
};
export const OLD = bytes('old', 24_000);
export const NEW = bytes('new', 20_000);

/** What stands there before the change: null where it creates. */
export const oldOf = (kind: Kind): Buffer | null => ((undoes(kind) ?? kind) === 'create' ? null : OLD);

export const targetOf = (kind: Kind | 'naive', dir: string): string =>
  kind === 'naive' || !ofFiles(kind) ? join(dir, 'target') : join(dir, 'root', 'target');

/** What an upload brings. */
export const sourceIn = (dir: string): string => join(dir, 'root', 'source');

export const toolOf = (kind: Kind): string =>
  undoes(kind)
    ? 'undo'
    : (({ change: 'fixture_file', edit: 'file_edit', upload: 'file_upload' } as Partial<Record<Kind, string>>)[kind] ??
      'file_write');

/** An undo takes back the receipt whose id lies beside the target. */
export function argsOf(kind: Kind, dir: string): object {
  if (undoes(kind)) return { receipt: readFileSync(join(dir, 'receipt'), 'utf8') };
  const text = NEW.toString();
  const path = targetOf(kind, dir);
  if (kind === 'change') return { name: 'target', text };
  if (kind === 'edit') return { path, edits: [{ lines: '1', replace: text }] };
  // Of bytes that come over HTTP only the copying differs: stage, digest, receipt and rename are the same.
  if (kind === 'upload') return { path, from: sourceIn(dir), expect_sha256: hash('sha256', OLD) };
  return { path, content: text, ...(kind === 'write' ? { expect_sha256: hash('sha256', OLD) } : {}) };
}

export async function openAt(dir: string, mode: 'ask' | 'full', role: 'stdio' | 'cli' = 'cli'): Promise<App> {
  const env = { HOME: dir, DECKHAND_STATE_DIR: join(dir, 'state'), DECKHAND_MODE: mode, DECKHAND_TOOLSETS: 'all' };
  const defaultFile = join(dir, 'config.yaml');
  writeFileSync(defaultFile, `files:\n  roots:\n    - {path: "${dir}/root", access: write}\n`);
  const loaded = await loadConfig({ env, defaultFile });
  const catalog = { tools: [fileTool(dir), fileEdit, fileWrite, fileUpload, undo], resources: [], prompts: [] };
  return createApp({ loaded, log: quiet, role, version: 'test', catalog });
}
