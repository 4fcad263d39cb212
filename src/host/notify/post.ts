/**
 * Notices by HTTP: to ntfy as it wants them, and to a webhook as signed JSON. No redirect is followed, because it could lead the
 * token elsewhere; of the answer only the status counts. https only, unless the owner says `plain`.
 */
import { createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { OpsError } from '../../core/errors.ts';
import type { Channel, Notice } from '../../core/notice.ts';
import { clip } from '../../core/text.ts';
import { authorityOf, failure, secretOf } from './way.ts';
import { textOf } from './words.ts';

/** ntfy makes an attachment of what is longer than 4,096 bytes. */
const NTFY_MOST = 1_200;
const SAID_BYTES = 4 * 1024;

interface Request {
  url: URL;
  body: string;
  headers: Record<string, string>;
}

export async function post(channel: Channel, notice: Notice, signal: AbortSignal): Promise<string> {
  const secret = secretOf(channel);
  const request = channel.kind === 'ntfy' ? toNtfy(channel, notice, secret) : toWebhook(channel, notice, secret);
  if (request.url.protocol !== 'https:' && !channel.plain)
    throw new OpsError('validation', 'Its `url` is not https.', {
      hint: '`plain: true` is the owner’s word that no encryption is meant.',
    });
  const status = await answered(request, authorityOf(channel), signal);
  if (status >= 200 && status < 300) return `HTTP ${status}`;
  throw refusal(status);
}

/** https://host/topic, as people know it; JSON goes to the root, with the topic in it. */
function toNtfy(channel: Channel, notice: Notice, token: string | undefined): Request {
  const url = new URL(channel.url);
  const parts = url.pathname.split('/').filter(Boolean);
  const topic = parts.pop() ?? '';
  url.pathname = `/${parts.join('/')}`;
  const body = {
    topic,
    title: notice.title,
    message: clip(textOf(notice, { link: false }), NTFY_MOST),
    priority: notice.urgent ? 4 : 3,
    tags: [notice.about === 'security' ? 'rotating_light' : notice.about === 'approvals' ? 'raised_hand' : 'anchor'],
    ...(notice.link === undefined
      ? {}
      : {
          click: notice.link,
          // It opens the page; ntfy could also send a request, and that would be a decision without a look.
          actions: [{ action: 'view', label: 'Look and decide', url: notice.link, clear: true }],
        }),
  };
  return { url, body: JSON.stringify(body), headers: token === undefined ? {} : { authorization: `Bearer ${token}` } };
}

function toWebhook(channel: Channel, notice: Notice, key: string | undefined): Request {
  if (key === undefined)
    throw new OpsError('validation', 'A webhook without `secretFile` cannot be signed.', {
      hint: '`openssl rand -hex 32 > FILE; chmod 600 FILE`, and name it in `secretFile`.',
    });
  const { id, about, title, lines, link, command, facts, atMs } = notice;
  const body = JSON.stringify({
    v: 1,
    id,
    about,
    at: new Date(atMs).toISOString(),
    title,
    lines,
    link,
    command,
    facts,
  });
  const t = Math.floor(Date.now() / 1_000);
  return { url: new URL(channel.url), body, headers: { 'x-deckhand-signature': signature(key, t, body) } };
}

/** docs/notify.md says how a receiver checks it. */
export const signature = (key: string, seconds: number, body: string): string =>
  `t=${seconds},v1=${createHmac('sha256', key).update(`${seconds}.${body}`).digest('hex')}`;

function answered({ url, body, headers }: Request, ca: string | undefined, signal: AbortSignal): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const secure = url.protocol === 'https:';
  const options = {
    method: 'POST',
    signal,
    // A connection of its own for each: there are few, and none is left open.
    agent: false as const,
    headers: {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'user-agent': 'deckhand',
      ...headers,
    },
  };
  const request = secure
    ? https.request(url, { ...options, rejectUnauthorized: true, minVersion: 'TLSv1.2', ...(ca ? { ca } : {}) })
    : http.request(url, options);
  request.on('error', (error) => reject(signal.aborted ? signal.reason : failure(error)));
  request.on('response', (response) => {
    const { statusCode = 0 } = response;
    let bytes = 0;
    // Read so far that the far end has said it, and no further.
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (bytes > SAID_BYTES) response.destroy();
    });
    response.on('error', () => {});
    response.once('close', () => resolve(statusCode));
  });
  request.end(body);
  return promise;
}

function refusal(status: number): OpsError {
  if (status >= 300 && status < 400)
    return new OpsError('validation', `It answers with a redirect (HTTP ${status}), which is not followed.`, {
      hint: 'Name the address that it leads to.',
    });
  if (status === 401 || status === 403)
    return new OpsError('permission', `It does not let us in (HTTP ${status}).`, {
      hint: 'Is what `secretFile` holds good there, and may it write to this address?',
    });
  if (status === 429)
    return new OpsError('limit', 'It has been sent too much (HTTP 429).', { hint: 'Try again later.' });
  if (status >= 500 || status === 408)
    return new OpsError('unavailable', `It fails (HTTP ${status}).`, { hint: 'Its own log says why.' });
  return new OpsError('validation', `It does not take this (HTTP ${status}).`, { hint: 'Is `url` the right address?' });
}
