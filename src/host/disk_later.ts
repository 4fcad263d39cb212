/** What fills a disk, loaded when it is first asked for: walk and thread cost no start anything. The rest is disk/index.ts. */
import type { DiskHost } from '../core/disk.ts';
import type { DiskOptions, OpenDisk } from './disk/index.ts';

export function diskLater(o: DiskOptions): { disk: DiskHost; close(): void } {
  let loading: Promise<OpenDisk> | null = null;
  const open = () => {
    loading ??= import('./disk/index.ts').then((m) => m.diskAt(o));
    return loading;
  };
  return {
    disk: {
      mountOf: async (...a) => (await open()).mountOf(...a),
      scan: async (...a) => (await open()).scan(...a),
      openDeleted: async (...a) => (await open()).openDeleted(...a),
    },
    close: () => void loading?.then((disk) => disk.close()),
  };
}
