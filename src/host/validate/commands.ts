/**
 * visudo, sshd, systemd-analyze and named-checkconf, each asked about a copy. Decides how, and which of their words are passed on: only
 * what they say of the copy itself. Whatever else they say is of files that nobody asked for.
 */
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { toOpsError } from '../../core/errors.ts';
import type { Verdict } from '../../core/validate.ts';
import type { Binary, Exec } from '../exec.ts';
import type { Copy } from './copy.ts';
import type { Kind, Known } from './known.ts';

const TIMEOUT_MS = 8_000;
const MAX_BYTES = 256 * 1024;

export type CommandKind = Exclude<Kind, 'json' | 'yaml' | 'toml'>;

interface Checker {
  binary: Binary;
  args(copy: Copy): string[];
  /** The line and the words of a complaint about the copy itself; null: about something else. */
  own(line: string, copy: Copy): { line: number | null; why: string } | null;
  /** Comes only when it has read all of it, and found nothing: a matter of this host. */
  through?: RegExp;
  /** Depends on other files, which it was not given. */
  elsewhere?: RegExp;
}

/** `PATH:3: words`, `PATH:3:5: words`. */
function numbered(line: string, path: string): { line: number; why: string } | null {
  if (!line.startsWith(`${path}:`)) return null;
  const [, n, why] = /^(\d+):(?:\d+:)?\s*(.*)$/.exec(line.slice(path.length + 1)) ?? [];
  return n === undefined || why === undefined ? null : { line: Number(n), why };
}

const CHECKERS: Record<CommandKind, Checker> = {
  sudoers: {
    binary: 'visudo',
    args: ({ path }) => ['-c', '-f', path],
    own: (line, { path }) => {
      // Before sudo 1.9.6.
      const [, old] = line.includes(path) ? (/near line (\d+)/.exec(line) ?? []) : [];
      return numbered(line, path) ?? (old === undefined ? null : { line: Number(old), why: 'syntax error' });
    },
    // Where sudoers is in parts, an alias may be in another one.
    elsewhere: /referenced but not defined/,
  },
  sshd: {
    binary: 'sshd',
    // A key of our own: the host's are not for us to read, and without any it does not begin.
    args: ({ folder, path }) => {
      const key = join(folder, 'key');
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
      writeFileSync(key, privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
      return ['-t', '-f', path, '-h', key];
    },
    // Of root alone, and where sshd is not running.
    through: /^Missing privilege separation directory: \S+$/,
    own: (line, { path }) => {
      if (!line.startsWith(path)) return null;
      const [, n, why] = /^:? line (\d+):\s*(.*)$/.exec(line.slice(path.length)) ?? [];
      return n === undefined || why === undefined ? null : { line: Number(n), why };
    },
  },
  unit: {
    binary: 'systemd-analyze',
    args: ({ path }) => [
      'verify',
      // It would start man(1) for what the unit names, and generators of the host.
      '--man=no',
      '--generators=no',
      '--recursive-errors=no',
      path,
    ],
    own: (line, { path }) => {
      const name = basename(path);
      const about = numbered(line, path);
      if (about) return about;
      return line.startsWith(`${name}: `) ? { line: null, why: line.slice(name.length + 2) } : null;
    },
    // Of programs and units, which may come with this one.
    elsewhere: /is not executable|not found|No such file|Failed to (?:load|create) |Exec format/i,
  },
  named: {
    binary: 'named-checkconf',
    args: ({ path }) => [path],
    own: (line, { path }) => numbered(line, path),
    elsewhere:
      /undefined|not defined|not found|unable to find|when using 'view'|change directory|parsing failed|does not exist/i,
  },
};

export async function askCommand(
  known: Known & { kind: CommandKind },
  copy: Copy,
  o: { exec: Exec; signal?: AbortSignal | undefined; timeoutMs?: number },
): Promise<Verdict> {
  const { by, kind } = known;
  const c = CHECKERS[kind];
  const timeoutMs = o.timeoutMs ?? TIMEOUT_MS;
  const unknown = (why: string): Verdict => ({ by, result: 'unknown', why, line: null });
  try {
    const { code, stdout, stderr } = await o.exec({
      binary: c.binary,
      args: c.args(copy),
      timeoutMs,
      maxBytes: MAX_BYTES,
      ...(o.signal ? { signal: o.signal } : {}),
    });
    if (code === 0) return { by, result: 'ok', why: null, line: null };
    const lines = `${stderr}\n${stdout}`.split('\n');
    const words = lines.filter((line) => line.trim() !== '');
    if (code !== null && words.length > 0 && words.every((line) => c.through?.test(line.trim())))
      return { by, result: 'ok', why: null, line: null };
    const own = lines.flatMap((line) => c.own(line.trim(), copy) ?? []).filter((x) => !mentionsOthers(x.why, copy));
    const counts = own.filter((x) => !c.elsewhere?.test(x.why));
    const [first] = counts;
    if (first) {
      const more = counts.length === 1 ? '' : ` (and ${counts.length - 1} more)`;
      return { by, result: 'failed', why: `${first.why}${more}`, line: first.line };
    }
    if (own.length > 0) return unknown('it refers to what is in other files, which were not looked at');
    return unknown(code === null ? 'it was ended by a signal' : reasonOf(lines));
  } catch (thrown) {
    if (o.signal?.aborted) throw thrown;
    const error = toOpsError(thrown);
    if (error.code === 'timeout') return unknown(`it did not answer within ${timeoutMs / 1_000} s`);
    if (error.code === 'unavailable') return unknown(`${c.binary} is not installed, or cannot be started`);
    return unknown(error.code === 'limit' ? 'it says too much' : 'it could not be asked');
  }
}

/** A path in a complaint says something about that path. */
const mentionsOthers = (why: string, { folder }: Copy): boolean =>
  [...why.matchAll(/(?:^|[\s"'(=])(\/[^\s"'),;]+)/g)].some(([, path]) => path !== '/' && !path?.startsWith(folder));

/** Not its words: they may be about anything. */
function reasonOf(lines: readonly string[]): string {
  const all = lines.join('\n');
  if (/permission denied|must be root|not permitted|only root/i.test(all))
    return 'it needs rights that this service has not';
  if (/unrecognized option|unknown option|invalid option/i.test(all)) return 'its version is too old for this';
  return 'it failed without a word about this file; run it on the host';
}
