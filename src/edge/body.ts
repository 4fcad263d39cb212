/** Reads a request's body once, never more of it than is allowed, and parses it. What the message means is decided elsewhere. */
import { OpsError } from '../core/errors.ts';
import { faultOf } from './behind.ts';

export type Message = Record<string, unknown> & { id?: unknown; method?: string; params?: unknown };

export type Body =
  | { ok: true; message: Message }
  /** `code`: the JSON-RPC code. `id`: of the message, when it could be read. */
  | { ok: false; status: number; code: number; error: OpsError; id?: unknown };

const JSON_TYPE = /^application\/json\s*(;|$)/i;

export async function readBody(request: Request, mostBytes: number): Promise<Body> {
  const { headers } = request;
  if (!JSON_TYPE.test(headers.get('content-type') ?? ''))
    return fault(415, -32_000, 'The body must be JSON.', 'Send `Content-Type: application/json`.');
  const encoding = headers.get('content-encoding');
  if (encoding !== null && encoding !== 'identity')
    return fault(415, -32_000, 'A compressed body is not read.', 'Send it without Content-Encoding.');
  const declared = headers.get('content-length');
  let text: string | null;
  try {
    // node:http holds a sender to the length it declared; without one (chunked) the bytes are counted as they come.
    if (declared !== null) text = Number(declared) <= mostBytes ? await request.text() : null;
    else text = await bounded(request, mostBytes);
  } catch {
    return fault(400, -32_700, 'The body could not be read to its end.', 'Send the request again.');
  }
  if (text === null)
    return fault(
      413,
      -32_600,
      `The body is longer than ${mostBytes} bytes.`,
      'Send less, or raise `http.maxBodyBytes`.',
    );
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return fault(400, -32_700, 'The body is not valid JSON.', 'Send one JSON-RPC 2.0 message.');
  }
  const error = faultOf(message);
  if (error) return { ok: false, status: 400, code: -32_600, error, id: (message as Message | null)?.id };
  return { ok: true, message: message as Message };
}

function fault(status: number, code: number, message: string, hint: string): Body {
  return { ok: false, status, code, error: new OpsError(status === 413 ? 'limit' : 'validation', message, { hint }) };
}

async function bounded(request: Request, mostBytes: number): Promise<string | null> {
  if (!request.body) return '';
  const reader = request.body.getReader();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(parts).toString();
    bytes += value.byteLength;
    if (bytes > mostBytes) {
      await reader.cancel();
      return null;
    }
    parts.push(value);
  }
}
