/** What is wrong with this machine's place in its tailnet, and what to do next. Pure; the doctor says the same of what keeps callers out. */
import type { Answered, LeadsTo, ServeConfig, Served, TailnetNetwork, TailnetStatusHost } from '../core/tailnet.ts';
import { isVersion } from '../core/tailnet.ts';
import { type Finding, SEVERITIES } from './facts.ts';

export interface TailnetFacts {
  network: TailnetNetwork;
  /** Null: tailscaled does not say. */
  serve: ServeConfig | null;
  leadsTo: LeadsTo;
  own: TailnetStatusHost['own'];
  nowMs: number;
}

const DAY_MS = 86_400_000;
const SOON_MS = 14 * DAY_MS;
/** `tailscale serve` reaches Unix sockets since then. */
const UNIX = [1, 94] as const;
const MOST_NAMED = 5;

const SIGN_IN = 'sudo tailscale up --force-reauth, or disable key expiry of this machine in the admin console';
const SET_UP = 'sudo deckhand tailnet setup';

type Rule = (f: TailnetFacts) => (Omit<Finding, 'next'> & { next: string }) | null;

/** Worst first; equals in this order. */
export const tailnetFindings = (facts: TailnetFacts): Finding[] =>
  RULES.flatMap((rule) => rule(facts) ?? []).toSorted(
    (a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity),
  );

export const daysLeft = (endMs: number | null, nowMs: number): number | null =>
  endMs === null ? null : Math.floor((endMs - nowMs) / DAY_MS);

/** It goes into a command. */
const portOf = (at: string | undefined): string => /:(\d{1,5})$/.exec(at ?? '')?.[1] ?? '443';
const named = (list: readonly string[]): string =>
  list.slice(0, MOST_NAMED).join(', ') + (list.length > MOST_NAMED ? ` and ${list.length - MOST_NAMED} more` : '');

const isOut = ({ network }: TailnetFacts): boolean => network.state !== 'Running';

/** Everything that is open to the Internet, whether it leads to a server or not. */
function openWays({ serve }: TailnetFacts): (Served | Answered)[] {
  return serve === null ? [] : [...serve.served, ...serve.answered].filter((w) => w.funnel);
}

