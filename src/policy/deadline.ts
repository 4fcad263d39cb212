/**
 * One signal for one piece of work: the caller's, until it is detached, and a time-out. Written out because
 * AbortSignal.any and AbortSignal.timeout cost more than the rest of a small call, and cannot be detached.
 */
import type { Clock } from './ports.ts';

export interface Deadline extends Disposable {
  signal: AbortSignal;
  /** From here on only the time-out ends the work: whoever called may leave. */
  detach(): void;
  /** Detached for good: a change has had its first effect, and a wish to cancel comes too late. */
  commit(): void;
  committed(): boolean;
  abort(reason: unknown): void;
}

export function deadline(caller: AbortSignal, timeoutMs: number, clock: Clock): Deadline {
  const controller = new AbortController();
  const left = () => controller.abort(caller.reason);
  if (caller.aborted) left();
  else caller.addEventListener('abort', left, { once: true });
  const cancelTimer = (clock.roughly ?? clock.after)(timeoutMs, () =>
    controller.abort(new DOMException(`Took longer than ${timeoutMs} ms.`, 'TimeoutError')),
  );
  const detach = () => caller.removeEventListener('abort', left);
  let committed = false;
  return {
    signal: controller.signal,
    detach,
    commit() {
      committed = true;
      detach();
    },
    committed: () => committed,
    abort: (reason) => controller.abort(reason),
    [Symbol.dispose]() {
      cancelTimer();
      caller.removeEventListener('abort', left);
    },
  };
}

/** Nothing, for so long; rejects when the signal fires first. */
export function pause(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(ms, resolve);
  return raced(promise, signal).finally(cancel);
}

/** Settles with the work or with the abort, whichever is first: a handler deaf to its signal still times out. */
export function raced<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason as Error);
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted, { once: true });
    const over = () => signal.removeEventListener('abort', aborted);
    work.then(
      (value) => {
        over();
        resolve(value);
      },
      (thrown) => {
        over();
        reject(thrown);
      },
    );
  });
}
