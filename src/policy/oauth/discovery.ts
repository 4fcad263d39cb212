/**
 * Where an issuer says things: its metadata, by RFC 8414 or OpenID Connect. Decides that they count only when they name the very issuer
 * of the settings, and which of their addresses may be asked: a client's secret and other people's tokens go to the issuer itself alone.
 */
import { OpsError, toOpsError } from '../../core/errors.ts';
import { type Around, type Issuer, TIMES } from './ports.ts';

export interface Metadata {
  keys: string | null;
  introspection: string | null;
  /** Whether the host of an address is the issuer's own, whom the owner has named. */
  named(url: string): boolean;
}

export interface Discovery {
  /** Rejects where the issuer cannot be asked, or says nothing that counts. */
  get(signal: AbortSignal): Promise<Metadata>;
  /** They may have changed: what they led to does not work. */
  forget(): void;
}

export function createDiscovery(
  issuer: Pick<Issuer, 'issuer' | 'caFile'>,
  { ask, elapsed }: Pick<Around, 'ask' | 'elapsed'>,
): Discovery {
  let known: { metadata: Metadata; untilMs: number } | null = null;
  let asking: Promise<Metadata> | null = null;
  async function learn(signal: AbortSignal): Promise<Metadata> {
    const metadata = await discover(issuer, ask, signal);
    known = { metadata, untilMs: elapsed() + TIMES.metadataMs };
    return metadata;
  }
  return {
    get(signal) {
      if (known && elapsed() < known.untilMs) return Promise.resolve(known.metadata);
      // Whoever comes meanwhile waits for the same answer, for as long as the first one does.
      asking ??= learn(signal).finally(() => {
        asking = null;
      });
      return asking;
    },
    forget() {
      known = null;
    },
  };
}

/** RFC 8414 3.1 puts the well-known part before the issuer's path; OpenID Connect behind it, and some do both. */
export function wellKnown(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const before = ['oauth-authorization-server', 'openid-configuration'].map((n) => `${origin}/.well-known/${n}${path}`);
  return [...new Set([...before, `${origin}${path}/.well-known/openid-configuration`])];
}

async function discover(
  { issuer, caFile }: Pick<Issuer, 'issuer' | 'caFile'>,
  ask: Around['ask'],
  signal: AbortSignal,
): Promise<Metadata> {
  let otherName = false;
  for (const url of wellKnown(issuer)) {
    const { status, body } = await ask({ url, named: true, signal, ...(caFile ? { caFile } : {}) });
    if (status >= 500 || status === 429) throw unavailable(`It answers ${status} when asked for its metadata.`);
    if (status !== 200 || typeof body !== 'object' || body === null) continue;
    const said = body as Record<string, unknown>;
    // RFC 8414 3.3: whoever stands at this address may not speak for another.
    if (said.issuer !== issuer) otherName = true;
    else return metadataOf(issuer, said);
  }
  throw unavailable(
    otherName
      ? 'Its metadata name another issuer than the settings do: each character counts, also a slash at the end.'
      : 'There are no metadata where RFC 8414 and OpenID Connect have them.',
  );
}

function metadataOf(issuer: string, said: Record<string, unknown>): Metadata {
  const own = new URL(issuer);
  const introspection = httpsUrl(said.introspection_endpoint);
  return {
    keys: httpsUrl(said.jwks_uri),
    introspection: introspection !== null && new URL(introspection).origin === own.origin ? introspection : null,
    named: (url) => new URL(url).hostname === own.hostname,
  };
}

function httpsUrl(text: unknown): string | null {
  if (typeof text !== 'string' || text.length > 2_048 || !URL.canParse(text)) return null;
  const { protocol, username, password } = new URL(text);
  return protocol === 'https:' && !username && !password ? text : null;
}

const unavailable = (why: string) => new OpsError('unavailable', why);

/** Why an issuer could not be asked, for the log and the doctor; never for a client. */
export const whyOf = (thrown: unknown): string => toOpsError(thrown).message;
