/** Words of OAuth that settings and rules share. Types and constants only. */

/** Signatures by a private key. None that shares a secret with the issuer, and never `none` (RFC 8725 3.1). */
export const SIGNATURES = [
  'EdDSA',
  'Ed25519',
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
] as const;
export type Signature = (typeof SIGNATURES)[number];
