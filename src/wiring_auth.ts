/**
 * The wiring of who somebody is, for a server of HTTP: settings become issuers that can be asked. Beside app.ts because nothing of it is
 * loaded over stdio, nor where no issuer is named. Decides what an entry of `auth.issuers` means, and that issuers without an https URI of
 * this server are a mistake: their tokens would name nobody.
 */
import type { Loaded } from './config/load.ts';
import type { Log, Principal } from './core/call.ts';
import { OpsError } from './core/errors.ts';
import { nearest } from './core/nearest.ts';
import { canonicalUri, SIGNATURES } from './core/oauth.ts';
import { ROLES } from './core/scopes.ts';
import { createAuthenticate } from './policy/authenticate.ts';
import type { Authenticate } from './policy/credentials.ts';
import type { OAuth } from './policy/oauth/index.ts';
import type { Issuer } from './policy/oauth/ports.ts';
import type { Clock } from './policy/ports.ts';
import type { Tailnet } from './wiring_tailnet.ts';

type Config = Loaded['config'];

export interface Auth {
  authenticate: Authenticate;
  /** What OAuth clients are told of this server; null where no issuer is named. */
  resource: { uri: string; issuers: string[]; scopes: string[] } | null;
  /** Null where no socket is set for it. */
  tailnet: Omit<Tailnet, 'authenticate'> | null;
  /** For the doctor: each issuer, and what is wrong with it. */
  check: OAuth['check'];
}

export async function openAuth(o: {
  config: Pick<Config, 'auth' | 'http' | 'tailnet' | 'roles'>;
  find(secret: string, digest?: string): Principal | null;
  clock: Pick<Clock, 'now' | 'elapsed'>;
  log: Log;
  /** Something said who it is and is not. */
  forged(request: { address: string | undefined; what: string }): void;
}): Promise<Auth> {
  const { config, find, log } = o;
  const { socket } = config.tailnet;
  const tailnet = socket === null ? null : (await import('./wiring_tailnet.ts')).openTailnet({ ...o, socket });
  if (config.auth.issuers.length === 0)
    return {
      authenticate: createAuthenticate({ find, tailnet: tailnet?.authenticate }),
      resource: null,
      tailnet,
      check: async () => [],
    };
  const uri = resourceOf(config);
  const issuers = issuersOf(config, uri);
  const [{ createOAuth }, { createAskJson }] = await Promise.all([
    import('./policy/oauth/index.ts'),
    import('./host/net/https_json.ts'),
  ]);
  const { recognise, check } = createOAuth(issuers, { ask: createAskJson(), ...o.clock, log });
  return {
    authenticate: createAuthenticate({ find, oauth: recognise, tailnet: tailnet?.authenticate }),
    resource: { uri, issuers: issuers.map((i) => i.issuer), scopes: [...config.auth.scopes] },
    tailnet,
    check,
  };
}

function resourceOf({ auth, http }: Pick<Config, 'auth' | 'http'>): string {
  const uri = canonicalUri(auth.resource ?? (http.url === null ? '' : `${http.url}/mcp`));
  if (uri !== null) return uri;
  throw new OpsError(
    'validation',
    '`auth.issuers` is set, and this server has no https URI that their tokens could name.',
    {
      hint: 'Set `http.url` to the https URL under which clients reach this server, or `auth.resource` to what stands in `aud`.',
    },
  );
}

function issuersOf({ auth, roles }: Pick<Config, 'auth' | 'roles'>, uri: string): Issuer[] {
  const known = [...ROLES, ...roles.map((r) => r.name)] as string[];
  const pairs = (list: readonly string[], at: (text: string) => number) =>
    list.map((text) => [text.slice(0, at(text)), text.slice(at(text) + 1)] as const);
  for (const { name, roles } of auth.issuers)
    for (const [, role] of pairs(roles, (text) => text.lastIndexOf('=')))
      if (!known.includes(role))
        throw new OpsError(
          'validation',
          `auth.issuers: ${name} gives the role ${role}, and there is none of that name.`,
          {
            hint: `Roles are ${known.join(', ')}; \`roles\` makes more.`,
            candidates: nearest(role, known, 3),
          },
        );
  return auth.issuers.map((e) => ({
    name: e.name,
    issuer: e.issuer,
    kind: e.kind,
    audience: [uri, ...e.audience],
    algorithms: e.algorithms ?? SIGNATURES,
    typ: e.typ,
    scopeClaim: e.scopeClaim,
    ...(e.roleClaim === undefined ? {} : { roleClaim: e.roleClaim }),
    roles: pairs(e.roles, (text) => text.lastIndexOf('=')),
    require: pairs(e.require, (text) => text.indexOf('=')),
    maxAgeS: e.maxAgeMinutes * 60,
    ...(e.clientId === undefined
      ? {}
      : {
          client: {
            id: e.clientId,
            ...(e.clientSecretFile === undefined ? {} : { secretFile: e.clientSecretFile }),
          },
        }),
    ...(e.caFile === undefined ? {} : { caFile: e.caFile }),
  }));
}
