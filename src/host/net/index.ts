/**
 * The network state of this host, behind core's `NetHost`. Puts the readers together: files below the host's root, and a few programs
 * with fixed arguments where they can be run. Whose network namespace it is: that of the host's first process on a mounted host.
 */
import type { NetHost } from '../../core/net.ts';
import type { Root } from '../system/files.ts';
import { isThere } from '../system/health.ts';
import { carriedReader, counterReader } from './counters.ts';
import { dnsReader } from './dns.ts';
import { firewallReader } from './firewall.ts';
import { type Commands, ipAsker } from './ip.ts';
import { linkReader } from './links.ts';
import { ownerReader } from './owners.ts';
import { routeReader } from './routes.ts';
import { socketReader } from './sockets.ts';
import { tcpDetailReader } from './ss.ts';

export interface NetOptions extends Commands {
  monotonic: () => number;
}

export function netHost(root: Root, o: NetOptions): NetHost {
  // /proc/net is the reader's own namespace, whatever is mounted where.
  const netFile = (name: string): string => {
    const first = `/proc/1/net/${name}`;
    return root.foreign && isThere(root.of(first)) ? first : `/proc/net/${name}`;
  };
  const ask = ipAsker(root, o);
  const counters = counterReader(root, netFile, o.monotonic);
  return {
    links: linkReader(root, netFile, ask),
    ...routeReader(root, netFile, ask),
    dns: dnsReader(root, o),
    sockets: socketReader(root, netFile),
    owners: ownerReader(root),
    tcpDetails: tcpDetailReader(root, o),
    firewall: firewallReader(root, o),
    counters: async () => counters(),
    carried: carriedReader(root, o.monotonic),
  };
}
