/**
 * How much of the network one principal may touch: probes a minute, counted over all processes, and different addresses and ports an
 * hour, so that a probe is no scanner. Decides only the counting; where a probe may go is insight/probe_rules.ts's.
 */
import { OpsError } from '../core/errors.ts';
import type { Probing } from '../core/probe.ts';
import type { Clock } from './ports.ts';
import type { Reserve } from './rate.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Different ports of one address within the hour: who looks for one service needs few. */
const PORTS_EACH = 16;
const MAX_PRINCIPALS = 1_000;

interface Seen {
  hour: number;
  ports: Map<string, Set<number>>;
}

export interface ProbeLimits {
  perMinute: number;
  addressesPerHour: number;
}

export function createProbing(o: ProbeLimits & { reserve: Reserve; clock: Clock }): (principal: string) => Probing {
  const seen = new Map<string, Seen>();

  function of(principal: string, now: number): Seen {
    const hour = Math.floor(now / HOUR_MS);
    let s = seen.get(principal);
    if (!s || s.hour !== hour) {
      if (seen.size >= MAX_PRINCIPALS) seen.clear();
      s = { hour, ports: new Map() };
      seen.set(principal, s);
    }
    return s;
  }

  return (principal) => ({
    spend(address, port) {
      const now = o.clock.now();
      const { ports } = of(principal, now);
      const known = ports.get(address);
      if (known && !known.has(port) && known.size >= PORTS_EACH)
        throw tooMany(`${PORTS_EACH} ports of ${address} have been probed in this hour`, HOUR_MS - (now % HOUR_MS));
      if (!granted(`probes:${principal}`, MINUTE_MS, o.perMinute, now))
        throw tooMany(`${o.perMinute} probes have been made in this minute`, MINUTE_MS - (now % MINUTE_MS));
      // Each process keeps its own list of addresses; how many there may be is counted once for all.
      if (
        !known &&
        (ports.size >= o.addressesPerHour || !granted(`probed:${principal}`, HOUR_MS, o.addressesPerHour, now))
      )
        throw tooMany(`${o.addressesPerHour} addresses have been probed in this hour`, HOUR_MS - (now % HOUR_MS));
      if (known) known.add(port);
      else ports.set(address, new Set([port]));
    },
  });

  /** Probes are few: each is counted in the store, and only there. No store, no probe. */
  function granted(key: string, windowMs: number, max: number, now: number): boolean {
    return (o.reserve(key, 1, windowMs, max, now) ?? 0) > 0;
  }
}

const tooMany = (what: string, retryAfterMs: number) =>
  new OpsError('limit', `${what[0]?.toUpperCase()}${what.slice(1)}.`, {
    hint: 'That is the most (`net.probesPerMinute`, `net.addressesPerHour`): ask for what matters first.',
    retryAfterMs: Math.ceil(retryAfterMs),
  });
