/**
 * What failed tries cost, and who is spared that. After ten failures of one address in a minute the next credential from there is not
 * even looked at for a second, and with each failure after that for twice as long, up to five minutes. No success takes any of it
 * back: one who guesses cannot buy himself free with a token of his own. Who else stands behind the same address is spared by what was
 * verified lately: a credential, known by its hash, that was good a short while ago. Being in there grants nothing (it is verified
 * again each time); it only says on whose account a request goes.
 */
import { createWindow } from './limits_window.ts';

export const TRIES_PER_MINUTE = 10;
const FIRST_MS = 1_000;
const LONGEST_MS = 300_000;
/** So long after its last block without another failure an address begins anew. */
const FORGOTTEN_MS = 600_000;
const MOST_ADDRESSES = 10_000;

export interface Failures {
  /** How long no credential of this address is looked at; 0: it is. */
  waitMs(key: string): number;
  failed(key: string): void;
  /** It has used its tries up elsewhere. */
  block(key: string): void;
  size(): number;
}

export function createFailures(o: { now(): number; most?: number }): Failures {
  const most = o.most ?? MOST_ADDRESSES;
  const tries = createWindow({ perMinute: TRIES_PER_MINUTE - 1, now: o.now, most });
  const blocked = new Map<string, { until: number; lastMs: number }>();

  function standing(key: string) {
    const found = blocked.get(key);
    if (!found || o.now() < found.until + FORGOTTEN_MS) return found;
    blocked.delete(key);
    return undefined;
  }

  function block(key: string): void {
    const before = standing(key);
    // What was already on its way when the block began is no further try.
    if (before && before.until > o.now()) return;
    const lastMs = before ? Math.min(LONGEST_MS, before.lastMs * 2) : FIRST_MS;
    // Who is blocked again is the last to be forgotten.
    blocked.delete(key);
    if (blocked.size >= most) blocked.delete(blocked.keys().next().value as string);
    blocked.set(key, { until: o.now() + lastMs, lastMs });
  }

  return {
    waitMs(key) {
      if (blocked.size === 0) return 0;
      return Math.max(0, (standing(key)?.until ?? 0) - o.now());
    },
    failed(key) {
      if (standing(key) || !tries.take(key).ok) block(key);
    },
    block,
    size: () => blocked.size,
  };
}

export interface Account {
  principal: string;
  /** Requests a minute of its own, where the owner gives it some. */
  perMinute?: number | undefined;
}

export interface Verified {
  find(credential: string): Account | undefined;
  note(credential: string, account: Account, expiresAtMs: number | null): void;
  forget(credential: string): void;
  /** Whether any of them has an account of its own. */
  tiers(): boolean;
  size(): number;
}

const LATELY_MS = 600_000;
const MOST_CREDENTIALS = 10_000;
/** Noting it again sooner would change nothing that matters. */
const AGAIN_MS = 10_000;

export function createVerified(o: { now(): number; most?: number }): Verified {
  const most = o.most ?? MOST_CREDENTIALS;
  const known = new Map<string, Account & { noted: number; until: number }>();
  let tiers = false;
  return {
    find(credential) {
      const found = known.get(credential);
      if (!found) return undefined;
      if (found.until > o.now()) return found;
      known.delete(credential);
      return undefined;
    },
    note(credential, { principal, perMinute }, expiresAtMs) {
      const now = o.now();
      const found = known.get(credential);
      if (found && found.perMinute === perMinute && now - found.noted < AGAIN_MS && now >= found.noted) return;
      known.delete(credential);
      if (known.size >= most) known.delete(known.keys().next().value as string);
      const until = Math.min(now + LATELY_MS, expiresAtMs ?? Number.POSITIVE_INFINITY);
      known.set(credential, { principal, perMinute, noted: now, until });
      if (perMinute !== undefined) tiers = true;
    },
    forget: (credential) => void known.delete(credential),
    tiers: () => tiers,
    size: () => known.size,
  };
}
