/** What a diagnosis of something unreachable rests on: each step of the way there, as far as it was gone. Types, and the words several rows share. Pure. */
import type { Reading } from '../core/host.ts';
import type { Firewall, Link, Neighbour, Route } from '../core/net.ts';
import type { Connected, Pinged } from '../core/probe.ts';
import { clip } from '../core/text.ts';
import type { Listener } from './net_listeners.ts';

export interface Tried {
  address: string;
  is: Connected;
}

export interface AtServer {
  server: string;
  /** Null: it said nothing, or could not be asked. */
  code: string | null;
  addresses: string[];
  why: string | null;
}

export interface Secured {
  /** Why it does not verify, OpenSSL's word; null: it does. */
  wrong: string | null;
  days: number | null;
  subject: string;
  issuer: string;
}

export interface ReachFacts {
  host: string;
  port: number;
  /** The target is an address, not a name. */
  literal: boolean;
  /** As programs here resolve it. */
  names: Reading<{ addresses: string[]; ms: number }>;
  servers: AtServer[];
  links: Reading<Link[]>;
  routes: Reading<Route[]>;
  /** The way to the first address: null where none is known, or none is needed. */
  route: Route | null;
  neighbours: Reading<Neighbour[]>;
  /** It is an address of this host itself. */
  own: boolean;
  /** Of this host, where the target is. */
  listeners: Listener[] | null;
  firewall: Firewall | null;
  /** Null: not tried, because probes do not go there. */
  tried: Tried[] | null;
  ping: Reading<Pinged> | null;
  /** The largest packet that should pass came back; null: not asked. */
  large: { sizeBytes: number; passes: boolean } | null;
  tls: { seen: Secured } | { failed: string; silent: boolean } | null;
  http: { status: number; reason: string } | { failed: string; silent: boolean } | null;
}

export const LOSSY_PERCENT = 5;
export const SLOW_MS = 300;
export const SLOW_NAMES_MS = 1_000;

export const open = (f: ReachFacts): Tried | null => f.tried?.find((t) => t.is.outcome === 'open') ?? null;
export const outcome = (f: ReachFacts, is: Connected['outcome']): Tried | null =>
  open(f) ? null : (f.tried?.find((t) => t.is.outcome === is) ?? null);
export const first = (f: ReachFacts): string | null => f.names.value?.addresses[0] ?? null;
export const answersPing = (f: ReachFacts): boolean => (f.ping?.value?.received ?? 0) > 0;
export const lossPercent = (p: Pinged): number => (p.sent === 0 ? 0 : ((p.sent - p.received) / p.sent) * 100);
export const median = (ms: readonly number[]): number | null =>
  ms.length === 0 ? null : ([...ms].sort((a, b) => a - b)[Math.floor((ms.length - 1) / 2)] as number);

/** Whom packets to it are handed to first. */
export function nextHop(f: ReachFacts): { address: string; device: string; gateway: boolean } | null {
  const address = first(f);
  const hop = f.route?.hops[0];
  if (address === null || !hop?.device) return null;
  return { address: hop.gateway ?? address, device: hop.device, gateway: hop.gateway !== null };
}

export const said = (text: string): string => clip(text.replace(/\s+/g, ' '), 160);
