/** The certificates that a server sent, its own first, as far as they are told: at most ten, however they hang together. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { Certificate } from '../../core/probe.ts';

const MOST = 10;
const MOST_NAMES = 40;
const LONGEST = 255;

export function chainOf(tls: TLSSocket): Certificate[] {
  const chain: Certificate[] = [];
  const met = new Set<string>();
  let at: X509Certificate | undefined = tls.getPeerX509Certificate();
  while (at && chain.length < MOST && !met.has(at.fingerprint256)) {
    met.add(at.fingerprint256);
    chain.push(certificateOf(at));
    at = at.issuerCertificate;
  }
  return chain;
}

export function certificateOf(x: X509Certificate): Certificate {
  return {
    subject: nameOf(x.subject),
    issuer: nameOf(x.issuer),
    names: (x.subjectAltName ?? '')
      .split(/, (?=[A-Za-z ]+:)/)
      .filter(Boolean)
      .slice(0, MOST_NAMES)
      .map((name) => name.slice(0, LONGEST)),
    fromMs: Date.parse(x.validFrom),
    toMs: Date.parse(x.validTo),
    sha256: x.fingerprint256.replaceAll(':', '').toLowerCase(),
    key: keyOf(x),
    selfIssued: x.subject === x.issuer,
  };
}

/** Lines of `CN=…` become one. */
const nameOf = (name: string | undefined): string => (name ?? '').split('\n').reverse().join(', ').slice(0, LONGEST);

function keyOf(x: X509Certificate): string {
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: d } = x.publicKey;
    return [type, d?.modulusLength ?? d?.namedCurve].filter(Boolean).join(' ');
  } catch {
    return 'unknown';
  }
}
