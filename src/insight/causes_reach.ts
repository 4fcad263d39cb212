/**
 * Why something cannot be reached from here, in the order of the way there: name, route, neighbour, port, TLS, HTTP; and for an address of this
 * host, who listens. Pure. A cause is certain where a step says so itself, likely where it is the first that fails and others explain it no better.
 */
import { bytes, duration, percent } from '../core/text.ts';
import { CAUSES_ANSWER } from './causes_reach_answer.ts';
import type { CauseRow } from './diagnose.ts';
import {
  answersPing,
  first,
  LOSSY_PERCENT,
  lossPercent,
  median,
  nextHop,
  open,
  outcome,
  type ReachFacts,
  SLOW_MS,
  SLOW_NAMES_MS,
} from './reach_seen.ts';

export type ReachRow = CauseRow<ReachFacts>;

const DNS = 'net_probe {"kind":"dns","targets":["{HOST}"]}';
const WAY = 'net_probe {"kind":"trace","targets":["{HOST}"]}';
const HERE = 'net_overview {}';

const NAMES: readonly ReachRow[] = [
  {
    id: 'dns_dead',
    when: 'the name cannot be resolved, and none of this host’s name servers answers',
    sentence: 'None of the name servers of this host answers: no name can be resolved.',
    next: HERE,
    test: (f) =>
      f.names.value === null && f.servers.length > 0 && f.servers.every((s) => s.code === null)
        ? { certainty: 'certain', evidence: f.servers.map((s) => `${s.server}: ${s.why}`) }
        : null,
  },
  {
    id: 'name_missing',
    when: 'the name cannot be resolved, and a name server says that there is none',
    sentence: 'There is no such name, or it has no address.',
    next: DNS,
    test(f) {
      if (f.names.value !== null || f.literal) return null;
      const told = f.servers.filter((s) => s.code !== null);
      if (told.length === 0 && f.servers.length > 0) return null;
      return {
        certainty: told.some((s) => s.addresses.length > 0) ? 'possible' : 'certain',
        evidence: [f.names.why, ...told.map((s) => `${s.server}: ${s.code}`)],
      };
    },
  },
  {
    id: 'dns_server_silent',
    when: `one of the name servers says nothing beside one that answers: likely where resolving took ${SLOW_NAMES_MS} ms or failed`,
    sentence: 'One of the name servers of this host is dead: names are found late, or now and then not at all.',
    next: DNS,
    test(f) {
      const dead = f.servers.filter((s) => s.code === null);
      if (dead.length === 0 || dead.length === f.servers.length) return null;
      const late = f.names.value === null || f.names.value.ms >= SLOW_NAMES_MS;
      const took = f.names.value ? [`resolving took ${duration(f.names.value.ms)}`] : [f.names.why];
      return {
        certainty: late || !open(f) ? 'likely' : 'possible',
        evidence: [...dead.map((s) => `${s.server}: ${s.why}`), ...took],
      };
    },
  },
  {
    id: 'dns_differ',
    when: 'name servers of this host name different addresses: likely where the one in use cannot be reached',
    sentence: 'The name servers do not agree on its address: this host may be sent to the wrong one.',
    next: DNS,
    test(f) {
      const told = f.servers.filter((s) => s.code !== null);
      const kinds = new Set(
        told.map((s) => `${s.code === 'NOERROR' ? '' : s.code} ${s.addresses.toSorted().join(' ')}`),
      );
      if (kinds.size < 2) return null;
      return {
        certainty: open(f) ? 'possible' : 'likely',
        evidence: told.map((s) => `${s.server}: ${s.addresses.join(', ') || s.code}`),
      };
    },
  },
  {
    id: 'hosts_override',
    when: 'programs here are given an address that no name server names, so the hosts file or another source says it',
    sentence: 'On this host the name has an address that its name servers do not know: a line of /etc/hosts, mostly.',
    next: 'file_read {"path":"/etc/hosts"}',
    test(f) {
      const named = new Set(f.servers.flatMap((s) => s.addresses));
      const own = f.names.value?.addresses ?? [];
      if (f.literal || named.size === 0 || own.length === 0 || own.some((a) => named.has(a))) return null;
      return {
        certainty: open(f) ? 'possible' : 'likely',
        evidence: [`here: ${own.join(', ')}`, `name servers: ${[...named].join(', ')}`],
      };
    },
  },
];

