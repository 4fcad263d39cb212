/**
 * Notices by mail: plain text, no remote content. TLS from the start (smtps) or by STARTTLS before anything else is said; without either
 * nothing is sent, unless the owner says `plain`. nodemailer speaks the protocol, over a socket of ours, so that a server which never
 * comes to an end is cut off in time.
 */
import { connect, type Socket } from 'node:net';
import { createTransport } from 'nodemailer';
import { OpsError } from '../../core/errors.ts';
import { strip } from '../../core/foreign.ts';
import type { Channel, Notice } from '../../core/notice.ts';
import { clip } from '../../core/text.ts';
import { authorityOf, failure, secretOf } from './way.ts';
import { textOf } from './words.ts';

const STEP_MS = 10_000;

export async function mail(channel: Channel, notice: Notice, signal: AbortSignal): Promise<string> {
  const url = new URL(channel.url);
  const secure = url.protocol === 'smtps:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || (secure ? 465 : 587);
  const ca = authorityOf(channel);
  const pass = secretOf(channel);
  let socket: Socket | undefined;
  const cut = () => socket?.destroy();
  signal.addEventListener('abort', cut, { once: true });
  const transport = createTransport({
    host,
    port,
    secure,
    // The owner's own word for it: then TLS is not even tried, because what is offered there is seldom good.
    ...(channel.plain ? { ignoreTLS: true } : { requireTLS: !secure }),
    tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...(ca ? { ca } : {}) },
    ...(channel.user === undefined || pass === undefined ? {} : { auth: { user: channel.user, pass } }),
    getSocket(_options: unknown, callback: (error: Error | null, o?: { connection: Socket }) => void) {
      socket = connect({ host, port, signal });
      socket.once('error', (error) => callback(error));
      socket.once('connect', () => callback(null, { connection: socket as Socket }));
    },
    connectionTimeout: STEP_MS,
    greetingTimeout: STEP_MS,
    socketTimeout: STEP_MS,
    // Nothing of a notice may name a file or an address to be fetched.
    disableFileAccess: true,
    disableUrlAccess: true,
  } as Parameters<typeof createTransport>[0]);
  try {
    const { response } = (await transport.sendMail({
      from: channel.from as string,
      to: [...channel.to],
      subject: notice.title,
      text: textOf(notice, { link: true }),
      date: new Date(notice.atMs),
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
    })) as { response: string };
    return clip(strip(response).replace(/\n/g, ' '), 100);
  } catch (thrown) {
    throw signal.aborted ? signal.reason : said(thrown);
  } finally {
    signal.removeEventListener('abort', cut);
    transport.close();
    cut();
  }
}

function said(thrown: unknown): OpsError {
  const { code, responseCode } = thrown as { code?: string; responseCode?: number };
  if (code === 'EAUTH' || responseCode === 535)
    return new OpsError('permission', 'The mail server does not take user and password.', {
      hint: 'Are `user` and what `secretFile` holds good there?',
    });
  if ((responseCode ?? 0) >= 400 && (responseCode ?? 0) < 500)
    return new OpsError('unavailable', `The mail server cannot take it now (${responseCode}).`, {
      hint: 'Try again later.',
    });
  if (code === 'ETLS')
    return new OpsError('validation', 'The mail server offers no encryption that is good: nothing was sent.', {
      hint: 'Use smtps:// or a server with STARTTLS; `plain: true` is the owner’s word that none is meant.',
    });
  if (code === 'EENVELOPE' || code === 'EMESSAGE' || (responseCode ?? 0) >= 500)
    return new OpsError('validation', `The mail server does not take this mail (${responseCode ?? code}).`, {
      hint: 'Are `from` and `to` addresses that it sends from and to?',
    });
  return failure(thrown);
}
