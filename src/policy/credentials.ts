/**
 * What a face hands over of a request, and what comes back: who it is, or why it is nobody. Types only. The face reads headers and
 * knows on which listener they came; what they are worth is decided behind `Authenticate` (authenticate.ts, oauth/, tailnet.ts).
 */
import type { Principal } from '../core/call.ts';
import type { OpsError } from '../core/errors.ts';

/** `tailnet`: the Unix socket that only tailscaled reaches. */
export type Listener = 'tcp' | 'tailnet';

export interface Shown {
  listener: Listener;
  /** Of the client, as limits and records see it: the socket's, or what a trusted proxy says. */
  address: string | undefined;
  /** Of `Authorization: Bearer`: undefined, none was sent; null, one that cannot be read (RFC 6750 2.1). */
  bearer: string | null | undefined;
  /** SHA-256 of the bearer, as hex, where the face has it at hand: a client sends the same one with each request. */
  digest?: string;
  /** By lower-case name; one that was sent several times is joined by `, ` as node:http does. */
  header(name: string): string | undefined;
}

export type Recognised =
  | { principal: Principal }
  | {
      refused: OpsError;
      /**
       * 400: malformed; 401: none or no good; 403: known and not wanted; 429: not looked at, there were too many (edge/limits_admission.ts);
       * 503: cannot be told now (an issuer or tailscaled is away).
       */
      status: 400 | 401 | 403 | 429 | 503;
      /** A credential was shown at all: only then a challenge says `invalid_token`, and only then it counts as a failed try. */
      sent: boolean;
    };

/** Synchronous wherever nothing has to be asked of others: the short way of HTTP lives on that. */
export type Authenticate = (shown: Shown) => Recognised | Promise<Recognised>;
