/**
 * Asks the file threads, and gives one up that does not come back: a hung mount costs a thread, never the process. Decides how long to
 * wait, how many run, and what is not asked again while it hangs. How a process with such a thread ends is ../worker.ts's business.
 */
import { type Code, type ErrorDetails, OpsError } from '../../core/errors.ts';
import { programUrl } from '../program.ts';
import { type ModuleThread, moduleThread } from '../worker.ts';
import type { Request } from './thread.ts';

/** Of a union each, so that what belongs to one kind of work stays with it. */
type Without<T, K extends string> = T extends unknown ? Omit<T, K> : never;
export type Asked = Without<Request, 'id' | 'stop' | 'nowMs' | 'hung'>;

interface Reply {
  id: number;
  started?: true;
  /** Where it is now, when that is not the mount that it was sent to. */
  mount?: string | null;
  value?: unknown;
  error?: { code: Code; message: string; details: ErrorDetails };
}

interface Job {
  id: number;
  /** The mount that the path lies on: while a thread hangs in it, nobody else is sent there. */
  mount: string;
  /** Into which of the mounts in it the work has come by now. */
  on: string;
  request: Asked;
  /** Set when nobody wants it any more: work that looks at it ends. */
  stop: Int32Array;
  change: boolean;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  timer?: NodeJS.Timeout;
  /** Its caller has been answered, or has left. */
  over: boolean;
}

interface Thread {
  handle: ModuleThread;
  job: Job | null;
  lost: boolean;
}

export interface FilePoolOptions {
  deadlineMs?: number;
  /** Threads that work at the same time; those that hang come on top of it. */
  atOnce?: number;
  maxLost?: number;
  maxQueue?: number;
  /** A thread at rest costs memory: it goes after this. */
  idleMs?: number;
  /** What a thread opens outlives it. */
  sharesFds?: boolean;
  /** The threads' program: the tests bring one that hangs when told. */
  program?: URL;
  now?: () => number;
}

export interface AskOptions {
  signal?: AbortSignal | undefined;
  /** A change: whoever leaves stops it if that is still possible, and is told how it ended. */
  change?: boolean;
}

const hung = (mount: string) =>
  new OpsError('unavailable', `The file system at ${mount} does not answer.`, {
    hint: 'See system_overview for its mount; other file systems can be read meanwhile.',
  });
const unsure = (mount: string) =>
  new OpsError(
    'unavailable',
    `The file system at ${mount} does not answer: whether the change was made is not known.`,
    {
      hint: 'When it answers again, look at what is there before anything else is done.',
    },
  );
const busy = () =>
  new OpsError('limit', 'Too many files are being read at this moment.', { hint: 'Try again.', retryAfterMs: 1_000 });

