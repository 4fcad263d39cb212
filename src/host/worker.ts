/**
 * System calls that may never return run here, in threads that are given up after a deadline: statfs of everything but
 * local disks. Decides how long to wait, how many stuck threads to bear, and how a process with such a thread ends.
 *
 * A thread in a call that hangs cannot be stopped: Worker.terminate() waits for it, and so do process.exit() and the
 * natural end of the process, because Node joins its threads. Measured on Node 24.21 with a FUSE daemon under SIGSTOP:
 * process.exit(3), returning from main and terminate() were all still waiting after 5 s; execve, SIGKILL, abort and a
 * deadly signal ended the process at once. Hence `exitSurely`: the one way that also keeps the exit code is execve of the
 * same Node with `process.exit(code)`, about 30 ms. The kernel lets no way out of a wait that even SIGKILL cannot break.
 */
import { Worker } from 'node:worker_threads';
import { CHILD_HEAP_MB, childSource, exitArguments, type Program, threadSource } from './program.ts';

/** Of the filesystem, in the numbers of statfs(2). */
export interface Statfs {
  type: number;
  blockSize: number;
  blocks: number;
  free: number;
  available: number;
  files: number;
  filesFree: number;
}

export type Answer = { stat: Statfs } | { errno: string } | { hung: true; sinceMs: number } | { notAsked: true };

/** Plain JavaScript, so that it works from source and from a bundle alike, with no file to find. */
const SOURCE = `
const { parentPort } = require('node:worker_threads');
const { statfsSync } = require('node:fs');
parentPort.on('message', ({ id, path }) => {
  parentPort.postMessage({ id, started: true });
  try {
    const s = statfsSync(path);
    parentPort.postMessage({ id, stat: { type: s.type, blockSize: s.frsize || s.bsize, blocks: s.blocks, free: s.bfree,
      available: s.bavail, files: s.files, filesFree: s.ffree } });
  } catch (error) {
    parentPort.postMessage({ id, errno: error && error.code || 'EIO' });
  }
});`;

type Message = { id: number; started?: true; stat?: Statfs; errno?: string };

interface Job {
  id: number;
  key: string;
  path: string;
  answer: (answer: Answer) => void;
  timer: NodeJS.Timeout | undefined;
}

interface Thread {
  worker: Worker;
  job: Job | null;
  /** Its job's deadline has passed: it counts as lost until it comes back. */
  lost: boolean;
}

/** Threads in a call, of every pool of this process: while there is one, the process may only end by exitSurely. */
const inCall = new Set<object>();

export interface StatfsPoolOptions {
  deadlineMs?: number;
  /** Stuck threads that are borne at the same time (each is some 5 MB). */
  maxLost?: number;
  now: () => number;
  /** The thread's program: the tests bring one that hangs when told. */
  source?: string;
}