const WAYS: readonly ReachRow[] = [
  {
    id: 'ipv6_only',
    when: 'it has IPv6 addresses alone, and this host has no way there',
    sentence: 'It is there by IPv6 only, and this host has no IPv6 route.',
    next: HERE,
    test(f) {
      const all = f.names.value?.addresses ?? [];
      if (all.length === 0 || !all.every((a) => a.includes(':')) || f.own) return null;
      const dead = f.routes.value !== null && f.route === null;
      if (!dead && !outcome(f, 'unreachable')) return null;
      return { certainty: 'certain', evidence: [`addresses: ${all.slice(0, 3).join(', ')}`] };
    },
  },
  {
    id: 'no_route',
    when: 'no route leads there, or one that refuses; or the kernel says that the network is unreachable',
    sentence: 'This host has no route to it.',
    next: 'net_overview {"detail":true}',
    test(f) {
      const address = first(f);
      if (address === null || f.own || open(f)) return null;
      if (f.route && f.route.type !== 'unicast')
        return { certainty: 'certain', evidence: [`${f.route.type} ${f.route.to}`] };
      if (f.routes.value !== null && f.route === null)
        return { certainty: 'certain', evidence: [`no route to ${address}`] };
      const no = outcome(f, 'unreachable');
      return no && 'why' in no.is && /NETUNREACH|ADDRNOTAVAIL/.test(no.is.why)
        ? { certainty: 'likely', evidence: [`${no.address}: ${no.is.why}`] }
        : null;
    },
  },
  {
    id: 'link_down',
    when: 'the interface that the route takes is down, or has no carrier',
    sentence: 'The interface towards it is down: a cable, a peer or a switch.',
    next: HERE,
    test(f) {
      const hop = nextHop(f);
      const link = f.links.value?.find((l) => l.name === hop?.device);
      if (!link || open(f) || (link.up !== false && link.carrier !== false)) return null;
      return { certainty: 'certain', evidence: [`${link.name}: ${link.up === false ? 'down' : 'no carrier'}`] };
    },
  },
  {
    id: 'address_duplicate',
    when: 'an address of this host is in use by another one as well (the kernel says so for IPv6), or on two of its interfaces',
    sentence: 'An address of this host is there twice: answers go to the other one.',
    next: HERE,
    test(f) {
      if (f.links.value === null) return null;
      const failed = f.links.value.flatMap((l) =>
        l.addresses
          .filter((a) => a.flags.includes('dadfailed'))
          .map((a) => `${l.name} ${a.address}: in use by another host`),
      );
      const seen = new Map<string, string>();
      const twice = f.links.value.flatMap((l) =>
        l.addresses.flatMap((a) => {
          const other = seen.get(a.address);
          seen.set(a.address, l.name);
          return other !== undefined && other !== l.name && a.scope === 'global'
            ? [`${a.address}: ${other} and ${l.name}`]
            : [];
        }),
      );
      const evidence = [...failed, ...twice];
      return evidence.length > 0 ? { certainty: open(f) ? 'possible' : 'likely', evidence } : null;
    },
  },
  {
    id: 'neighbour_silent',
    when: 'the next hop, or the host itself on this network, does not answer to ARP or neighbour discovery',
    sentence: 'The first machine on the way does not answer.',
    next: HERE,
    test(f) {
      const hop = nextHop(f);
      const at = f.neighbours.value?.find((n) => n.address === hop?.address && n.device === hop?.device);
      if (!hop || open(f) || !at || !/FAILED|INCOMPLETE/.test(at.state)) return null;
      return {
        certainty: 'certain',
        evidence: [`${at.address} on ${at.device}: ${at.state}`],
        sentence: hop.gateway
          ? 'The gateway does not answer: nothing beyond it is reached.'
          : 'It is on this network and does not answer: off, unplugged, or of another address.',
      };
    },
  },
  {
    id: 'lossy',
    when: `${LOSSY_PERCENT} % or more of the pings are lost while others come back, or half of them take ${SLOW_MS} ms`,
    sentence: 'The way there loses packets or is slow.',
    next: WAY,
    test(f) {
      const p = f.ping?.value;
      if (!p || p.received === 0) return null;
      const loss = lossPercent(p);
      const half = median(p.ms);
      if (loss < LOSSY_PERCENT && (half === null || half < SLOW_MS)) return null;
      return {
        certainty: loss >= 2 * LOSSY_PERCENT || !open(f) ? 'likely' : 'possible',
        evidence: [`${percent(loss)} of ${p.sent} pings lost`, `median ${half === null ? '?' : duration(half)}`],
      };
    },
  },
];

