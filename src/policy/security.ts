/**
 * Security events: what the owner wants to hear of, besides each refusal by itself. Decides what is an event and how much of it is kept:
 * somebody who is here for the first time, a new address of somebody known, a header that only tailscaled may set, and bursts of
 * what was turned away. Refusals are on record already (`refused`, `call`) and are only counted here. docs/audit.md says what to
 * search for. `stdio` and `cli` are launched on this host by who may do so: nobody is new there.
 */
import type { Principal } from '../core/call.ts';
import { networkOf } from '../core/ip.ts';
import type { Seen } from '../store/seen.ts';
import { type Burst, createBursts, type Kind } from './bursts.ts';
import type { Authenticate, Recognised, Shown } from './credentials.ts';
import type { SecurityNotice } from './notices.ts';
import type { Audit, Clock } from './ports.ts';
import { createTally } from './tally.ts';

export interface TurnedAway {
  /** Of the error. */
  code: string;
  who: string | undefined;
  address: string | undefined;
  /** Equal ones that are told together. */
  count?: number;
}

export interface Forged {
  address: string | undefined;
  /** Their names. */
  headers?: readonly string[];
  /** In our words. */
  what?: string;
}

export interface Security {
  /** Looks on while it is asked who somebody is; the answer is the same. */
  watch(authenticate: Authenticate): Authenticate;
  /** Each refusal, by whichever step. */
  turnedAway(request: TurnedAway): void;
  /** It says that it is somebody, and cannot. `watch` sees the headers of the tailnet on other listeners by itself. */
  forged(request: Forged): void;
  /** Writes what is counted or kept in memory. */
  close(): void;
}

/** What `tailscale serve` sets, and deletes where somebody else did. */
export const TAILNET_HEADERS = [
  'tailscale-user-login',
  'tailscale-user-name',
  'tailscale-user-profile-pic',
  'tailscale-headers-info',
  'tailscale-app-capabilities',
  'tailscale-funnel-request',
] as const;

const ON_OTHERS =
  'Tailscale headers on a listener where anybody can write them; ignored. `tailscale serve` belongs in front of `tailnet.socket`.';

const HOUR_MS = 3_600_000;
/** Somebody on the road changes addresses; who changes them all the time is counted. */
const ADDRESSES_SINGLY = 20;
const NOTICES_A_DAY = 20;
const MOST_NETWORKS = 4_096;
const NONE: readonly string[] = [];

