/**
 * The socket that `tailscale serve` brings requests to. Whoever can open it can write the headers that say where a request came from, so
 * it is for its owner and its group alone from the first moment on, in a folder in which nobody else can put another one. Decides how it
 * is made and taken over; who comes through it is asked of policy.
 */
import { lstatSync, statSync, unlinkSync } from 'node:fs';
import type { IncomingMessage, Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { OpsError } from '../core/errors.ts';
import { oneAddress } from '../policy/tailnet_headers.ts';
import { LONGEST_PATH } from './control.ts';

/** Owner and group. */
const UMASK = 0o117;
const KNOCK_MS = 1_000;
/**
 * tailscaled keeps idle connections for 90 s. If we closed them earlier, one would now and then end just as it sends a request on it,
 * which it must not send twice.
 */
const IDLE_MS = 100_000;

type Lease = Disposable & { readonly sure: boolean };

/** For `HttpFace.beside`. Throws what is in the way, with what mends it. */
export function tailnetSocket(o: {
  path: string;
  /** It listens there already: systemd holds it (activation.ts). */
  fd?: number | undefined;
  /** Held by the one process that owns the socket's path. Null: another one does. */
  lease(): Lease | null;
}): (server: Server) => Promise<void> {
  const { path, fd } = o;
  return async (server) => {
    if (Buffer.byteLength(path) > LONGEST_PATH)
      throw new OpsError('validation', `The path of tailnet.socket is longer than ${LONGEST_PATH} bytes.`, {
        hint: 'Set `tailnet.socket` to a shorter one, e.g. /run/deckhand/mcp.sock.',
      });
    safeFolder(dirname(path));
    const lease = o.lease();
    if (!lease) throw taken(path);
    try {
      if (fd === undefined) await clear(path);
      server.keepAliveTimeout = IDLE_MS;
      await listen(server, fd === undefined ? { path } : { fd });
      const { mode } = lstatSync(path);
      if (mode & 0o007)
        throw new OpsError('permission', `${path} is open to others (mode ${(mode & 0o777).toString(8)}).`, {
          hint:
            fd === undefined
              ? `Take the default ACL of ${dirname(path)} away: setfacl -k ${dirname(path)}`
              : 'Set SocketMode=0660 in deckhand-tailnet.socket, and restart it.',
        });
    } catch (thrown) {
      server.close();
      lease[Symbol.dispose]();
      throw thrown;
    }
    server.once('close', () => lease[Symbol.dispose]());
  };
}

/**
 * Whom limits and records see behind this socket. What a page is from is another matter: the Host of every request is `localhost` here,
 * so a page of somebody's own `http://localhost` would look as if it came from us. Only `http.url` and `http.allowedOrigins` count.
 */
export const peerOf = (incoming: IncomingMessage | undefined): string | undefined =>
  (incoming && oneAddress(String(incoming.headers['x-forwarded-for'] ?? ''))) ?? undefined;

const NAME = /^(?=.{1,260}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/i;

/** By which name the peer came. It chose it: good for the URLs that it is answered with, and for nothing else. */
export function reachedAt({ headers }: IncomingMessage): string | undefined {
  const host = String(headers['x-forwarded-host'] ?? '');
  return NAME.test(host) ? `${headers['x-forwarded-proto'] === 'http' ? 'http' : 'https'}://${host}` : undefined;
}

/** Whoever may rename files in it could stand there instead of us. */
function safeFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (!found?.isDirectory())
    throw new OpsError('not_found', `${folder}, the folder of tailnet.socket, does not exist.`, {
      hint: `Make it: install -d -m 750 -o ${process.getuid?.() ?? 0} ${folder} (for systemd: RuntimeDirectory=deckhand).`,
    });
  const sticky = (found.mode & 0o1000) !== 0;
  if (found.mode & 0o002 && !sticky)
    throw new OpsError('permission', `Everybody may write in ${folder}, the folder of tailnet.socket.`, {
      hint: `chmod o-w ${folder}, or set \`tailnet.socket\` to a path in a folder of its own.`,
    });
}

/** What nobody answers behind was left by one that died. Anything but a socket was not made by us. */
async function clear(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket())
    throw new OpsError('conflict', `${path} is in the way and is no socket.`, {
      hint: 'Move it away, or set `tailnet.socket` to another path.',
    });
  if (await answers(path)) throw taken(path);
  unlinkSync(path);
}

/** Refused alone means that nobody is there: a full queue, or a socket that we may not open, has somebody behind it. */
function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const knock = connect({ path, timeout: KNOCK_MS });
  const end = (there: boolean) => {
    knock.destroy();
    resolve(there);
  };
  knock.on('connect', () => end(true));
  knock.on('timeout', () => end(true));
  knock.on('error', (thrown: NodeJS.ErrnoException) => end(thrown.code !== 'ECONNREFUSED' && thrown.code !== 'ENOENT'));
  return promise;
}

async function listen(server: Server, at: { path: string } | { fd: number }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  // bind() happens inside listen(), before it returns: the file is never there with another mode.
  const before = process.umask(UMASK);
  try {
    server.listen(at, resolve);
  } finally {
    process.umask(before);
  }
  await promise;
  server.off('error', reject);
}

const taken = (path: string) =>
  new OpsError('conflict', `Another server listens on ${path} already.`, {
    hint: `\`ss -xlp src ${path}\` shows which; \`tailnet.socket\` takes another path.`,
  });
