/** What an engine tells while it pulls an image: lines of JSON, layer by layer. Decides what is progress, and what is a failure. Pure. */
import { type Code, OpsError } from '../../core/errors.ts';
import { number, record, type Said, text } from './said.ts';

export interface PullProgress {
  doneBytes: number;
  totalBytes: number;
  layers: number;
  text: string;
}

const MOST_LINE = 64 * 1024;
const MOST_LAYERS = 1_000;

export function pullProgress(onProgress?: (p: PullProgress) => void) {
  const layers = new Map<string, { done: number; total: number }>();
  const decoder = new TextDecoder();
  let rest = '';
  let digest: string | null = null;

  function line(said: Said): void {
    const failure = text(said.error) || text(record(said.errorDetail).message);
    if (failure) throw refusedPull(failure);
    const status = text(said.status);
    const found = /^Digest: (sha256:[0-9a-f]{64})/.exec(status);
    if (found) digest = found[1] ?? null;
    const id = text(said.id);
    const detail = record(said.progressDetail);
    const [current, total] = [number(detail.current), number(detail.total)];
    // A layer is downloaded, then unpacked, each counted from 0: the download is what takes long.
    if (/^[0-9a-f]{12}$/.test(id) && layers.size < MOST_LAYERS) {
      const layer = layers.get(id) ?? { done: 0, total: 0 };
      if (status === 'Downloading' && current !== null)
        Object.assign(layer, { done: current, total: total ?? current });
      if (/^(?:Download complete|Pull complete|Already exists)$/.test(status)) layer.done = layer.total;
      layers.set(id, layer);
    }
    let doneBytes = 0;
    let totalBytes = 0;
    for (const layer of layers.values()) {
      doneBytes += layer.done;
      totalBytes += layer.total;
    }
    onProgress?.({ doneBytes, totalBytes, layers: layers.size, text: id ? `${id}: ${status}` : status });
  }

  return {
    /** Throws what the registry said. */
    push(chunk: Buffer): void {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = (lines.pop() ?? '').slice(0, MOST_LINE);
      for (const one of lines) {
        let said: unknown;
        try {
          said = JSON.parse(one);
        } catch {
          // An empty line, or one that is none of ours.
          continue;
        }
        line(record(said));
      }
    },
    digest: () => digest,
  };
}

/** What a registry, or the engine for it, said against a pull. */
export function refusedPull(failure: string): OpsError {
  const [code, hint]: [Code, string] = /not found|manifest unknown|does not exist/i.test(failure)
    ? ['not_found', 'Check the name and the tag; a private image says the same to who may not see it.']
    : /denied|unauthorized|authentication required|no basic auth/i.test(failure)
      ? ['permission', 'The registry wants a login: docker login on that host.']
      : /toomanyrequests|rate limit/i.test(failure)
        ? ['limit', 'The registry allows no more pulls for now.']
        : [
            'unavailable',
            'The registry could not be used; nothing was changed. Try again, or look at the engine’s log.',
          ];
  return new OpsError(code, `The image could not be pulled: ${failure.slice(0, 500)}`, { hint });
}
