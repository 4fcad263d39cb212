/**
 * How connections end at a stop. Ended at once, an idle one ends now and then just as its client sends the next request on it: the
 * client has an error for a call that nobody refused. So whoever is connected gets a short while in which his next answer says
 * `Connection: close`; what is idle after that ends, and most have gone by then. Decides who is idle and how long that while is.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A client that calls a few times a second comes by within this; a stop may take no longer for one that does not. */
const GRACE_MS = 300;

export interface Farewell {
  /** A connection on which HTTP is spoken. */
  watch(socket: Socket): void;
  /** A request on it. */
  asked(socket: Socket, outgoing: ServerResponse): void;
  /** From now on answers end their connections; resolves when nobody idle is left, or the while is over and those are ended. */
  begin(underWay: Iterable<ServerResponse>): Promise<void>;
}

export function createFarewell(graceMs = GRACE_MS): Farewell {
  /** Of each connection, how much it had sent when its last answer was out; null: it waits for one. */
  const open = new Map<Socket, number | null>();
  let begun = false;
  let changed = () => {};
  // A request that has begun to arrive is none to cut off: it will be answered, and ends its connection.
  const idle = (socket: Socket, sent: number | null) => sent !== null && socket.bytesRead === sent;
  const waiting = () => [...open].some(([socket, sent]) => idle(socket, sent));
  const last = (outgoing: ServerResponse) => {
    if (!outgoing.headersSent) outgoing.shouldKeepAlive = false;
  };

  return {
    watch(socket) {
      open.set(socket, 0);
      socket.once('close', () => {
        open.delete(socket);
        changed();
      });
    },
    asked(socket, outgoing) {
      if (open.has(socket)) open.set(socket, null);
      outgoing.once('close', () => {
        if (open.has(socket)) open.set(socket, socket.bytesRead);
      });
      if (begun) last(outgoing);
    },
    async begin(underWay) {
      begun = true;
      for (const outgoing of underWay) last(outgoing);
      if (!waiting()) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, graceMs);
      changed = () => {
        if (!waiting()) resolve();
      };
      await promise;
      clearTimeout(timer);
      changed = () => {};
      // With its end said, and not with a reset: what was sent before is still read by the client.
      for (const [socket, sent] of open) if (idle(socket, sent)) socket.end();
    },
  };
}
