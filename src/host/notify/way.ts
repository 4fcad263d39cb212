/** What all ways to send have in common: the owner's secret and authority, read when they are used, and what went wrong in words. */
import { readFileSync, statSync } from 'node:fs';
import { OpsError } from '../../core/errors.ts';
import { strip } from '../../core/foreign.ts';
import type { Channel } from '../../core/notice.ts';
import { clip } from '../../core/text.ts';
import { secretFile } from '../net/secret_file.ts';

const MOST_CA_BYTES = 256 * 1024;

const SHAPES: Record<Channel['kind'], { what: string; shape: RegExp; hint: string }> = {
  ntfy: {
    what: 'token',
    shape: /^[A-Za-z0-9._~+/=-]{1,1024}$/,
    hint: 'It is one line: an access token of that ntfy (`ntfy token add USER`).',
  },
  webhook: {
    what: 'key',
    shape: /^[\x21-\x7e]{16,1024}$/,
    hint: 'It is one line of at least 16 characters; `openssl rand -hex 32` makes one.',
  },
  smtp: { what: 'password', shape: /^\P{Cc}{1,1024}$/u, hint: 'It is one line: the password of `user`.' },
};

export function secretOf(channel: Channel): string | undefined {
  if (channel.secretFile === undefined) return undefined;
  // Bytes as they stand there; a password may be of any script.
  return Buffer.from(secretFile(channel.secretFile, SHAPES[channel.kind]), 'latin1').toString('utf8');
}

/** Only this authority is believed then, and none of the system's. */
export function authorityOf(channel: Channel): string | undefined {
  const { caFile } = channel;
  if (caFile === undefined) return undefined;
  const wrong = (why: string) =>
    new OpsError('validation', `The file ${caFile} ${why}.`, {
      hint: '`caFile` is a PEM file with the authority’s certificate.',
    });
  let text: string;
  try {
    const stat = statSync(caFile);
    if (!stat.isFile() || stat.size > MOST_CA_BYTES) throw wrong('is no file of certificates');
    text = readFileSync(caFile, 'utf8');
  } catch (thrown) {
    if (thrown instanceof OpsError) throw thrown;
    throw wrong(`cannot be read (${(thrown as NodeJS.ErrnoException).code})`);
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw wrong('holds no certificate');
  return text;
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|ALTNAME/;

/** Never with what was sent; what the far end said is foreign. */
export function failure(thrown: unknown): OpsError {
  if (thrown instanceof OpsError) return thrown;
  // nodemailer puts a name of its own over the system's, which it keeps beside it.
  const { code = '', originalCode: name = code } = thrown as NodeJS.ErrnoException & { originalCode?: string };
  if (CERTIFICATE.test(name))
    return new OpsError('validation', `Its certificate does not verify (${name}): nothing was sent.`, {
      hint: 'Name its authority in `caFile`, or use the host name that the certificate is for.',
    });
  if (name === 'EPROTO' || name.startsWith('ERR_SSL'))
    return new OpsError('validation', 'It does not speak TLS there.', {
      hint: 'Correct `url`; `plain: true` is the owner’s word that no encryption is meant.',
    });
  return new OpsError('unavailable', `It cannot be reached (${clip(strip(name || 'unknown'), 40)}).`, {
    hint: 'Is the address right, and reachable from this host?',
  });
}
