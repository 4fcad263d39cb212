/**
 * Measures the way to another Deckhand: bytes down from it, bytes up to it, and small requests beside them. The connection goes to the
 * address that was checked; over TLS the certificate must verify for the name in the owner's URL. Nothing it says is passed on but figures,
 * each held to its bounds. Decides when a stream is over; what may be asked for is the tool's.
 */
import { randomBytes } from 'node:crypto';
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { OpsError } from '../../core/errors.ts';
import type { Bounded } from '../../core/host.ts';
import { MEASURE, type MeasureHost, type MeasureSession, type Streamed } from '../../core/measure.ts';
import type { At } from '../../core/probe.ts';
import { peerToken } from './peer_token.ts';
import { authorities } from './probe_connect.ts';

export interface PeerAccess {
  name: string;
  url: string;
  tokenFile: string;
}

const ANSWER_MS = 5_000;
/** Between small requests: those of a whole run are well within what the far end takes of one address in a minute. */
const APART_MS = 200;
const CHUNK = 64 * 1024;
const BLOCK = 1024 * 1024;
/** The far end may not have seen yet that our last stream is over. */
const BUSY_TRIES = 4;
const BUSY_MS = 300;
const SAID_BYTES = 8 * 1024;

interface Way {
  url: URL;
  at: At;
  token: string;
  signal: AbortSignal;
  ca: string[] | undefined;
}

export function measureHost(peers: readonly PeerAccess[], o: { ca?: () => string[] | undefined } = {}): MeasureHost {
  let busy = false;
  return {
    peers: peers.map(({ name, url }) => ({ name, url })),
    async open(name, at, { signal }: Bounded) {
      const peer = peers.find((p) => p.name === name) as PeerAccess;
      if (busy)
        throw new OpsError('conflict', 'Another measurement runs on this host.', {
          hint: 'Two would measure each other: try again when it has ended.',
          retryAfterMs: 5_000,
        });
      const token = peerToken(peer.tokenFile);
      busy = true;
      const left = new AbortController();
      const free = () => {
        busy = false;
      };
      try {
        const way: Way = {
          url: new URL(peer.url),
          at,
          token,
          signal: AbortSignal.any([left.signal, ...(signal ? [signal] : [])]),
          ca: (o.ca ?? authorities)(),
        };
        return await session(way, () => {
          left.abort();
          free();
        });
      } catch (thrown) {
        free();
        throw thrown;
      }
    },
  };
}

async function session(way: Way, over: () => void): Promise<MeasureSession> {
  const kept = new (way.url.protocol === 'https:' ? https : http).Agent({ keepAlive: true, maxSockets: 1 });
  const small = async (): Promise<{ ms: number; again: boolean }> => {
    const req = request(way, 'HEAD', '', kept);
    const started = performance.now();
    const res = await answered(req, way.signal, ANSWER_MS);
    const ms = performance.now() - started;
    const again = req.reusedSocket;
    const ended = new Promise((resolve) => res.once('close', resolve));
    res.resume();
    await ended;
    return { ms, again };
  };
  const close = () => {
    over();
    kept.destroy();
  };
  try {
    // Connects, and says at once what is wrong with address, certificate or token.
    await small();
  } catch (thrown) {
    kept.destroy();
    throw thrown;
  }

  async function smalls(rtts: number[], most: number, apartMs: number, enough: () => boolean): Promise<number[]> {
    for (let n = 0; n < most && !enough(); n++) {
      const started = performance.now();
      const { ms, again } = await small();
      // With a new connection it took two ways more.
      if (again && !enough()) rtts.push(ms);
      const wait = apartMs - (performance.now() - started);
      if (wait > 0 && !enough()) await pause(wait, undefined, { signal: way.signal });
    }
    return rtts;
  }

  return {
    idle: (count) => smalls([], count, APART_MS / 4, () => false),
    async stream(direction, bounds, onBytes) {
      let ended = false;
      const run = direction === 'down' ? down : up;
      const rtts: number[] = [];
      // One that fails ends them; what came back until then counts.
      const beside = smalls(rtts, 1_000, APART_MS, () => ended).catch(() => {});
      try {
        const is = await patiently(() => run(way, bounds, onBytes), way.signal);
        ended = true;
        await beside;
        return { ...is, rttsMs: rtts };
      } finally {
        ended = true;
      }
    },
    close,
  };
}

