/**
 * ripgrep, where it is installed, says which files of a folder may hold a text: it looks with all processors where a thread has one. It
 * only proposes. What it names is walked to, opened and searched as everything else (find.ts), so that nothing it reads by its own way
 * of opening files is ever shown; and whatever it leaves out must be nothing that the thread would find. Decides when that holds.
 */
import { realpath } from 'node:fs/promises';
import type { FindWhat } from '../../core/files.ts';
import { type Binary, type Exec, findBinary } from '../exec.ts';
import type { Mount } from '../system/mounts.ts';

export interface ProposeFor {
  /** Absolute; null where text cannot say it. */
  path: string | null;
  what: FindWhat;
  depth: number;
  maxMs: number;
  mounts: readonly Mount[];
  signal?: AbortSignal;
  /** Paths as they come. What is answered in the end has them too, or is null: then they were worth nothing. */
  some?: (paths: string[]) => void;
}

/** Paths below the start; null: it cannot help here, and all is to be looked through. */
export type Propose = (o: ProposeFor) => Promise<string[] | null>;

/** Paths of a hundred thousand files. What needs more is not what anybody looks for. */
const MOST_OUTPUT = 8 * 1024 * 1024;
/** Where it fails late, the thread needs some time, too. */
const SHARE = 0.6;
/** On others a process that hangs cannot be ended. */
const LOCAL = new Set([
  'ext2',
  'ext3',
  'ext4',
  'xfs',
  'btrfs',
  'zfs',
  'f2fs',
  'bcachefs',
  'overlay',
  'tmpfs',
  'jfs',
  'reiserfs',
]);

export function ripgrep(o: { exec: Exec; has?: (binary: Binary) => boolean }): Propose {
  const has = o.has ?? ((binary: Binary) => findBinary(binary) !== null);
  return async ({ path, what, depth, maxMs, mounts, signal, some }) => {
    const { content } = what;
    const text = content?.regex ? content.holds : content?.text;
    if (!content || text === undefined || path === null || path === '/') return null;
    // With fewer files to look into, the thread is there sooner. Beyond ASCII the two differ in what any case is.
    const narrowed = [what.glob, what.minBytes, what.maxBytes, what.modifiedAfterMs, what.modifiedBeforeMs];
    if (narrowed.some((n) => n !== undefined) || !/^[\x20-\x7e]+$/.test(text)) return null;
    if (!isLocal(path, mounts) || !has('rg')) return null;
    try {
      // Through a link it would look at another folder than the thread.
      if ((await realpath(path)) !== path) return null;
      const said = await o.exec({
        binary: 'rg',
        args: argumentsOf(path, text, content.ignoreCase, depth),
        timeoutMs: Math.max(100, maxMs * SHARE),
        maxBytes: MOST_OUTPUT,
        ...(signal ? { signal } : {}),
        ...(some ? { onChunk: inPaths(`${path}/`, some) } : {}),
      });
      // 1: nothing; 2: something could not be read, of which it says nothing, or it did not understand us.
      if (said.code === null || said.code > 2 || said.stderr !== '') return null;
      const from = `${path}/`;
      const found = said.stdout.split('\0').filter((p) => p !== '');
      if (said.code === 0 && found.length === 0) return null;
      return found.every((p) => p.startsWith(from)) ? found.map((p) => p.slice(from.length)) : null;
    } catch {
      if (signal?.aborted) throw signal.reason;
      return null;
    }
  };
}

/** Whole paths below `from` out of pieces of its output. */
function inPaths(from: string, some: (paths: string[]) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    const all = Buffer.concat([rest, chunk]);
    const end = all.lastIndexOf(0) + 1;
    rest = all.subarray(end);
    const paths = all.subarray(0, end).toString('utf8').split('\0');
    const below = paths.filter((p) => p.startsWith(from)).map((p) => p.slice(from.length));
    if (below.length > 0) some(below);
  };
}

/** Whatever hides a file from it is switched off: its settings, ignore files, dots, what it takes for binary, marks of encodings. */
const argumentsOf = (path: string, text: string, ignoreCase: boolean, depth: number): string[] => [
  '--no-config',
  '--no-messages',
  '--no-ignore',
  '--hidden',
  '--text',
  '--encoding=none',
  '--fixed-strings',
  ignoreCase ? '--ignore-case' : '--case-sensitive',
  '--files-with-matches',
  '--null',
  '--color=never',
  '--one-file-system',
  '--threads=2',
  `--max-depth=${Math.max(1, Math.min(depth, 255))}`,
  `--regexp=${text}`,
  '--',
  path,
];

/** On a file system of this machine, and with no mount inside. */
function isLocal(path: string, mounts: readonly Mount[]): boolean {
  let on: Mount | undefined;
  for (const m of mounts) {
    if (m.path.startsWith(`${path}/`)) return false;
    const holds = m.path === '/' || path === m.path || path.startsWith(`${m.path}/`);
    // Of several on one place the last one is seen.
    if (holds && (!on || m.path.length >= on.path.length)) on = m;
  }
  return on !== undefined && LOCAL.has(on.type);
}
