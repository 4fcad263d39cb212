/**
 * Bytes between a socket and the desk, two pieces at a time whatever the file's size: memory stays flat, and a slow client holds back only
 * itself. Decides that silence ends a request; what is said then is transfers.ts's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { OpsError } from '../core/errors.ts';
import type { DownRun } from '../policy/transfer_down.ts';
import type { UpRun } from '../policy/transfer_up.ts';

const PIECE = 512 * 1024;

export async function send(
  run: DownRun,
  outgoing: ServerResponse,
  o: { from: number; length: number; idleMs: number; begin(): void; onBytes(n: number): void },
): Promise<void> {
  // Shared memory: the file thread fills it and the kernel takes it from there, uncopied; and it is used again.
  const pieces = [0, 1].map(() => new Uint8Array(new SharedArrayBuffer(Math.min(PIECE, o.length))));
  const end = o.from + o.length;
  const piece = (n: number, at: number) => (pieces[n % 2] as (typeof pieces)[0]).subarray(0, end - at);
  let at = o.from;
  let coming = run.read(piece(0, at), at);
  try {
    for (let n = 0; at < end; n++) {
      const got = await coming;
      if (got === 0) throw new OpsError('conflict', 'The file has become shorter.');
      if (n === 0) o.begin();
      const bytes = Buffer.from(piece(n, at).buffer, 0, got);
      at += got;
      if (at < end) {
        coming = run.read(piece(n + 1, at), at);
        coming.catch(() => {}); // heard in the next round, or nobody cares any more
      }
      await written(outgoing, bytes, o.idleMs);
      o.onBytes(got);
    }
    outgoing.end();
  } finally {
    // The piece may be used until its reading has ended.
    await coming.catch(() => {});
  }
}

function written(outgoing: ServerResponse, bytes: Buffer, idleMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    if (outgoing.destroyed) {
      reject(gone());
      return;
    }
    // The kernel takes a piece in parts: as long as any of it goes, the client is there.
    let left = outgoing.socket?.bytesWritten ?? 0;
    const look = () => {
      const now = (outgoing.socket?.bytesWritten ?? 0) - (outgoing.socket?.writableLength ?? 0);
      if (now === left) done(new OpsError('timeout', 'The client took no bytes for too long.'));
      left = now;
    };
    const timer = setInterval(look, idleMs);
    const over = () => done(gone());
    const done = (error?: Error | null) => {
      clearInterval(timer);
      outgoing.off('close', over);
      if (error) reject(error);
      else resolve();
    };
    outgoing.once('close', over);
    outgoing.write(bytes, (error) => done(error ? gone() : null));
  });
}

const LEFT = 'The client has left.';
const gone = () => new OpsError('unavailable', LEFT);
export const hasLeft = (thrown: unknown): boolean => thrown instanceof OpsError && thrown.message === LEFT;

export async function receive(incoming: IncomingMessage, run: UpRun, idleMs: number): Promise<void> {
  const silent = () => {
    late = true;
    incoming.destroy();
  };
  const left = () => void incoming.destroy();
  let late = false;
  let timer = setTimeout(silent, idleMs);
  run.left.addEventListener('abort', left, { once: true });
  try {
    run.left.throwIfAborted();
    // What is refused half way is still to be answered: leaving the loop must not close the socket.
    for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
      clearTimeout(timer);
      await run.write(chunk as Buffer);
      timer = setTimeout(silent, idleMs);
    }
  } catch (thrown) {
    if (run.left.aborted) throw run.left.reason;
    throw late ? new OpsError('timeout', 'No byte came for too long.') : thrown;
  } finally {
    clearTimeout(timer);
    run.left.removeEventListener('abort', left);
  }
}
