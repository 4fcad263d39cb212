/**
 * Clients that ask and do not read: what they are owed waits in our memory. Whoever takes nothing of it for a while loses his
 * connection. Decides only how long that is; node:http stops reading from a connection whose answers pile up, so what waits is bounded.
 */
import type { Socket } from 'node:net';

/** The longest answer (64 KiB) needs two kilobytes a second for this. */
export const READS_WITHIN_MS = 30_000;
const LOOK_MS = 1_000;

export interface SlowReaders {
  /** Something was asked on this socket. */
  watch(socket: Socket): void;
  size(): number;
  close(): void;
}

export function createSlowReaders(o: {
  cutOff(socket: Socket): void;
  /** Something else looks after it. */
  patient?(socket: Socket): boolean;
  withinMs?: number;
  lookMs?: number;
}): SlowReaders {
  const { withinMs = READS_WITHIN_MS, lookMs = LOOK_MS } = o;
  /** What it had taken when it last took something; null while nothing waits for it. */
  const watched = new Map<Socket, { taken: number; since: number } | null>();
  let timer: NodeJS.Timeout | null = null;

  function look(): void {
    const now = performance.now();
    for (const [socket, seen] of watched) {
      const taken = socket.bytesWritten - socket.writableLength;
      if (socket.destroyed) watched.delete(socket);
      else if (socket.writableLength === 0 || o.patient?.(socket)) watched.set(socket, null);
      else if (seen?.taken !== taken) watched.set(socket, { taken, since: now });
      else if (now - seen.since >= withinMs) {
        watched.delete(socket);
        o.cutOff(socket);
      }
    }
    if (watched.size === 0) stop();
  }

  function stop(): void {
    if (timer) clearInterval(timer);
    timer = null;
  }

  return {
    watch(socket) {
      if (watched.has(socket)) return;
      watched.set(socket, null);
      timer ??= setInterval(look, lookMs).unref();
    },
    size: () => watched.size,
    close() {
      stop();
      watched.clear();
    },
  };
}
