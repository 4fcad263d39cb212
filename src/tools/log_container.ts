/**
 * A container's log as something log_query can read: found by name, id or compose service, with the reason where its engine keeps none.
 * Decides what of it is refused before reading; how an engine is spoken to is the host's.
 */
import type { ContainerDetail, ContainerSummary, DockerHost } from '../core/docker.ts';
import { OpsError } from '../core/errors.ts';
import type { Source } from '../core/source.ts';
import { nearNames } from '../insight/log_match.ts';
import type { LogReader } from './log_read.ts';

const MOST_CANDIDATES = 5;
/**
 * An engine notes the start when it hears of it, and a program may have written its first lines by then. Engines wait as long as this before
 * they start one again, so nothing of the run before lies within it.
 */
const EARLY_MS = 100;

export async function openContainer(docker: DockerHost, source: Source, signal: AbortSignal): Promise<LogReader> {
  return readerOf(docker, source, await inspected(docker, source, signal), signal);
}

/** For who has inspected it already. */
export function readerOf(docker: DockerHost, source: Source, found: ContainerDetail, signal: AbortSignal): LogReader {
  const to = toEngineOf(source, signal);
  if (found.logDriver === 'none')
    throw new OpsError('unavailable', `${source.text} keeps no log: its log driver is none.`, {
      hint: 'Its output is lost as it is written. Start it anew with the log driver local or json-file.',
    });
  return {
    source,
    startedAtMs: found.startedAtMs === null ? null : found.startedAtMs - EARLY_MS,
    async *read(window) {
      try {
        return yield* docker.containers.logs(found.id || source.name, { ...window, ...to, signal: window.signal });
      } catch (thrown) {
        throw unreadable(thrown, source, found.logDriver);
      }
    },
  };
}

export const toEngineOf = (source: Source, signal: AbortSignal): { signal: AbortSignal; engine?: string } => ({
  signal,
  ...(source.engine === null ? {} : { engine: source.engine }),
});

/** Whoever is not there fails with the names that may have been meant. */
export async function inspected(docker: DockerHost, source: Source, signal: AbortSignal): Promise<ContainerDetail> {
  const to = toEngineOf(source, signal);
  try {
    return await docker.containers.inspect(source.name, to);
  } catch (thrown) {
    // A container that is not there; an engine that is not there says its own candidates.
    if (!(thrown instanceof OpsError) || thrown.code !== 'not_found' || !thrown.message.includes('container'))
      throw thrown;
    const list: ContainerSummary[] = await docker.containers.list({ ...to, all: true }).catch(() => []);
    const names = new Map(list.flatMap((c) => [c.name, serviceOf(c)].map((n) => [n, c.name] as const)));
    const at = source.engine === null ? '' : `${source.engine}/`;
    const near = nearNames(source.name, [...names.keys()].filter(Boolean), MOST_CANDIDATES);
    const candidates = [...new Set(near.map((n) => `container:${at}${names.get(n)}`))];
    throw new OpsError('not_found', `There is no container ${source.name}.`, {
      hint: candidates.length > 0 ? 'Take one of the candidates.' : 'container_list shows those that are there.',
      ...(candidates.length > 0 ? { candidates } : {}),
      cause: thrown,
    });
  }
}

/** People say the service's name of a stack where the container's is `stack-service-1`. */
const serviceOf = (c: ContainerSummary): string =>
  c.labels['com.docker.compose.service'] ?? c.labels['io.podman.compose.service'] ?? '';

/** Drivers that send lines away (syslog, gelf, awslogs …) can be read only where the engine keeps a copy. */
const CANNOT_READ = /does not support reading|logging driver|log driver/i;

function unreadable(thrown: unknown, source: Source, driver: string): unknown {
  if (!(thrown instanceof OpsError) || thrown.code === 'timeout' || !CANNOT_READ.test(thrown.message)) return thrown;
  return new OpsError('unavailable', `${source.text} cannot be read: its log driver is ${driver || 'not known'}.`, {
    hint: 'Look where that driver sends the lines, or start the container anew with the log driver local or json-file.',
    cause: thrown,
  });
}
