/** A terminal that keeps what was printed, and what a command is run with. */
import type { App } from '../../src/app.ts';
import type { Run } from '../../src/cli/commands.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

export interface Screen extends Terminal {
  stdout: string;
  stderr: string;
}

export function screen(over: Partial<Terminal> = {}): Screen {
  const s: Screen = {
    stdout: '',
    stderr: '',
    out(text) {
      s.stdout += text.endsWith('\n') ? text : `${text}\n`;
    },
    err(text) {
      s.stderr += text.endsWith('\n') ? text : `${text}\n`;
    },
    outTty: false,
    errTty: false,
    inTty: false,
    ask: async () => null,
    width: 100,
    flushed: async () => {},
    paint: (_kind, text) => text,
    ...over,
  };
  return s;
}

/** `app`: the parts of it that the command needs. */
export function runOf(io: Terminal, app: object, over: Partial<Run> = {}): Run {
  return {
    own: {},
    positionals: [],
    rest: [],
    io,
    signal: new AbortController().signal,
    load: async () => {
      throw new Error('this command reads no configuration');
    },
    open: async () => ({ close: async () => {}, ...app }) as unknown as App,
    ...over,
  };
}
