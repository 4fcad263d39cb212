/**
 * TLS in this process: the server that stands in for node:http's where `http.tls` is set, and its certificate, which is read again when
 * its files change. Decides when a new pair is taken: whole, checked, and never instead of one that works. Ciphers are Node's own list.
 */
import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerOptions, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Log } from '../core/call.ts';
import { toOpsError } from '../core/errors.ts';
import { CONTEXT } from './tls_context.ts';
import { type CertFacts, type PairFiles, RENEW, readPair, soonOver } from './tls_pair.ts';

/** Node's default is two minutes. */
export const HANDSHAKE_MS = 5_000;
const EVERY_MS = 30_000;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

export interface Tls {
  /** Of what is served now. */
  facts(): CertFacts;
  /** Why a newer pair is not served; null: what is served is what the files hold. */
  trouble(): string | null;
  /** Reads the files again if they have changed, or if `anyway`. */
  reload(anyway?: boolean): Promise<'same' | 'taken' | 'kept'>;
  server(options: ServerOptions, serve: (incoming: IncomingMessage, outgoing: ServerResponse) => void): Server;
  /** What lies under a TLS socket whose handshake came to nothing: there is no other way to say a word in plain. */
  under(socket: Socket): Socket | undefined;
  /** Looks at the files no more, and ends all connections: those amid a handshake node:http does not know. */
  close(): void;
}

export async function openTls(o: {
  files: PairFiles;
  log: Log;
  now?: () => number;
  handshakeMs?: number;
  /** Repeats, and gives what stops it. */
  every?: (work: () => void) => () => void;
}): Promise<Tls> {
  const { files, log, now = Date.now } = o;
  let seen = await stampOf(files);
  let pair = await readPair(files, now());
  let trouble: string | null = null;
  let reading: Promise<'same' | 'taken' | 'kept'> | null = null;
  let told = 0;
  const servers: Server[] = [];
  /** By the other end, because a TLS socket does not name what it stands on. */
  const raw = new Map<string, Socket>();
  const failures = { count: 0, since: 0 };

  function remind(): void {
    const soon = soonOver(pair.facts, now());
    if (soon === null || now() - told < DAY_MS) return;
    told = now();
    log.warn({ certFile: files.certFile, fix: RENEW }, `the TLS certificate ${soon}`);
  }

  async function read(anyway: boolean): Promise<'same' | 'taken' | 'kept'> {
    const stamp = await stampOf(files);
    remind();
    if (stamp === seen && !anyway) return 'same';
    // Before the files are read: what changes meanwhile is seen next time.
    seen = stamp;
    try {
      const found = await readPair(files, now());
      for (const server of servers) server.setSecureContext({ ...CONTEXT, cert: found.cert, key: found.key });
      pair = found;
      trouble = null;
      told = 0;
      const { names, fingerprint, notAfterMs } = found.facts;
      log.info({ names, fingerprint, until: new Date(notAfterMs).toISOString() }, 'a new TLS certificate is served');
      remind();
      return 'taken';
    } catch (thrown) {
      const error = toOpsError(thrown);
      trouble = error.message;
      log.error(
        { why: error.message, fix: error.details.hint },
        'the new TLS certificate is not served, the old one still is',
      );
      return 'kept';
    }
  }
  /** One at a time; who asks meanwhile waits for that one. */
  function reload(anyway = false): Promise<'same' | 'taken' | 'kept'> {
    reading ??= read(anyway).finally(() => {
      reading = null;
    });
    return reading;
  }
  remind();
  const stop = (o.every ?? polling)(() => void reload());

  return {
    facts: () => pair.facts,
    trouble: () => trouble,
    reload,
    server(options, serve) {
      const server = createServer(
        {
          ...options,
          ...CONTEXT,
          cert: pair.cert,
          key: pair.key,
          ALPNProtocols: ['http/1.1'],
          handshakeTimeout: o.handshakeMs ?? HANDSHAKE_MS,
        },
        serve,
      );
      server.on('connection', (socket: Socket) => {
        const end = endOf(socket);
        raw.set(end, socket);
        socket.once('close', () => {
          if (raw.get(end) === socket) raw.delete(end);
        });
      });
      server.on('tlsClientError', (thrown: NodeJS.ErrnoException) => {
        failures.count++;
        // Scanners fail by the thousand: one line a minute says how many.
        if (now() - failures.since < MINUTE_MS) return;
        log.info({ failed: failures.count, last: String(thrown.code).slice(0, 60) }, 'TLS handshakes failed');
        failures.since = now();
        failures.count = 0;
      });
      servers.push(server);
      return server;
    },
    under: (socket) => raw.get(endOf(socket)),
    close() {
      stop();
      for (const socket of raw.values()) socket.destroy();
    },
  };
}

const endOf = (socket: Socket) => `${socket.remoteAddress} ${socket.remotePort} ${socket.localPort}`;

function polling(work: () => void): () => void {
  const timer = setInterval(work, EVERY_MS).unref();
  return () => clearInterval(timer);
}

/** Changes whenever one of the files does, or what may be done with it. A file that cannot be looked at has a stamp, too. */
async function stampOf({ certFile, keyFile }: PairFiles): Promise<string> {
  const one = async (file: string) => {
    try {
      const { dev, ino, size, mtimeMs, ctimeMs } = await stat(file);
      return [dev, ino, size, mtimeMs, ctimeMs].join(':');
    } catch (thrown) {
      return String((thrown as NodeJS.ErrnoException).code);
    }
  };
  return (await Promise.all([one(certFile), one(keyFile)])).join(' ');
}
