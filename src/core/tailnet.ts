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
  /** Null: it does not say. */
  magicDns: boolean | null;
  /** Behind the names of machines and services, e.g. `tail1234.ts.net`. */
  suffix: string | null;
  /** Tailscale services that this machine is approved for. Null: it does not say. */
  services: readonly string[] | null;
}

/** How packets to a peer go now. `idle`: none went in the last minutes. */
export const PEER_PATHS = ['direct', 'relay', 'peer relay', 'idle'] as const;

/** Another machine of the tailnet. Names are chosen by who owns it. */
export interface TailnetPeer {
  /** Without the tailnet's suffix. */
  name: string;
  /** Null: it belongs to nobody, or tailscaled does not say to whom. */
  owner: string | null;
  tags: readonly string[];
  os: string | null;
  addresses: readonly string[];
  online: boolean | null;
  /** Null while it is online, or where that is not known. */
  lastSeenMs: number | null;
  path: (typeof PEER_PATHS)[number] | null;
  /** Region of the relay that packets would take. */
  relay: string | null;
  exitNode: 'in use' | 'offered' | null;
  rxBytes: number | null;
  txBytes: number | null;
  expired: boolean;
  /** Somebody's of another tailnet, with whom a machine was shared. */
  shared: boolean;
  /** An exit node that is for rent: there are hundreds of these. */
  rented: boolean;
}

/** All that `status` says which may be shown. */
export interface TailnetNetwork extends TailnetStatus {
  version: string | null;
  os: string | null;
  owner: string | null;
  /** Of the tailnet: a domain, or the login of who has it. */
  tailnet: string | null;
  /** A newer version that is there for this machine. */
  update: string | null;
  /** Null: they were not asked for, or could not be had; then `whyNoPeers` says why. */
  peers: readonly TailnetPeer[] | null;
  whyNoPeers: string | null;
  /** Beyond what is read. */
  notRead: number;
}

/** To this server's socket, to its port, or (null) elsewhere. */
export type LeadsTo = (target: string) => 'socket' | 'port' | null;

/** What tools may know of the tailnet. */
export interface TailnetStatusHost {
  network(o?: TailnetAsk): Promise<TailnetNetwork>;
  serveConfig(o?: TailnetAsk): Promise<ServeConfig>;
  /** Says of targets which are this server, by its settings. */
  leads(): Promise<LeadsTo>;
  own: { socket: string | null; service: string | null; funnel: 'deny' | 'allow' };
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
  /** Whether tailscaled speaks TLS there. */
  tls: boolean;
  /** Capabilities whose grants it hands on in a header. */
  capabilities: readonly string[];
}

/** What it answers by itself, without handing on to a server. */
export interface Answered extends Pick<Served, 'at' | 'path' | 'service' | 'funnel' | 'tls'> {
  kind: 'files' | 'text' | 'redirect' | 'tun';
}

export interface ServeConfig {
  served: readonly Served[];
  answered: readonly Answered[];
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
