/**
 * The engine's stream of a container's output, taken apart: 8 bytes of header (which stream, how long), then so many bytes; with a TTY
 * there is no header at all. Pieces are handed on as they come, however the connection cuts them: a frame is never collected,
 * as its length is a stranger's word. Pure.
 */
import { OpsError } from '../../core/errors.ts';

export interface Piece {
  stream: 'stdout' | 'stderr';
  bytes: Buffer;
  /** The first of its frame: the engine puts a time stamp there. */
  first: boolean;
}

const HEADER = 8;
const MOST_SAID = 500;

export interface Demultiplexer {
  push(chunk: Buffer): Piece[];
  /** Bytes of a frame that the connection ended in. */
  unfinished(): boolean;
}

export function demultiplexer(tty: boolean): Demultiplexer {
  if (tty) return { push: (bytes) => [{ stream: 'stdout', bytes, first: false }], unfinished: () => false };
  const header = Buffer.alloc(HEADER);
  let have = 0;
  let left = 0;
  let first = false;
  let type = 0;
  let said = '';
  return {
    push(chunk) {
      const pieces: Piece[] = [];
      let at = 0;
      while (at < chunk.length) {
        if (left === 0) {
          const taken = chunk.copy(header, have, at, Math.min(chunk.length, at + HEADER - have));
          have += taken;
          at += taken;
          if (have < HEADER) break;
          have = 0;
          type = header[0] ?? 0;
          left = header.readUInt32BE(4);
          first = true;
          if (type > 3 || header[1] !== 0 || header[2] !== 0 || header[3] !== 0)
            throw new OpsError('unavailable', 'The engine’s log stream cannot be understood.', {
              hint: 'Something between us and the engine changes it, or it is no Docker engine.',
            });
          continue;
        }
        const bytes = chunk.subarray(at, at + left);
        at += bytes.length;
        left -= bytes.length;
        if (type === 3) {
          // The engine's own failure while it read the log.
          said = (said + bytes.toString('utf8')).slice(0, MOST_SAID);
          if (left === 0) throw new OpsError('unavailable', `The engine could not read the log on: ${said.trim()}`);
        } else pieces.push({ stream: type === 2 ? 'stderr' : 'stdout', bytes, first });
        first = false;
      }
      return pieces;
    },
    unfinished: () => left > 0 || have > 0,
  };
}
