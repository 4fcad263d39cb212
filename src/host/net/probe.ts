/** The probes together, as tools have them. Decides nothing: each takes what has been checked. */
import type { ProbeHost, ProbeSettings } from '../../core/probe.ts';
import { httpProbe, tcpProbe, tlsProbe } from './probe_connect.ts';
import { askDns } from './probe_dns.ts';
import { type PingParts, pingBy, traceBy } from './probe_ping.ts';
import { createResolver, type Lookup } from './resolve.ts';

export function probeHost(parts: PingParts & { settings: ProbeSettings; lookup?: Lookup }): ProbeHost {
  return {
    settings: parts.settings,
    resolve: createResolver(parts.lookup),
    dns: askDns,
    tcp: tcpProbe,
    tls: tlsProbe,
    http: httpProbe,
    ping: (address, o) => pingBy(parts, address, o),
    trace: (address, o) => traceBy(parts, address, o),
  };
}
