/**
 * The other end of the control socket: what the owner's commands ask the running server. Null where no server answers, so that the
 * command goes to the shared state instead; what the server refuses is thrown as it said it.
 */
import { request } from 'node:http';
import { CODES, type Code, OpsError, type WireError } from '../core/errors.ts';
import type { Approval } from '../policy/deciding.ts';

const PATIENCE_MS = 5_000;
const MOST_BYTES = 32 * 1024 * 1024;

export interface Asked {
  approvals?: Approval[];
  approval?: Approval | null;
}

export async function askServer(
  socketPath: string,
  path: string,
  decision?: { granted: boolean; because?: string },
): Promise<Asked | null> {
  const text = await exchange(socketPath, path, decision);
  if (text === null) return null;
  let body: Asked & { error?: WireError };
  try {
    body = JSON.parse(text);
  } catch {
    return null;
  }
  if (!body.error) return body;
  const { code, message, hint } = body.error;
  throw new OpsError(Object.hasOwn(CODES, code) ? (code as Code) : 'internal', message, hint ? { hint } : {});
}

/** The answer's body; null when nobody is there, or gives no whole answer in time. */
function exchange(socketPath: string, path: string, decision: object | undefined): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const sent = request({ socketPath, path, method: decision ? 'POST' : 'GET', timeout: PATIENCE_MS }, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (part: string) => {
      text += part;
      if (text.length > MOST_BYTES) sent.destroy();
    });
    response.on('end', () => resolve(text));
    response.on('error', () => resolve(null));
    response.on('close', () => resolve(null));
  });
  sent.on('timeout', () => sent.destroy());
  sent.on('error', () => resolve(null));
  sent.end(decision ? JSON.stringify(decision) : undefined);
  return promise;
}
