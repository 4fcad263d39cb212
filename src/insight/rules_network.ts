/** Findings about network interfaces. Whether a link that is down should be up is nothing we can know. */
import { bytes, percent } from '../core/text.ts';
import type { RateFacts } from './facts.ts';
import { hitOf, type Rule, rule, STEADY_MS } from './facts.ts';

const DETAIL = 'system_metrics {"groups":["networks"],"sample_ms":5000}';
const steady = (facts: RateFacts, windowMs: number) =>
  facts.rates.windowMs >= windowMs ? (facts.rates.networks.value ?? []) : [];
const packets = (n: { rxPacketsPerSecond: number | null; txPacketsPerSecond: number | null }) =>
  (n.rxPacketsPerSecond ?? 0) + (n.txPacketsPerSecond ?? 0);

export const NETWORK: Rule<RateFacts>[] = [
  rule({
    id: 'network_errors',
    severity: 'medium',
    title: 'Network errors',
    limits: { perSecond: 1, percent: 0.1, windowMs: STEADY_MS },
    when: (l) =>
      `${l.perSecond} or more errors a second, and ${l.percent} % or more of the packets, over ${l.windowMs} ms`,
    sentence: 'An interface sees faulty packets: cable, port, duplex or driver.',
    next: 'ip -s -s link show dev {INTERFACE}',
    test: (facts: RateFacts, l) =>
      hitOf(
        steady(facts, l.windowMs)
          .filter(
            (n) => (n.errorsPerSecond ?? 0) >= l.perSecond && 100 * (n.errorsPerSecond ?? 0) >= l.percent * packets(n),
          )
          .map((n) => ({ evidence: `${n.name} ${Math.round(n.errorsPerSecond ?? 0)} errors/s`, subject: n.name })),
      ),
  }),
  rule({
    id: 'network_drops',
    severity: 'low',
    title: 'Packets dropped',
    limits: { perSecond: 10, percent: 1, windowMs: STEADY_MS },
    when: (l) =>
      `${l.perSecond} or more drops a second, and ${l.percent} % or more of the packets, over ${l.windowMs} ms`,
    sentence: 'An interface drops packets: a slow receiver or a full queue.',
    next: DETAIL,
    test: (facts: RateFacts, l) =>
      hitOf(
        steady(facts, l.windowMs)
          .filter(
            (n) =>
              (n.droppedPerSecond ?? 0) >= l.perSecond && 100 * (n.droppedPerSecond ?? 0) >= l.percent * packets(n),
          )
          .map((n) => ({ evidence: `${n.name} ${Math.round(n.droppedPerSecond ?? 0)} drops/s` })),
      ),
  }),
  rule({
    id: 'interface_saturated',
    severity: 'medium',
    title: 'Network link full',
    limits: { percent: 90, windowMs: STEADY_MS },
    when: (l) => `${l.percent} % or more of the link's speed in one direction over at least ${l.windowMs} ms`,
    sentence: 'A network link carries about all it can.',
    next: DETAIL,
    test: (facts: RateFacts, l) =>
      hitOf(
        steady(facts, l.windowMs).flatMap((n) => {
          const most = Math.max(n.rxBytesPerSecond ?? 0, n.txBytesPerSecond ?? 0);
          const used = n.speedMbit !== null && n.speedMbit > 0 ? (100 * most * 8) / (n.speedMbit * 1e6) : 0;
          return used >= l.percent
            ? [{ evidence: `${n.name} ${bytes(most)}/s, ${percent(used)} of ${n.speedMbit} Mbit/s` }]
            : [];
        }),
      ),
  }),
  rule({
    id: 'interface_slow',
    severity: 'info',
    title: 'Network link slow',
    limits: { speedMbit: 100 },
    when: (l) => `a link that is up runs at ${l.speedMbit} Mbit/s or less`,
    sentence: 'A link runs slowly; where the hardware can do more, cable or port is at fault.',
    next: 'ethtool {INTERFACE}',
    test: (facts: RateFacts, l) =>
      hitOf(
        (facts.snapshot.networks.value ?? [])
          .filter((n) => n.state === 'up' && n.speedMbit !== null && n.speedMbit > 0 && n.speedMbit <= l.speedMbit)
          // tun and tap answer 10 Mbit/s whatever they carry.
          .filter((n) => !/^(tun|tap|veth|docker|br-|virbr|wg|tailscale|fwpr|fwln|vnet)/.test(n.name))
          .map((n) => ({ evidence: `${n.name} ${n.speedMbit} Mbit/s`, subject: n.name })),
      ),
  }),
];
