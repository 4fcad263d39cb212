/**
 * One upload while its call waits for the bytes: what is in the stage and in its digest is always the same, so that it can go on from
 * there after an interruption. Decides who of two writers goes on (the later one), and when waiting has been enough. What the bytes
 * become is the call's: it goes on when all are there.
 */
import { createHash } from 'node:crypto';
import { OpsError, toOpsError } from '../core/errors.ts';
import type { FileStage, SharedBytes } from '../core/files.ts';
import type { Job } from './job.ts';
import type { Parts } from './transfers.ts';

/** Each is a way to a file thread and back: fewer, larger ones keep a busy machine's waits out of a fast upload. */
const PIECE = 4 * 1024 * 1024;

/** What became of the call. */
export interface UpEnd {
  error: OpsError | null;
  receipt: string | null;
}

export interface Up {
  kind: 'up';
  sizeBytes: number;
  offset(): number;
  /** Null while it waits for bytes or works. */
  end: UpEnd | null;
  /** Whoever writes now is stopped, and what it had brought is in. */
  cut(): Promise<void>;
  begin(offset: number, end: End): Promise<UpRun>;
  /** What the call waits for. */
  whole: Promise<{ sha256: string }>;
}

export interface UpRun {
  /** Rejects when another request has taken over, or the call has ended. The bytes may be used again when it resolves. */
  write(bytes: Uint8Array): Promise<void>;
  /** Fires when another request has taken over: its client is not there any more, or has thought better of it. */
  left: AbortSignal;
  /** What was brought is in. When that is all, waits for what becomes of the call. */
  end(outcome: string): Promise<UpEnd | null>;
}

type End = (outcome: string, bytes: number, more?: Record<string, unknown>) => void;

export function receiving(
  o: { sizeBytes: number; stage: FileStage; signal: AbortSignal; patienceMs: number; job: Job },
  p: Pick<Parts, 'clock'>,
): Up {
  const { stage, job } = o;
  const all = Promise.withResolvers<{ sha256: string }>();
  const over = Promise.withResolvers<UpEnd>();
  let hash = createHash('sha256');
  let writing: { stop: AbortController; gone: Promise<void> } | null = null;
  let cancel = () => {};
  let complete = false;
  const wait = () => {
    cancel();
    cancel = p.clock.after(o.patienceMs, () => all.reject(late()));
  };
  const aborted = () => all.reject(o.signal.reason);
  if (o.signal.aborted) aborted();
  else o.signal.addEventListener('abort', aborted, { once: true });
  wait();

  const up: Up = {
    kind: 'up',
    sizeBytes: o.sizeBytes,
    offset: () => stage.size(),
    end: null,
    whole: all.promise,

    async cut() {
      writing?.stop.abort(taken());
      await writing?.gone;
    },

    async begin(offset, end) {
      const gone = Promise.withResolvers<void>();
      const stop = new AbortController();
      try {
        if (up.end) throw ended();
        if (writing || complete) throw busy();
        if (offset === 0 && stage.size() > 0) {
          await stage.truncate();
          hash = createHash('sha256');
        }
        if (offset !== stage.size()) throw elsewhere(stage.size());
      } catch (thrown) {
        const error = toOpsError(thrown);
        end(error.code, 0);
        throw error;
      }
      cancel();
      writing = { stop, gone: gone.promise };
      return run(offset, end, stop, gone.resolve);
    },
  };
  job.ended = ({ thrown }) => {
    cancel();
    o.signal.removeEventListener('abort', aborted);
    up.end = { error: thrown === undefined ? null : toOpsError(thrown), receipt: job.receipt ?? null };
    over.resolve(up.end);
  };
  return up;

  function run(offset: number, end: End, stop: AbortController, gone: () => void): UpRun {
    // Two, so that one fills while the other is written.
    const room = Math.min(PIECE, Math.max(1, o.sizeBytes));
    const pieces = [0, 1].map((): SharedBytes => new Uint8Array(new SharedArrayBuffer(room)));
    const from = offset;
    let filled = 0;
    let turn = 0;
    let under: Promise<void> = Promise.resolve();
    async function flush(): Promise<void> {
      const piece = pieces[turn] as SharedBytes;
      const length = filled;
      filled = 0;
      turn = 1 - turn;
      await under;
      under = stage.append(piece, length);
      // Whoever comes next hears of it; nobody else may.
      under.catch((thrown) => all.reject(thrown));
    }
    return {
      left: stop.signal,
      async write(bytes) {
        for (let at = 0; at < bytes.length; ) {
          stop.signal.throwIfAborted();
          if (up.end) throw ended();
          if (offset + bytes.length - at > o.sizeBytes) throw tooMany(o.sizeBytes);
          const part = bytes.subarray(at, at + room - filled);
          (pieces[turn] as SharedBytes).set(part, filled);
          hash.update(part);
          filled += part.length;
          at += part.length;
          offset += part.length;
          if (filled === room) await flush();
        }
      },
      async end(outcome) {
        try {
          if (filled > 0) await flush();
          await under;
        } catch {
          // The call has been told: it ends, and says so.
        }
        writing = null;
        const whole = stage.size() === o.sizeBytes && !up.end;
        if (!whole && !up.end) wait();
        if (whole) {
          complete = true;
          all.resolve({ sha256: hash.digest('hex') });
        }
        const becomes = whole || up.end ? await over.promise : null;
        gone();
        const said = becomes ? (becomes.error?.code ?? 'done') : outcome;
        end(said, stage.size() - from, { receipt: becomes?.receipt ?? undefined });
        return becomes;
      },
    };
  }
}

const late = () => new OpsError('timeout', 'No bytes came for too long.', { hint: 'Call file_upload again.' });
const taken = () => new OpsError('conflict', 'Another request sends to this handle now.', { hint: 'Let it end.' });
const busy = () => new OpsError('conflict', 'Another request sends to this handle.', { hint: 'Let it end.' });
const ended = () =>
  new OpsError('conflict', 'This upload has ended.', {
    hint: 'A GET of this URL says how. Call file_upload for another.',
  });
const elsewhere = (size: number) =>
  new OpsError('conflict', `${size} bytes have come so far: go on from there.`, {
    hint: 'Upload-Offset has the number; or begin anew from 0.',
  });
const tooMany = (size: number) =>
  new OpsError('validation', `More than the ${size} bytes that were declared.`, {
    hint: 'Call file_upload again with its size.',
  });