export function createSecurity(o: {
  seen: Seen;
  audit: Pick<Audit, 'append'>;
  clock: Clock;
  /** Nobody listens: the record is enough. */
  notify?: ((notice: SecurityNotice) => void) | undefined;
}): Security {
  const { seen, audit, clock } = o;
  const write = (fields: Record<string, unknown>) => audit.append('security', fields);
  const bursts = createBursts({ clock, report: reported });
  const addresses = createTally({
    clock,
    windowMs: HOUR_MS,
    singly: ADDRESSES_SINGLY,
    write,
    common: { kind: 'new_address', what: 'Others came from new addresses, too.' },
  });
  const forgeries = createTally({
    clock,
    windowMs: HOUR_MS / 6,
    singly: 1,
    write,
    common: { kind: 'forged', what: 'Others sent Tailscale headers, too.' },
  });
  /** Addresses as they came, because an address is parsed more slowly than a call is looked at. */
  const networks = new Map<string, string>();
  let day = { begun: clock.elapsed(), told: 0 };

  function networkFor(address: string | undefined): string | undefined {
    if (address === undefined) return undefined;
    let network = networks.get(address);
    if (network === undefined) {
      if (networks.size >= MOST_NETWORKS) networks.clear();
      network = networkOf(address) ?? 'unknown';
      networks.set(address, network);
    }
    return network === 'unknown' ? undefined : network;
  }

  function count(kind: Kind, who: string | undefined, address: string | undefined, n?: number): void {
    const network = networkFor(address);
    const source = who === undefined ? { id: `address:${network ?? 'unknown'}`, address: network } : { id: who, who };
    bursts.count(source, kind, n);
  }

  function used(who: Principal, { address, listener }: Shown): void {
    const fingerprint = who.kind === 'token' ? who.credential?.fingerprint : undefined;
    const mark = typeof fingerprint === 'string' ? fingerprint : undefined;
    const news = seen.note({ principal: who.id, mark, address: networkFor(address) });
    if (news === null) return;
    const fields = { who: who.id, address, listener, credential: who.credential };
    if (news === 'address')
      addresses.note(who.id, { ...fields, kind: 'new_address', what: 'Has not come from this address before.' });
    else {
      write({ ...fields, kind: 'new_principal', what: 'Uses this host for the first time.' });
      firstUse(who.id, address);
    }
  }

  /** Whoever can make principals by the hundred must not fill the owner's mailbox with them. */
  function firstUse(id: string, address: string | undefined): void {
    if (clock.elapsed() - day.begun >= 24 * HOUR_MS) day = { begun: clock.elapsed(), told: 0 };
    if (day.told >= NOTICES_A_DAY) return;
    const from = address === undefined ? [] : [`From ${address}.`];
    const rest = ++day.told < NOTICES_A_DAY ? [] : ['Others who are new today are on record and not told.'];
    o.notify?.({
      what: `${id} uses this host for the first time`,
      lines: [...from, ...rest],
      command: 'deckhand audit search --event security --text new_principal',
      facts: { kind: 'new_principal', who: id, address },
    });
  }

  function reported(burst: Burst): void {
    const { state, source, count: n, kinds, fromMs, toMs, top } = burst;
    const whose = source ? (source.who ?? source.address ?? 'an unknown address') : 'many';
    const how = Object.entries(kinds)
      .filter(([, k]) => k > 0)
      .map(([kind, k]) => `${k} ${kind}`)
      .join(', ');
    const [from, to] = [new Date(fromMs).toISOString(), new Date(toMs).toISOString()];
    write({
      kind: 'burst',
      state,
      who: source ? source.who : 'others',
      address: source?.address,
      count: n,
      kinds,
      from,
      to,
      top: source ? undefined : top,
      what: `Requests of ${whose} were turned away: ${how}.`,
    });
    if (state === 'over') return;
    o.notify?.({
      what: `${n} requests of ${whose} were turned away${state === 'grown' ? ', and they go on' : ''}`,
      lines: [
        `Since ${from}: ${how}.`,
        ...(source ? [] : [`Most of them: ${top.map((t) => `${t.source} (${t.count})`).join(', ')}.`]),
        'Told again within the hour only if there are ten times as many.',
      ],
      command: 'deckhand audit search --since 1h --event refused',
      facts: { kind: 'burst', state, who: source?.who, address: source?.address, count: n, kinds, top },
    });
  }

  function claimed({ address, headers = [], what = ON_OTHERS }: Forged): void {
    forgeries.note(networkFor(address) ?? 'unknown', {
      kind: 'forged',
      who: 'anonymous',
      address,
      headers: headers.length > 0 ? headers.slice(0, 10).map((h) => h.slice(0, 64)) : undefined,
      what: what.slice(0, 200),
    });
  }

  function forged(request: Forged): void {
    claimed(request);
    count('forged', undefined, request.address);
  }

  function looked(found: Recognised, shown: Shown, headers: readonly string[]): Recognised {
    if ('principal' in found) used(found.principal, shown);
    // Who is let in by a credential of his own was not turned away: `tailscale serve` in front of the TCP port sends them, too.
    else if (headers.length > 0) count('forged', undefined, shown.address);
    return found;
  }

  return {
    watch: (authenticate) => (shown) => {
      const sent = (name: string) => shown.listener !== 'tailnet' && shown.header(name) !== undefined;
      const headers = TAILNET_HEADERS.some(sent) ? TAILNET_HEADERS.filter(sent) : NONE;
      if (headers.length > 0) claimed({ address: shown.address, headers });
      const found = authenticate(shown);
      return found instanceof Promise ? found.then((f) => looked(f, shown, headers)) : looked(found, shown, headers);
    },

    turnedAway({ code, who, address, count: n }) {
      if (code === 'limit') count('limited', who, address, n);
      else if (code === 'permission') count(who === undefined ? 'unauthenticated' : 'denied', who, address, n);
      // Nobody could say who it is: an issuer is away, or somebody makes up tokens that only a newer key could have signed.
      else if (code === 'unavailable' && who === undefined) count('unknown', who, address, n);
    },

    forged,

    close() {
      bursts.close();
      addresses.close();
      forgeries.close();
      seen.flush();
    },
  };
}
