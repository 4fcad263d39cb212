/**
 * The program of a disk thread: one question, one answer, and then it is ended. Shares with the process one piece of memory: how far it is,
 * and whether it is to stop. Decides nothing but to step aside for whatever else wants the processor.
 */
import { lstatSync } from 'node:fs';
import { setPriority } from 'node:os';
import { toOpsError } from '../../core/errors.ts';
import { denyNames } from '../files/deny.ts';
import { openDeleted } from '../system/open_deleted.ts';
import { walkDisk } from './walk.ts';

export interface Question {
  op: 'scan' | 'open';
  mount: string;
  /** Before every path of the host: '' on the host itself. */
  prefix: string;
  mounts: readonly string[];
  /** Absolute paths of our own. */
  ours: readonly string[];
  deny: readonly string[];
  used: { bytes: number; inodes: number | null };
  maxMs: number;
  /** [stop, turns, entries, bytes] as doubles. */
  shared: SharedArrayBuffer;
}

/** Of a thread, on Linux, with 0 for "this one". */
const ASIDE = 5;

export function answer(q: Question): object {
  const cells = new Float64Array(q.shared);
  const stop = () => cells[0] !== 0;
  try {
    const progress = (bytes: number, entries: number) => {
      cells[1] = (cells[1] ?? 0) + 1;
      cells[2] = entries;
      cells[3] = bytes;
    };
    if (q.op === 'open') {
      const device = lstatSync(q.prefix + q.mount).dev;
      return { value: openDeleted(device, { proc: `${q.prefix}/proc`, stop, step: () => progress(0, 0) }) };
    }
    return {
      value: walkDisk({
        mount: q.mount,
        prefix: q.prefix,
        mounts: new Set(q.mounts),
        used: q.used,
        maxMs: q.maxMs,
        denied: denyNames(q.ours, q.deny),
        stop,
        progress,
      }),
    };
  } catch (thrown) {
    const { code, message, details } = toOpsError(thrown);
    return { error: { code, message, details } };
  }
}

/** Of the thread's port; node:worker_threads itself is ../worker.ts's alone. */
interface Port {
  on(event: 'message', listener: (q: Question) => void): unknown;
  postMessage(message: object): void;
}

export function serve(port: Port): void {
  try {
    setPriority(0, ASIDE);
  } catch {
    // Not allowed here: it works all the same.
  }
  port.on('message', (q) => port.postMessage(answer(q)));
}
