/** What the HTTP face is made of: settings, and what it asks of the rest of the house. Types only. */
import type { Log, Principal } from '../core/call.ts';
import type { Authenticate } from '../policy/credentials.ts';
import type { Links } from '../policy/links.ts';
import type { MeasureDesk } from '../policy/measures.ts';
import type { Door } from '../policy/ports.ts';
import type { TransferDesk } from '../policy/transfers.ts';
import type { Shared } from './limits_shared.ts';
import type { ServerFacts } from './listing.ts';
import type { Resource } from './oauth.ts';
import type { Tls } from './tls.ts';

export interface HttpSettings {
  host: string;
  /** What `host` stands for, where that was judged (binding.ts): this is listened on. */
  address?: string;
  port: number;
  /** A socket of who started us that listens there already (activation.ts). */
  fd?: number;
  /** Under which clients reach us, where a proxy stands in front; without a final slash. */
  url?: string | null;
  allowedHosts: string[];
  allowedOrigins: string[];
  /** Proxies whose X-Forwarded-For is believed. */
  trustedProxies?: readonly string[];
  maxBodyBytes: number;
  sessions: { enabled: boolean; max: number; idleMinutes: number };
  /** In all; absent in tests. */
  connections?: number;
  connectionsPerAddress: number;
  requestsPerMinutePerAddress: number;
}

export interface HttpOptions {
  door: Door;
  authenticate: Authenticate;
  info: ServerFacts;
  http: HttpSettings;
  /** Absent: plain HTTP. */
  tls?: Tls | null;
  /** What OAuth clients are told of this server; absent: there is no authorization server to name. */
  resource?: Resource | null;
  /** Requests a minute that a principal has for itself; undefined: it is counted for its address. */
  tier?(principal: Principal): number | undefined;
  /** Where several instances count together; absent: this one counts for itself. */
  shared?: Shared | undefined;
  /** Files that pass by requests of their own; absent: none do. */
  transfers?: TransferDesk;
  /** Bytes for who measures the way here; absent: there is no such route. */
  measures?: MeasureDesk;
  /** Questions that are looked at and decided by a link; absent: no link is served. */
  links?: Omit<Links, 'make'> | null;
  /** The loop turned and the sampler ticked. */
  live(): boolean;
  ready(): { ready: boolean; reasons: string[] };
  log: Log;
  newId?: () => string;
  now?: () => number;
  /** For tests. */
  streamAfterMs?: number;
  drainMs?: number;
  graceMs?: number;
  askMs?: number;
  idleMs?: number;
}
