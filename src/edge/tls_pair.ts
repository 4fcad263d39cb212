/**
 * A certificate and its key, read from PEM files and judged: whether they may be read by others, belong together, hold today and are
 * taken by OpenSSL. Decides only that; serving them is tls.ts's, telling of them the CLI's. No error says a byte of the key.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { OpsError } from '../core/errors.ts';
import { ipText, parseIp } from '../core/ip.ts';
import { CONTEXT } from './tls_context.ts';

export interface PairFiles {
  certFile: string;
  keyFile: string;
}

/** What may be shown to anybody. */
export interface CertFacts {
  /** DNS names and addresses that it is good for, lower-case. */
  names: string[];
  subject: string;
  issuer: string;
  selfSigned: boolean;
  notBeforeMs: number;
  notAfterMs: number;
  /** SHA-256, as browsers and openssl print it. */
  fingerprint: string;
  /** Certificates in the file: its own, and what leads to the issuer. */
  chain: number;
}

export interface Pair {
  cert: string;
  key: string;
  facts: CertFacts;
}

const MOST_BYTES = 256 * 1024;
const MOST_CERTIFICATES = 10;
const DAY_MS = 86_400_000;
export const SOON_MS = 14 * DAY_MS;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Both files as they are now. Throws an OpsError that names the file and the command that mends it. */
export async function readPair({ certFile, keyFile }: PairFiles, now: number): Promise<Pair> {
  const cert = await readPem(certFile, 'certificate', () => {});
  const key = await readPem(keyFile, 'private key', (mode) => {
    if ((mode & 0o027) === 0) return;
    throw new OpsError(
      'permission',
      `The private key ${keyFile} is open to others (mode ${(mode & 0o777).toString(8).padStart(4, '0')}).`,
      { hint: `Run: chmod 600 ${quoted(keyFile)}. If others have read it, make a new pair.` },
    );
  });
  const leaf = certificates(cert, certFile)[0] as X509Certificate;
  if (!leaf.checkPrivateKey(privateKey(key, keyFile)))
    throw new OpsError(
      'validation',
      `The certificate in ${certFile} and the key in ${keyFile} do not belong together.`,
      {
        hint: 'Name the two files of one pair: the first certificate in the file must be the server’s own. Was only one of them renewed?',
      },
    );
  const facts = factsOf(cert, certFile);
  const trouble = timeTrouble(facts, now);
  if (trouble)
    throw new OpsError('validation', `The certificate in ${certFile} ${trouble.text}.`, { hint: trouble.hint });
  try {
    createSecureContext({ ...CONTEXT, cert, key });
  } catch (thrown) {
    // OpenSSL's own words, e.g. "ee key too small".
    const why = String((thrown as { reason?: string }).reason ?? (thrown as Error).message).slice(0, 100);
    throw new OpsError('validation', `OpenSSL does not take ${certFile} with ${keyFile}: ${why}.`, {
      hint: 'Have a new pair made: `deckhand tls self-signed`, or your CA, with ECDSA P-256 or RSA of 2048 bits or more.',
    });
  }
  return { cert, key, facts };
}

export async function readCertificate(certFile: string): Promise<CertFacts> {
  return factsOf(await readPem(certFile, 'certificate', () => {}), certFile);
}

/** Null while it holds for a while to come. */
export function soonOver(facts: CertFacts, now: number): string | null {
  const left = facts.notAfterMs - now;
  if (left > SOON_MS) return null;
  const at = `on ${day(facts.notAfterMs)}`;
  return left <= 0
    ? `expired ${at}`
    : `expires ${at}, in ${left < DAY_MS ? 'less than a day' : `${Math.floor(left / DAY_MS)} days`}`;
}

export const RENEW = 'Renew it: `deckhand tls self-signed --force`, `deckhand tls tailscale`, or with your CA.';

function timeTrouble(facts: CertFacts, now: number): { text: string; hint: string } | null {
  if (now >= facts.notAfterMs)
    return { text: soonOver(facts, now) as string, hint: `${RENEW} Is this host’s clock right (timedatectl)?` };
  if (now < facts.notBeforeMs)
    return {
      text: `holds only from ${new Date(facts.notBeforeMs).toISOString()} on`,
      hint: 'Is this host’s clock right (timedatectl)?',
    };
  return null;
}

