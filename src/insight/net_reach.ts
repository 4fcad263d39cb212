/**
 * Does a packet from outside reach a listening port? A walk through the rules as the kernel makes it, with three answers instead of two:
 * what a rule asks that is not known here (the sender, a limit, a match of some module) makes it "depends". Pure.
 *
 * Simple on purpose: a first packet of a connection, from an interface that is not loopback. What a cloud provider or a router filters
 * before this host is not to be seen from here.
 */
import { holdsIp, parseIp, parsePrefix } from '../core/ip.ts';
import type { Firewall, FirewallChain, FirewallRule, Match } from '../core/net.ts';

/** forwarded: rewritten before the input rules are asked, as a container's published port is. */
export const REACHES = ['open', 'closed', 'depends', 'forwarded'] as const;
export type Reaches = (typeof REACHES)[number];

export interface Packet {
  family: 4 | 6;
  protocol: 'tcp' | 'udp';
  port: number;
  /** Null: some address of ours. */
  destination: string | null;
  /** Null: one that is not loopback. */
  device: string | null;
}

type Outcome = 'accept' | 'drop' | 'fall' | 'translate';
const MAX_DEPTH = 24;
/** Rules looked at for one packet: a jump in each rule of a chain that jumps back would never end. */
const MAX_STEPS = 20_000;

export function reaches(firewall: Firewall, packet: Packet): Reaches {
  const translated = hooked(firewall, packet, 'prerouting', 'nat').some((chain) =>
    outcomesOf(firewall, chain, packet).has('translate'),
  );
  return translated ? 'forwarded' : pastInput(firewall, packet);
}

/** The same for a program of this host, whatever is rewritten before: what its owner meant to let in. */
export function pastInput(firewall: Firewall, packet: Packet): Exclude<Reaches, 'forwarded'> {
  let sure = true;
  for (const hook of ['prerouting', 'input'])
    for (const chain of hooked(firewall, packet, hook, 'filter')) {
      const ends = outcomesOf(firewall, chain, packet);
      const passes = ends.has('accept') || (ends.has('fall') && chain.policy !== 'drop');
      const stops = ends.has('drop') || (ends.has('fall') && chain.policy === 'drop');
      if (!passes) return 'closed';
      if (stops) sure = false;
    }
  return sure ? 'open' : 'depends';
}

/** A port that nobody has a rule for is open: then nothing filters what comes in. */
export const filtersNothing = (firewall: Firewall, family: 4 | 6, device: string | null): boolean =>
  (['tcp', 'udp'] as const).every(
    (protocol) => reaches(firewall, { family, protocol, port: 47_113, destination: null, device }) === 'open',
  );

function hooked(firewall: Firewall, packet: Packet, hook: string, type: 'filter' | 'nat'): FirewallChain[] {
  return firewall.chains
    .filter((c) => c.hook === hook && (c.type ?? 'filter') === type)
    .filter((c) => c.family === 'inet' || c.family === (packet.family === 4 ? 'ip' : 'ip6'))
    .toSorted((a, b) => a.priority - b.priority);
}

function outcomesOf(firewall: Firewall, base: FirewallChain, packet: Packet): Set<Outcome> {
  const byName = new Map(
    firewall.chains.filter((c) => c.family === base.family && c.table === base.table).map((c) => [c.name, c]),
  );
  let steps = 0;
  const walk = (chain: FirewallChain, depth: number): Set<Outcome> => {
    const found = new Set<Outcome>();
    for (const rule of chain.rules) {
      if (++steps > MAX_STEPS || depth > MAX_DEPTH) return found.add('accept').add('drop').add('fall');
      const is = matches(rule, packet);
      if (is === false) continue;
      const { verdict } = rule;
      if (verdict.kind === 'continue') continue;
      if (verdict.kind === 'accept' || verdict.kind === 'drop') found.add(verdict.kind);
      else if (verdict.kind === 'translate') found.add('translate');
      else if (verdict.kind === 'return') found.add('fall');
      else if ('chain' in verdict) {
        const target = byName.get(verdict.chain);
        const below = target ? walk(target, depth + 1) : new Set<Outcome>(['accept', 'drop', 'fall']);
        for (const end of below) if (end !== 'fall' || verdict.kind === 'goto') found.add(end);
        // A jump comes back where nothing decided.
        if (below.has('fall') && verdict.kind === 'jump') continue;
      }
      if (is === true) return found;
    }
    return found.add('fall');
  };
  return walk(base, 0);
}

type Maybe = boolean | null;

/** Null: it may. One condition that fails is enough for "no". */
function matches(rule: FirewallRule, p: Packet): Maybe {
  const answers: Maybe[] = [
    asks(rule.families, (f) => f === p.family),
    asks(rule.protocols, (name) => name === p.protocol || name === 'all' || name === 'ip'),
    asks(rule.ports, ([from, to]) => p.port >= from && p.port <= to),
    asks(rule.states, (s) => s === 'new'),
    asks(rule.devices, (pattern) => onDevice(pattern, p.device)),
    asks(rule.destinations, (prefix) => isWithin(prefix, p.destination)),
    asks(rule.sources, fromSource),
    rule.other ? null : true,
  ];
  if (answers.includes(false)) return false;
  return answers.includes(null) ? null : true;
}

function asks<T>(match: Match<T> | undefined, is: (value: T) => Maybe): Maybe {
  if (!match) return true;
  const each = match.of.map(is);
  const any = each.includes(true) ? true : each.includes(null) ? null : false;
  return any === null ? null : any !== match.not;
}

function onDevice(pattern: string, device: string | null): Maybe {
  if (pattern === 'lo') return false;
  if (device === null) return pattern === '*' ? true : null;
  return pattern.endsWith('*') ? device.startsWith(pattern.slice(0, -1)) : device === pattern;
}

const EVERYBODY = new Set(['0.0.0.0/0', '::/0']);

/** Senders are not known, but none outside comes from loopback. */
function fromSource(prefix: string): Maybe {
  if (EVERYBODY.has(prefix)) return true;
  return /^(?:127\.|::1(?:\/|$))/.test(prefix) ? false : null;
}

function isWithin(prefix: string, destination: string | null): Maybe {
  if (EVERYBODY.has(prefix)) return true;
  const range = parsePrefix(prefix);
  if (range === null) return null;
  if (destination === null) return /^(?:127\.|::1(?:\/|$))/.test(prefix) ? false : null;
  const ip = parseIp(destination);
  return ip === null ? null : holdsIp(range, ip);
}
