/** The network's readers, loaded when they are first asked: no start pays for them. */
import type { NetHost } from '../core/net.ts';
import type { NetOptions } from './net/index.ts';
import type { Root } from './system/files.ts';

export function netLater(root: Root, o: NetOptions): NetHost {
  let loading: Promise<NetHost> | null = null;
  const load = () => {
    loading ??= import('./net/index.ts').then((m) => m.netHost(root, o));
    return loading;
  };
  return {
    links: async (...a) => (await load()).links(...a),
    routes: async (...a) => (await load()).routes(...a),
    neighbours: async (...a) => (await load()).neighbours(...a),
    dns: async (...a) => (await load()).dns(...a),
    sockets: async (...a) => (await load()).sockets(...a),
    owners: async (...a) => (await load()).owners(...a),
    tcpDetails: async (...a) => (await load()).tcpDetails(...a),
    firewall: async (...a) => (await load()).firewall(...a),
    counters: async () => (await load()).counters(),
    carried: async (...a) => (await load()).carried(...a),
  };
}
