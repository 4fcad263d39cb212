/** Probes, loaded when the first one is made: no start pays for DNS, TLS and their tables. */
import type { ProbeHost, ProbeSettings } from '../core/probe.ts';
import type { PingParts } from './net/probe_ping.ts';

export function probeLater(parts: PingParts & { settings: ProbeSettings }): ProbeHost {
  let loading: Promise<ProbeHost> | null = null;
  const load = () => {
    loading ??= import('./net/probe.ts').then((m) => m.probeHost(parts));
    return loading;
  };
  return {
    settings: parts.settings,
    resolve: async (...a) => (await load()).resolve(...a),
    dns: async (...a) => (await load()).dns(...a),
    tcp: async (...a) => (await load()).tcp(...a),
    tls: async (...a) => (await load()).tls(...a),
    http: async (...a) => (await load()).http(...a),
    ping: async (...a) => (await load()).ping(...a),
    trace: async (...a) => (await load()).trace(...a),
  };
}
