/** The tailnet as tools see it, loaded when it is first asked: no start pays for it. What leads to this server is known from its settings. */
import type { TailnetStatusHost } from '../core/tailnet.ts';

export interface TailnetPlace {
  localApi: string;
  socket: string | null;
  service: string | null;
  funnel: 'deny' | 'allow';
  /** Of the port over TCP; 0: any. */
  port: number;
}

export function tailnetLater({ localApi, port, ...own }: TailnetPlace): TailnetStatusHost {
  let loading: Promise<typeof import('./tailnet/index.ts')> | null = null;
  const load = () => {
    loading ??= import('./tailnet/index.ts');
    return loading;
  };
  return {
    network: async (o) => (await load()).networkAt(localApi, { ...o, peers: true }),
    serveConfig: async (o) => (await load()).createTailnet({ socket: localApi }).serveConfig(o),
    async leads() {
      const { leadsToPort, leadsToSocket } = await import('./tailnet/targets.ts');
      const toSocket = own.socket === null ? () => false : leadsToSocket(own.socket);
      const toPort = port === 0 ? () => false : leadsToPort(port);
      return (target) => (toSocket(target) ? 'socket' : toPort(target) ? 'port' : null);
    },
    own,
  };
}