const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);

function certificates(pem: string, file: string): X509Certificate[] {
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0 || blocks.length > MOST_CERTIFICATES)
    throw new OpsError('validation', `${file} holds ${blocks.length === 0 ? 'no' : 'too many'} PEM certificates.`, {
      hint: 'It must begin with -----BEGIN CERTIFICATE-----: the server’s own first, then those that lead to its issuer.',
    });
  return blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new OpsError('validation', `A certificate in ${file} is damaged.`, {
        hint: `See where: openssl x509 -in ${quoted(file)} -noout -text`,
      });
    }
  });
}

function privateKey(pem: string, file: string): KeyObject {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem))
    throw new OpsError(
      'validation',
      `The private key ${file} is encrypted, and nobody is there to type its passphrase.`,
      {
        hint: `Without one, and readable for its owner alone: openssl pkey -in ${quoted(file)} -out KEYFILE && chmod 600 KEYFILE`,
      },
    );
  try {
    return createPrivateKey(pem);
  } catch {
    throw new OpsError('validation', `${file} holds no private key in PEM form.`, {
      hint: 'It must begin with -----BEGIN PRIVATE KEY----- or the like.',
    });
  }
}

function factsOf(pem: string, file: string): CertFacts {
  const all = certificates(pem, file);
  const leaf = all[0] as X509Certificate;
  return {
    names: namesOf(leaf.subjectAltName),
    subject: oneLine(leaf.subject),
    issuer: oneLine(leaf.issuer),
    // Not by checkIssued: ours may sign nothing else, and so fails there.
    selfSigned: leaf.subject === leaf.issuer && leaf.verify(leaf.publicKey),
    notBeforeMs: leaf.validFromDate.getTime(),
    notAfterMs: leaf.validToDate.getTime(),
    fingerprint: leaf.fingerprint256,
    chain: all.length,
  };
}

/** Node writes `DNS:a, IP Address:::1`, and odd names in quotes: those nobody asks us by. */
function namesOf(said: string | undefined): string[] {
  return (said ?? '').split(', ').flatMap((part) => {
    const [, kind, value = ''] = /^(DNS|IP Address):([A-Za-z0-9.:*_-]{1,253})$/.exec(part) ?? [];
    if (kind === 'DNS') return [value.toLowerCase()];
    const ip = kind ? parseIp(value) : null;
    return ip ? [ipText(ip)] : [];
  });
}

/** Names in a certificate are its issuer's words. */
const oneLine = (text: string | undefined) =>
  (text ?? '')
    .replace(/\n/g, ', ')
    .replace(/[\p{Cc}\p{Cf}]/gu, '')
    .slice(0, 200);

async function readPem(file: string, what: string, allowed: (mode: number) => void): Promise<string> {
  let handle: FileHandle | undefined;
  try {
    // Not waiting for the writer of a pipe.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    if (!stats.isFile() || stats.size > MOST_BYTES)
      throw new OpsError('validation', `${file} is no file with a ${what}.`, { hint: `ls -l ${quoted(file)}` });
    allowed(stats.mode);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MOST_BYTES), 0, MOST_BYTES, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } catch (thrown) {
    if (thrown instanceof OpsError) throw thrown;
    const errno = String((thrown as NodeJS.ErrnoException).code ?? thrown);
    if (errno === 'ENOENT' || errno === 'ENOTDIR')
      throw new OpsError('not_found', `The ${what} ${file} does not exist.`, {
        hint: '`deckhand tls self-signed` makes a pair, `deckhand tls tailscale` fetches one; or correct `http.tls`.',
      });
    throw new OpsError('permission', `The ${what} ${file} cannot be read (${errno}).`, {
      hint: `It must be readable for uid ${process.geteuid?.() ?? 0}: ls -l ${quoted(file)}`,
    });
  } finally {
    await handle?.close();
  }
}

const quoted = (path: string): string => (/^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`);
