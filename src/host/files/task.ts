/**
 * One piece of work in a file thread, as seen from within: it can be told to stop, and it tells now and then that it goes on, so that
 * long work is not taken for a mount that hangs. Decides nothing about what the work is.
 */
import { OpsError } from '../../core/errors.ts';

export interface Task {
  /** Between two steps that take no time to speak of: throws when the work is to stop. */
  tick(): void;
  /** The same, and it cannot be stopped any more. */
  beat(): void;
  /** True once somebody wants it to stop. */
  stopped(): boolean;
  /** From here on it is this mount that may hang, null: the one that was asked for. */
  on(mount: string | null): void;
  /** Mounts that hang now: they are not touched. */
  hung: ReadonlySet<string>;
  /** Wall clock of the process, in ms. */
  now: number;
}

const ALIVE_MS = 500;

export function taskOf(o: {
  stop?: Int32Array | undefined;
  now: number;
  hung?: readonly string[];
  /** It goes on, and this is the mount that it is on now. */
  alive: (mount: string | null) => void;
}): Task {
  let at: string | null = null;
  let told = performance.now();
  const stopped = () => o.stop !== undefined && Atomics.load(o.stop, 0) !== 0;
  const beat = () => {
    const time = performance.now();
    if (time - told < ALIVE_MS) return;
    told = time;
    o.alive(at);
  };
  return {
    now: o.now,
    stopped,
    beat,
    hung: new Set(o.hung),
    on(mount) {
      if (mount === at) return;
      at = mount;
      o.alive(at);
    },
    tick() {
      if (stopped()) throw new OpsError('timeout', 'The caller cancelled.');
      beat();
    },
  };
}