export class FilePool {
  readonly #o: Required<FilePoolOptions>;
  readonly #threads = new Set<Thread>();
  readonly #queue: Job[] = [];
  #nextId = 1;
  #closed = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(o: FilePoolOptions = {}) {
    this.#o = {
      deadlineMs: 5_000,
      atOnce: 2,
      maxLost: 4,
      maxQueue: 64,
      program: programUrl('files'),
      now: Date.now,
      idleMs: 60_000,
      sharesFds: false,
      ...o,
    };
  }

  /** Threads that have not come back. */
  abandoned(): number {
    return [...this.#threads].filter((t) => t.lost).length;
  }

  ask<T>(mount: string, request: Asked, { signal, change = false }: AskOptions = {}): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#hungAt(mount)) return Promise.reject(hung(mount));
    if (this.#closed || this.#queue.length >= this.#o.maxQueue) return Promise.reject(busy());
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const job: Job = { id: this.#nextId++, mount, on: mount, request, stop, change, resolve, reject, over: false };
    const leave = () => {
      Atomics.store(stop, 0, 1);
      const waits = this.#queue.includes(job);
      this.#queue.splice(0, this.#queue.length, ...this.#queue.filter((j) => j !== job));
      // A change that has begun ends one way or the other, and which way is the answer.
      if (waits || !change) this.#fail(job, signal?.reason);
    };
    signal?.addEventListener('abort', leave, { once: true });
    this.#queue.push(job);
    this.#dispatch();
    return promise.finally(() => signal?.removeEventListener('abort', leave)) as Promise<T>;
  }

  /** Idle threads end; stuck ones cannot. Who still waits is told so. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#idle);
    for (const job of this.#queue.splice(0)) this.#fail(job, busy());
    for (const t of this.#threads) {
      if (t.job) {
        clearTimeout(t.job.timer);
        this.#fail(t.job, busy());
      } else this.#end(t);
    }
  }

  #hungAt(mount: string): boolean {
    return [...this.#threads].some((t) => t.lost && t.job?.on === mount);
  }

  #fail(job: Job, error: unknown): void {
    job.over = true;
    job.reject(error);
  }

  #dispatch(): void {
    clearTimeout(this.#idle);
    while (this.#queue.length > 0 && !this.#closed) {
      const working = [...this.#threads].filter((t) => t.job && !t.lost).length;
      if (working >= this.#o.atOnce) return;
      if (this.abandoned() >= this.#o.maxLost) {
        for (const job of this.#queue.splice(0)) this.#fail(job, hung(job.mount));
        return;
      }
      const job = this.#queue.shift() as Job;
      if (this.#hungAt(job.mount)) this.#fail(job, hung(job.mount));
      else this.#give([...this.#threads].find((t) => !t.job) ?? this.#start(), job);
    }
    // A thread at rest costs memory: it goes after a minute.
    this.#idle = setTimeout(() => {
      for (const t of this.#threads) if (!t.job) this.#end(t);
    }, this.#o.idleMs);
    this.#idle.unref();
  }

  #start(): Thread {
    const thread: Thread = {
      job: null,
      lost: false,
      handle: moduleThread({
        url: this.#o.program,
        name: 'deckhand-files',
        heapMb: 96,
        sharesFds: this.#o.sharesFds,
        onMessage: (m) => this.#onMessage(thread, m as Reply),
        onGone: () => this.#drop(thread),
      }),
    };
    this.#threads.add(thread);
    return thread;
  }

  #give(thread: Thread, job: Job): void {
    thread.job = job;
    thread.handle.calling(true);
    // Until the thread reports, it is being started: on a busy machine that takes longer than any healthy mount.
    this.#deadline(thread, job, this.#o.deadlineMs + 2_000);
    const hung = [...this.#threads].flatMap((t) => (t.lost && t.job ? [t.job.on] : []));
    thread.handle.post({ ...job.request, id: job.id, stop: job.stop, nowMs: this.#o.now(), hung });
  }

  #deadline(thread: Thread, job: Job, ms: number): void {
    clearTimeout(job.timer);
    job.timer = setTimeout(() => {
      // When it was our own loop that stood still, the answer is already here and is read before this runs.
      setImmediate(() =>
        setImmediate(() => {
          if (thread.job !== job || thread.lost || this.#closed) return;
          thread.lost = true;
          // Should it come back, it does not make a change that was given up.
          Atomics.store(job.stop, 0, 1);
          this.#fail(job, job.change ? unsure(job.on) : hung(job.on));
          this.#dispatch();
        }),
      );
    }, ms);
  }

  #onMessage(thread: Thread, m: Reply): void {
    const job = thread.job;
    if (!job || m.id !== job.id) return;
    if (m.started) {
      if (!thread.lost) job.on = m.mount ?? job.mount;
      if (!thread.lost) this.#deadline(thread, job, this.#o.deadlineMs);
      return;
    }
    clearTimeout(job.timer);
    const wasLost = thread.lost;
    thread.job = null;
    thread.lost = false;
    thread.handle.calling(false);
    if (m.error) this.#fail(job, new OpsError(m.error.code, m.error.message, m.error.details));
    else if (!job.over) job.resolve(m.value);
    // One that came back late has been replaced.
    if (this.#closed || wasLost) this.#end(thread);
    this.#dispatch();
  }

  #drop(thread: Thread): void {
    if (!this.#threads.delete(thread)) return;
    const { job } = thread;
    if (job) {
      clearTimeout(job.timer);
      const hint = job.change ? 'Whether the change was made is not known: look first.' : 'Try again.';
      this.#fail(job, new OpsError('unavailable', 'The thread that works with files failed.', { hint }));
    }
    this.#dispatch();
  }

  #end(thread: Thread): void {
    this.#threads.delete(thread);
    thread.handle.end();
  }
}
