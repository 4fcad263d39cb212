/**
 * How the owner names folders whose files may be used, and what in them never is. Decides what may be written; nothing is looked at here,
 * so that a folder on a mount that hangs, or that is not there yet, costs no start. What is reached in it is the host's to see.
 */
import * as z from 'zod';
import { set } from './setting.ts';

/** As the kernel would have it, so that two ways to write one folder are no two roots: no `..`, no doubled or final slash. */
const FOLDER = /^\/(?:(?!\.{1,2}(?:\/|$))[^/\p{Cc}]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[^/\p{Cc}]{1,255})*)?$/u;

export const FileRootEntry = z.strictObject({
  path: z.string().max(4_000).regex(FOLDER, 'expected the absolute path of a folder, without `..` and final slash'),
  access: z.enum(['read', 'write']).default('read'),
  depth: z.number().int().min(0).max(200).default(64),
  oneFilesystem: z.boolean().default(true),
  symlinks: z.enum(['refuse', 'inside']).default('inside'),
  index: z.enum(['none', 'names', 'contents']).optional(),
});

const MiB = 1024 ** 2;
/** Of the index that roots may ask for. */
export const FileIndexSettings = z.strictObject({
  maxBytes: set(
    z
      .number()
      .int()
      .min(MiB)
      .max(64 * 1024 * MiB)
      .default(256 * MiB),
    'Size of the index in the state folder. What finds no room in it is searched as without one.',
    { unit: 'bytes' },
  ),
  files: set(
    z.number().int().min(1).max(5_000_000).default(500_000),
    'Files and folders of one root that are indexed; a root with more is searched without its index.',
  ),
  fileBytes: set(
    z
      .number()
      .int()
      .min(1_024)
      .max(4 * MiB)
      .default(MiB),
    'Files larger than this are not read into the index; a search looks into each of them.',
    { unit: 'bytes' },
  ),
  seconds: set(
    z.number().int().min(5).max(86_400).default(60),
    'Time between two rounds that bring the index up to date.',
    {
      unit: 'seconds',
    },
  ),
});

const rule = (path: string) => ({
  path,
  access: 'read' as const,
  depth: 64,
  oneFilesystem: true,
  symlinks: 'inside' as const,
});
export const DEFAULT_ROOTS = [rule('/etc'), rule('/var/log')];

/** A name, or several that follow one another, anywhere; or from `/` on. */
export const DenyGlob = z
  .string()
  .max(1_024)
  .regex(/^\/?(?!\.{1,2}(?:\/|$))[^/\p{Cc}]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[^/\p{Cc}]{1,255})*$/u);
export const DENY_EXPECTS = 'absolute paths, or names of files and folders, with * for any text within a name';

export const ROOTS_EXAMPLE = `- {path: /etc}
- {path: /var/log}
- {path: /srv/www, access: write, depth: 8}
- {path: /mnt/nas, oneFilesystem: false, symlinks: refuse}`;
