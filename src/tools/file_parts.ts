/**
 * What the file tools have in common: how a path comes in and goes out, how a mode reads, and what is said of a path that is not there.
 * Decides nothing about what may be read: the host's walk does.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import type { FileKind, FilePath, FileStat } from '../core/files.ts';
import { strip } from '../core/foreign.ts';
import { once } from '../core/schema.ts';
import { nearNames } from '../insight/log_match.ts';

export const LONGEST_PATH = 4_096;
export const PathIn = once(() => z.string().min(1).max(LONGEST_PATH));

export const KINDS = ['file', 'directory', 'symlink', 'fifo', 'socket', 'character-device', 'block-device'] as const;

/**
 * `file:///…` with %XX names what text cannot say: a name that is no valid UTF-8, or one that is not shown as it is. Everything else is
 * taken as it stands.
 */
export function pathOf(text: string): FilePath {
  if (!text.startsWith('file:///')) return text;
  const coded = text.slice('file://'.length);
  const bytes: number[] = [];
  const utf8 = Buffer.from(coded, 'utf8');
  for (let i = 0; i < utf8.length; i++) {
    const hex = utf8[i] === 0x25 ? utf8.toString('latin1', i + 1, i + 3) : null;
    if (hex === null) bytes.push(utf8[i] as number);
    else if (/^[0-9a-f]{2}$/i.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      i += 2;
    } else throw new OpsError('validation', 'In a file: URL each % is followed by two hex digits.');
  }
  return Uint8Array.from(bytes);
}

/** As the audit and an approval name it. */
export function targetOf(text: string): string {
  try {
    const path = pathOf(text);
    return typeof path === 'string' ? path : Buffer.from(path).toString('utf8');
  } catch {
    return text;
  }
}

/** How to ask for it again where its shown form does not say it; undefined where it does. */
export function uriOf(folder: FilePath, name: string, bytes: Uint8Array | null): string | undefined {
  const above = Buffer.from(folder).toString('latin1').replace(/\/+$/, '');
  const shown = `${typeof folder === 'string' ? folder : ''}/${name}`;
  if (typeof folder === 'string' && bytes === null && strip(shown) === shown && !/[⟦⟧]/.test(shown)) return undefined;
  const part = (b: Uint8Array) =>
    Array.from(b, (c) =>
      /[\w.~/+@,=-]/.test(String.fromCharCode(c)) ? String.fromCharCode(c) : `%${c.toString(16).padStart(2, '0')}`,
    ).join('');
  const own = bytes ?? Buffer.from(name, 'utf8');
  // No tool takes a path with control characters in it.
  if (own.some((c) => c < 0x20 || c === 0x7f)) return undefined;
  return `file://${part(Buffer.from(above, 'latin1'))}/${part(own)}`;
}

const LETTER: Record<FileKind, string> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  fifo: 'p',
  socket: 's',
  'character-device': 'c',
  'block-device': 'b',
};

/** As `ls -l` writes it. */
export function rwx({ kind, mode }: Pick<FileStat, 'kind' | 'mode'>): string {
  const three = (bits: number, special: boolean, letter: string) => {
    const x = (bits & 1) !== 0;
    const last = special ? (x ? letter : letter.toUpperCase()) : x ? 'x' : '-';
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${last}`;
  };
  return (
    LETTER[kind] +
    three((mode >> 6) & 7, (mode & 0o4000) !== 0, 's') +
    three((mode >> 3) & 7, (mode & 0o2000) !== 0, 's') +
    three(mode & 7, (mode & 0o1000) !== 0, 't')
  );
}

export const octal = (mode: number): string => mode.toString(8).padStart(4, '0');
export const iso = (ms: number): string | null =>
  Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString().replace('.000Z', 'Z') : null;

const MOST_CANDIDATES = 5;
const LOOKED_AT = 2_000;

/** A name that is not there fails with those of its folder that may have been meant. */
export async function named<T>(path: string, ctx: ToolContext, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    if (!(thrown instanceof OpsError) || thrown.code !== 'not_found' || thrown.details.candidates) throw thrown;
    const slash = path.replace(/\/+$/, '').lastIndexOf('/');
    const folder = path.slice(0, slash) || '/';
    const name = path.slice(slash + 1).replace(/\/+$/, '');
    const list = await ctx.host.files.reader.list(folder, { limit: LOOKED_AT, signal: ctx.signal }).catch(() => null);
    const names = (list?.entries ?? []).filter((e) => !e.denied && strip(e.name) === e.name).map((e) => e.name);
    const near = nearNames(name, names, MOST_CANDIDATES).map((n) => `${folder === '/' ? '' : folder}/${n}`);
    throw new OpsError('not_found', thrown.message, {
      ...thrown.details,
      hint: near.length > 0 ? 'Take one of the candidates.' : 'file_list shows what a folder has.',
      ...(near.length > 0 ? { candidates: near } : {}),
      cause: thrown,
    });
  }
}
