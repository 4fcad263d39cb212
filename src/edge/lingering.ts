/**
 * The end of a connection whose sender is still sending: an answer before the whole request was read (413, 415, 401 of a large upload). Closed
 * at once, unread bytes make the kernel send a reset, which throws away the answer that is on its way: a proxy then says 502 instead of it.
 * So the answer is sent, our half is closed, and what still comes is read and dropped, for a bounded time and number of bytes (as nginx's
 * `lingering_close`; RFC 9112, section 9.6).
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

export interface Bounds {
  /** Of one socket, so long. Two seconds without a byte end it earlier. */
  ms: number;
  idleMs: number;
  bytes: number;
}

const BOUNDS: Bounds = { ms: 5_000, idleMs: 2_000, bytes: 64 * 1024 * 1024 };

/** Less than this is on its way as a whole before anybody can answer. */
const SMALL = 16 * 1024;

export interface Lingering {
  /** To be called with each request: `destroySoon`, by which node:http ends a connection, waits for the sender where there is something to wait for. */
  watch(incoming: IncomingMessage): void;
  /** At a stop nobody is waited for. */
  end(): void;
}

export function createLingering(bounds: Bounds = BOUNDS): Lingering {
  const waiting = new Set<Socket>();
  return {
    watch(incoming) {
      const { 'content-length': declared, 'transfer-encoding': chunked } = incoming.headers;
      if (chunked === undefined && Number(declared ?? 0) <= SMALL) return;
      const socket = incoming.socket as Socket & { destroySoon(): void };
      const destroySoon = socket.destroySoon;
      socket.destroySoon = function lingering() {
        socket.destroySoon = destroySoon;
        if (incoming.complete || socket.destroyed || !socket.readable) {
          destroySoon.call(socket);
          return;
        }
        waiting.add(socket);
        socket.once('close', () => waiting.delete(socket));
        dropRest(socket, bounds);
      };
      incoming.once('close', () => {
        if (incoming.complete) socket.destroySoon = destroySoon;
      });
    },
    end() {
      for (const socket of waiting) socket.destroy();
    },
  };
}

function dropRest(socket: Socket, { ms, idleMs, bytes }: Bounds): void {
  let left = bytes;
  const over = () => socket.destroy();
  const end = setTimeout(over, ms);
  // Nobody parses any more: what comes is no request.
  socket.removeAllListeners('data');
  socket.removeAllListeners('end');
  socket.setTimeout(idleMs, over);
  socket.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) over();
  });
  socket.once('end', over);
  socket.once('error', over);
  socket.once('close', () => clearTimeout(end));
  socket.end();
  socket.resume();
}
