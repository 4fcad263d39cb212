/**
 * On whose account a request goes before anybody is known, and when a credential is not even looked at. In this order: the request is
 * counted, for its address or, where its credential was verified lately and its principal has a limit of its own, for that principal
 * alone; then, with other instances, what they have counted; then what failed tries of this address cost. Everything but the question to
 * the other instances is synchronous. What a credential is worth is policy's to say; what is answered, http.ts's.
 */
import { hash } from 'node:crypto';
import type { Principal } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import type { Recognised } from '../policy/credentials.ts';
import { bearerOf } from './gate.ts';
import { createFailures, createVerified, TRIES_PER_MINUTE } from './limits_failures.ts';
import type { Shared } from './limits_shared.ts';
import { createWindow, type Taken } from './limits_window.ts';
import { retryAfter, type Visit } from './refusals.ts';

export interface Rated extends Taken {
  of: 'address' | 'principal';
}

export interface Admission {
  /** Counts the request. Null: it may go on. */
  take(visit: Visit): OpsError | null;
  /** Null: look at its credential. */
  hold(visit: Visit): Recognised | null | Promise<Recognised | null>;
  /** What came of looking. */
  told(visit: Visit, found: Recognised): void;
}

export interface AdmissionOptions {
  perMinute: number;
  now(): number;
  /** Requests a minute that a principal has for itself, where the owner's `principals` say so. */
  tier?(principal: Principal): number | undefined;
  /** Absent: this instance counts for itself. */
  shared?: Shared | undefined;
}

export function createAdmission(o: AdmissionOptions): Admission {
  const { now, shared } = o;
  const addresses = createWindow({ perMinute: o.perMinute, now });
  const principals = createWindow({ perMinute: o.perMinute, now });
  const failures = createFailures({ now });
  const verified = createVerified({ now });

  function countElsewhere(visit: Visit, name: string, rated: Rated, among: Shared): void {
    visit.elsewhere = among.take(name, rated.limit).then((found) => {
      if (found) visit.rated = { ...found, of: rated.of };
    });
  }

  function held(visit: Visit): Recognised | null {
    if (visit.rated?.ok === false) return notLooked(tooMany(visit.rated));
    const waitMs = failures.waitMs(visit.key);
    if (waitMs === 0 || !visit.credential || verified.find(visit.credential)) return null;
    return notLooked(
      new OpsError('limit', 'Too many failed tries from this address: no credential of it is looked at for a while.', {
        hint: 'Wait, then send one that is good. Each failure from here on doubles the time.',
        retryAfterMs: waitMs,
      }),
    );
  }

  return {
    take(visit) {
      const account = visit.credential && verified.tiers() ? verified.find(visit.credential) : undefined;
      const own = account?.perMinute;
      const rated: Rated =
        account && own !== undefined
          ? { ...principals.take(account.principal, own), of: 'principal' }
          : { ...addresses.take(visit.key), of: 'address' };
      visit.rated = rated;
      if (!rated.ok) return tooMany(rated);
      if (shared) countElsewhere(visit, `${rated.of}:${account?.principal ?? visit.key}`, rated, shared);
      return null;
    },
    hold: (visit) => (visit.elsewhere ? visit.elsewhere.then(() => held(visit)) : held(visit)),
    told(visit, found) {
      const { credential, key } = visit;
      if (!credential) return;
      if ('principal' in found) {
        const { id, expiresAtMs } = found.principal;
        verified.note(credential, { principal: id, perMinute: o.tier?.(found.principal) }, expiresAtMs);
        return;
      }
      if (!found.sent || (found.status !== 401 && found.status !== 400)) return;
      verified.forget(credential);
      failures.failed(key);
      // Nobody waits for this: the next failure here is refused at once, if there were too many elsewhere.
      void shared?.take(`failed:${key}`, TRIES_PER_MINUTE - 1).then((all) => {
        if (all?.ok === false) failures.block(key);
      });
    },
  };
}

/** Under which name a credential is remembered: never itself. Behind the socket of the tailnet the address is one. */
export function credentialOf(
  visit: Pick<Visit, 'listener' | 'address'>,
  authorization: string | undefined,
): Pick<Visit, 'credential' | 'hashed'> {
  const bearer = bearerOf(authorization);
  if (bearer) return { credential: hash('sha256', bearer), hashed: bearer };
  // Also what is malformed counts as one.
  if (authorization !== undefined) return { credential: hash('sha256', authorization) };
  return { credential: visit.listener === 'tailnet' ? `tailnet:${visit.address}` : null };
}

const notLooked = (refused: OpsError): Recognised => ({ refused, status: 429, sent: true });

const tooMany = ({ of, resetMs }: Rated) =>
  new OpsError('limit', `Too many requests ${of === 'address' ? 'from this address' : 'of this principal'}.`, {
    hint:
      of === 'address'
        ? 'Wait, or raise `http.requestsPerMinutePerAddress`; `requestsPerMinute` in `principals` gives one of them a limit of its own.'
        : 'Wait, or raise its `requestsPerMinute` in `principals`.',
    retryAfterMs: resetMs,
  });

/** RateLimit fields for HTTP (draft-ietf-httpapi-ratelimit-headers): names and values in turns, as node:http takes them. */
export function rateFields(visit: Visit): string[] {
  const { rated } = visit;
  if (!rated) return [];
  const { of, limit, left, resetMs } = rated;
  const reset = Math.max(1, Math.ceil(resetMs / 1_000));
  return ['ratelimit-policy', `"${of}";q=${limit};w=60`, 'ratelimit', `"${of}";r=${left};t=${reset}`];
}

/** Of an answer that says 429. */
export const rateHeaders = (visit: Visit, error: OpsError): Record<string, string> => {
  const out = retryAfter(error.details.retryAfterMs);
  const fields = rateFields(visit);
  for (let i = 0; i < fields.length; i += 2) out[fields[i] as string] = fields[i + 1] as string;
  return out;
};
