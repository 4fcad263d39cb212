/** What this machine's tailscaled says of peers, of itself, and of what it serves. Types only: host/tailnet asks, policy/tailnet.ts judges. */

/** Who is behind an address of the tailnet. */
export interface WhoIs {
  /** StableID: the numeric ids do not fit into a number. */
  node: string;
  nodeName: string | null;
  /** Not empty: the node is a thing and belongs to nobody. */
  tags: readonly string[];
  login: string;
  /** By the word of tailscaled. */
  expired: boolean;
  /** Null: its key does not expire. */
  keyExpiresAtMs: number | null;
  /** A machine of another tailnet, with whom this one was shared. */
  shared: boolean;
  /** Grants by the name of their capability, as they came. */
  grants: ReadonlyMap<string, readonly unknown[]>;
}

export interface TailnetStatus {
  /** `Running`, `NeedsLogin`, `Stopped` … */
  state: string;
  /** Of this machine, as `WhoIs.node`; null while it has none. */
  node: string | null;
  /** False: userspace networking, in which peers of the tailnet reach what listens on 127.0.0.1. Null: it does not say. */
  tun: boolean | null;
  /** Without the final dot; null where it has none. */
  name: string | null;
  addresses: readonly string[];
  tags: readonly string[];
  keyExpiresAtMs: number | null;
  /** For which it gets certificates. */
  certDomains: readonly string[];
  health: readonly string[];
}

/** One way by which tailscaled lets others in. */
export interface Served {
  /** `host:port`; of a plain TCP forward `*:port`. */
  at: string;
  /** `proxy`: HTTP, with headers of its own. `tcp`: bytes as the peer sends them, so that no header is tailscaled's. */
  kind: 'proxy' | 'tcp';
  path: string;
  /** `unix:/run/x.sock`, `http://127.0.0.1:8080`, `127.0.0.1:22` … */
  target: string;
  /** Of a Tailscale service; null: of the node. */
  service: string | null;
  /** Open to the Internet. */
  funnel: boolean;
  /** Capabilities whose grants it hands on in a header. */
  capabilities: readonly string[];
}

export interface ServeConfig {
  served: readonly Served[];
  /** `host:port` that are open to the Internet, also those that lead nowhere yet. */
  funnels: readonly string[];
}

export interface Certificate {
  /** PEM. */
  cert: string;
  key: string;
}

export interface TailnetAsk {
  signal?: AbortSignal;
}

/** All of it throws `unavailable` or `timeout` when tailscaled does not answer as it should: never a guess. */
export interface TailnetHost {
  /** Null: nobody of the tailnet. `service`: grants as they are for that one (1.100). */
  whois(address: string, o?: TailnetAsk & { service?: string | null; tcpPort?: number }): Promise<WhoIs | null>;
  status(o?: TailnetAsk): Promise<TailnetStatus>;
  serveConfig(o?: TailnetAsk): Promise<ServeConfig>;
  /** Fetches one where there is none yet: minutes, and only for who may (root, the operator, TS_PERMIT_CERT_UID). */
  certificate(domain: string, o?: TailnetAsk): Promise<Certificate>;
  /** As the last answer said it, e.g. `1.102.4`; null before the first. */
  version(): string | null;
}

/** `1.102.4-t0123` is at least `[1, 94]`. Null: it cannot be told. */
export function isVersion(version: string | null, [major, minor]: readonly [number, number]): boolean | null {
  const found = /^(\d{1,4})\.(\d{1,6})(?:[.-]|$)/.exec(version ?? '');
  if (!found) return null;
  const [ours, mine] = [Number(found[1]), Number(found[2])];
  return ours > major || (ours === major && mine >= minor);
}