async function patiently<T>(go: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++)
    try {
      return await go();
    } catch (thrown) {
      if (!(thrown instanceof OpsError) || thrown.details.errno !== 'EBUSY' || tries >= BUSY_TRIES) throw thrown;
      await pause(BUSY_MS, undefined, { signal });
    }
}

function request(way: Way, method: string, query: string, agent: http.Agent | false): ClientRequest {
  const { url, at, token, ca, signal } = way;
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const secure = url.protocol === 'https:';
  const options = {
    host: at.address,
    port: at.port,
    method,
    path: `${url.pathname.replace(/\/$/, '')}${MEASURE.path}${query}`,
    agent,
    signal,
    setHost: false,
    autoSelectFamily: false,
    headers: { Host: url.host, Authorization: `Bearer ${token}`, 'User-Agent': 'deckhand' },
  };
  const req = secure
    ? https.request({ ...options, rejectUnauthorized: true, servername: isIP(name) ? '' : name, ...(ca ? { ca } : {}) })
    : http.request(options);
  req.on('error', () => {});
  return req;
}

/** Sent when it is not being written to; resolves with an answer that is one of ours. */
function answered(
  req: ClientRequest,
  signal: AbortSignal,
  withinMs: number,
  write?: () => void,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const timer = setTimeout(() => {
    reject(new OpsError('timeout', `The peer did not answer within ${withinMs / 1_000} s.`));
    req.destroy();
  }, withinMs);
  req.once('error', (error) => reject(signal.aborted ? signal.reason : failure(error)));
  req.once('response', (res) => {
    const no = refusal(res);
    if (no) {
      reject(no);
      req.destroy();
    } else resolve(res);
  });
  if (write) write();
  else req.end();
  return promise.finally(() => clearTimeout(timer));
}

async function down(way: Way, bounds: { bytes: number; seconds: number }, onBytes: (n: number) => void) {
  const req = request(way, 'GET', `?bytes=${bounds.bytes}&seconds=${bounds.seconds}`, false);
  const res = await answered(req, way.signal, ANSWER_MS);
  const { promise, resolve, reject } = Promise.withResolvers<Omit<Streamed, 'rttsMs'>>();
  const samples: number[] = [];
  let bytes = 0;
  let first = 0;
  const over = (ended: Streamed['ended'], now = performance.now()) => {
    resolve({ bytes, ms: now - first, samples: filled(samples), ended });
    req.destroy();
  };
  let timer = setTimeout(() => reject(new OpsError('timeout', 'The peer sent no byte.')), ANSWER_MS);
  res.on('data', (chunk: Buffer) => {
    const now = performance.now();
    if (bytes === 0) {
      first = now;
      clearTimeout(timer);
      timer = setTimeout(() => over('time'), bounds.seconds * 1_000);
    }
    const sample = Math.floor((now - first) / MEASURE.sampleMs);
    samples[sample] = (samples[sample] ?? 0) + chunk.length;
    bytes += chunk.length;
    onBytes(bytes);
    if (bytes >= bounds.bytes) over('bytes', now);
  });
  res.on('error', (error) => reject(way.signal.aborted ? way.signal.reason : failure(error)));
  res.once('close', () => reject(new OpsError('unavailable', 'The peer ended the stream too early.')));
  return promise.finally(() => {
    clearTimeout(timer);
    req.destroy();
  });
}

