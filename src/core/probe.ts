/**
 * Probes of the network behind one interface. Every probe but `resolve` takes an address that has been checked and nothing else: a name is
 * only what is said in TLS and in the Host header. Raw figures; what they mean, and who may probe what, is insight's and the tool's.
 */
import type { Bounded, Reading } from './host.ts';

/** Where a probe goes. Made from a checked answer of `resolve`, so that nothing is looked up a second time. */
export interface At {
  /** In one spelling, without brackets; a zone only for link-local ones. */
  address: string;
  port: number;
}

export interface ProbeBounds extends Bounded {
  timeoutMs: number;
}

export interface Resolved {
  /** As the system resolves it (files, DNS, mDNS …), in its order, each in one spelling, each once. */
  addresses: string[];
  ms: number;
}

export const RECORD_TYPES = ['A', 'AAAA', 'CNAME', 'MX', 'NS', 'TXT', 'SOA', 'SRV', 'CAA', 'PTR'] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

export interface DnsAsk {
  name: string;
  type: RecordType;
  /** The server, by address. */
  at: At;
  /** UDP unless told; a truncated answer is asked for again over TCP. */
  tcp?: boolean;
}

/** What one server said. */
export interface DnsReply {
  /** NOERROR, NXDOMAIN, SERVFAIL, REFUSED … */
  code: string;
  authoritative: boolean;
  recursion: boolean;
  /** DNSSEC data that this server says it has checked. */
  authenticated: boolean;
  truncated: boolean;
  /** How the answer came in the end. */
  over: 'udp' | 'tcp';
  answers: { name: string; type: string; ttl: number; data: string }[];
  /** More than are told. */
  notTold: number;
  bytes: number;
  ms: number;
}

export type Connected =
  | { outcome: 'open'; ms: number; local: string }
  /** `refused`: somebody said no at once. `filtered`: nobody said anything. `unreachable`: the network said so. */
  | { outcome: 'refused' | 'filtered' | 'unreachable' | 'error'; ms: number; why: string };

export interface Certificate {
  subject: string;
  issuer: string;
  /** `DNS:…`, `IP Address:…` */
  names: string[];
  fromMs: number;
  toMs: number;
  sha256: string;
  /** rsa 2048, ec prime256v1, ed25519 … */
  key: string;
  selfIssued: boolean;
}

export interface TlsSeen {
  protocol: string;
  cipher: string;
  alpn: string | null;
  /** What the server sent, its own first; at most ten. */
  chain: Certificate[];
  /** Null: it verifies, by the authorities of this host and for this name. */
  wrong: string | null;
  connectMs: number;
  handshakeMs: number;
}

export interface HttpAsk {
  at: At;
  /** Null: plain HTTP. */
  tls: { servername: string | null } | null;
  /** As in the URL: name, and port where it is not the standard one. */
  host: string;
  /** Path and query. */
  path: string;
  method: 'GET' | 'HEAD';
  /** Of the body; what comes beyond it is not read. */
  maxBytes: number;
}

export interface HttpSeen {
  status: number;
  reason: string;
  version: string;
  /** Those of interest, names in lower case. */
  headers: Record<string, string>;
  location: string | null;
  tls: TlsSeen | null;
  /** From the beginning: connected, TLS done, first byte of the answer, body read. */
  connectMs: number;
  tlsMs: number | null;
  firstByteMs: number;
  totalMs: number;
  bodyBytes: number;
  /** There was more than was read. */
  cut: boolean;
  /** The first of it, where it is text. */
  text: string | null;
}

export interface Pinged {
  sent: number;
  received: number;
  /** Of each that came back, in order. */
  ms: number[];
  /** What was said of those that did not: `Destination Host Unreachable` … */
  errors: string[];
}

export interface PingBounds extends Bounded {
  count: number;
  intervalMs: number;
  timeoutMs: number;
  /** Of the whole packet, which is then never split on the way. */
  sizeBytes?: number;
}

export interface Hop {
  hop: number;
  /** Null: nobody answered. */
  address: string | null;
  ms: number | null;
}

export interface Traced {
  hops: Hop[];
  reached: boolean;
  /** Of the way there, where the program tells. */
  mtu: number | null;
  by: string;
}

/** What one principal may still probe. */
export interface Probing {
  /** Before each connection, query or ping; port 0 where there is none. Throws `limit`. */
  spend(address: string, port: number): void;
}

/** The owner's: prefixes (CIDR) that may be probed beside the host's own networks and the Internet, and those that may not. */
export interface ProbeSettings {
  allow: readonly string[];
  deny: readonly string[];
}

export interface ProbeHost {
  settings: ProbeSettings;
  /** Of a name, never of a literal: those are for who checks spellings. */
  resolve(name: string, o: ProbeBounds): Promise<Resolved>;
  dns(ask: DnsAsk, o: ProbeBounds): Promise<DnsReply>;
  tcp(at: At, o: ProbeBounds): Promise<Connected>;
  /** The handshake, and nothing is sent after it. Throws as `connect` and TLS fail. */
  tls(at: At, ask: { servername: string | null; alpn?: readonly string[] }, o: ProbeBounds): Promise<TlsSeen>;
  http(ask: HttpAsk, o: ProbeBounds): Promise<HttpSeen>;
  /** ICMP, by the system's own program; why not, where it cannot. */
  ping(address: string, o: PingBounds): Promise<Reading<Pinged>>;
  trace(address: string, o: ProbeBounds & { maxHops: number }): Promise<Reading<Traced>>;
}
