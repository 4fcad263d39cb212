/**
 * The keys of one issuer. Decides when they are asked for: at the first token, then every ten minutes beside the requests, and for a key
 * that is not there at most once in the cooldown, whatever comes in. An issuer that is away costs nobody whose key is known anything for an
 * hour; then nobody is let in. A key that the issuer has withdrawn ends what was verified with it.
 */
import { type CryptoKey, importJWK, type JWK } from 'jose';
import { OpsError } from '../../core/errors.ts';
import type { Signature } from '../../core/oauth.ts';
import { type Discovery, whyOf } from './discovery.ts';
import { type Around, type Issuer, TIMES } from './ports.ts';

export interface Key {
  jwk: JWK;
  /** The issuer does not have it any more. */
  withdrawn: boolean;
}

/** `away`: milliseconds until asking again makes sense. */
export type Found = { key: Key } | { fault: 'no_key' | 'no_kid' } | { away: number };

export interface Keys {
  find(kid: string | undefined, alg: Signature, issuedAtMs: number): Promise<Found>;
  /** Whether what was verified with it still stands. Never waits; may begin to ask. */
  live(key: Key): boolean;
  crypto(key: Key, alg: Signature): Promise<CryptoKey>;
  /** Asks, unless that was just done; null where all is well. */
  check(): Promise<string | null>;
}

const MOST_KEYS = 100;
const OF: Record<string, { kty: string; crv?: string }> = {
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  Ed25519: { kty: 'OKP', crv: 'Ed25519' },
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  ES512: { kty: 'EC', crv: 'P-521' },
};
const RSA: { kty: string; crv?: string } = { kty: 'RSA' };
/** Of RFC 7518 3.3 and 3.5. */
const LEAST_RSA_BITS = 2_048;

export function createKeys(issuer: Issuer, discovery: Discovery, { ask, now, elapsed, log }: Around): Keys {
  let keys: Key[] = [];
  /** By the clock on the wall, as tokens say when they were made; and by the one that cannot be set. */
  let fetched: { atMs: number; elapsedMs: number } | null = null;
  let triedAtMs = Number.NEGATIVE_INFINITY;
  /** Why the last asking failed. */
  let trouble: string | null = null;
  let refreshing: Promise<void> | null = null;
  const imported = new WeakMap<Key, Map<string, Promise<CryptoKey>>>();

  const ageMs = () => (fetched === null ? Number.POSITIVE_INFINITY : elapsed() - fetched.elapsedMs);
  const waitMs = () => Math.max(0, triedAtMs + (trouble === null ? TIMES.cooldownMs : TIMES.retryMs) - elapsed());

  /** One at a time, and none before its time; whoever comes meanwhile waits for the one under way. */
  function refresh(): Promise<void> {
    if (refreshing === null && waitMs() > 0) return Promise.resolve();
    refreshing ??= fetchKeys().finally(() => {
      refreshing = null;
    });
    return refreshing;
  }

  async function fetchKeys(): Promise<void> {
    triedAtMs = elapsed();
    try {
      const signal = AbortSignal.timeout(TIMES.askMs);
      const metadata = await discovery.get(signal);
      if (metadata.keys === null) throw new OpsError('unavailable', 'Its metadata have no jwks_uri of https.');
      const ca = issuer.caFile === undefined ? {} : { caFile: issuer.caFile };
      const { status, body } = await ask({ url: metadata.keys, named: metadata.named(metadata.keys), signal, ...ca });
      take(status === 200 ? usable(body) : null);
      if (trouble !== null) log.info({ issuer: issuer.name }, 'the issuer answers again');
      trouble = null;
    } catch (thrown) {
      discovery.forget();
      const why = whyOf(thrown);
      if (trouble === null) log.warn({ issuer: issuer.name, why }, 'the keys of an issuer cannot be asked for');
      trouble = why;
    }
  }

  function take(jwks: JWK[] | null): void {
    if (jwks === null) throw new OpsError('unavailable', 'It gives no set of keys where its metadata point.');
    const before = new Map(keys.map((key) => [identity(key.jwk), key]));
    keys = jwks.map((jwk) => before.get(identity(jwk)) ?? { jwk, withdrawn: false });
    const still = new Set(keys);
    for (const key of before.values()) key.withdrawn = !still.has(key);
    fetched = { atMs: now(), elapsedMs: elapsed() };
  }

  function pick(kid: string | undefined, alg: Signature): Key | 'no_key' | 'no_kid' {
    if (kid === undefined && keys.length > 1) return 'no_kid';
    const fits = keys.filter(({ jwk }) => fitsAlg(jwk, alg) && (kid === undefined || jwk.kid === kid));
    // Two that answer to one name: which of them is meant, nobody can say.
    return fits.length === 1 ? (fits[0] as Key) : 'no_key';
  }

  return {
    async find(kid, alg, issuedAtMs) {
      if (ageMs() >= TIMES.keysLastMs) await refresh();
      else if (ageMs() >= TIMES.keysMs) void refresh();
      if (ageMs() >= TIMES.keysLastMs) return { away: waitMs() };
      let found = pick(kid, alg);
      if (found === 'no_key') {
        await refresh();
        found = pick(kid, alg);
      }
      if (typeof found !== 'string') return { key: found };
      if (found === 'no_kid') return { fault: found };
      // Keys that were seen after the token was made would have held its own.
      const newer = issuedAtMs > (fetched as NonNullable<typeof fetched>).atMs;
      return trouble !== null || newer ? { away: waitMs() } : { fault: found };
    },
    live(key) {
      if (ageMs() >= TIMES.keysMs) void refresh();
      return !key.withdrawn && ageMs() < TIMES.keysLastMs;
    },
    async check() {
      await refresh();
      return trouble ?? (keys.length === 0 ? 'It has no key that is fit for signatures.' : null);
    },
    crypto(key, alg) {
      let byAlg = imported.get(key);
      if (!byAlg) {
        byAlg = new Map();
        imported.set(key, byAlg);
      }
      let made = byAlg.get(alg);
      if (!made) {
        const { alg: _, ...bare } = key.jwk;
        made = importJWK({ ...bare, ext: true }, alg) as Promise<CryptoKey>;
        byAlg.set(alg, made);
      }
      return made;
    },
  };
}

