/**
 * Issuers of a test's own: keys that were made for it, tokens signed by hand (no library stands between a test and a token that no
 * library would make), and a network that is a function.
 */
import { createHmac, generateKeyPairSync, type KeyObject, constants as rsa, sign } from 'node:crypto';
import { OpsError } from '../../src/core/errors.ts';
import { type AskJson, type JsonAsk, SIGNATURES } from '../../src/core/oauth.ts';
import { createOAuth, type OAuth } from '../../src/policy/oauth/index.ts';
import type { Issuer } from '../../src/policy/oauth/ports.ts';

export const RESOURCE = 'https://deck.example.org/mcp';
export const HOME = 'https://id.example.org/tenant';
/** One key, and tokens of the type `JWT`. */
export const SOLO = 'https://solo.example.org';
/** ES256 alone, a second audience, and claims that must be there. */
export const STRICT = 'https://strict.example.org/';

export const START_MS = 1_800_000_000_000;
export const START_S = START_MS / 1_000;

export interface Pair {
  public: KeyObject;
  private: KeyObject;
}
const pair = (made: { publicKey: KeyObject; privateKey: KeyObject }): Pair => ({
  public: made.publicKey,
  private: made.privateKey,
});
export const makeEc = (namedCurve = 'P-256') => pair(generateKeyPairSync('ec', { namedCurve }));
export const makeRsa = (modulusLength = 2_048) => pair(generateKeyPairSync('rsa', { modulusLength }));

export const KEYS = {
  ec: makeEc(),
  ec384: makeEc('P-384'),
  ec512: makeEc('P-521'),
  ed: pair(generateKeyPairSync('ed25519')),
  rsa: makeRsa(),
  weak: makeRsa(1_024),
  /** Of nobody's set. */
  stranger: makeEc(),
  solo: makeEc(),
  strict: makeEc(),
};
export type KeyName = keyof typeof KEYS;

export const publicJwk = (name: KeyName, more: object = {}) => ({
  ...KEYS[name].public.export({ format: 'jwk' }),
  ...more,
});

export const HOME_KEYS = [
  publicJwk('ec', { kid: 'ec', use: 'sig' }),
  publicJwk('ec384', { kid: 'ec384' }),
  publicJwk('ec512', { kid: 'ec512', key_ops: ['verify'] }),
  publicJwk('ed', { kid: 'ed', use: 'sig' }),
  publicJwk('rsa', { kid: 'rsa' }),
  publicJwk('rsa', { kid: 'rs256-only', alg: 'RS256' }),
  publicJwk('weak', { kid: 'weak' }),
  publicJwk('ec', { kid: 'for-encryption', use: 'enc' }),
  publicJwk('ec', { kid: 'to-sign', key_ops: ['sign'] }),
  publicJwk('stranger', { kid: 'twice' }),
  publicJwk('ec', { kid: 'twice' }),
  { ...KEYS.ec.private.export({ format: 'jwk' }), kid: 'published' },
  { kty: 'oct', k: Buffer.from('a secret that is none').toString('base64url'), kid: 'oct' },
];

const PSS = { padding: rsa.RSA_PKCS1_PSS_PADDING, saltLength: rsa.RSA_PSS_SALTLEN_DIGEST };

/** As the algorithm is written; `none` and what nobody knows is signed as ES256 is. */
export function signature(alg: unknown, data: string, key: KeyName, secret?: string): Buffer {
  const bytes = Buffer.from(data);
  const bits = String(alg).slice(-3);
  const hash = /^(256|384|512)$/.test(bits) ? `sha${bits}` : 'sha256';
  const by = KEYS[key].private;
  if (secret !== undefined) return createHmac(hash, secret).update(bytes).digest();
  if (by.asymmetricKeyType === 'ed25519') return sign(null, bytes, by);
  if (by.asymmetricKeyType === 'rsa')
    return sign(hash, bytes, { key: by, ...(String(alg).startsWith('PS') ? PSS : {}) });
  return sign(hash, bytes, { key: by, dsaEncoding: 'ieee-p1363' });
}

export interface Spec {
  /** Put over those of a good token; undefined takes one away. */
  header?: Record<string, unknown> | undefined;
  claims?: Record<string, unknown> | undefined;
  key?: KeyName;
  /** For an algorithm with a shared secret. */
  secret?: string;
  /** The texts before they are encoded, and the encoded ones before they are signed. */
  headerText?: (text: string) => string | Buffer;
  claimsText?: (text: string) => string | Buffer;
  encoded?: (header: string, claims: string) => [string, string];
  /** Instead of the signature. */
  signed?: (signature: Buffer, data: string) => Buffer | string;
  token?: (token: string) => string;
}

const b64 = (bytes: string | Buffer) => Buffer.from(bytes).toString('base64url');

