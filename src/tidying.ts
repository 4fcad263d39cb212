/** What a server clears away now and then: old receipts, and what lies in the trash of files. Decides only how often, and that it may fail. */
import type { Log } from './core/call.ts';
import type { Host } from './core/host.ts';

export function hourly(work: () => void): () => void {
  const timer = setInterval(work, 3_600_000).unref();
  return () => clearInterval(timer);
}

export function tidy(prune: () => void, log: Log): void {
  try {
    prune();
  } catch (err) {
    log.warn({ err }, 'old receipts could not be removed; tried again in an hour');
  }
}

/** Old files of the trash go for good; without a root to write there is none, and nothing is loaded for it. */
export async function emptied(files: Host['files'], log: Log): Promise<void> {
  if (!files.roots().some((root) => root.access === 'write')) return;
  try {
    const { entries, freedBytes } = await files.changer.emptyTrash({ olderThanMs: files.changer.trashKeepsMs() });
    if (entries > 0) log.info({ entries, freedBytes }, 'Old files of the trash are gone for good.');
  } catch (err) {
    log.warn({ err }, 'the trash of files could not be emptied; tried again in an hour');
  }
}
