/**
 * TCP, TLS and HTTP to an address that has been checked: the connection goes there and nowhere else, a name is only spoken (SNI, Host).
 * Nothing follows a redirect, sends a body or a header of the caller's, or reads more than it was told to.
 */
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  connect as connectTls,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { OpsError } from '../../core/errors.ts';
import type { At, Connected, HttpAsk, HttpSeen, ProbeBounds, TlsSeen } from '../../core/probe.ts';
import { chainOf } from './probe_chain.ts';

const REFUSED = new Set(['ECONNREFUSED', 'ECONNRESET']);
const UNREACHABLE = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'EACCES', 'EPERM', 'EHOSTDOWN']);
const OF_INTEREST = new Set([
  ...[
    'server',
    'date',
    'content-type',
    'content-length',
    'content-encoding',
    'location',
    'cache-control',
    'age',
    'via',
  ],
  ...['strict-transport-security', 'www-authenticate', 'retry-after', 'alt-svc', 'allow', 'x-cache', 'upgrade'],
]);
const HEADER_CHARS = 300;
const HEADER_BYTES = 32 * 1024;
const TEXT_BYTES = 2 * 1024;

const signalOf = (o: ProbeBounds) =>
  AbortSignal.any([AbortSignal.timeout(o.timeoutMs), ...(o.signal ? [o.signal] : [])]);
const timedOut = (signal: AbortSignal) =>
  signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError';

/** Resolves when connected. Rejects with the system's error, or with the signal's reason. */
function open(at: At, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  if (signal.aborted) return Promise.reject(signal.reason);
  // An address: nothing is looked up, and no other one is tried.
  const socket = connect({ host: at.address, port: at.port, noDelay: true, autoSelectFamily: false });
  const leave = () => {
    socket.destroy();
    reject(signal.reason);
  };
  signal.addEventListener('abort', leave, { once: true });
  socket.once('connect', () => resolve(socket));
  socket.once('error', reject);
  return promise.finally(() => {
    signal.removeEventListener('abort', leave);
    socket.removeAllListeners('error');
    socket.on('error', () => {});
  });
}

export async function tcpProbe(at: At, o: ProbeBounds): Promise<Connected> {
  const signal = signalOf(o);
  const started = performance.now();
  try {
    const socket = await open(at, signal);
    const ms = performance.now() - started;
    const local = `${socket.localAddress ?? '?'}:${socket.localPort ?? 0}`;
    socket.destroy();
    return { outcome: 'open', ms, local };
  } catch (thrown) {
    if (o.signal?.aborted) throw o.signal.reason;
    const ms = performance.now() - started;
    if (timedOut(signal)) return { outcome: 'filtered', ms, why: `nobody answered within ${o.timeoutMs} ms` };
    const code = (thrown as NodeJS.ErrnoException).code ?? 'unknown';
    if (code === 'ETIMEDOUT') return { outcome: 'filtered', ms, why: code };
    const outcome = REFUSED.has(code) ? 'refused' : UNREACHABLE.has(code) ? 'unreachable' : 'error';
    return { outcome, ms, why: code };
  }
}

/** The authorities that this host's own programs trust; undefined: it has none, and Node's are taken. */
export function authorities(): string[] | undefined {
  try {
    const found = getCACertificates('system');
    return found.length > 0 ? found : undefined;
  } catch {
    return undefined;
  }
}

/** Made once, and before any clock runs: a hundred and more certificates are twenty milliseconds of parsing. */
let trusted: SecureContext | undefined;
function trust(): SecureContext {
  if (!trusted) {
    const ca = authorities();
    trusted = createSecureContext({ minVersion: 'TLSv1', ...(ca ? { ca } : {}) });
  }
  return trusted;
}

function handshake(
  socket: Socket,
  ask: { servername: string | null; alpn?: readonly string[] },
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  if (signal.aborted) return Promise.reject(signal.reason);
  const tls = connectTls({
    socket,
    // It is looked at, not trusted: nothing is sent that anybody could use.
    rejectUnauthorized: false,
    requestOCSP: false,
    secureContext: trust(),
    ...(ask.servername === null ? {} : { servername: ask.servername }),
    ...(ask.alpn ? { ALPNProtocols: [...ask.alpn] } : {}),
  });
  const leave = () => {
    tls.destroy();
    reject(signal.reason);
  };
  signal.addEventListener('abort', leave, { once: true });
  tls.once('secureConnect', () => resolve(tls));
  tls.once('error', reject);
  tls.once('close', () => reject(new OpsError('unavailable', 'The connection was closed before TLS was agreed.')));
  return promise.finally(() => {
    signal.removeEventListener('abort', leave);
    tls.removeAllListeners('error');
    tls.removeAllListeners('close');
    tls.on('error', () => {});
  });
}

function seen(tls: TLSSocket, connectMs: number, handshakeMs: number): TlsSeen {
  const reason = tls.authorizationError as unknown;
  return {
    protocol: tls.getProtocol() ?? 'unknown',
    cipher: tls.getCipher()?.standardName ?? tls.getCipher()?.name ?? 'unknown',
    alpn: typeof tls.alpnProtocol === 'string' ? tls.alpnProtocol : null,
    chain: chainOf(tls),
    wrong: tls.authorized
      ? null
      : reason instanceof Error
        ? `${(reason as NodeJS.ErrnoException).code ?? ''} ${reason.message}`.trim()
        : String(reason ?? 'unknown'),
    connectMs,
    handshakeMs,
  };
}

