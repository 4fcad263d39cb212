/**
 * A certificate that signs itself: for a homelab without a CA, whose clients are handed the certificate once. ECDSA P-256, good for
 * servers alone and for signing nothing else, so that a stolen key makes no further certificates. Which names, and where it lies, is
 * tls.ts's business.
 */
import './no_metadata.ts';
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
/** Clocks differ: a client a little behind must take it at once. */
const EARLIER_MS = 3_600_000;

export async function selfSigned(o: {
  /** The first one is its common name, too. */
  names: readonly string[];
  notAfterMs: number;
  now: number;
}): Promise<{ cert: string; key: string }> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    // Positive and not empty, as RFC 5280 wants it.
    serialNumber: `4${randomBytes(16).toString('hex').slice(1)}`,
    // As parts: within one text a comma in a name would begin another attribute.
    name: [{ CN: [(o.names[0] as string).slice(0, 64)] }],
    notBefore: new Date(o.now - EARLIER_MS),
    notAfter: new Date(o.notAfterMs),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        o.names.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { cert: `${made.toString('pem')}\n`, key: `${key}\n` };
}
