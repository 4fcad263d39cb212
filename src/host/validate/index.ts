/**
 * Whether files are well formed, asked of whoever reads them. Decides who looks at which file, how large one may be, and that a verdict just
 * given is not asked for again; how each is asked lies in the files beside this one. Never throws, but when its caller leaves.
 */
import { hash } from 'node:crypto';
import { toOpsError } from '../../core/errors.ts';
import type { ValidateHost, Verdict } from '../../core/validate.ts';
import type { Exec, execOurs } from '../exec.ts';
import { askCommand, type CommandKind } from './commands.ts';
import { withCopy } from './copy.ts';
import { harmless } from './harmless.ts';
import { askInPlace } from './in_place.ts';
import { type Known, knownBy, PLACES, placeOf } from './known.ts';
import { askParser } from './parsers.ts';

export interface ValidateOptions {
  exec: Exec;
  ours: typeof execOurs;
  /** Private, and ours: where copies lie while they are looked at. Absent: the system's folder for temporary files. */
  folder?: string;
  /** Of nginx; the tests bring another. */
  nginxFolder?: string;
  timeoutMs?: number;
  now?: () => number;
}

/** A parser makes some hundred bytes of each byte. */
const MOST: Partial<Record<Known['kind'], number>> = { json: 8 * 1024 * 1024 };
const MOST_BYTES = 1024 * 1024;
/** One call asks three times: for its preview, under its lock, and for its answer. */
const KEPT_MS = 30_000;
const KEPT = 4;

export function validateHost(o: ValidateOptions): ValidateHost {
  const now = o.now ?? Date.now;
  const place = (path: string) => placeOf(path, o.nginxFolder ?? '/etc/nginx');
  const kept = new Map<string, { verdict: Verdict; atMs: number }>();
  const queues = new Map<string, Promise<unknown>>();

  async function ask(known: Known, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<Verdict> {
    const { by, kind, name } = known;
    const timeoutMs = o.timeoutMs;
    const unknown = (why: string): Verdict => ({ by, result: 'unknown', why, line: null });
    if (bytes.length > (MOST[kind] ?? MOST_BYTES)) return unknown('it is too large to be checked');
    try {
      if (kind === 'json' || kind === 'yaml' || kind === 'toml')
        return await withCopy(o.folder, name, bytes, (copy) => askParser(known, copy.path, o.ours, signal, timeoutMs));
      // Byte for byte: what is no UTF-8 is for the checker to judge.
      const text = harmless(kind, Buffer.from(bytes).toString('latin1'));
      return await withCopy(o.folder, name, Buffer.from(text, 'latin1'), (copy) =>
        askCommand(known as Known & { kind: CommandKind }, copy, {
          exec: o.exec,
          signal,
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
        }),
      );
    } catch (thrown) {
      if (signal?.aborted) throw thrown;
      return unknown(`a copy to look at could not be made (${toOpsError(thrown).details.errno ?? 'it failed'})`);
    }
  }

  return {
    async proposed(path, bytes, { signal } = {}) {
      const known = knownBy(path);
      if (!known) return null;
      const key = `${path}\0${hash('sha256', bytes)}`;
      const found = kept.get(key);
      if (found && now() - found.atMs < KEPT_MS) return found.verdict;
      const verdict = await ask(known, bytes, signal);
      kept.delete(key);
      if (verdict.result !== 'unknown') kept.set(key, { verdict, atMs: now() });
      for (const oldest of kept.keys()) if (kept.size > KEPT) kept.delete(oldest);
      return verdict;
    },

    async inPlaceBy(path) {
      const found = place(path);
      return found && PLACES[found];
    },

    async inPlace(path, { signal } = {}) {
      const found = place(path);
      if (!found)
        return { by: 'nobody', result: 'unknown', why: 'nobody looks at such files in their place', line: null };
      return askInPlace(found, path, o, signal);
    },

    async alone(path, work) {
      const key = place(path) ?? path;
      const before = queues.get(key);
      const mine = (before ?? Promise.resolve()).then(work, work);
      const settled = mine.catch(() => {});
      queues.set(key, settled);
      try {
        return await mine;
      } finally {
        if (queues.get(key) === settled) queues.delete(key);
      }
    },
  };
}