async function up(way: Way, bounds: { bytes: number; seconds: number }, onBytes: (n: number) => void) {
  const req = request(way, 'PUT', `?bytes=${bounds.bytes}&seconds=${bounds.seconds}`, false);
  const block = randomBytes(BLOCK);
  let sent = 0;
  const next = () => {
    if (req.destroyed || req.writableEnded) return;
    if (sent >= bounds.bytes) {
      req.end();
      return;
    }
    const at = sent % BLOCK;
    const piece = block.subarray(at, at + Math.min(CHUNK, bounds.bytes - sent));
    sent += piece.length;
    req.write(piece, (error) => {
      if (error) return;
      onBytes(sent);
      next();
    });
  };
  try {
    const res = await answered(req, way.signal, bounds.seconds * 1_000 + 2 * MEASURE.graceMs, next);
    const said = await figures(res, bounds.bytes);
    return { ...said, ended: said.bytes >= bounds.bytes ? ('bytes' as const) : ('time' as const) };
  } finally {
    req.destroy();
  }
}

/** What arrived, as the far end counted it. */
async function figures(res: IncomingMessage, most: number): Promise<{ bytes: number; ms: number; samples: number[] }> {
  const wrong = new OpsError('unavailable', 'The peer answered something else than a measurement.');
  let text = '';
  const timer = setTimeout(() => res.destroy(), ANSWER_MS);
  try {
    for await (const chunk of res) {
      text += String(chunk);
      if (text.length > SAID_BYTES) throw wrong;
    }
  } catch {
    throw wrong;
  } finally {
    clearTimeout(timer);
  }
  const is = (n: unknown, least: number, top: number): n is number =>
    typeof n === 'number' && Number.isFinite(n) && n >= least && n <= top;
  try {
    const { bytes, ms, samples } = JSON.parse(text) as Record<string, unknown>;
    const many = (MEASURE.mostSeconds * 1_000 + MEASURE.graceMs) / MEASURE.sampleMs;
    if (is(bytes, 0, most) && is(ms, 0, 60_000) && Array.isArray(samples) && samples.length <= many)
      if (samples.every((n) => is(n, 0, 2 * most))) return { bytes, ms, samples: samples as number[] };
  } catch {
    // Said below.
  }
  throw wrong;
}

const filled = (samples: readonly number[]): number[] => Array.from(samples, (n) => n ?? 0);

const OURS = 'deckhand-measure';

function refusal(res: IncomingMessage): OpsError | null {
  const { statusCode: status = 0 } = res;
  if ((status === 200 || status === 204) && res.headers[OURS] === '1') return null;
  if (status === 401)
    return new OpsError('permission', 'The peer does not take the token that its `tokenFile` holds.', {
      hint: 'There, `deckhand token add NAME --role viewer` makes one; write it into that file.',
    });
  if (status === 403)
    return new OpsError('permission', 'The peer refuses: the token lacks net:read, or that host name is not its own.', {
      hint: 'There, give the token the role viewer, and add the name of the URL to `http.allowedHosts`.',
    });
  if (status === 429)
    return new OpsError('limit', 'The peer is measured by somebody else, or has been asked too often.', {
      hint: 'Try again in a minute.',
      errno: 'EBUSY',
    });
  if (status === 404)
    return new OpsError('unavailable', 'The peer does not serve measurements.', {
      hint: 'Its owner sets `net.measure: true`; an older Deckhand has none.',
    });
  return new OpsError('unavailable', `At the peer’s URL something else answers (HTTP ${status}).`, {
    hint: 'The `url` of `peers` is that of its HTTP face, without /mcp.',
  });
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|ALTNAME/;

function failure(thrown: Error): OpsError {
  if (thrown instanceof OpsError) return thrown;
  const { code = '' } = thrown as NodeJS.ErrnoException;
  if (CERTIFICATE.test(code))
    return new OpsError('unavailable', `The peer’s certificate does not verify (${code}): nothing was sent.`, {
      hint: 'Add its authority to those that this host trusts, or use the name that it is for.',
      cause: thrown,
    });
  const what = code === 'EPROTO' || code.startsWith('ERR_SSL') ? 'it does not speak TLS there' : code || 'unknown';
  return new OpsError('unavailable', `The peer cannot be reached: ${what}.`, {
    hint: 'net_probe says more of the way there.',
    cause: thrown,
  });
}
