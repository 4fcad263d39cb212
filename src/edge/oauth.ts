/**
 * What OAuth clients are told before they have a token (RFC 9728): which resource this is, who gives tokens for it, what to ask for first.
 * Decides the paths of the metadata and what stands in them. Nothing of it is secret, and no token is needed for it.
 */
import type { ChallengeFacts } from './challenges.ts';

export interface Resource {
  /** Canonical; as it must stand in `aud`. */
  uri: string;
  /** Authorization servers, as they stand in `iss`. */
  issuers: readonly string[];
  /** What a client asks for first. */
  scopes: readonly string[];
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource';

/** Where the metadata are read: by RFC 9728 3.1 with the resource's path behind, at the root, and with the path that we ourselves serve. */
export function metadataPaths({ uri }: Pick<Resource, 'uri'>): Set<string> {
  const path = new URL(uri).pathname.replace(/\/$/, '');
  return new Set([WELL_KNOWN, `${WELL_KNOWN}/mcp`, `${WELL_KNOWN}${path}`]);
}

export const metadata = ({ uri, issuers, scopes }: Resource): Record<string, unknown> => ({
  resource: uri,
  authorization_servers: issuers,
  scopes_supported: scopes,
  bearer_methods_supported: ['header'],
  resource_name: 'Deckhand',
});

export function challengeFacts(resource: Resource | null): ChallengeFacts {
  if (resource === null) return { resourceMetadata: null, scope: null };
  const { origin, pathname } = new URL(resource.uri);
  return {
    resourceMetadata: `${origin}${WELL_KNOWN}${pathname.replace(/\/$/, '')}`,
    scope: resource.scopes.length > 0 ? resource.scopes.join(' ') : null,
  };
}
