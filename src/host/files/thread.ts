/**
 * The program of a file thread: takes one request at a time, walks, reads, answers. Everything in it may hang with a mount, and so
 * it shares nothing with the process but messages. Decides nothing: rules come with the request, what is done is work.ts's.
 */
import fs from 'node:fs';
import { toOpsError } from '../../core/errors.ts';
import { boundedGround } from './bounds.ts';
import { type DeniedName, denyNames } from './deny.ts';
import { type Step, take } from './stage.ts';
import { taskOf } from './task.ts';
import { type Ground, idOf } from './walk.ts';
import { type Rules, type Work, work } from './work.ts';

export type Request = {
  id: number;
  /** Not 0 from the moment on when it is to stop. */
  stop?: Int32Array;
  /** Wall clock of the process. */
  nowMs: number;
  /** Mounts that hang now. */
  hung?: readonly string[];
} & Rules &
  Work;

/** A step of a transfer, which has a pool of its own (transfers.ts). */
export interface TransferRequest {
  id: number;
  op: 'transfer';
  step: Step;
}

/** A hard link gives these an innocent name, where the kernel lets users make one. */
const PASSWORDS = ['/etc/shadow', '/etc/shadow-', '/etc/gshadow', '/etc/gshadow-'];

/** Their identity of this moment: a rotated key or a new database is a new inode. What is not there yet cannot be read either. */
function identities(paths: readonly string[]): Set<string> {
  const ids = new Set<string>();
  for (const path of paths) {
    const found = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
    if (found) ids.add(idOf(found));
  }
  return ids;
}

/** Made of many patterns, and the same from one request to the next. */
let kept: { key: string; denied: DeniedName } | undefined;
function deniedBy(ours: readonly string[], deny: readonly string[]): DeniedName {
  const key = JSON.stringify([ours, deny]);
  if (kept?.key !== key) kept = { key, denied: denyNames(ours, deny) };
  return kept.denied;
}

/** The rules of one request, with the identities of this moment. */
const groundOf = (q: Rules): Ground => {
  const ground = {
    root: q.root,
    inner: q.inner,
    denied: deniedBy(q.ours, q.deny),
    ours: identities([...PASSWORDS, ...q.ours]),
  };
  return q.caller ? boundedGround(ground, q.caller) : ground;
};

export async function answer(
  q: Request | TransferRequest,
  alive: (mount: string | null) => void = () => {},
): Promise<object> {
  try {
    if (q.op === 'transfer') return { id: q.id, value: take(q.step, groundOf, taskOf({ now: Date.now(), alive })) };
    const task = taskOf({ stop: q.stop, now: q.nowMs, hung: q.hung ?? [], alive });
    return { id: q.id, value: await work(q, groundOf(q), groundOf, task) };
  } catch (thrown) {
    const { code, message, details } = toOpsError(thrown);
    return { id: q.id, error: { code, message, details } };
  }
}

/** Of the thread's port; node:worker_threads itself is ../worker.ts's alone. */
interface Port {
  on(event: 'message', listener: (q: Request | TransferRequest) => void): unknown;
  postMessage(message: object): void;
}

export function serve(port: Port): void {
  port.on('message', async (q) => {
    // Said again while long work goes on: it is not a mount that hangs.
    const alive = (mount: string | null) => port.postMessage({ id: q.id, started: true, mount });
    alive(null);
    port.postMessage(await answer(q, alive));
  });
}
