/**
 * Files, loaded when they are first asked for: walk, threads and pool cost no start anything. The roots are known from the settings and
 * are not looked at here; the rest is files/index.ts.
 */
import type { FilesHost } from '../core/files.ts';
import type { FilesOptions, OpenFiles } from './files/index.ts';

export function filesLater(o: FilesOptions): { files: FilesHost; abandoned(): number; close(): void } {
  let loading: Promise<OpenFiles> | null = null;
  let open: OpenFiles | null = null;
  let closed = false;
  const load = () => {
    loading ??= import('./files/index.ts').then((m) => {
      open = m.files(o);
      if (closed) open.close();
      return open;
    });
    return loading;
  };
  const facade = (load: () => Promise<FilesHost>): FilesHost => {
    const reader = async () => (await load()).reader;
    const changer = async () => (await load()).changer;
    return {
      within: (bounds) => facade(async () => (await load()).within(bounds)),
      roots: () => o.roots,
      reader: {
        list: async (...a) => (await reader()).list(...a),
        read: async (...a) => (await reader()).read(...a),
        scan: async (...a) => (await reader()).scan(...a),
        hash: async (...a) => (await reader()).hash(...a),
      },
      find: async (...a) => (await load()).find(...a),
      changer: {
        now: async (...a) => (await changer()).now(...a),
        check: async (...a) => (await changer()).check(...a),
        write: async (...a) => (await changer()).write(...a),
        move: async (...a) => (await changer()).move(...a),
        trash: async (...a) => (await changer()).trash(...a),
        trashed: async (...a) => (await changer()).trashed(...a),
        // As files/index.ts has it.
        trashKeepsMs: () => (o.trashDays ?? 7) * 86_400_000,
        restore: async (...a) => (await changer()).restore(...a),
        remove: async (...a) => (await changer()).remove(...a),
        emptyTrash: async (...a) => (await changer()).emptyTrash(...a),
      },
      transfers: {
        open: async (...a) => (await load()).transfers.open(...a),
        stage: async (...a) => (await load()).transfers.stage(...a),
      },
    };
  };

  return {
    files: facade(load),
    abandoned: () => open?.abandoned() ?? 0,
    close() {
      closed = true;
      open?.close();
    },
  };
}
