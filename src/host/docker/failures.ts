/**
 * What an engine's no, or its silence, means for a caller: OpsErrors with the next step in the hint. The words of an engine are given on
 * as it said them, bounded; that they are others' words is the tools' to say.
 */
import { statSync } from 'node:fs';
import { type Code, OpsError } from '../../core/errors.ts';
import { shownEndpoint } from './endpoint.ts';
import { EngineError, LostError } from './transport.ts';

const STATUS: Record<number, Code> = {
  304: 'conflict',
  400: 'validation',
  401: 'permission',
  403: 'permission',
  404: 'not_found',
  405: 'permission',
  406: 'conflict',
  409: 'conflict',
  413: 'limit',
  429: 'limit',
};

/** Any throw of a request to this engine. */
export function opsErrorOf(thrown: unknown, endpoint: string): unknown {
  if (thrown instanceof LostError) {
    const { why, hint } = troubleOf(thrown, endpoint);
    const late = thrown.errno === 'ETIMEDOUT';
    return new OpsError(late ? 'timeout' : 'unavailable', why, { hint, cause: thrown, errno: thrown.errno });
  }
  if (!(thrown instanceof EngineError)) return thrown;
  if (refusedOnTheWay(thrown))
    return new OpsError('permission', `A proxy in front of the engine refuses ${thrown.line} (${thrown.status}).`, {
      hint: `It has no rule for that request: add one, or do without what needs it. deploy/docker/socket-proxy.md has the rules of each profile.`,
      cause: thrown,
    });
  const code = STATUS[thrown.status] ?? 'unavailable';
  const said = thrown.message || `HTTP status ${thrown.status}`;
  const hint = hints(code, thrown);
  return new OpsError(code, `The engine said: ${said}`, { ...(hint === null ? {} : { hint }), cause: thrown });
}

/** In no engine's words: socket proxies say `Forbidden`, or a page of HTML. */
export const refusedOnTheWay = (e: EngineError): boolean => (e.status === 403 || e.status === 405) && !e.inJson;

function hints(code: Code, { status, line }: EngineError): string | null {
  if (status === 403 || status === 405)
    return `The engine, or a proxy or plugin on the way to it, refuses ${line}: allow it there.`;
  if (status === 401) return 'The engine wants a login: see docker login on that host.';
  if (code === 'unavailable') return 'The engine itself failed; its own log (journalctl -u docker) has the cause.';
  return null;
}

export interface Trouble {
  why: string;
  hint: string;
}

/** Why nobody answers at this address, and what mends it. */
export function troubleOf(lost: LostError, endpoint: string): Trouble {
  const shown = shownEndpoint(endpoint);
  const socket = endpoint.startsWith('unix://') ? endpoint.slice('unix://'.length) : null;
  switch (lost.errno) {
    case 'ENOENT':
      return {
        why: `There is no socket at ${shown}.`,
        hint: 'Start the engine (systemctl start docker), mount its socket into this container, or set docker.endpoint to where it is.',
      };
    case 'EACCES':
    case 'EPERM':
      return {
        why: `This process may not open ${shown}${owned(socket)}.`,
        hint: 'Add the user of this process to the group of the socket, usually docker (that is as much as root), or set docker.endpoint to a socket proxy that allows less.',
      };
    case 'ECONNREFUSED':
      return {
        why: `Nobody listens at ${shown}.`,
        hint: 'The engine is stopped: systemctl status docker (or podman.socket). A socket without an engine behind it can be removed, or another one set in docker.endpoint.',
      };
    case 'ETIMEDOUT':
      return {
        why: `The engine at ${shown} does not answer: ${lost.message}.`,
        hint: 'It hangs or is overloaded. Look at journalctl -u docker on its host; restarting the engine may be needed.',
      };
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return { why: `The host of ${shown} has no address.`, hint: 'Check the name in docker.endpoint or DOCKER_HOST.' };
    case 'ESSH':
      return {
        why: `${shown} cannot be reached: ${lost.message.slice(0, 300)}.`,
        hint: 'Try the same as the user of this process: ssh -o BatchMode=yes HOST docker version. Its key and the host’s must be known.',
      };
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return { why: `There is no way to ${shown}.`, hint: 'Check the network between this host and that engine.' };
  }
  if (/^(?:CERT|ERR_TLS|ERR_SSL|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|EPROTO)/.test(lost.errno))
    return {
      why: `TLS with ${shown} failed: ${lost.message.slice(0, 200)}.`,
      hint: 'Check the certificates in docker.certPath (ca.pem, cert.pem, key.pem): the name in the server’s, and the dates.',
    };
  return {
    why: `The connection to ${shown} broke (${lost.errno}: ${lost.message.slice(0, 200)}).`,
    hint: 'The engine was perhaps restarted: ask again. If it stays so, look at journalctl -u docker.',
  };
}

function owned(socket: string | null): string {
  if (socket === null) return '';
  try {
    const { uid, gid, mode } = statSync(socket);
    return ` (owner ${uid}, group ${gid}, mode ${(mode & 0o777).toString(8)})`;
  } catch {
    // Behind a folder that may not be entered: the plain sentence serves.
    return '';
  }
}
