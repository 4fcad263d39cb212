/**
 * A network in memory: names with their addresses, and what answers where. What is not in it is filtered. Each connection, query and ping
 * is in `asked`, by the address that it went to.
 */
import { OpsError } from '../../src/core/errors.ts';
import type {
  Certificate,
  DnsReply,
  HttpSeen,
  Pinged,
  ProbeHost,
  ProbeSettings,
  TlsSeen,
} from '../../src/core/probe.ts';

export interface FakeNet {
  names: Record<string, string[]>;
  /** By `address:port`. */
  tcp: Record<string, 'open' | 'refused' | 'unreachable'>;
  tls: Record<string, TlsSeen | OpsError>;
  /** By `address:port host path`. */
  http: Record<string, Partial<HttpSeen> | OpsError>;
  /** By `server name type`. */
  dns: Record<string, Partial<DnsReply> | OpsError>;
  ping: Record<string, Pinged | string>;
  trace: Record<string, { hops: (string | null)[]; mtu: number | null }>;
  settings: ProbeSettings;
}

export const NO_NET: FakeNet = {
  names: {},
  tcp: {},
  tls: {},
  http: {},
  dns: {},
  ping: {},
  trace: {},
  settings: { allow: [], deny: [] },
};

export const fakeCertificate = (over: Partial<Certificate> = {}): Certificate => ({
  subject: 'CN=www.example.org',
  issuer: 'CN=Test CA',
  names: ['DNS:www.example.org', 'DNS:example.org'],
  fromMs: Date.UTC(2026, 9, 1),
  toMs: Date.UTC(2027, 0, 1),
  sha256: 'ab'.repeat(32),
  key: 'ec prime256v1',
  selfIssued: false,
  ...over,
});

export const fakeTls = (over: Partial<TlsSeen> = {}): TlsSeen => ({
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  alpn: 'http/1.1',
  chain: [fakeCertificate()],
  wrong: null,
  connectMs: 10,
  handshakeMs: 20,
  ...over,
});

export function fakeProbes(over: Partial<FakeNet> = {}): ProbeHost & { asked: string[] } {
  const net: FakeNet = { ...NO_NET, ...over };
  const asked: string[] = [];
  const answer = <T>(found: T | OpsError | undefined, none: () => T): T => {
    if (found instanceof OpsError) throw found;
    return found ?? none();
  };
  const silent = (): never => {
    throw new OpsError('timeout', 'Nothing came within 5000 ms, while connecting.');
  };
  return {
    asked,
    settings: net.settings,
    async resolve(name) {
      const addresses = net.names[name] ?? (/^[\d.]+$|:/.test(name) ? [name] : undefined);
      if (!addresses)
        throw new OpsError('not_found', `The name "${name}" could not be resolved: there is no such name.`);
      return { addresses, ms: 3 };
    },
    async dns({ name, type, at, tcp }) {
      asked.push(`dns ${at.address}:${at.port} ${name} ${type}${tcp ? ' tcp' : ''}`);
      const found = answer<Partial<DnsReply>>(net.dns[`${at.address} ${name} ${type}`], silent);
      return {
        ...{ code: 'NOERROR', authoritative: false, recursion: true, authenticated: false, truncated: false },
        ...{ over: 'udp', answers: [], notTold: 0, bytes: 60, ms: 12.34 },
        ...found,
      };
    },
    async tcp({ address, port }) {
      asked.push(`tcp ${address}:${port}`);
      const is = net.tcp[`${address}:${port}`];
      if (is === 'open') return { outcome: 'open', ms: 1.26, local: '10.0.0.2:40000' };
      if (is === 'refused') return { outcome: 'refused', ms: 0.9, why: 'ECONNREFUSED' };
      if (is === 'unreachable') return { outcome: 'unreachable', ms: 0.5, why: 'ENETUNREACH' };
      return { outcome: 'filtered', ms: 5_000, why: 'nobody answered within 5000 ms' };
    },
    async tls({ address, port }) {
      asked.push(`tls ${address}:${port}`);
      return answer(net.tls[`${address}:${port}`], silent);
    },
    async http({ at, host, path, method }) {
      asked.push(`http ${at.address}:${at.port} ${host} ${method} ${path}`);
      const found = answer<Partial<HttpSeen>>(net.http[`${at.address}:${at.port} ${host} ${path}`], silent);
      return {
        ...{
          status: 200,
          reason: 'OK',
          version: '1.1',
          headers: {},
          location: null,
          tls: null,
          connectMs: 5,
          tlsMs: null,
        },
        ...{ firstByteMs: 30, totalMs: 31, bodyBytes: 5, cut: false, text: null },
        ...found,
      };
    },
    async ping(address) {
      asked.push(`ping ${address}`);
      const is = net.ping[address] ?? { sent: 4, received: 0, ms: [], errors: [] };
      return typeof is === 'string' ? { value: null, why: is } : { value: is };
    },
    async trace(address) {
      asked.push(`trace ${address}`);
      const is = net.trace[address];
      if (!is) return { value: null, why: 'Neither tracepath, traceroute nor ping is installed on this host.' };
      const hops = is.hops.map((at, i) => ({ hop: i + 1, address: at, ms: at === null ? null : i + 0.5 }));
      return { value: { hops, reached: is.hops.at(-1) === address, mtu: is.mtu, by: 'tracepath' } };
    },
  };
}
