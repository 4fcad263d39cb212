/** One request that fetches: the same file as was offered, opened anew through the walk, as long as its principal may have it. */
import { OpsError, toOpsError } from '../core/errors.ts';
import type { FileSource, SharedBytes } from '../core/files.ts';
import type { Down, Parts } from './transfers.ts';

/** How often it is asked whether the right still stands, while bytes go. */
const ASK_MS = 1_000;

export interface DownRun {
  /** Fills `into` from `offset`. Throws when the file changes, or the right is gone. */
  read(into: SharedBytes, offset: number): Promise<number>;
  /** Once, whatever came of it. */
  end(outcome: string, bytes: number): Promise<void>;
}

type End = (outcome: string, bytes: number) => void;

export async function runDown(t: Down, p: Parts, end: End, still: () => boolean): Promise<DownRun> {
  let source: FileSource | null = null;
  try {
    source = await t.files.transfers.open(t.path);
    const { id, sizeBytes, modifiedMs, changedMs } = source.stat;
    const was = t.stat;
    if (id !== was.id || sizeBytes !== was.sizeBytes || modifiedMs !== was.modifiedMs || changedMs !== was.changedMs)
      throw new OpsError('conflict', 'The file is not the one that was offered any more.', {
        hint: 'Call file_download again for the file as it is now.',
      });
  } catch (thrown) {
    await source?.close();
    const error = toOpsError(thrown);
    end(error.code, 0);
    throw error;
  }
  const open = source;
  let asked = p.clock.elapsed();
  return {
    async read(into, offset) {
      if (p.clock.elapsed() - asked >= ASK_MS) {
        asked = p.clock.elapsed();
        if (!still()) throw new OpsError('permission', 'The right to this file is gone.');
      }
      return open.read(into, offset);
    },
    async end(outcome, bytes) {
      end(outcome, bytes);
      await open.close();
    },
  };
}