/** A token of `home` that is good at START, but for what `spec` says. */
export function tokenOf(spec: Spec = {}, nowS = START_S): string {
  const key = spec.key ?? 'ec';
  const header = { alg: 'ES256', typ: 'at+jwt', kid: key, ...spec.header };
  const claims = {
    iss: HOME,
    sub: 'alice',
    aud: RESOURCE,
    exp: nowS + 600,
    iat: nowS - 10,
    jti: 'a-jti',
    client_id: 'a-client',
    scope: 'openid system:read docker:write',
    ...spec.claims,
  };
  const pieces: [string, string] = [
    b64((spec.headerText ?? String)(JSON.stringify(header))),
    b64((spec.claimsText ?? String)(JSON.stringify(claims))),
  ];
  const [h, c] = spec.encoded?.(...pieces) ?? pieces;
  const data = `${h}.${c}`;
  const made = signature(header.alg, data, key, spec.secret);
  const signed = spec.signed?.(made, data) ?? made;
  const token = `${data}.${typeof signed === 'string' ? signed : b64(signed)}`;
  return spec.token?.(token) ?? token;
}

export const ofSolo = (claims: Spec['claims'] = {}, header: Spec['header'] = {}): Spec => ({
  key: 'solo',
  header: { typ: 'JWT', kid: undefined, ...header },
  claims: { iss: SOLO, ...claims },
});
export const ofStrict = (claims: Spec['claims'] = {}, header: Spec['header'] = {}): Spec => ({
  key: 'strict',
  header,
  claims: { iss: STRICT, email_verified: true, amr: ['pwd', 'mfa'], org: { unit: 'ops' }, ...claims },
});

const common = {
  kind: 'jwt',
  algorithms: SIGNATURES,
  typ: ['at+jwt'],
  scopeClaim: 'scope',
  roles: [],
  require: [],
} as const;
export const ISSUERS: Issuer[] = [
  { ...common, name: 'home', issuer: HOME, audience: [RESOURCE], maxAgeS: 86_400 },
  { ...common, name: 'solo', issuer: SOLO, audience: [RESOURCE], maxAgeS: 86_400, typ: ['at+jwt', 'jwt'] },
  {
    ...common,
    name: 'strict',
    issuer: STRICT,
    audience: [RESOURCE, 'api://deckhand'],
    algorithms: ['ES256'],
    require: [
      ['email_verified', 'true'],
      ['amr', 'mfa'],
      ['org.unit', 'ops'],
    ],
    maxAgeS: 3_600,
  },
];

export interface World {
  oauth: OAuth;
  /** Wall clock and the other one go together, unless `skewMs` is set. */
  at: { ms: number; skewMs: number };
  /** Each question to an issuer. */
  asked: JsonAsk[];
  /** What stands behind a URL; a function is asked, an Error is thrown. */
  pages: Map<string, unknown>;
  said: { level: string; fields: Record<string, unknown>; message: string }[];
}

export const METADATA = {
  [HOME]: 'https://id.example.org/.well-known/oauth-authorization-server/tenant',
  [SOLO]: 'https://solo.example.org/.well-known/oauth-authorization-server',
  [STRICT]: 'https://strict.example.org/.well-known/oauth-authorization-server',
};
export const JWKS = (issuer: string) => `${new URL(issuer).origin}/jwks`;
export const DOWN = new OpsError('unavailable', 'It does not answer.');

export function world(issuers: readonly Issuer[] = ISSUERS): World {
  const pages = new Map<string, unknown>();
  for (const [issuer, url] of Object.entries(METADATA)) {
    pages.set(url, { issuer, jwks_uri: JWKS(issuer) });
    pages.set(JWKS(issuer), { keys: [] });
  }
  pages.set(JWKS(HOME), { keys: HOME_KEYS });
  pages.set(JWKS(SOLO), { keys: [publicJwk('solo')] });
  pages.set(JWKS(STRICT), { keys: [publicJwk('strict', { kid: 'strict' }), publicJwk('rsa', { kid: 'rsa' })] });
  const asked: JsonAsk[] = [];
  const at = { ms: START_MS, skewMs: 0 };
  const ask: AskJson = async (question) => {
    asked.push(question);
    const page = pages.get(question.url);
    const body = typeof page === 'function' ? await page(question) : page;
    if (body instanceof Error) throw body;
    if (typeof body === 'number') return { status: body, body: null };
    return body === undefined ? { status: 404, body: null } : { status: 200, body };
  };
  const said: World['said'] = [];
  const line = (level: string) => (fields: object, message: string) =>
    void said.push({ level, fields: { ...fields }, message });
  const log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  const oauth = createOAuth(issuers, { ask, now: () => at.ms + at.skewMs, elapsed: () => at.ms, log });
  return { oauth, at, asked, pages, said };
}

/** `ok ID`, or the status and the sentence of the refusal. */
export async function judged(w: Pick<World, 'oauth'>, token: string): Promise<string> {
  const found = await w.oauth.recognise(token);
  return 'principal' in found ? `ok ${found.principal.id}` : `${found.status} ${found.refused.message}`;
}
