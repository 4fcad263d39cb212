/**
 * Tokens that say nothing by themselves: their issuer is asked (RFC 7662). Decides for how long its answer counts, that one token is asked
 * about once at a time, and how many are asked about at once; an issuer that is away lets nobody in whom it has not named just before.
 */
import type { Principal } from '../../core/call.ts';
import { OpsError } from '../../core/errors.ts';
import { claimsFault, principalOf } from './claims.ts';
import { type Discovery, whyOf } from './discovery.ts';
import type { Fault } from './faults.ts';
import type { Judged } from './jwt.ts';
import { type Around, type Issuer, TIMES } from './ports.ts';

/** Addresses are limited before; this bounds what a crowd of them can make us ask at once. */
const MOST_ASKED = 16;
const MOST_REFUSED = 1_000;
/** What cannot be told of a token is told again after so long. */
const BUSY_MS = 1_000;

export interface Introspection {
  judge(token: string, key: string): Promise<Judged>;
  /** Asks about a token that nobody has; null where the issuer says so. */
  check(): Promise<string | null>;
}

/** `unread`: the issuer makes nothing of this one token, and may be well all the same. */
type Said = { claims: Record<string, unknown> } | { fault: Fault; unread?: number };

export function createIntrospection(
  issuer: Issuer,
  discovery: Discovery,
  { ask, now, elapsed, log }: Around,
): Introspection {
  /** Under way, by the token's digest. */
  const asked = new Map<string, Promise<Judged>>();
  /** Known to be no good, until then. */
  const refused = new Map<string, { fault: Fault; untilMs: number }>();
  let failing = false;
  let triedAtMs = Number.NEGATIVE_INFINITY;

  async function say(token: string): Promise<Said> {
    const signal = AbortSignal.timeout(TIMES.askMs);
    const { introspection: url } = await discovery.get(signal);
    if (url === null)
      throw new OpsError('unavailable', 'Its metadata have no introspection_endpoint at the issuer’s own address.');
    const { client, caFile } = issuer;
    const { status, body } = await ask({
      url,
      named: true,
      form: { token, token_type_hint: 'access_token' },
      signal,
      ...(client ? { client } : {}),
      ...(caFile === undefined ? {} : { caFile }),
    });
    // By RFC 7662 it would say `active: false`. Were it taken for an outage, whoever finds a token that it chokes on could shut all others out.
    if ((status === 400 || status === 413 || status === 422) && !blamesUs(body))
      return { fault: 'inactive', unread: status };
    if (status !== 200 || typeof body !== 'object' || body === null || Array.isArray(body))
      throw new OpsError(
        'unavailable',
        `It answers ${status} when asked about a token: look at clientId and its secret.`,
      );
    const claims = body as Record<string, unknown>;
    const fault = saidFault(claims, issuer, now() / 1_000);
    return fault ? { fault } : { claims };
  }

  async function judge(token: string, key: string): Promise<Judged> {
    const waitMs = triedAtMs + TIMES.retryMs - elapsed();
    if (failing && waitMs > 0) return { away: waitMs };
    try {
      const said = await say(token);
      if (failing) log.info({ issuer: issuer.name }, 'the issuer answers again');
      failing = false;
      if ('fault' in said) {
        if (refused.size >= MOST_REFUSED) refused.delete(refused.keys().next().value as string);
        refused.set(key, { fault: said.fault, untilMs: elapsed() + TIMES.inactiveMs });
        return { fault: said.fault };
      }
      return confirmed(said.claims, token, key);
    } catch (thrown) {
      discovery.forget();
      if (!failing) log.warn({ issuer: issuer.name, why: whyOf(thrown) }, 'an issuer cannot be asked about a token');
      failing = true;
      triedAtMs = elapsed();
      return { away: TIMES.retryMs };
    }
  }

  function once(token: string, key: string): Promise<Judged> {
    const known = refused.get(key);
    if (known && elapsed() < known.untilMs) return Promise.resolve({ fault: known.fault });
    refused.delete(key);
    let work = asked.get(key);
    if (!work) {
      if (asked.size >= MOST_ASKED) return Promise.resolve({ away: BUSY_MS });
      work = judge(token, key).finally(() => asked.delete(key));
      asked.set(key, work);
    }
    return work;
  }

  function confirmed(claims: Record<string, unknown>, token: string, key: string): Judged {
    const expMs = typeof claims.exp === 'number' ? claims.exp * 1_000 : null;
    const saidAtMs = elapsed();
    let confirmedAtMs = saidAtMs;
    let revoked = false;
    let asking = false;
    /** A call that lasts: asked anew beside it, and let go on meanwhile. */
    const valid = () => {
      const ageMs = elapsed() - confirmedAtMs;
      if (!revoked && !asking && ageMs >= TIMES.activeMs) {
        asking = true;
        void once(token, key).then((again) => {
          asking = false;
          revoked = 'fault' in again;
          if ('principal' in again) confirmedAtMs = elapsed();
        });
      }
      return !revoked && ageMs < TIMES.activeLastMs;
    };
    const principal: Principal = principalOf(claims, issuer, {
      fingerprint: key.slice(0, 16),
      expiresAtMs: expMs,
      valid,
    });
    // For new requests only what was said just now counts: scopes may have changed with it.
    const live = () => !revoked && elapsed() - saidAtMs < TIMES.activeMs;
    return { principal, cacheUntilMs: expMs ?? Number.POSITIVE_INFINITY, live };
  }

  return {
    judge: once,
    check: () =>
      say('deckhand-doctor').then(
        (said) => ('unread' in said ? `It answers ${said.unread} when asked about a token that nobody has.` : null),
        (thrown) => whyOf(thrown),
      ),
  };
}

/** RFC 6749 5.2: the client's name or secret is wrong, and that is so for every token. */
const blamesUs = (body: unknown): boolean =>
  /^(invalid_client|unauthorized_client)$/.test(String((body as { error?: unknown } | null)?.error));

/** The issuer has answered over a connection of its own: what is missing of times and names is its business, the audience is ours. */
function saidFault(claims: Record<string, unknown>, issuer: Issuer, nowS: number): Fault | null {
  if (claims.active !== true) return 'inactive';
  const { exp, nbf, iat, iss, token_type: type } = claims;
  const times = [exp, nbf, iat].filter((t) => t !== undefined);
  if (!times.every((t) => typeof t === 'number' && Number.isFinite(t))) return 'types';
  if (exp !== undefined && (exp as number) <= nowS) return 'expired';
  if (nbf !== undefined && (nbf as number) > nowS + TIMES.toleranceS) return 'early';
  if (iat !== undefined && (iat as number) > nowS + TIMES.toleranceS) return 'future';
  if (iat !== undefined && nowS - (iat as number) > issuer.maxAgeS + TIMES.toleranceS) return 'old';
  if (iss !== undefined && iss !== issuer.issuer) return 'issuer';
  if (type !== undefined && !(typeof type === 'string' && /^(bearer|access_token)$/i.test(type))) return 'bound';
  return claimsFault(claims, issuer);
}
