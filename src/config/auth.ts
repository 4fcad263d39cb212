/**
 * Whose tokens count, besides those of `deckhand token`: OAuth 2.1 authorization servers. Decides what may be written; nothing is asked
 * here, so that an issuer that is away costs no start. What a token must show is policy/oauth's to say.
 */
import * as z from 'zod';
import { SIGNATURES } from '../core/oauth.ts';
import { SCOPES, type Scope } from '../core/scopes.ts';
import { set } from './setting.ts';

const NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;
/** `value=role`: what stands in a claim (it may hold a `=`, as names of LDAP do), and the role that it gives. */
const MAPPING = /^[^\p{Cc}]{1,200}=[a-z][a-z0-9_-]{0,31}$/u;
const CLAIM = /^[A-Za-z0-9_.:/-]{1,200}$/;

function isIssuer(text: string): boolean {
  if (!URL.canParse(text) || /[\p{Cc}\s]/u.test(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return protocol === 'https:' && !username && !password && !search && !hash;
}

const path = z
  .string()
  .max(4_096)
  .regex(/^\/[^\p{Cc}]*$/u, 'expected the absolute path of a file');

/** What reading needs; a client asks for more when a call does. */
const FIRST: Scope[] = ['system:read', 'docker:read', 'logs:read', 'services:read', 'files:read', 'net:read'];

export const IssuerEntry = z
  .strictObject({
    name: z.string().regex(NAME, 'expected a short name of lower-case letters, digits and dashes'),
    issuer: z.string().max(2_048).refine(isIssuer, 'expected the https URL that stands in its tokens as `iss`'),
    kind: z.enum(['jwt', 'introspection']).default('jwt'),
    /** Accepted in `aud` besides this server's own URI. */
    audience: z.array(z.string().min(1).max(2_048)).max(16).default([]),
    algorithms: z.array(z.enum(SIGNATURES)).min(1).max(20).optional(),
    /** `typ` of the header, in lower case and without `application/`. */
    typ: z
      .array(z.string().regex(/^[a-z0-9.+_-]{1,64}$/, 'expected a type in lower case and without application/'))
      .min(1)
      .max(8)
      .default(['at+jwt']),
    scopeClaim: z.string().regex(CLAIM).default('scope'),
    roleClaim: z.string().regex(CLAIM).optional(),
    roles: z.array(z.string().regex(MAPPING, 'expected value=role')).max(100).default([]),
    /** `claim=value`: each must be there just so. */
    require: z
      .array(z.string().regex(/^[A-Za-z0-9_.:/-]{1,200}=[^\p{Cc}]{1,500}$/u, 'expected claim=value'))
      .max(16)
      .default([]),
    maxAgeMinutes: z.number().int().min(1).max(43_200).default(1_440),
    /** For introspection. */
    clientId: z.string().min(1).max(500).optional(),
    clientSecretFile: path.optional(),
    /** PEM of the authority that its certificate comes from, where the system does not know it. */
    caFile: path.optional(),
  })
  .refine((i) => i.clientSecretFile === undefined || i.clientId !== undefined, {
    path: ['clientId'],
    message: 'expected the id that the secret of `clientSecretFile` belongs to',
  });

export const ISSUERS_EXAMPLE = `- {name: home, issuer: "https://id.example.org", roleClaim: groups, roles: ["admins=admin", "family=viewer"]}
- {name: tailnet, issuer: "https://idp.tail1234.ts.net", kind: introspection, clientId: deckhand, clientSecretFile: /etc/deckhand/idp.secret}`;

export const AuthSettings = z.strictObject({
  resource: set(
    z
      .string()
      .max(2_048)
      .refine((text) => isIssuer(text) && !text.endsWith('/'))
      .nullable()
      .default(null),
    'URI of this server as it stands in `aud` of its tokens.',
    {
      expects: 'an https URL without user, query, fragment or final slash',
      defaultText: '`http.url` with /mcp behind it',
    },
  ),
  issuers: set(
    z
      .array(IssuerEntry)
      .max(16)
      .refine((list) => new Set(list.map((i) => i.name)).size === list.length, 'expected each name once')
      .refine((list) => new Set(list.map((i) => i.issuer)).size === list.length, 'expected each issuer once')
      .refine(
        (list) => list.filter((i) => i.kind === 'introspection').length <= 1,
        'expected one of kind introspection at most: an opaque token does not say whose it is, and is shown to nobody else',
      )
      .default([]),
    'OAuth 2.1 authorization servers whose access tokens are accepted.',
    { expects: 'a list of maps of name, issuer and how its tokens are judged', example: ISSUERS_EXAMPLE },
  ),
  scopes: set(
    z
      .array(z.enum(SCOPES))
      .max(SCOPES.length)
      .default([...FIRST]),
    'Scopes that OAuth clients ask for at first. What a call needs beyond them they are told when they call.',
  ),
});
