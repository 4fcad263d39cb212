/** Other Deckhands in memory: what each way gave. `asked` has what was done, by the address that it went to. */
import type { MeasureHost, Streamed } from '../../src/core/measure.ts';

export interface FakePeer {
  url: string;
  idleMs?: number[];
  down?: Partial<Streamed> | Error;
  up?: Partial<Streamed> | Error;
  open?: Error;
}

export function fakeMeasure(peers: Record<string, FakePeer> = {}): MeasureHost & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    peers: Object.entries(peers).map(([name, { url }]) => ({ name, url })),
    async open(name, at) {
      asked.push(`open ${name} ${at.address}:${at.port}`);
      const peer = peers[name] as FakePeer;
      if (peer.open) throw peer.open;
      return {
        async idle(count) {
          asked.push(`idle ${count}`);
          return peer.idleMs ?? [2, 1, 3];
        },
        async stream(way, { bytes, seconds }, onBytes) {
          asked.push(`${way} ${bytes} ${seconds}`);
          onBytes(bytes / 2);
          const found = peer[way];
          if (found instanceof Error) throw found;
          return { bytes, ms: 2_000, samples: [bytes / 2, bytes / 2], rttsMs: [20, 40, 30], ended: 'bytes', ...found };
        },
        close() {
          asked.push('close');
        },
      };
    },
  };
}
