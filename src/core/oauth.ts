/** Words of OAuth that settings, rules and the host share. No I/O. */

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

/** One bounded question to an issuer, over https. */
export interface JsonAsk {
  url: string;
  /** The host of the URL stands in the owner's settings. What only an issuer's metadata names may not lead to this machine itself. */
  named: boolean;
  /** PEM of the only authority that counts; absent: those that the system knows. */
  caFile?: string;
  /** Sent as a form; absent: a GET. */
  form?: Readonly<Record<string, string>>;
  /** Shown as HTTP Basic (RFC 6749 2.3.1); the secret is read when it is used. */
  client?: { id: string; secretFile?: string };
  signal?: AbortSignal;
}

/** `body` is null where it is no JSON. Rejects with `unavailable`, `timeout` or `limit` where there is no answer within its bounds. */
export type AskJson = (ask: JsonAsk) => Promise<{ status: number; body: unknown }>;

/**
 * Scheme and host in lower case, no port where it is the usual one, no query, no fragment, no final slash: MCP's canonical form. Null for
 * what is no https URL.
 */
export function canonicalUri(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const { protocol, origin, pathname } = new URL(text);
  return protocol === 'https:' ? `${origin}${pathname.replace(/\/+$/, '')}` : null;
}
