/**
 * What a person (or a pipe) sees and is asked: standard output and error, colour, width, one line of input. Decides when there is colour, and that a
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
  /** A person may be asked: what is typed comes from a terminal. */
  inTty: boolean;
  /**
   * Asks on standard error and gives the line that was typed after it; null at the end of input or when the signal fires. What was
   * typed before is no answer to a question that nobody had read.
   */
  ask(question: string, signal: AbortSignal): Promise<string | null>;
  /** Resolves when all that was written has been taken. */
  flushed(): Promise<void>;
  /** Whether nobody reads standard output any more. */
  gone?(): boolean;
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

type Input = Pick<NodeJS.ReadStream, 'on' | 'off' | 'resume' | 'pause' | 'isTTY'> & {
  setRawMode?(on: boolean): unknown;
};

/** So long the input is emptied before a question stands there. */
const EMPTIED_MS = 100;
const LONGEST_ANSWER = 1_000;
const INTERRUPT = '\x03';

export function terminal(
  stdout: Stream,
  stderr: Stream,
  { noColor, columns, stdin }: { noColor: boolean; columns: number | null; stdin?: Input },
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
    inTty: stdin?.isTTY === true,
    ask: (question, signal) => (stdin ? asked(stdin, () => write('err', question), signal) : Promise.resolve(null)),
    async flushed() {
      while (waiting.size) await Promise.all(waiting);
    },
    gone: () => gone.out,
    paint(kind, text, stream = 'out') {
      if (noColor || !streams[stream].isTTY) return text;
      const [on, off] = SGR[kind];
      return `\x1b[${on}m${text}\x1b[${off}m`;
    },
  };
}

async function asked(stdin: Input, question: () => void, signal: AbortSignal): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  let text: string | null = null; // null until the question stands there
  const data = (part: Buffer | string) => {
    // In raw mode the keys for a signal come as text.
    if (text === null) return String(part).includes(INTERRUPT) ? resolve(null) : undefined;
    text += String(part);
    const end = text.indexOf('\n');
    if (end >= 0 || text.length > LONGEST_ANSWER) resolve(end >= 0 ? text.slice(0, end) : null);
  };
  const end = () => resolve(null);
  stdin.on('data', data);
  stdin.on('end', end);
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  // Raw: a half line that waits in the terminal's own buffer comes out, too.
  stdin.setRawMode?.(true);
  stdin.resume();
  const timer = setTimeout(() => {
    stdin.setRawMode?.(false);
    text = '';
    question();
  }, EMPTIED_MS);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    stdin.setRawMode?.(false);
    stdin.off('data', data);
    stdin.off('end', end);
    signal.removeEventListener('abort', end);
    stdin.pause();
  }
}

export const viewOf = (io: Terminal, now: number): View => ({
  paint: (kind, text) => io.paint(kind, text),
  width: io.width,
  now,
});
