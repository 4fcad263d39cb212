/**
 * The audit of a state folder for who looks at it from outside, beside running servers or without any: reads only, makes no
 * file, holds no lock. What is printed is the command line's.
 */
import { readFileSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditEntry, AuditPage, AuditQuery } from '../core/audit.ts';
import type { Head } from './audit.ts';
import { escaped } from './audit_chain.ts';
import { type ReadHeads, readHeads } from './audit_heads.ts';
import { readKey } from './audit_key.ts';
import { segmentFiles } from './audit_lines.ts';
import { type Filter, type ReadBounds, records, type Scan, searchAudit } from './audit_read.ts';
import { type AuditProblem, type Verdict, verifyAudit } from './audit_verify.ts';
import { errnoOf } from './state.ts';

export interface AuditFiles {
  dir: string;
  /** False where nothing was ever recorded. */
  exists(): boolean;
  search(query: AuditQuery, signal: AbortSignal, bounds?: Partial<ReadBounds>): Promise<AuditPage>;
  /** All that fit, oldest first, however many. */
  all(filter: Filter, scan: Scan, signal: AbortSignal): AsyncGenerator<{ entry: AuditEntry }>;
  /** What is written from now on, in order of time within each look. */
  follow(signal: AbortSignal, everyMs?: number): AsyncGenerator<AuditEntry | 'looked'>;
  verify(headsText?: string): Verdict & { told: ReadHeads | null };
  /** The last record of each segment. */
  heads(): Promise<Head[]>;
}

const UNBOUNDED = { bytes: Number.POSITIVE_INFINITY, ms: Number.POSITIVE_INFINITY };
const POLL_MS = 500;
const CHUNK = 256 * 1024;

export const newScan = (): Scan => ({ corrupt: 0, total: 0, looked: 0, stopped: null, frontier: null });
/** As it may be printed: nothing in it moves a terminal's cursor. */
export const lineOf = (value: unknown): string => escaped(JSON.stringify(value));

export function auditFiles(stateDir: string): AuditFiles {
  const dir = join(stateDir, 'audit');
  const keyPath = join(stateDir, 'audit.key');
  const isThere = (path: string) => statSync(path, { throwIfNoEntry: false }) !== undefined;

  async function* follow(signal: AbortSignal, everyMs = POLL_MS): AsyncGenerator<AuditEntry | 'looked'> {
    const at = new Map((await segmentFiles(dir)).map((f) => [f.name, f.size]));
    yield 'looked';
    while (!signal.aborted) {
      const fresh: AuditEntry[] = [];
      for (const { name, size } of await segmentFiles(dir)) {
        const from = at.get(name) ?? 0;
        if (size <= from) continue;
        const text = await piece(join(dir, name), from, Math.min(size - from, 16 * CHUNK));
        const end = text.lastIndexOf(10) + 1;
        at.set(name, from + end);
        for (const line of text.toString('utf8', 0, end).split('\n')) {
          const record = recordOf(line);
          if (record) fresh.push({ segment: name, record });
        }
      }
      fresh.sort((a, b) => (a.record.ts < b.record.ts ? -1 : a.record.ts > b.record.ts ? 1 : 0));
      yield* fresh;
      yield 'looked';
      await pause(everyMs, signal);
    }
  }

  return {
    dir,
    exists: () => isThere(dir),
    search: (query, signal, bounds) => searchAudit(dir, query, signal, { ...UNBOUNDED, ...bounds }),
    all: (filter, scan, signal) => records(dir, 'oldest', filter, scan, signal, { bounds: UNBOUNDED }),
    follow,

    verify(headsText) {
      const { key, problem } = keyOf(keyPath);
      const told = headsText === undefined ? null : readHeads(headsText, stateDir);
      // Without its key no line can be said to be genuine: all of them are then named, under what is wrong with it.
      const verdict = key ? verifyAudit(dir, key, told?.heads) : NOTHING;
      const problems = [...(problem ? [problem] : []), ...verdict.problems];
      if (told && told.heads.length === 0)
        problems.push({ segment: 'heads', line: null, seq: null, what: noHeads(told, stateDir) });
      return { ...verdict, problems, ok: problems.length === 0, told };
    },

    async heads() {
      const heads: Head[] = [];
      for (const { name, size } of await segmentFiles(dir)) {
        const tail = await piece(join(dir, name), Math.max(0, size - CHUNK), Math.min(size, CHUNK));
        const lines = tail.toString().split('\n').slice(0, -1);
        const { seq, hash } = (recordOf(lines.at(-1) ?? '') ?? {}) as Partial<Head>;
        if (seq !== undefined && hash !== undefined) heads.push({ segment: name, seq, hash });
      }
      return heads.sort((a, b) => (a.segment < b.segment ? -1 : 1));
    },
  };
}

const NOTHING: Verdict = {
  ok: false,
  segments: 0,
  records: 0,
  problems: [],
  open: [],
  first: null,
  last: null,
  heads: null,
};

function noHeads({ others, folders }: ReadHeads, stateDir: string): string {
  if (others === 0) return 'no line given is a head of an audit';
  return `none of the ${others} heads given is of ${stateDir}: they are of ${folders.slice(0, 3).join(', ')}`;
}

/** A key that others can read can still tell what was changed by who had not read it. */
function keyOf(path: string): { key: Uint8Array | null; problem: AuditProblem | null } {
  const wrong = (what: string): AuditProblem => ({ segment: 'audit.key', line: null, seq: null, what });
  try {
    return { key: readKey(path), problem: null };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { key: null, problem: wrong('is missing: nothing can be verified') };
    const problem = wrong(error instanceof Error ? error.message : String(error));
    try {
      const text = readFileSync(path, 'utf8').trim();
      return { key: /^[0-9a-f]{64}$/.test(text) ? Buffer.from(text, 'hex') : null, problem };
    } catch {
      return { key: null, problem };
    }
  }
}

async function piece(path: string, at: number, length: number): Promise<Buffer> {
  try {
    await using file = await open(path, 'r');
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, at);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

function recordOf(line: string): AuditEntry['record'] | null {
  try {
    const record = JSON.parse(line) as AuditEntry['record'];
    return typeof record.seq === 'number' && typeof record.ts === 'string' ? record : null;
  } catch {
    return null;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