/** Null: no set of keys. What is no public key for signatures is passed over, above all one that is no secret any more. */
function usable(body: unknown): JWK[] | null {
  const list = (body as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(list) || list.length > MOST_KEYS) return null;
  return list.filter(isUsable).map(({ kty, crv, n, e, x, y, kid, alg }) =>
    // x5c, x5u and whatever else stands there are not looked at.
    Object.fromEntries(Object.entries({ kty, crv, n, e, x, y, kid, alg }).filter(([, v]) => v !== undefined)),
  );
}

function isUsable(jwk: unknown): jwk is JWK {
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) return false;
  const { kty, n, kid, use, key_ops: ops, d, k, alg } = jwk as Record<string, unknown>;
  if (d !== undefined || k !== undefined || (kid !== undefined && typeof kid !== 'string')) return false;
  if (use !== undefined && use !== 'sig') return false;
  if (ops !== undefined && !(Array.isArray(ops) && ops.includes('verify'))) return false;
  if (alg !== undefined && typeof alg !== 'string') return false;
  return kty === 'RSA' ? bits(n) >= LEAST_RSA_BITS : kty === 'EC' || kty === 'OKP';
}

function bits(n: unknown): number {
  const bytes = typeof n === 'string' ? Buffer.from(n, 'base64url') : Buffer.alloc(0);
  const first = bytes.findIndex((b) => b !== 0);
  return first < 0 ? 0 : (bytes.length - first) * 8 - Math.clz32(bytes[first] as number) + 24;
}

function fitsAlg({ kty, crv, alg: only }: JWK, alg: Signature): boolean {
  const of = OF[alg] ?? RSA;
  return kty === of.kty && (of.crv === undefined || crv === of.crv) && (only === undefined || only === alg);
}

const identity = ({ kty, crv, n, e, x, y, kid, alg }: JWK) => JSON.stringify([kty, crv, n, e, x, y, kid, alg]);
