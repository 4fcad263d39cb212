/**
 * Who may measure the way to this host, how much of it at once, and what is on record of it. Every stream of bytes begins and ends here;
 * bytes themselves are the face's. Kept small on purpose: nothing is stored, and no handle outlives its request.
 */
import type { Principal } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { MEASURE, type MeasureWay } from '../core/measure.ts';
import { holds } from '../core/scopes.ts';
import type { Policy } from './ports.ts';
import { createSlots } from './slots.ts';

/** Of the points of a minute: a stream costs more than any call. */
const POINTS = 20;
/** Two would measure each other; more of several principals are still a bound. */
const AT_ONCE = 2;

export interface MeasureDesk {
  /** Null where it may; else why not. */
  refused(who: Principal): OpsError | null;
  /** One stream. Throws `limit`; what it gives is called once, at its end. */
  begin(who: Principal, asked: MeasureAsked): (outcome: string, bytes: number) => void;
}

export interface MeasureAsked {
  id: string;
  address?: string | undefined;
  way: MeasureWay;
  mostBytes: number;
  seconds: number;
}

export function createMeasures(on: boolean, p: Pick<Policy, 'access' | 'clock' | 'rate' | 'audit'>): MeasureDesk {
  const slots = createSlots({ inAll: AT_ONCE, perPrincipal: 1 });
  return {
    refused(who) {
      if (!holds(who.scopes, 'net:read'))
        return new OpsError('permission', 'Measuring needs the scope net:read.', {
          hint: 'On the host, `deckhand token add NAME --role viewer` makes a token that has it.',
        });
      // It moves what that tool moves: who may not use the one may not ask for the other.
      if (!p.access.handle(who, 'net_bandwidth', { scopes: ['net:read'], targets: [] }))
        return new OpsError('permission', 'The policy of this host’s owner does not let you measure.', {
          hint: 'Ask the owner of this host.',
        });
      if (!on)
        return new OpsError('not_found', 'This Deckhand does not serve measurements.', {
          hint: 'Its owner may set `net.measure: true`.',
        });
      return null;
    },

    begin(who, { id, address, way, mostBytes, seconds }) {
      if (mostBytes > MEASURE.mostBytes || seconds > MEASURE.mostSeconds)
        throw new OpsError('validation', 'That is more than is measured at once.', {
          hint: `At most ${MEASURE.mostBytes} bytes and ${MEASURE.mostSeconds} seconds each way.`,
        });
      const slot = slots.enter(who.id);
      if (!slot)
        throw new OpsError('limit', 'Another measurement is under way.', {
          hint: 'Try again when it has ended.',
          retryAfterMs: 1_000,
        });
      const waitMs = p.rate.take(who.id, POINTS, p.access.limits(who).callsPerMinute);
      if (waitMs !== null) {
        slot[Symbol.dispose]();
        throw new OpsError('limit', 'Too many calls.', {
          hint: 'Wait, then try again.',
          retryAfterMs: Math.ceil(waitMs),
        });
      }
      const facts = { call: id, face: 'mcp-http', who: who.id, address, way, mostBytes, seconds };
      const started = p.clock.elapsed();
      try {
        p.audit.append('measure', { ...facts, state: 'begin' });
      } catch (thrown) {
        slot[Symbol.dispose]();
        throw thrown;
      }
      return (outcome, bytes) => {
        slot[Symbol.dispose]();
        const ms = Math.round(p.clock.elapsed() - started);
        p.audit.append('measure', { ...facts, state: 'end', outcome, bytes, ms });
      };
    },
  };
}
