/**
 * What a browser sends with the form of the page: read within bounds, and shown to come from a page that this very browser was given for
 * this very link. The proof is a random cookie that no other site can send along or read, and a keyed digest of it in the form. It
 * needs no memory of ours, so it holds across a restart and with several instances behind one name. Decides nothing about who it is.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { OpsError } from '../core/errors.ts';
import { MOST_BECAUSE } from './approvals_page.ts';

const MOST_BODY = 16 * 1024;
const NAME = 'deckhand-approvals';
const NONCE = /^[A-Za-z0-9_-]{22}$/;
const FIELDS = new Set(['csrf', 'token', 'because', 'decision']);

export interface Form {
  granted: boolean;
  csrf: string;
  token: string;
  because: string;
}

/** With TLS no other name of the domain can set it either. */
const cookieName = (secure: boolean) => (secure ? `__Host-${NAME}` : NAME);

/** The browser's own, or a new one. */
export function nonceOf(incoming: IncomingMessage, secure: boolean): { nonce: string; fresh: boolean } {
  const name = cookieName(secure);
  const found = (incoming.headers.cookie ?? '')
    .split(/; */)
    .filter((c) => c.startsWith(`${name}=`))
    .map((c) => c.slice(name.length + 1));
  // Two of one name: somebody else has set one of them.
  if (found.length === 1 && NONCE.test(found[0] as string)) return { nonce: found[0] as string, fresh: false };
  return { nonce: randomBytes(16).toString('base64url'), fresh: true };
}

/** As long as a link may live. Lax would let it come with a link from elsewhere; only a form on our own page needs it. */
export const cookieOf = (nonce: string, secure: boolean): string =>
  `${cookieName(secure)}=${nonce}; Path=/; Max-Age=600; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`;

export const csrfOf = (handle: string, nonce: string): string =>
  createHmac('sha256', handle).update(`form ${nonce}`).digest('base64url');

/** Null: it is from our own page in this browser. */
export function foreignForm(incoming: IncomingMessage, handle: string, csrf: string, secure: boolean): OpsError | null {
  const site = incoming.headers['sec-fetch-site'];
  const { nonce, fresh } = nonceOf(incoming, secure);
  const [given, right] = [Buffer.from(csrf), Buffer.from(csrfOf(handle, nonce))];
  const own = !fresh && given.length === right.length && timingSafeEqual(given, right);
  if (own && (site === undefined || site === 'same-origin')) return null;
  return new OpsError('permission', 'This form was not made for this browser, so nothing is decided.', {
    hint: 'Open the link again and decide there; the page needs its cookie.',
  });
}

export async function formIn(incoming: IncomingMessage): Promise<Form> {
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(incoming.headers['content-type'] ?? ''))
    throw wrong('The body is no form.');
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of incoming as AsyncIterable<Buffer>) {
    bytes += part.byteLength;
    if (bytes > MOST_BODY) throw new OpsError('limit', `The form is longer than ${MOST_BODY} bytes.`);
    parts.push(part);
  }
  const fields = new URLSearchParams(Buffer.concat(parts).toString());
  const names = [...fields.keys()];
  if (names.some((n) => !FIELDS.has(n)) || new Set(names).size !== names.length)
    throw wrong('A field is not of the form.');
  const decision = fields.get('decision');
  if (decision !== 'approve' && decision !== 'deny') throw wrong('There is no decision in the form.');
  return {
    granted: decision === 'approve',
    csrf: fields.get('csrf') ?? '',
    token: (fields.get('token') ?? '').trim(),
    because: (fields.get('because') ?? '').trim().slice(0, MOST_BECAUSE),
  };
}

const wrong = (message: string) =>
  new OpsError('validation', message, { hint: 'Open the link again and decide there.' });