const RULES: readonly Rule[] = [
  ({ network: { state } }) =>
    state === 'Running'
      ? null
      : {
          id: 'tailnet_away',
          severity: 'high',
          evidence: `tailscaled is ${state}`,
          sentence: 'This machine is not in its tailnet: nobody reaches it there, and it reaches nobody.',
          next: state === 'NeedsMachineAuth' ? 'approve this machine in the admin console' : 'sudo tailscale up',
        },
  ({ network: { keyExpiresAtMs: end }, nowMs }) =>
    end !== null && end <= nowMs
      ? {
          id: 'tailnet_key_expired',
          severity: 'high',
          evidence: `since ${day(end)}`,
          sentence: 'The key of this machine has expired: it is out of the tailnet until somebody signs in.',
          next: SIGN_IN,
        }
      : null,
  ({ network: { keyExpiresAtMs: end }, nowMs }) =>
    end !== null && end > nowMs && end - nowMs < SOON_MS
      ? {
          id: 'tailnet_key_expires',
          severity: end - nowMs < 3 * DAY_MS ? 'high' : 'medium',
          evidence: `${day(end)}, in ${daysLeft(end, nowMs)} days`,
          sentence: 'The key of this machine expires soon; then nobody reaches it through the tailnet.',
          next: SIGN_IN,
        }
      : null,
  (f) => {
    const here = openWays(f).filter((w) => 'target' in w && f.leadsTo(w.target) !== null);
    if (here.length === 0 || f.own.funnel === 'allow') return null;
    return {
      id: 'tailnet_funnel_here',
      severity: 'high',
      evidence: named(here.map((w) => w.at)),
      sentence: 'Tailscale Funnel opens this very server to the Internet, and its settings do not want that.',
      next: `sudo tailscale funnel --https=${portOf(here[0]?.at)} off`,
    };
  },
  (f) => {
    const raw = (f.serve?.served ?? []).filter((w) => w.kind === 'tcp' && f.leadsTo(w.target) === 'socket');
    return raw.length === 0
      ? null
      : {
          id: 'tailnet_raw_forward',
          severity: 'high',
          evidence: named(raw.map((w) => w.at)),
          sentence:
            'Plain TCP is handed to the socket of this server, so that peers write the headers that say who they are: nobody is recognised.',
          next: `sudo tailscale serve --tcp=${portOf(raw[0]?.at)} off`,
        };
  },
  (f) => {
    const elsewhere = openWays(f).filter((w) => !('target' in w) || f.leadsTo(w.target) === null);
    return elsewhere.length === 0
      ? null
      : {
          id: 'tailnet_funnel',
          severity: 'medium',
          evidence: named(elsewhere.map((w) => w.at)),
          sentence: 'Tailscale Funnel opens something of this machine to the whole Internet.',
          next: `tailscale funnel status; where it is not wanted: sudo tailscale funnel --https=${portOf(elsewhere[0]?.at)} off`,
        };
  },
  (f) => {
    if (f.own.socket === null || f.serve === null || isOut(f)) return null;
    if (f.serve.served.some((w) => f.leadsTo(w.target) === 'socket')) return null;
    const others = f.serve.served.filter((w) => w.service === f.own.service).map((w) => `${w.at} leads to ${w.target}`);
    return {
      id: 'tailnet_not_served',
      severity: 'medium',
      evidence: others.length > 0 ? named(others) : 'nothing is served',
      sentence:
        'Nothing that tailscaled serves leads to the socket of this server, so that nobody reaches it by that way.',
      next: SET_UP,
    };
  },
  (f) => {
    const { service } = f.own;
    if (service === null || isOut(f)) return null;
    if (f.network.tags.length === 0)
      return {
        id: 'tailnet_service_tag',
        severity: 'medium',
        evidence: service,
        sentence: 'Only a machine with a tag can offer a Tailscale service, and this one has none.',
        next: 'sudo tailscale up --advertise-tags=tag:deckhand',
      };
    if (f.network.services === null || f.network.services.includes(service)) return null;
    return {
      id: 'tailnet_service_waiting',
      severity: 'medium',
      evidence: service,
      sentence: 'The service is not approved for this machine, so that its name leads nowhere.',
      next: 'approve it in the admin console under Services, or by autoApprovers (tailscale/grants.hujson)',
    };
  },
  ({ network: { health } }) =>
    health.length === 0
      ? null
      : {
          id: 'tailnet_health',
          severity: 'medium',
          evidence: named(health),
          sentence: `tailscaled itself reports ${health.length === 1 ? 'a problem' : `${health.length} problems`}.`,
          next: 'tailscale status; tailscale netcheck',
        },
  (f) =>
    isOut(f) || (f.network.magicDns !== false && f.network.certDomains.length > 0)
      ? null
      : {
          id: 'tailnet_no_https',
          severity: f.own.socket === null ? 'info' : 'medium',
          evidence: f.network.magicDns === false ? 'MagicDNS is off' : 'no names for certificates',
          sentence: 'The tailnet gives this machine no certificate, so that `tailscale serve` cannot speak HTTPS.',
          next: 'enable MagicDNS and HTTPS in the admin console, under DNS',
        },
  ({ network: { version }, own }) =>
    own.socket === null || version === null || isVersion(version, UNIX) !== false
      ? null
      : {
          id: 'tailnet_old',
          severity: 'medium',
          evidence: version,
          sentence: 'This tailscaled cannot serve a Unix socket; 1.94 can.',
          next: 'sudo tailscale update',
        },
  ({ network: { tun } }) =>
    tun !== false
      ? null
      : {
          id: 'tailnet_userspace',
          severity: 'low',
          evidence: 'no /dev/net/tun',
          sentence:
            'tailscaled runs in userspace mode: peers reach what listens on 127.0.0.1, and this host reaches them through a proxy only.',
          next: 'run tailscaled with /dev/net/tun (in a container: TS_USERSPACE=false and NET_ADMIN)',
        },
];

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
