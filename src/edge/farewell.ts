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
  const open = new Map<Socket, Standing>();
  let begun = false;
  let changed = () => {};
  const waiting = () => [...open.values()].some((s) => !s.leaving);
  function last(standing: Standing, outgoing: ServerResponse): void {
    // Once its head is out, the client has been told that it may ask again: then it is the next answer that ends it.
    if (outgoing.headersSent) return;
    outgoing.shouldKeepAlive = false;
    standing.leaving = true;
    changed();
  }

  return {
    watch(socket) {
      open.set(socket, { heard: 0, leaving: false });
      socket.once('close', () => {
        open.delete(socket);
        changed();
      });
    },
    asked(socket, outgoing) {
      const standing = open.get(socket);
      if (!standing) return;
      standing.heard = null;
      outgoing.once('close', () => {
        standing.heard = socket.bytesRead;
      });
      if (begun) last(standing, outgoing);
    },
    async begin(underWay) {
      begun = true;
      for (const outgoing of underWay) {
        const standing = outgoing.socket && open.get(outgoing.socket);
        if (standing) last(standing, outgoing);
      }
      if (!waiting()) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, graceMs);
      changed = () => {
        if (!waiting()) resolve();
      };
      await promise;
      clearTimeout(timer);
      changed = () => {};
      // A loop that was busy looks at its timers before its sockets: what has come is read first, and is answered.
      await turn();
      await turn();
      // With its end said, and not with a reset: what was sent before is still read by the client.
      for (const [socket, { heard }] of open) if (heard === socket.bytesRead) socket.end();
    },
  };
}

interface Standing {
  /** What had come from it when its last answer was out; null: it waits for one. */
  heard: number | null;
  /** Its answer says that it is the last one. */
  leaving: boolean;
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
