/**
 * All sockets of the host's network namespace, from /proc/net, in slices so that the loop never stands still for long. The files of the
 * kernel and not `ss`: a file costs about what the netlink query in `ss` does, but no process, and works on a mounted host too. Decides
 * how many are taken; who holds them is owners.ts.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { Bounded } from '../../core/host.ts';
import type { Socket, SocketKind, SocketTable } from '../../core/net.ts';
import { type Root, whyUnread } from '../system/files.ts';
import { inetParser, unixSocket } from './socket_tables.ts';

const MAX_SOCKETS = 100_000;
/** Milliseconds of work between two turns of the loop. */
const SLICE_MS = 4;
/** A FUSE mount or a fixture could go on for ever; a line of tcp6 has 180 bytes. */
const MAX_BYTES = 256 * 1024 * 1024;

const TABLES: Record<SocketKind, { file: string; parser(): (line: string) => Socket | null }[]> = {
  tcp: [
    { file: 'tcp', parser: () => inetParser('tcp', 4) },
    { file: 'tcp6', parser: () => inetParser('tcp', 6) },
  ],
  udp: [
    { file: 'udp', parser: () => inetParser('udp', 4) },
    { file: 'udp6', parser: () => inetParser('udp', 6) },
  ],
  unix: [{ file: 'unix', parser: () => unixSocket }],
};

export function socketReader(root: Root, netFile: (name: string) => string) {
  return async (
    want: readonly SocketKind[],
    o: Bounded & { most?: number; pid?: number } = {},
  ): Promise<SocketTable> => {
    const most = o.most ?? MAX_SOCKETS;
    const table: SocketTable = { sockets: [], notRead: 0, unread: [] };
    const slice = { from: performance.now() };
    for (const kind of new Set(want))
      for (const { file, parser } of TABLES[kind]) {
        const path = o.pid === undefined ? netFile(file) : `/proc/${o.pid}/net/${file}`;
        try {
          await readLines(root.of(path), parser(), table, most, slice, o.signal);
        } catch (error) {
          o.signal?.throwIfAborted();
          // Without IPv6 in the kernel its tables are not there, and nothing is hidden.
          if (file.endsWith('6') && (error as NodeJS.ErrnoException).code === 'ENOENT') continue;
          table.unread.push({ what: `${file} sockets`, why: whyUnread(error, path) });
        }
      }
    return table;
  };
}

async function readLines(
  realPath: string,
  parse: (line: string) => Socket | null,
  table: SocketTable,
  most: number,
  slice: { from: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  // The kernel gives a page at a time; its own, because others read between two slices.
  const buffer = Buffer.allocUnsafe(64 * 1024);
  const fd = openSync(realPath, 'r');
  try {
    let rest = '';
    let heading = true;
    for (let total = 0; total < MAX_BYTES; ) {
      const n = readSync(fd, buffer, 0, buffer.length, null);
      total += n;
      const text = rest + buffer.toString('latin1', 0, n);
      let at = 0;
      for (;;) {
        const end = text.indexOf('\n', at);
        if (end < 0 && (n > 0 || at >= text.length)) break;
        const line = text.slice(at, end < 0 ? text.length : end);
        at = end < 0 ? text.length : end + 1;
        if (heading) heading = false;
        else if (table.sockets.length >= most) table.notRead++;
        else {
          const socket = parse(line);
          if (socket) table.sockets.push(socket);
        }
      }
      if (n === 0) return;
      rest = text.slice(at);
      if (performance.now() - slice.from > SLICE_MS) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        signal?.throwIfAborted();
        slice.from = performance.now();
      }
    }
  } finally {
    closeSync(fd);
  }
}
