/** Measuring, loaded when the first one is made. */
import type { MeasureHost } from '../core/measure.ts';
import type { PeerAccess } from './net/measure.ts';

export function measureLater(peers: readonly PeerAccess[]): MeasureHost {
  let loading: Promise<MeasureHost> | null = null;
  return {
    peers: peers.map(({ name, url }) => ({ name, url })),
    async open(...a) {
      loading ??= import('./net/measure.ts').then((m) => m.measureHost(peers));
      return (await loading).open(...a);
    },
  };
}
