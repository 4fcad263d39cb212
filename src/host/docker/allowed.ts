/**
 * Every request that may ever leave for an engine: method, path, query, and what it may cost. One table, looked at by the
 * transport for each request, below dockerode: a slip above it, or in it, ends here. What is dangerous is not in it at all: exec,
 * attach, archive, export, build, commit, load, save, secrets, configs, swarm, plugins.
 */

import { CONTAINER_REF, isImageRef, OBJECT_REF } from '../../core/docker_refs.ts';
import { OpsError } from '../../core/errors.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

export interface Allowed {
  query: readonly string[];
  /** Whether it has a body; or the only parts that one may have. */
  body: boolean | readonly string[];
  /** Longest wait for the head of the answer, while the engine answers a ping. */
  waitMs: number;
  /** Longest answer; of streams, what the reader allows. */
  maxBytes: number;
  /** Given on as it comes, for as long as bytes come within `idleMs`. */
  stream: boolean;
  idleMs: number;
}

const read = (query: string[] = [], o: Partial<Allowed> = {}): Allowed => ({
  query,
  body: false,
  waitMs: 15_000,
  maxBytes: 4 * MiB,
  stream: false,
  idleMs: 15_000,
  ...o,
});
const change = read;

/** Placeholders are checked against the grammar, not only matched. */
export const ALLOWED: Readonly<Record<string, Allowed>> = {
  'GET /_ping': read([], { waitMs: 3_000, maxBytes: KiB }),
  'GET /version': read([], { waitMs: 3_000, maxBytes: 256 * KiB }),
  'GET /info': read(),
  // Counts every file of every volume: minutes on a large engine.
  'GET /system/df': read([], { waitMs: 60_000, maxBytes: 64 * MiB }),
  'GET /events': read(['since', 'until', 'filters'], { stream: true }),
  'GET /containers/json': read(['all', 'filters', 'limit'], { maxBytes: 64 * MiB }),
  'GET /containers/{container}/json': read(['size'], { waitMs: 30_000 }),
  'GET /containers/{container}/stats': read(['stream', 'one-shot']),
  'GET /containers/{container}/logs': read(['stdout', 'stderr', 'since', 'until', 'tail', 'timestamps'], {
    stream: true,
  }),
  'GET /images/json': read(['all', 'filters', 'shared-size'], { maxBytes: 64 * MiB }),
  'GET /images/{image}/json': read(),
  'GET /distribution/{image}/json': read([], { waitMs: 20_000 }),
  'GET /networks': read([], { maxBytes: 16 * MiB }),
  'GET /networks/{object}': read(),

  'POST /containers/{container}/start': change([], { waitMs: 60_000 }),
  // The engine answers when the container has stopped: the grace comes on top (transport.ts).
  'POST /containers/{container}/stop': change(['t'], { waitMs: 30_000 }),
  'POST /containers/{container}/restart': change(['t'], { waitMs: 60_000 }),
  'POST /containers/{container}/pause': change(),
  'POST /containers/{container}/unpause': change(),
  'POST /containers/{container}/kill': change(['signal']),
  'POST /containers/{container}/rename': change(['name']),
  // Only its restart policy (changes.ts).
  'POST /containers/{container}/update': change([], { body: ['RestartPolicy'] }),
  'DELETE /containers/{container}': change(['force', 'v'], { waitMs: 60_000 }),
  'POST /containers/create': change(['name'], { body: true, waitMs: 60_000 }),
  'POST /networks/{object}/connect': change([], { body: ['Container', 'EndpointConfig'] }),
  'POST /images/create': change(['fromImage', 'tag'], { stream: true, waitMs: 120_000, idleMs: 300_000 }),
  'POST /images/prune': change(['filters'], { waitMs: 120_000, maxBytes: 16 * MiB }),
  'DELETE /images/{image}': change(['force', 'noprune'], { waitMs: 60_000 }),
};

const GRAMMAR: Record<string, (text: string) => boolean> = {
  container: (text) => CONTAINER_REF.test(text),
  object: (text) => OBJECT_REF.test(text),
  image: isImageRef,
};

const patterns = Object.entries(ALLOWED).map(([line, allowed]) => {
  const [method = '', path = ''] = line.split(' ');
  const [before = '', kind, after = ''] = path.split(/[{}]/);
  return { method, before, after, fits: kind === undefined ? null : GRAMMAR[kind], allowed };
});

const lines = new Map(Object.entries(ALLOWED).map(([line, allowed]) => [allowed, line]));
/** `GET /containers/{container}/json`: what a proxy in front of the engine has to let through. */
export const lineOf = (allowed: Allowed): string => lines.get(allowed) ?? '';

/**
 * What the table says of this request. `path` is without the version and without the query, and not decoded: what needs an
 * escape is in no name's grammar, so an escape is a refusal.
 */
export function allowedRequest(
  method: string,
  path: string,
  query: readonly string[],
  body: readonly string[] = [],
): Allowed {
  for (const p of patterns) {
    if (p.method !== method) continue;
    const whole = p.before.length + p.after.length;
    const fits = p.fits
      ? path.length > whole &&
        path.startsWith(p.before) &&
        path.endsWith(p.after) &&
        p.fits(path.slice(p.before.length, path.length - p.after.length))
      : path === p.before;
    if (!fits) continue;
    const { query: known, body: parts } = p.allowed;
    const within = typeof parts === 'boolean' || body.every((name) => parts.includes(name));
    if (within && query.every((name) => known.includes(name))) return p.allowed;
  }
  throw new OpsError('internal', 'A request to the engine that is not in the list of those allowed was not sent.', {
    hint: 'This is a fault of the server: no request of a caller should have come this far.',
  });
}
