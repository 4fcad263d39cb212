/** What the rules of OAuth need from the rest of the house. Types and the figures that docs/auth.md names. */
import type { Log } from '../../core/call.ts';
import type { AskJson, Signature } from '../../core/oauth.ts';

/** An entry of `auth.issuers`, ready to be asked. */
export interface Issuer {
  name: string;
  /** Exactly as it stands in `iss`. */
  issuer: string;
  kind: 'jwt' | 'introspection';
  /** All that may stand in `aud`: this server's own URI first. */
  audience: readonly string[];
  algorithms: readonly Signature[];
  typ: readonly string[];
  scopeClaim: string;
  roleClaim?: string;
  /** What stands in the claim, and the role it gives. */
  roles: readonly (readonly [value: string, role: string])[];
  require: readonly (readonly [claim: string, value: string])[];
  maxAgeS: number;
  client?: { id: string; secretFile?: string };
  caFile?: string;
}

export interface Around {
  ask: AskJson;
  /** Wall clock, ms: what the times in tokens are held against. */
  now(): number;
  /** Monotonic, ms: how long something is ago, whoever sets the clock. */
  elapsed(): number;
  log: Log;
}

export const TIMES = {
  /** Between two clocks that both are right. */
  toleranceS: 30,
  /** All that one asking may take together: up to four questions of which each has its own bound. */
  askMs: 10_000,
  /** Metadata and keys count as new for so long; then they are asked for anew, beside the requests. */
  metadataMs: 3_600_000,
  keysMs: 600_000,
  /** An issuer that is away: its keys serve on for so long since they were last seen. */
  keysLastMs: 3_600_000,
  /** Between two askings for a key that is not there, and after one that failed. */
  cooldownMs: 30_000,
  retryMs: 5_000,
  /** What an issuer said of an opaque token counts for so long; of a bad one, too. */
  activeMs: 30_000,
  inactiveMs: 10_000,
  /** A call under way is let go on with what was last said of its token, while it is asked anew. */
  activeLastMs: 90_000,
} as const;