export async function tlsProbe(
  at: At,
  ask: { servername: string | null; alpn?: readonly string[] },
  o: ProbeBounds,
): Promise<TlsSeen> {
  trust();
  const signal = signalOf(o);
  const started = performance.now();
  let stage = 'connecting';
  try {
    const socket = await open(at, signal);
    const connectMs = performance.now() - started;
    stage = 'agreeing on TLS';
    const tls = await handshake(socket, ask, signal);
    const is = seen(tls, connectMs, performance.now() - started - connectMs);
    tls.destroy();
    return is;
  } catch (thrown) {
    throw failed(thrown, stage, signal, o);
  }
}

export async function httpProbe(ask: HttpAsk, o: ProbeBounds): Promise<HttpSeen> {
  if (ask.tls) trust();
  const signal = signalOf(o);
  const started = performance.now();
  const since = () => performance.now() - started;
  let stage = 'connecting';
  let stream: Duplex | undefined;
  try {
    const socket = await open(ask.at, signal);
    stream = socket;
    const connectMs = since();
    let tls: TlsSeen | null = null;
    let tlsMs: number | null = null;
    if (ask.tls) {
      stage = 'agreeing on TLS';
      const secured = await handshake(socket, { servername: ask.tls.servername, alpn: ['http/1.1'] }, signal);
      stream = secured;
      tlsMs = since();
      tls = seen(secured, connectMs, tlsMs - connectMs);
    }
    stage = 'waiting for the answer';
    const answer = await exchange(stream, ask, signal, since, () => {
      stage = 'reading the answer';
    });
    return { ...answer, tls, connectMs, tlsMs };
  } catch (thrown) {
    throw failed(thrown, stage, signal, o);
  } finally {
    stream?.destroy();
  }
}

function exchange(
  stream: Duplex,
  ask: HttpAsk,
  signal: AbortSignal,
  since: () => number,
  begun: () => void,
): Promise<Omit<HttpSeen, 'tls' | 'connectMs' | 'tlsMs'>> {
  const { promise, resolve, reject } = Promise.withResolvers<Omit<HttpSeen, 'tls' | 'connectMs' | 'tlsMs'>>();
  const req = request({
    createConnection: () => stream,
    method: ask.method,
    path: ask.path,
    setHost: false,
    maxHeaderSize: HEADER_BYTES,
    headers: { Host: ask.host, 'User-Agent': 'deckhand', Accept: '*/*', Connection: 'close' },
    signal,
  });
  req.on('error', reject);
  req.on('response', (res) => {
    begun();
    const firstByteMs = since();
    const kept: Buffer[] = [];
    let bodyBytes = 0;
    let cut = false;
    const done = () => {
      const headers: Record<string, string> = {};
      for (const [name, value] of Object.entries(res.headers))
        if (OF_INTEREST.has(name) && value !== undefined) headers[name] = String(value).slice(0, HEADER_CHARS);
      resolve({
        status: res.statusCode ?? 0,
        reason: (res.statusMessage ?? '').slice(0, 100),
        version: res.httpVersion,
        headers,
        location: headers.location ?? null,
        firstByteMs,
        totalMs: since(),
        bodyBytes,
        cut,
        text: textOf(Buffer.concat(kept), headers['content-type'], headers['content-encoding']),
      });
    };
    res.on('data', (chunk: Buffer) => {
      const room = ask.maxBytes - bodyBytes;
      if (bodyBytes < TEXT_BYTES) kept.push(chunk.subarray(0, Math.min(TEXT_BYTES - bodyBytes, Math.max(0, room))));
      bodyBytes += Math.min(chunk.length, room);
      if (chunk.length > room) {
        cut = true;
        done();
        res.destroy();
      }
    });
    res.on('end', done);
    res.on('error', reject);
    res.on('aborted', () => reject(new OpsError('unavailable', 'The connection ended in the middle of the answer.')));
  });
  req.end();
  return promise;
}

function textOf(bytes: Buffer, type: string | undefined, encoding: string | undefined): string | null {
  if (bytes.length === 0 || (encoding && encoding !== 'identity')) return null;
  if (!/^(?:text\/|application\/(?:json|xml|[\w.+-]+\+(?:json|xml)))/i.test(type ?? '')) return null;
  return bytes.toString('utf8');
}

function failed(thrown: unknown, stage: string, signal: AbortSignal, o: ProbeBounds): unknown {
  if (o.signal?.aborted) return o.signal.reason;
  if (timedOut(signal)) return new OpsError('timeout', `Nothing came within ${o.timeoutMs} ms, while ${stage}.`);
  if (thrown instanceof OpsError) return thrown;
  const { code, reason, message } = thrown as NodeJS.ErrnoException & { reason?: string };
  return new OpsError('unavailable', `It failed while ${stage}: ${reason ?? code ?? message}.`, {
    ...(code ? { errno: code } : {}),
    cause: thrown,
  });
}
