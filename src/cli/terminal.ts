/**
 * What a person (or a pipe) sees: standard output and error, colour, width. Decides when there is colour, and that a
 * reader who has left (`deckhand tools | head -1`) is no error. What is said is decided by the commands.
 */
import type { View } from '../core/tool.ts';

export interface Terminal {
  /** A line, or several, on standard output. */
  out(text: string): void;
  /** On standard error. */
  err(text: string): void;
  outTty: boolean;
  errTty: boolean;
  /** Columns of standard output; wide when it is none, so that what greps it finds whole lines. */
  width: number;
  /** Resolves when all that was written has been taken. */
  flushed(): Promise<void>;
  /** For standard output, or for standard error. */
  paint(kind: Paint, text: string, stream?: 'out' | 'err'): string;
}

type Paint = Parameters<View['paint']>[0];

const SGR: Record<Paint, [number, number]> = {
  bad: [31, 39],
  warn: [33, 39],
  good: [32, 39],
  dim: [2, 22],
  bold: [1, 22],
};
const PIPE_WIDTH = 240;
const NARROWEST = 40;

type Stream = Pick<NodeJS.WriteStream, 'write' | 'on' | 'isTTY' | 'columns'>;

export function terminal(
  stdout: Stream,
  stderr: Stream,
  { noColor, columns }: { noColor: boolean; columns: number | null },
): Terminal {
  const gone = { out: false, err: false };
  const waiting = new Set<Promise<void>>();
  const streams = { out: stdout, err: stderr };
  for (const name of ['out', 'err'] as const)
    streams[name].on('error', (error: NodeJS.ErrnoException) => {
      // Any failure to write ends the writing; the command still ends with its own exit code.
      gone[name] = true;
      if (name === 'out' && error.code !== 'EPIPE') write('err', `deckhand: standard output: ${error.message}\n`);
    });

  function write(name: 'out' | 'err', text: string) {
    if (gone[name]) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.add(promise);
    streams[name].write(text, () => {
      waiting.delete(promise);
      resolve();
    });
  }
  const line = (text: string) => (text.endsWith('\n') ? text : `${text}\n`);

  return {
    out: (text) => write('out', line(text)),
    err: (text) => write('err', line(text)),
    outTty: stdout.isTTY === true,
    errTty: stderr.isTTY === true,
    width: stdout.isTTY ? Math.max(NARROWEST, stdout.columns || columns || 80) : (columns ?? PIPE_WIDTH),
    async flushed() {
      while (waiting.size) await Promise.all(waiting);
    },
    paint(kind, text, stream = 'out') {
      if (noColor || !streams[stream].isTTY) return text;
      const [on, off] = SGR[kind];
      return `\x1b[${on}m${text}\x1b[${off}m`;
    },
  };
}

export const viewOf = (io: Terminal, now: number): View => ({
  paint: (kind, text) => io.paint(kind, text),
  width: io.width,
  now,
});
