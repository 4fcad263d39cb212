/**
 * The audit of one moment: its index as it is under the lock, and of each segment what stood in it by then. Segments only grow and
 * the index never runs ahead of them, so no writer has to wait while they are copied.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { OpsError } from '../core/errors.ts';
import { INDEX, SEGMENT } from './audit_index.ts';
import { type Copied, copyFile, writeFile } from './backup_file.ts';
import { exclusively } from './leases.ts';
import type { StateDir } from './state.ts';

/** Writers hold the index for a moment only; at many starts at once there are many moments. */
const WAIT_MS = 10_000;
const ROUNDS = 5;
const CHUNK = 128 * 1024;

interface Moment {
  index: Buffer;
  segments: { name: string; bytes: number }[];
  /** `<segment>~<owner>` of those that are being written: without it an open segment would look cut off. */
  markers: string[];
}

export async function copyAudit(state: StateDir, making: string, signal: AbortSignal): Promise<Copied[]> {
  for (let round = 1; ; round++) {
    const moment = look(state);
    if (moment === null) return [];
    const copied = await segments(state, making, moment, signal);
    if (copied) return copied;
    if (round === ROUNDS)
      throw new OpsError('unavailable', 'Files of the audit were cleared away again and again while it was copied.', {
        hint: 'Try again.',
        retryAfterMs: 1_000,
      });
    rmSync(join(making, 'audit'), { recursive: true, force: true });
  }
}

function look(state: StateDir): Moment | null {
  return exclusively(join(state.leases, 'audit'), WAIT_MS, () => {
    const names = readdirSync(state.audit);
    if (!names.includes(INDEX)) return null;
    const index = readFileSync(join(state.audit, INDEX));
    return {
      // Half a line at its end never counted (a power cut).
      index: index.subarray(0, index.lastIndexOf(10) + 1),
      segments: names
        .filter((n) => SEGMENT.test(n))
        .sort()
        .map((name) => ({ name, bytes: statSync(join(state.audit, name)).size })),
      markers: names.includes('running') ? readdirSync(join(state.audit, 'running')) : [],
    };
  });
}

/** Null when one was pruned meanwhile: the index of that moment does not say so. */
async function segments(
  state: StateDir,
  making: string,
  { index, segments, markers }: Moment,
  signal: AbortSignal,
): Promise<Copied[] | null> {
  const ended = endedIn(index);
  const copied: Copied[] = [];
  const there = new Set<string>();
  for (const { name, bytes } of segments) {
    // What a dead process left torn is in the index as it was found, and stays; of an open one, whole lines.
    const most = ended.has(name) ? bytes : await wholeLines(join(state.audit, name), bytes);
    const one = most === null ? null : await copyFile(making, join('audit', name), state.dir, signal, most);
    if (one === null) return null;
    copied.push(one);
    there.add(name);
  }
  copied.push(await writeFile(making, join('audit', INDEX), index, signal));
  mkdirSync(join(making, 'audit', 'running'), { recursive: true, mode: 0o700 });
  for (const marker of markers)
    if (there.has(marker.split('~')[0] as string))
      copied.push(await writeFile(making, join('audit', 'running', marker), Buffer.alloc(0), signal));
  return copied;
}

/** Segments of which the index says where they end. */
function endedIn(index: Buffer): Set<string> {
  const ended = new Set<string>();
  for (const line of index.toString().split('\n')) {
    if (!line.includes('"event":"close"') && !line.includes('"event":"found"')) continue;
    try {
      ended.add(String((JSON.parse(line) as { segment?: unknown }).segment));
    } catch {
      // No record: verification names it.
    }
  }
  return ended;
}

/** Up to the last end of a line within the first `bytes`. */
async function wholeLines(path: string, bytes: number): Promise<number | null> {
  try {
    await using file = await open(path, 'r');
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let end = bytes; end > 0; ) {
      const from = Math.max(0, end - CHUNK);
      const { bytesRead } = await file.read(buffer, 0, end - from, from);
      const found = buffer.subarray(0, bytesRead).lastIndexOf(10);
      if (found >= 0) return from + found + 1;
      end = from;
    }
    return 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
