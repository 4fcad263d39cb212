/**
 * The doctor's look at where the server listens and at its certificate: whether a start would be refused, whether the pair can be served
 * and for how long, and whether what is served is what lies in the files. Run as the user that the server runs under; changes nothing.
 */
import { connect } from 'node:tls';
import type { Loaded } from '../config/load.ts';
import { toOpsError } from '../core/errors.ts';
import { reachOf } from '../core/ip.ts';
import { addressToListen, bindingRemarks, pairFiles } from '../edge/binding.ts';
import { type CertFacts, type PairFiles, RENEW, readCertificate, readPair, soonOver } from '../edge/tls_pair.ts';
import type { Check } from './doctor.ts';
import { broken, note, ok, warning } from './doctor_state.ts';

type Http = Pick<Loaded['config']['http'], 'host' | 'port' | 'url' | 'behindProxy' | 'trustedProxies' | 'tls'>;

const ADDRESS = 'Address';
const TITLE = 'TLS';
const PATIENCE_MS = 1_000;

/** Where it would listen, if it would. */
export async function addressChecks(http: Http): Promise<Check[]> {
  let address: string;
  try {
    address = await addressToListen(http);
  } catch (thrown) {
    const { message, details } = toOpsError(thrown);
    return [broken('http.host', ADDRESS, message, details.hint ?? null)];
  }
  const checks = bindingRemarks(http).map((text) =>
    warning('http.proxy', ADDRESS, `${text}.`, 'http.trustedProxies: [ADDRESS-OF-THE-PROXY]'),
  );
  if (reachOf(address) !== 'loopback' && http.tls.certFile === null)
    checks.push(
      note(
        'http.host',
        ADDRESS,
        `serve listens on ${http.host} in plain HTTP, by your word (http.behindProxy): only a proxy that ends TLS, or this host alone, may reach that port.`,
        'see who does: ss -ltn; of a container: docker port NAME (127.0.0.1:… is this host alone)',
      ),
    );
  return checks;
}

export async function tlsChecks(http: Http, now = Date.now()): Promise<Check[]> {
  let files: PairFiles | null;
  try {
    files = pairFiles(http.tls);
  } catch {
    // The address's check has told it.
    return [];
  }
  if (files === null) return [];
  const checks: Check[] = [];
  let facts: CertFacts | null = null;
  try {
    facts = (await readPair(files, now)).facts;
    const soon = soonOver(facts, now);
    const until = new Date(facts.notAfterMs).toISOString().slice(0, 10);
    if (soon) checks.push(warning('tls.soon', TITLE, `the certificate in ${files.certFile} ${soon}.`, RENEW));
    else
      checks.push(ok('tls', TITLE, `${files.certFile}, for ${facts.names.join(', ') || 'no name'}, until ${until}.`));
    checks.push(...nameChecks(facts, http.url, files.certFile));
  } catch (thrown) {
    const { message, details } = toOpsError(thrown);
    checks.push(broken('tls.pair', TITLE, message, details.hint ?? null));
    facts = await readCertificate(files.certFile).catch(() => null);
  }
  return [...checks, ...servedChecks(await served(http), facts)];
}

function nameChecks(facts: CertFacts, url: string | null, certFile: string): Check[] {
  const checks: Check[] = [];
  const name = url === null ? null : new URL(url).hostname.replace(/^\[|\]$/g, '');
  if (name !== null && !covers(facts.names, name))
    checks.push(
      warning(
        'tls.name',
        TITLE,
        `clients are told ${url}, and the certificate is not made for ${name}.`,
        `a certificate with that name (deckhand tls self-signed --force --name ${name}), or another http.url`,
      ),
    );
  if (!facts.selfSigned && facts.chain === 1)
    checks.push(
      note(
        'tls.chain',
        TITLE,
        `${certFile} holds its own certificate alone; clients must know its issuer (${facts.issuer}) by themselves.`,
        'if that one is no root: append it to the file (certbot calls such a file fullchain.pem)',
      ),
    );
  return checks;
}

const covers = (names: readonly string[], name: string) =>
  names.includes(name) || names.includes(name.replace(/^[^.]+/, '*'));

/** Undefined: nothing listens. Null: it does not speak TLS. */
export function servedChecks(found: string | null | undefined, facts: CertFacts | null): Check[] {
  if (found === undefined) return [];
  if (found === null)
    return [
      warning(
        'tls.served',
        TITLE,
        'what listens there does not speak TLS.',
        'restart the server: settings are read at its start',
      ),
    ];
  if (facts !== null && found !== facts.fingerprint)
    return [
      warning(
        'tls.served',
        TITLE,
        `the running server serves another certificate (SHA-256 ${found}) than lies in the file.`,
        'it looks every 30 s and refuses a broken pair: what it says of that is in its log; kill -HUP PID has it look now',
      ),
    ];
  return [ok('tls.served', TITLE, 'the running server serves this very certificate.')];
}

/** The fingerprint that whoever connects now is shown. */
export function served({ host, port }: Pick<Http, 'host' | 'port'>): Promise<string | null | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | null | undefined>();
  if (port === 0) return Promise.resolve(undefined);
  const at = reachOf(host) === 'any' ? (host.includes(':') ? '::1' : '127.0.0.1') : host;
  // Nothing is sent: it is only looked at.
  const socket = connect({ host: at, port, rejectUnauthorized: false, timeout: PATIENCE_MS }, () =>
    resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? null),
  );
  const gone: Record<string, true> = { ECONNREFUSED: true, EADDRNOTAVAIL: true, ENOTFOUND: true, EHOSTUNREACH: true };
  socket.on('error', (thrown: NodeJS.ErrnoException) => resolve(gone[String(thrown.code)] ? undefined : null));
  socket.on('timeout', () => resolve(null));
  return promise.finally(() => socket.destroy());
}
