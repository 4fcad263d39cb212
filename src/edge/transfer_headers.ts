/** What requests to a transfer say of ranges and offsets. Pure. One range of bytes; whatever else is asked for is the whole (RFC 9110). */
import type { IncomingMessage } from 'node:http';
import { OpsError } from '../core/errors.ts';

export function rangeOf(
  header: string | undefined,
  size: number,
): { from: number; length: number } | 'unsatisfiable' | null {
  const parts = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  if (!parts || (parts[1] === '' && parts[2] === '')) return null;
  if (parts[1] === '') {
    const last = Math.min(Number(parts[2]), size);
    return last === 0 ? 'unsatisfiable' : { from: size - last, length: last };
  }
  const from = Number(parts[1]);
  const to = parts[2] === '' ? size - 1 : Math.min(Number(parts[2]), size - 1);
  if (parts[2] !== '' && Number(parts[2]) < from) return null;
  return from >= size ? 'unsatisfiable' : { from, length: to - from + 1 };
}

/** PUT: from the beginning, or from where its Content-Range says. PATCH: from Upload-Offset. */
export function offsetOf(incoming: Pick<IncomingMessage, 'method' | 'headers'>, size: number): number {
  const { method, headers } = incoming;
  if (headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity')
    throw bad('A compressed body is not taken.', 'Send the bytes as they are.');
  const offset = method === 'PATCH' ? patchOffset(headers['upload-offset']) : putOffset(headers['content-range'], size);
  const length = headers['content-length'];
  if (length !== undefined && offset + Number(length) > size)
    throw bad(`${size} bytes were declared, and these would be ${offset + Number(length)}.`, 'Call file_upload again.');
  return offset;
}

function patchOffset(header: string | string[] | undefined): number {
  if (typeof header !== 'string' || !/^\d{1,15}$/.test(header))
    throw bad('PATCH needs Upload-Offset, a number of bytes.', 'HEAD of this URL tells it.');
  return Number(header);
}

function putOffset(header: string | undefined, size: number): number {
  if (header === undefined) return 0;
  const parts = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(header);
  if (!parts || Number(parts[2]) >= size || (parts[3] !== '*' && Number(parts[3]) !== size))
    throw bad('That Content-Range does not fit what was declared.', `Send bytes FROM-${size - 1}/${size}.`);
  return Number(parts[1]);
}

const bad = (message: string, hint: string) => new OpsError('validation', message, { hint });
