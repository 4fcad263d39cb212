/**
 * The text of a token taken apart, strictly: what two decoders could read differently is refused, so that a record, a cache and a
 * signature speak of the same bytes. Pure. Says nothing of what the token is worth.
 */
import { createHash } from 'node:crypto';
import type { Fault } from './faults.ts';
import { strictObject } from './strict_json.ts';

/** Together with the other headers it must fit in what node:http takes. */
export const LONGEST_TOKEN = 12 * 1024;

export interface Parts {
  text: string;
  header: Buffer;
  payload: Buffer;
  /** Of all that was decoded, signature included: what a verified token is remembered under. */
  key: string;
}

export interface Read {
  header: Record<string, unknown>;
  payload: Record<string, unknown>;
  /** Of what was signed alone: of one content there can be several valid ECDSA signatures, and it is one token. */
  fingerprint: string;
}

/** A JSON object in base64url begins so; no other token that an issuer makes up does. */
export const looksLikeJwt = (text: string): boolean => text.startsWith('eyJ');

export function partsOf(text: string): Parts | Fault {
  if (text.length > LONGEST_TOKEN) return 'size';
  const pieces = text.split('.', 6);
  if (pieces.length === 5) return 'encrypted';
  if (pieces.length !== 3) return 'form';
  const [header, payload, signature] = pieces.map(decoded);
  if (!header || !payload || !signature) return 'form';
  return { text, header, payload, key: digest(header, payload, signature).toString('base64') };
}

export function readParts({ header, payload }: Parts): Read | Fault {
  const [h, p] = [strictObject(header), strictObject(payload)];
  if (!h || !p) return 'json';
  return { header: h, payload: p, fingerprint: digest(header, payload).toString('hex').slice(0, 16) };
}

/** Under this an opaque token is remembered: it has no parts, its bytes are what it is. */
export const opaqueKey = (text: string): string => digest(Buffer.from(text)).toString('base64');

const ALPHABET = /^[A-Za-z0-9_-]+$/;

/** Null for padding, space, other alphabets, and last bits that no encoder would write (a second text for the same bytes). */
function decoded(text: string): Buffer | null {
  if (!ALPHABET.test(text)) return null;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
}

function digest(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  const length = Buffer.alloc(4);
  for (const part of parts) {
    length.writeUInt32BE(part.length);
    hash.update(length).update(part);
  }
  return hash.digest();
}
