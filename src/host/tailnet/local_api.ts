/**
 * HTTP to tailscaled's LocalAPI over its Unix socket. Decides what is sent (its Host, nothing of a browser's), how long and how much is
 * waited for, and that equal questions under way are asked once. An answer is never kept: who was somebody a moment ago may be nobody
 * now. What it means is parse.ts's to say.
 */
import { request } from 'node:http';
import { OpsError } from '../../core/errors.ts';

/** Any other Host (node:http would say `localhost`), an Origin or a Referer is refused by tailscaled. */
const HOST = 'local-tailscaled.sock';
const PATIENCE_MS = 1_000;
const MOST_BYTES = 1024 * 1024;
const MOST_UNDER_WAY = 64;

export interface Answer {
  status: number;
  text: string;
}

export interface Question {
  /** Behind `/localapi/v0/`. */
  what: string;
  query?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
  /** For what takes longer than a look-up. */
  patienceMs?: number;
}

export interface LocalApi {
  ask(question: Question): Promise<Answer>;
  version(): string | null;
}

export function localApi(o: { socket: string; patienceMs?: number; mostBytes?: number }): LocalApi {
  const underWay = new Map<string, Promise<Answer>>();
  let version: string | null = null;

  function begin(path: string, patienceMs: number): Promise<Answer> {
    if (underWay.size >= MOST_UNDER_WAY)
      throw away('is asked too much at once', 'Try again in a moment.', 'too many questions under way');
    const answer = exchange(o.socket, path, { patienceMs, mostBytes: o.mostBytes ?? MOST_BYTES, told });
    underWay.set(path, answer);
    const over = () => void underWay.delete(path);
    answer.then(over, over);
    return answer;
  }

  function told(said: string | undefined): void {
    if (said !== undefined && /^[\w.+-]{1,100}$/.test(said)) version = said;
  }

  return {
    async ask({ what, query, signal, patienceMs = o.patienceMs ?? PATIENCE_MS }) {
      signal?.throwIfAborted();
      const more = query ? `?${new URLSearchParams(query)}` : '';
      const path = `/localapi/v0/${what}${more}`;
      const answer = underWay.get(path) ?? begin(path, patienceMs);
      return signal ? leaving(answer, signal) : answer;
    },
    version: () => version,
  };
}

/** Who leaves does not end the question for those who asked the same; it ends by itself soon. */
function leaving<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const gone = () => reject(signal.reason);
  signal.addEventListener('abort', gone, { once: true });
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', gone));
  return promise;
}

function exchange(
  socketPath: string,
  path: string,
  o: { patienceMs: number; mostBytes: number; told(version: string | undefined): void },
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  // A connection of its own: one that is kept may be closed by the other side as we begin to use it.
  const sent = request({ socketPath, path, method: 'GET', agent: false, headers: { host: HOST, connection: 'close' } });
  const answered = patience(o.patienceMs, () => end(tooLate(o.patienceMs)));
  const end = (error: OpsError) => {
    answered();
    reject(error);
    sent.destroy();
  };
  sent.on('error', (thrown: NodeJS.ErrnoException) => end(lost(thrown, socketPath)));
  sent.on('upgrade', (_response, socket) => {
    socket.destroy();
    end(away('does not answer as it should', 'Check `tailnet.localApi`.', 'it wants to upgrade'));
  });
  sent.on('response', (response) => {
    const { 'tailscale-version': version } = response.headers;
    o.told(Array.isArray(version) ? undefined : version);
    const parts: Buffer[] = [];
    let bytes = 0;
    response.on('data', (part: Buffer) => {
      bytes += part.byteLength;
      parts.push(part);
      if (bytes > o.mostBytes)
        end(away('gives an answer that is too long', 'Check `tailnet.localApi`.', `${bytes} bytes`));
    });
    response.on('error', (thrown: NodeJS.ErrnoException) => end(lost(thrown, socketPath)));
    response.on('end', () => {
      answered();
      resolve({ status: response.statusCode as number, text: Buffer.concat(parts).toString('utf8') });
    });
  });
  sent.end();
  return promise;
}

const SLICES = 10;

/** In slices: while this process itself stood still no answer could be read, so that this counts as one of them, however long it was. */
function patience(ms: number, fire: () => void): () => void {
  let left = SLICES;
  let timer = setTimeout(step, ms / SLICES);
  function step(): void {
    left--;
    if (left === 0) fire();
    else timer = setTimeout(step, ms / SLICES);
  }
  return () => clearTimeout(timer);
}

const RETRY_MS = 2_000;

/** Nobody is let in meanwhile: policy/tailnet_guard.ts says that, and callers hear no more. */
export const away = (what: string, hint: string, cause?: unknown): OpsError =>
  new OpsError('unavailable', `tailscaled ${what}.`, {
    hint,
    retryAfterMs: RETRY_MS,
    cause,
  });

const tooLate = (ms: number) =>
  away(`gave no answer within ${ms} ms`, 'Try again; on the host, `deckhand doctor` looks at it.');

function lost(thrown: NodeJS.ErrnoException, socket: string): OpsError {
  const errno = thrown.code ?? 'EIO';
  if (errno === 'ENOENT' || errno === 'ECONNREFUSED')
    return away(
      'is not running here',
      'On the host: `systemctl status tailscaled`; its socket is `tailnet.localApi`.',
      thrown,
    );
  if (errno === 'EACCES')
    return away('may not be asked by this user', `On the host: \`ls -l ${socket}\` shows who may.`, thrown);
  return away(`cannot be asked (${errno})`, 'Try again; on the host, `deckhand doctor` looks at it.', thrown);
}
