/** How TLS is spoken here, whatever the certificate: what a context is checked with is what it serves with. */
import { constants } from 'node:crypto';

export const CONTEXT = {
  minVersion: 'TLSv1.2',
  // A client of 1.2 could else have handshakes made at its pleasure; nobody needs a second one.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
} as const;
