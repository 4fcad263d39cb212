/**
 * One question in JSON over https, bounded in time and bytes: how issuers are asked for their metadata, their keys and what a token is
 * worth. No redirect is followed, no proxy is used, nothing is kept. A host that only an issuer's metadata names may be anywhere but on this
 * machine and where clouds keep their secrets; the connection goes to the very addresses that were looked at.
 */
import { lookup } from 'node:dns';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { OpsError, toOpsError } from '../../core/errors.ts';
import type { AskJson, JsonAsk } from '../../core/oauth.ts';
import { authorities } from './probe_connect.ts';
import { secretFile } from './secret_file.ts';

export const HTTPS_JSON = { timeoutMs: 5_000, mostBytes: 256 * 1024 } as const;

/** Ourselves, the link, and metadata services of clouds; and IPv6 addresses that wrap those of IPv4. */
const NOT_BY_METADATA = new BlockList();
for (const [network, length] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['168.63.129.16', 32],
  ['100.100.100.200', 32],
  ['192.0.0.192', 32],
  ['224.0.0.0', 3],
] as const)
  NOT_BY_METADATA.addSubnet(network, length, 'ipv4');
for (const [network, length] of [
  ['::', 96],
  ['64:ff9b::', 96],
  ['2002::', 16],
  ['fe80::', 10],
  ['fd00:ec2::254', 128],
  ['ff00::', 8],
] as const)
  NOT_BY_METADATA.addSubnet(network, length, 'ipv6');

const forbidden = (address: string) => NOT_BY_METADATA.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

const SECRET = { what: 'secret', shape: /^[\x21-\x7e]{1,1024}$/, hint: 'It is one line, as the issuer gave it.' };

export function createAskJson(o: { lookup?: typeof lookup; timeoutMs?: number; mostBytes?: number } = {}): AskJson {
  const { timeoutMs, mostBytes } = { ...HTTPS_JSON, ...o };
  const resolve = o.lookup ?? lookup;
  /** Fails as a whole when one of the addresses is not to be had: which of them were taken would be the name server's choice. */
  const checked: LookupFunction = (name, options, back) =>
    resolve(name, { ...options, all: true }, (error, found) => {
      if (error) return back(error, '');
      const bad = found.find(({ address }) => forbidden(address));
      if (bad) return back(elsewhere(), '');
      if (options.all) back(null, found);
      else back(null, found[0]?.address ?? '', found[0]?.family);
    });

  return async (ask) => {
    const url = urlOf(ask.url);
    const name = url.hostname.replace(/^\[|\]$/g, '');
    if (!ask.named && isIP(name) && forbidden(name)) throw elsewhere();
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = ask.signal ? AbortSignal.any([timeout, ask.signal]) : timeout;
    const { promise, resolve: answered, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const sent = ask.form ? new URLSearchParams(ask.form).toString() : null;
    const req = https.request(url, {
      method: sent === null ? 'GET' : 'POST',
      // A new one, which knows of no proxy.
      agent: false,
      signal,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      maxHeaderSize: 16 * 1024,
      ...(ask.named ? {} : { lookup: checked }),
      ...trusting(ask),
      headers: {
        accept: 'application/json',
        'user-agent': 'deckhand',
        ...(sent === null
          ? {}
          : { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(sent) }),
        ...(ask.client ? { authorization: basic(ask.client) } : {}),
      },
    });
    req.once('error', reject);
    req.once('response', (res) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      res.on('error', reject);
      res.once('close', () => reject(new OpsError('unavailable', 'The answer ended too early.')));
      res.on('data', (part: Buffer) => {
        bytes += part.length;
        if (bytes <= mostBytes) return void parts.push(part);
        reject(new OpsError('limit', `The answer is longer than ${mostBytes} bytes.`));
        req.destroy();
      });
      res.once('end', () => answered({ status: res.statusCode as number, text: Buffer.concat(parts).toString() }));
    });
    req.end(sent ?? undefined);
    try {
      const { status, text } = await promise;
      return { status, body: parsed(text) };
    } catch (thrown) {
      if (ask.signal?.aborted) throw ask.signal.reason;
      if (timeout.aborted) throw new OpsError('timeout', `No answer within ${timeoutMs / 1_000} s.`);
      throw failure(thrown);
    } finally {
      req.destroy();
    }
  };
}

function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'https:' || url.username || url.password)
    throw new OpsError('validation', 'Only a plain https URL is asked.');
  return url;
}

function trusting({ caFile }: JsonAsk): { ca?: string | string[] } {
  if (caFile === undefined) {
    const ca = authorities();
    return ca ? { ca } : {};
  }
  try {
    return { ca: readFileSync(caFile, 'utf8') };
  } catch (thrown) {
    throw new OpsError(
      'unavailable',
      `The file ${caFile} cannot be read (${(thrown as NodeJS.ErrnoException).code}).`,
      {
        hint: 'It is the PEM of the authority; see `caFile` in `auth.issuers`.',
      },
    );
  }
}

function basic({ id, secretFile: path }: NonNullable<JsonAsk['client']>): string {
  const secret = path === undefined ? '' : secretFile(path, SECRET);
  const [user, password] = [id, secret].map((t) => new URLSearchParams({ t }).toString().slice(2));
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const elsewhere = () =>
  new OpsError(
    'permission',
    'The issuer’s metadata lead to this machine itself, or to where clouds keep their secrets.',
  );

/** What went wrong in words that help; certificates have codes of their own, which no errno table knows. */
function failure(thrown: unknown): OpsError {
  if (thrown instanceof OpsError) return thrown;
  const { code = '' } = thrown as NodeJS.ErrnoException;
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME|^ERR_TLS|^ERR_SSL|^EPROTO/.test(code))
    return new OpsError('unavailable', `Its certificate is not accepted (${code}).`, {
      hint: 'Name the authority’s PEM by `caFile`, or let the issuer show a certificate for its name.',
    });
  const error = toOpsError(thrown);
  return error.code === 'internal' ? new OpsError('unavailable', `It does not answer (${code || 'no code'}).`) : error;
}