const PORTS: readonly ReachRow[] = [
  {
    id: 'nobody_listens',
    when: 'it is this host, and nobody listens on the port',
    sentence: 'It is this host itself, and nobody listens on that port.',
    next: 'net_overview {"detail":true}',
    test: (f) => (f.own && f.listeners?.length === 0 ? { certainty: 'certain', evidence: [`port ${f.port}`] } : null),
  },
  {
    id: 'listener_wrong_address',
    when: 'it is this host, and who has the port listens on other addresses only (loopback, mostly)',
    sentence: 'It is this host itself, and the service listens on another address only.',
    next: 'net_overview {"detail":true}',
    test(f) {
      const to = first(f);
      if (!f.own || !f.listeners?.length || to === null) return null;
      const serves = (address: string) =>
        address === to || address === '::' || (address === '0.0.0.0' && !to.includes(':'));
      const all = f.listeners.flatMap((l) => l.addresses);
      if (all.some(serves)) return null;
      const who = f.listeners.map(
        (l) => `${l.owner?.name ?? 'a process'}${l.owner ? ` (${l.owner.pid})` : ''} on ${l.addresses.join(', ')}`,
      );
      return { certainty: 'certain', evidence: who };
    },
  },
  {
    id: 'firewall_closed',
    when: 'it is this host, somebody listens, and its own firewall keeps others out',
    sentence: 'It is this host itself, and its firewall keeps others out.',
    next: HERE,
    test(f) {
      const shut = f.own ? f.listeners?.find((l) => l.reaches === 'closed' && l.scope !== 'loopback') : undefined;
      return shut
        ? {
            certainty: 'likely',
            evidence: [
              `${shut.protocol} ${shut.port}: ${shut.owner?.name ?? 'a process'} on ${shut.addresses.join(', ')}`,
            ],
          }
        : null;
    },
  },
  {
    id: 'port_closed',
    when: 'the connection is refused',
    sentence: 'The host is there and refuses: nobody listens on that port, or a firewall rejects.',
    next: 'on that host: ss -ltnp | grep :{PORT}',
    test(f) {
      const no = f.own ? null : outcome(f, 'refused');
      return no ? { certainty: 'certain', evidence: [`${no.address}: refused after ${duration(no.is.ms)}`] } : null;
    },
  },
  {
    id: 'port_filtered',
    when: 'nobody answers on the port, and the host answers to pings',
    sentence: 'The host is there, and packets to that port vanish: a firewall drops them.',
    next: WAY,
    test(f) {
      const no = outcome(f, 'filtered');
      return no && answersPing(f)
        ? {
            certainty: 'likely',
            evidence: [
              `${no.address}: ${'why' in no.is ? no.is.why : ''}`,
              `${f.ping?.value?.received} pings answered`,
            ],
          }
        : null;
    },
  },
  {
    id: 'host_silent',
    when: 'nobody answers on the port, nor to pings',
    sentence: 'Nothing answers there: the host is off, or a firewall drops all.',
    next: WAY,
    test(f) {
      const no = outcome(f, 'filtered') ?? outcome(f, 'unreachable');
      if (!no || answersPing(f)) return null;
      const asked = f.ping?.value ? [`${f.ping.value.sent} pings unanswered`] : [];
      return {
        certainty: f.ping?.value ? 'likely' : 'possible',
        evidence: [`${no.address}: ${'why' in no.is ? no.is.why : ''}`, ...asked],
      };
    },
  },
  {
    id: 'mtu_black_hole',
    when: 'the connection opens and then nothing comes: certain where small pings pass and large ones vanish',
    sentence: 'Small packets pass and large ones vanish: somewhere on the way the MTU is smaller, and nobody says so.',
    next: WAY,
    test(f) {
      if (!open(f)) return null;
      const stuck = [f.tls, f.http].some((x) => x !== null && 'silent' in x && x.silent);
      if (!f.large || f.large.passes || !answersPing(f)) return null;
      return {
        certainty: stuck ? 'certain' : 'likely',
        evidence: [`pings of ${bytes(f.large.sizeBytes)} vanish, small ones come back`],
      };
    },
  },
];

export const REACH_ROWS: readonly ReachRow[] = [...NAMES, ...WAYS, ...PORTS, ...CAUSES_ANSWER];