export class StatfsPool {
  readonly #deadlineMs: number;
  readonly #maxLost: number;
  readonly #now: () => number;
  readonly #source: string;
  readonly #threads = new Set<Thread>();
  readonly #queue: Job[] = [];
  readonly #asking = new Map<string, Promise<Answer>>();
  /** Mounts whose thread has not come back, and since when. They are answered at once: that thread is the next try. */
  readonly #hung = new Map<string, number>();
  #nextId = 1;
  #closed = false;
  #stagger: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(o: StatfsPoolOptions) {
    this.#deadlineMs = o.deadlineMs ?? 500;
    this.#maxLost = o.maxLost ?? 4;
    this.#now = o.now;
    this.#source = o.source ?? SOURCE;
  }

  abandoned(): number {
    let lost = 0;
    for (const t of this.#threads) if (t.lost) lost++;
    return lost;
  }

  /** `key` names the mount, not the place: what is mounted anew on the same path is asked anew. */
  ask(key: string, path: string): Promise<Answer> {
    const since = this.#hung.get(key);
    if (since !== undefined) return Promise.resolve({ hung: true, sinceMs: since });
    const under = this.#asking.get(key);
    if (under) return under;
    if (this.#closed || this.abandoned() >= this.#maxLost) return Promise.resolve({ notAsked: true });
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const job: Job = { id: this.#nextId++, key, path, answer: resolve, timer: undefined };
    this.#asking.set(key, promise);
    void promise.then(() => this.#asking.delete(key));
    this.#queue.push(job);
    this.#dispatch();
    return promise;
  }

  /** Idle threads end; stuck ones cannot. Who still waits is told so. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#stagger);
    clearTimeout(this.#idle);
    for (const job of this.#queue.splice(0)) job.answer({ notAsked: true });
    for (const t of this.#threads) {
      if (t.job) {
        clearTimeout(t.job.timer);
        t.job.answer({ notAsked: true });
      } else this.#end(t);
    }
  }

  #dispatch(): void {
    clearTimeout(this.#idle);
    const job = this.#queue[0];
    if (!job) {
      // A thread at rest costs memory: it goes after a minute.
      this.#idle = setTimeout(() => {
        for (const t of this.#threads) if (!t.job) this.#end(t);
      }, 60_000);
      this.#idle.unref();
      return;
    }
    const free = [...this.#threads].find((t) => !t.job);
    const busy = [...this.#threads].some((t) => t.job && !t.lost);
    if (free) {
      this.#queue.shift();
      this.#give(free, job);
      if (this.#queue.length > 0) this.#dispatch();
    } else if (!busy) {
      if (this.abandoned() >= this.#maxLost) {
        for (const waiting of this.#queue.splice(0)) waiting.answer({ notAsked: true });
        return;
      }
      this.#start();
      this.#dispatch();
    } else if (this.#stagger === undefined) {
      // Healthy mounts answer in a millisecond. When one takes a tenth of the deadline, the others get a thread of their
      // own, so that several hung mounts cost about one deadline together.
      this.#stagger = setTimeout(() => {
        this.#stagger = undefined;
        if (this.#queue.length === 0 || this.#closed) return;
        if (this.#threads.size <= this.#maxLost && ![...this.#threads].some((t) => !t.job)) this.#start();
        this.#dispatch();
      }, this.#deadlineMs / 10);
    }
  }

  #start(): void {
    const worker = new Worker(this.#source, {
      eval: true,
      name: 'deckhand-statfs',
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    });
    const thread: Thread = { worker, job: null, lost: false };
    this.#threads.add(thread);
    guardExit();
    worker.on('message', (m: Message) => this.#onMessage(thread, m));
    // Out of memory or a crash of the thread: its mount gets an error, the next call a new thread.
    worker.on('error', () => this.#drop(thread));
    worker.on('exit', () => this.#drop(thread));
    // Neither it nor its port may keep the process: who waits for an answer holds a timer. Listening for messages takes a
    // hold on the port again, so this comes last.
    worker.unref();
  }

  #give(thread: Thread, job: Job): void {
    thread.job = job;
    inCall.add(thread);
    // Until the thread reports, it is being started: on a busy machine that takes longer than any healthy mount.
    this.#deadline(thread, job, this.#deadlineMs + 2_000);
    thread.worker.postMessage({ id: job.id, path: job.path });
  }

  #deadline(thread: Thread, job: Job, ms: number): void {
    clearTimeout(job.timer);
    job.timer = setTimeout(() => {
      // When it was our own loop that stood still, the answer is already here and is read before this runs.
      setImmediate(() => setImmediate(() => this.#giveUp(thread, job)));
    }, ms);
  }

  #giveUp(thread: Thread, job: Job): void {
    if (thread.job !== job || thread.lost || this.#closed) return;
    thread.lost = true;
    const sinceMs = this.#now();
    this.#hung.set(job.key, sinceMs);
    job.answer({ hung: true, sinceMs });
    this.#dispatch();
  }

  #onMessage(thread: Thread, m: Message): void {
    const job = thread.job;
    if (!job || m.id !== job.id) return;
    if (m.started) {
      if (!thread.lost) this.#deadline(thread, job, this.#deadlineMs);
      return;
    }
    clearTimeout(job.timer);
    thread.job = null;
    inCall.delete(thread);
    const wasLost = thread.lost;
    thread.lost = false;
    this.#hung.delete(job.key);
    job.answer(m.stat ? { stat: m.stat } : { errno: m.errno ?? 'EIO' });
    // One that came back late has been replaced.
    if (this.#closed || (wasLost && [...this.#threads].some((t) => t !== thread && !t.lost))) this.#end(thread);
    if (!this.#closed) this.#dispatch();
  }

  #drop(thread: Thread): void {
    if (!this.#threads.delete(thread)) return;
    inCall.delete(thread);
    const { job } = thread;
    if (!job) return;
    clearTimeout(job.timer);
    this.#hung.delete(job.key);
    job.answer({ errno: 'EIO' });
    if (!this.#closed) this.#dispatch();
  }

  #end(thread: Thread): void {
    this.#threads.delete(thread);
    void thread.worker.terminate();
  }
}

/** A thread of another pool (files/pool.ts), whose program is a module that exports `serve(port)`. */
export interface ModuleThread {
  post(message: object): void;
  /** Between true and false it is in a call that may hang. */
  calling(yes: boolean): void;
  end(): void;
}

export function moduleThread(o: {
  url: URL;
  name: string;
  heapMb: number;
  /** What it opens stays open when it ends, because others use it by number; else Node closes it with the thread. */
  sharesFds?: boolean;
  onMessage: (message: unknown) => void;
  /** It ended: out of memory, a crash, or `end`. */
  onGone: () => void;
}): ModuleThread {
  const { source, workerData } = threadSource(o.url);
  const worker = new Worker(source, {
    eval: true,
    name: o.name,
    env: {},
    execArgv: [],
    workerData,
    trackUnmanagedFds: o.sharesFds !== true,
    resourceLimits: { maxOldGenerationSizeMb: o.heapMb, maxYoungGenerationSizeMb: 4 },
  });
  const thread: ModuleThread = {
    post: (message) => worker.postMessage(message),
    calling: (yes) => void (yes ? inCall.add(thread) : inCall.delete(thread)),
    end: () => void worker.terminate(),
  };
  const gone = () => {
    inCall.delete(thread);
    o.onGone();
  };
  guardExit();
  worker.on('message', o.onMessage);
  worker.on('error', gone);
  worker.on('exit', gone);
  worker.unref();
  return thread;
}

/**
 * The executable's way to run a program that ends by itself, in a process that has nothing else to do: it has no flag that bounds the
 * heap, and a thread has such a bound. The exit code; 1 where the bound was met.
 */
export function childThread(program: Program, args: readonly string[]): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const worker = new Worker(childSource(program), {
    eval: true,
    argv: [...args],
    resourceLimits: { maxOldGenerationSizeMb: CHILD_HEAP_MB },
  });
  worker.on('error', () => resolve(1));
  worker.on('exit', resolve);
  return promise;
}

let guarded = false;

/** From the first thread on, every ordinary way out (exit, an uncaught error, an empty loop) ends through exitSurely. */
function guardExit(): void {
  if (guarded) return;
  guarded = true;
  const guard = (code: number) => {
    if (inCall.size === 0) return;
    // We never return, so whoever wanted to hear of the exit after us is told now.
    const all = process.listeners('exit');
    for (const listener of all.slice(all.indexOf(guard) + 1)) {
      try {
        listener.call(process, code);
      } catch {
        // An exit is no time to fail.
      }
    }
    exitSurely(code);
  };
  process.on('exit', guard);
}

/** Ends the process now, with this code, whatever its threads are in. Output that is still queued is lost. */
export function exitSurely(code: number): never {
  try {
    // /proc/self/exe is this very Node, even when an update has removed its file.
    process.execve?.('/proc/self/exe', exitArguments(Math.trunc(code) & 255), {});
  } catch {
    // Not on this platform or forbidden: the code is lost, but the process ends.
  }
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
}

/** How every face ends the process. The same as process.exit, and safe while a mount hangs. */
export function exitNow(code: number): never {
  process.exit(code);
}
